// A PULP cluster that executes instructions: its cores and the fabric controller, the banks of L1,
// the event unit, the cluster DMA and L3 (docs/detailed-tier.md). Whatever cores share is used in
// order of time, and in one cycle in the turns of the wheel; between two such uses a core runs
// ahead by itself.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sim/riscv/dma.h"
#include "sim/riscv/elf.h"
#include "sim/riscv/event_unit.h"
#include "sim/riscv/hart.h"
#include "sim/riscv/l3.h"
#include "sim/riscv/standstill.h"
#include "sim/riscv/wheel.h"

namespace workbench::riscv {

class Cluster;

// A core begins or has ended a call of a watched function, or has slept at the event unit.
struct CoreEvent {
  enum class Kind { Enters, Leaves, Slept };
  Kind kind = Kind::Slept;
  unsigned hart = 0;
  std::int64_t time = 0;
  std::size_t watched = 0;  // Enters, Leaves: which function
  std::int64_t begin = 0;   // Slept: since when, and for what
  EventUnit::Wait waited = EventUnit::Wait::None;
};

struct ClusterOptions {
  std::int64_t max_cycles = 0;                    // 0: no limit
  std::map<std::string, std::string> files = {};  // that the program can read
  bool tree = false;                              // keep the calls of each core as a tree
  std::vector<std::string> watched = {};          // names of functions
  bool watch_all = false;                         // all of them: by their index in the program
  // Empty: nobody. It may change the memories where no transfer is under way.
  std::function<void(Cluster&, const CoreEvent&)> observe = {};
};

// A function's calls on a core, with all that they called.
struct Calls {
  std::int64_t count = 0, cycles = 0, longest = 0;
};

class Cluster {
 public:
  // Throws Error: the program does not fit the machine.
  Cluster(const Elf& program, const pulp::Machine& machine, const ClusterOptions& options);

  // To the program's end; its exit code. Throws Error: the program does what no core can.
  int run();

  const std::string& console() const { return console_; }
  std::int64_t cycles() const { return wheel_.now(); }
  const std::vector<Hart>& harts() const { return harts_; }
  const Code& code() const { return code_; }
  const Mchan& dma() const { return dma_; }
  const L3& l3() const { return l3_; }
  const std::vector<std::map<std::size_t, Calls>>& calls() const { return calls_; }
  const Memories& memories() const { return memories_; }
  Memories& memories() { return memories_; }
  const std::vector<Move>& dma_moves() const { return dma_moves_; }  // of a cluster observed
  const std::vector<Move>& l3_moves() const { return l3_moves_; }

 private:
  enum class Access { Done, Retry, Asleep };

  void load_program();
  void look_for_standstill(unsigned actor);
  void turn(unsigned actor);
  template <bool kCached>
  void run_hart(Hart& hart);
  void park(Hart& hart, Op* op, std::int64_t time);

  Access load(Hart& hart, Op* op, Word address, unsigned bytes, std::int64_t& time, Word& value);
  Access store(Hart& hart, Op* op, Word address, unsigned bytes, std::int64_t& time, Word value);
  Word load_register(Hart& hart, Word address);
  bool store_register(Hart& hart, Word address, Word value);
  Access event_load(Hart& hart, Op* op, Word address, std::int64_t& time, Word& value);
  Access system(Hart& hart, Op* op, std::int64_t& time);
  void csr(Hart& hart, const Op* op, std::int64_t time);
  Word read_csr(Hart& hart, Word number, std::int64_t time);
  void write_csr(Hart& hart, Word number, Word value, std::int64_t time);
  std::array<std::uint64_t, kCounters> counts(const Hart& hart, std::int64_t time) const;
  void set_counting(Hart& hart, bool counting, std::int64_t time);

  void set_loop(Hart& hart, Op* op);
  Op* end_of_body(Hart& hart, Op* op, std::int64_t& time);
  Op* target(Hart& hart, const Op* op, Word address);
  void jumped(Hart& hart, const Op* to, std::int64_t time);
  void call(Hart& hart, std::size_t at, const Op* back, std::int64_t time);
  void leave(Hart& hart, std::int64_t time);
  void enter_node(Hart& hart, std::int32_t node, std::int64_t time) const;
  std::int64_t fetch(Hart& hart, Op* op);

  void sleep(Hart& hart, Op* op);
  void wake(Hart& hart, const EventUnit::Woken& woken);
  void after_registers();
  void stop(Word exit_code);
  [[noreturn]] void program_fault(const Hart& hart, const Op* op, const std::string& what) const;
  [[noreturn]] void fail_asleep() const;
  [[noreturn]] void fail_standstill() const;
  std::string place(const Op* op) const;
  std::string name_of(const Hart& hart) const;
  std::string there_is() const;

  const Elf& program_;
  const pulp::Machine& machine_;
  const ClusterOptions& options_;
  Memories memories_;
  Banks banks_;
  Code code_;
  EventUnit events_;
  Mchan dma_;
  L3 l3_;
  Wheel wheel_;
  Standstill standstill_;
  pulp::CodeCache shared_cache_;
  std::vector<Hart> harts_;
  std::vector<std::int32_t> function_at_;            // by Code::index(); -1: none begins there
  std::vector<std::int32_t> watched_at_;             // the same, into ClusterOptions::watched
  std::vector<std::uint8_t> returns_to_;             // by Code::index()
  std::vector<std::map<std::size_t, Calls>> calls_;  // by core, by function
  std::vector<Move> dma_moves_, l3_moves_;
  std::string console_;
  std::int64_t timer_begin_ = 0;
  bool running_ = true;
  int exit_code_ = 0;
};

}  // namespace workbench::riscv
