// The cluster DMA (mchan v7, docs/facts/riscv.md 3.3) from its registers to the banks: commands of
// five words at most, a queue per core, one per direction, and two lanes that move up to 8 bytes
// per cycle through the banks of L1.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "sim/riscv/code.h"
#include "sim/riscv/memories.h"

namespace workbench::riscv {

class Mchan {
 public:
  static constexpr unsigned kLanes = 2;  // L2 -> L1, L1 -> L2

  Mchan(const pulp::Machine& machine, Memories& memories, Banks& banks, Code& code);

  // False: the queue is full; the core tries again in the next cycle. Throws Error: no such
  // command.
  bool command(unsigned hart, Word value, std::int64_t now);
  // Takes a transfer identifier, which the core's next commands count under; none free: 2^32 - 1.
  Word allocate(unsigned hart);
  Word status() const;
  bool under_way() const { return (status() & 0xffff) != 0; }
  void free(Word identifiers);

  // A lane's turn. Gives when it wants the next; nothing: it has no work.
  std::optional<std::int64_t> run(unsigned lane, std::int64_t now);
  // Lanes that have got their first command, and when they want their turn.
  struct Start {
    unsigned lane = 0;
    std::int64_t time = 0;
  };
  std::vector<Start> take_starts() { return std::exchange(starts_, {}); }
  // Cores whose transfers are done and wanted to know.
  std::vector<unsigned> take_events() { return std::exchange(events_, {}); }

  std::int64_t bytes_moved(unsigned lane) const { return lanes_[lane].moved; }
  std::int64_t busy_cycles(unsigned lane) const { return lanes_[lane].busy; }
  std::int64_t commands() const { return commands_; }
  // Every transfer from here on, as it ends.
  void log_to(std::vector<Move>& log) { log_ = &log; }

 private:
  struct Command {
    bool to_l1 = false, event = false, two_d = false;
    unsigned hart = 0, id = 0;
    Word l1 = 0, l2 = 0;
    Word bytes = 0, line = 0, stride = 0;
    std::int64_t ready = 0;  // its first data
    std::int64_t begin = 0, size = 0;
  };
  struct Lane {
    std::deque<Command> queue;
    bool active = false;
    Word line_left = 0, burst_left = 0;
    std::int64_t line_begin = 0;
    bool paid = false;  // what a line or burst to L2 costs beside its bytes
    std::int64_t moved = 0, busy = 0;
  };
  struct Port {
    static constexpr unsigned kNone = ~0U;
    std::vector<Word> words;  // of a command that is not complete
    unsigned id = 0;          // that it took last; kNone: it asked in vain
    std::deque<Command> queue;
  };

  Command decoded(unsigned hart, const Port& port, std::int64_t now) const;
  static std::size_t words_of(Word head);
  void admit(std::int64_t now);
  void begin(Lane& lane, std::int64_t now);
  void next_line(Lane& lane, Command& command, std::int64_t now);
  std::int64_t move(Lane& lane, Command& command, std::int64_t now);
  std::int64_t toll(Lane& lane, const Command& command);
  void finish(const Command& command);

  const pulp::Machine::Dma& dma_;
  Memories& memories_;
  Banks& banks_;
  Code& code_;
  std::array<Lane, kLanes> lanes_;
  std::vector<Port> ports_;
  std::vector<std::int64_t> under_way_;  // by identifier
  Word allocated_ = 0;
  std::size_t next_port_ = 0;
  std::int64_t commands_ = 0;
  std::vector<Move>* log_ = nullptr;
  std::vector<Start> starts_;
  std::vector<unsigned> events_;
};

}  // namespace workbench::riscv
