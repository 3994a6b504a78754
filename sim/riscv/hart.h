// One core: its registers, where it is, and what it has spent where.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "isa/pulp/icache.h"
#include "sim/riscv/code.h"

namespace workbench::riscv {

// Cycles beyond the first of an instruction that its place in the code does not tell.
struct Stalls {
  std::int64_t conflict = 0;    // banks of L1
  std::int64_t memory = 0;      // L2, peripherals
  std::int64_t misaligned = 0;  // second accesses
  std::int64_t branch = 0;      // taken branches
  std::int64_t fetch = 0;       // instruction cache
  std::int64_t queue = 0;       // full queues of the DMA
  std::int64_t event = 0;       // asleep at the event unit
  // At the end of a hardware loop: how much less the first instruction of the body waited for this
  // one than the one behind would have.
  std::int64_t not_stalled = 0;

  static constexpr void fields(auto& self, auto&& visit) {
    visit("conflict", self.conflict);
    visit("memory", self.memory);
    visit("misaligned", self.misaligned);
    visit("branch", self.branch);
    visit("fetch", self.fetch);
    visit("queue", self.queue);
    visit("event", self.event);
  }
};

struct Loop {
  Op* start = nullptr;
  Op* end = nullptr;
  Word count = 0;
};

// A call that has not returned: jumps to functions that the file names.
struct Frame {
  std::size_t function = 0;
  const Op* back = nullptr;
  std::int64_t begin = 0;
};

inline constexpr std::size_t kCounters = 18;  // PCCR0 to PCCR17

struct Hart {
  std::array<Word, 33> x{};  // the last: writes to x0
  Op* op = nullptr;
  std::int64_t time = 0;
  unsigned number = 0;
  Word id = 0;                                // mhartid
  std::int64_t l1_cycles = 0, l2_cycles = 0;  // beyond the one of an access
  std::array<Loop, 2> loops{};
  std::map<Word, Word> csrs;
  bool asleep = false;
  std::int64_t sleep_begin = 0;

  pulp::CodeCache cache;
  std::int64_t line = -1;  // of the instruction cache, that it fetches from

  std::vector<std::uint64_t> count;  // of each instruction, by Code::index()
  std::vector<Stalls> stalls;
  std::vector<Frame> frames;

  // RI5CY's performance counters: what they held when they last stood still, and the machine's
  // counts when they were started.
  std::array<std::uint64_t, kCounters> counters{}, started{};
  bool counting = false;

  explicit Hart(const pulp::Machine::ICache& icache)
      : cache(std::max<std::int64_t>(icache.private_bytes, icache.line_bytes), icache.private_ways,
              icache.line_bytes) {}
};

}  // namespace workbench::riscv
