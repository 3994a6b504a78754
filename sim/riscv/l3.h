// L3 behind the uDMA, as the registers of runtime/pulp/platform/platform.h have it: RAM, and files
// of a folder in place of the flash. Transfers are served one after the other, in
// Machine::L3::transfer_cycles and their bytes.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/riscv/code.h"
#include "sim/riscv/memories.h"

namespace workbench::riscv {

class L3 {
 public:
  L3(const pulp::Machine& machine, Memories& memories, Code& code,
     const std::map<std::string, std::string>& files);

  Word load(unsigned hart, Word offset) const;
  // Throws Error: a transfer out of the memories. Gives when the queue wants its turn, where it had
  // none before.
  std::optional<std::int64_t> store(unsigned hart, Word offset, Word value, std::int64_t now);

  // Carries out the transfer that is done now; gives the core that began it.
  unsigned finish();
  // When the next one is done; nothing: there is none.
  std::optional<std::int64_t> next() const;

  // Every transfer from here on, as it ends.
  void log_to(std::vector<Move>& log) { log_ = &log; }

  std::int64_t bytes_moved() const { return moved_; }
  std::int64_t transfers() const { return done_; }

 private:
  struct Registers {
    Word address = 0, local = 0, length = 0, file = 0;
  };
  struct Transfer {
    unsigned hart = 0;
    Word command = 0;
    Registers what;
    std::int64_t begin = 0, done = 0;
  };
  void check(const Transfer& transfer) const;
  void open(Registers& registers, Word value);
  const std::string* file(Word handle) const;

  const pulp::Machine& machine_;
  Memories& memories_;
  Code& code_;
  std::vector<std::pair<std::string, const std::string*>> files_;  // handle - 1
  std::vector<Registers> registers_;
  std::deque<Transfer> queue_;
  std::vector<Move>* log_ = nullptr;
  Word begun_ = 0;
  std::int64_t done_ = 0, moved_ = 0, free_at_ = 0;
};

}  // namespace workbench::riscv
