// One core: its registers, where it is, and what it has spent where.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "isa/pulp/icache.h"
#include "sim/riscv/code.h"

namespace workbench::riscv {

// Cycles beyond the first of an instruction that its place in the code does not tell.
struct Stalls {
  std::int64_t conflict = 0;    // banks of L1
  std::int64_t memory = 0;      // L2, peripherals
  std::int64_t misaligned = 0;  // second accesses, beyond their conflicts
  std::int64_t branch = 0;      // taken branches
  std::int64_t target = 0;      // jumps and branches to 4 bytes that straddle a word
  std::int64_t fetch = 0;       // instruction cache
  std::int64_t queue = 0;       // full queues of the DMA
  std::int64_t barrier = 0;     // asleep at a barrier
  std::int64_t event = 0;  // asleep for what else the event unit tells: DMA, L3, the dispatcher
  // At the end of a hardware loop: how much less the first instruction of the body waited for this
  // one than the one behind would have.
  std::int64_t not_stalled = 0;

  static constexpr void fields(auto& self, auto&& visit) {
    visit("conflict", self.conflict);
    visit("memory", self.memory);
    visit("misaligned", self.misaligned);
    visit("branch", self.branch);
    visit("target", self.target);
    visit("fetch", self.fetch);
    visit("queue", self.queue);
    visit("barrier", self.barrier);
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
  std::int32_t watched = -1;  // index into ClusterOptions::watched
};

// The calls of a core as a tree: node 0 is what runs outside of all functions.
struct CallNode {
  std::int32_t parent = -1, function = -1;
  std::int64_t cycles = 0;  // without what it calls
};

inline constexpr std::size_t kCounters = 18;  // PCCR0 to PCCR17

struct Hart {
  std::array<Word, 33> x{};       // the last: writes to x0
  std::array<Word, 4> weights{};  // registers of mac-loads
  std::array<Word, 2> activations{};
  Op* op = nullptr;
  std::int64_t time = 0;
  unsigned number = 0;
  Word id = 0;                                // mhartid
  std::int64_t l1_cycles = 0, l2_cycles = 0;  // beyond the one of an access
  std::array<Loop, 2> loops{};
  std::map<Word, Word> csrs;
  bool crosses = false;  // its access goes on in the next word
  bool asleep = false;
  std::int64_t sleep_begin = 0;

  pulp::CodeCache cache;
  std::int64_t line = -1;  // of the instruction cache, that it fetches from

  std::vector<std::uint64_t> count;  // of each instruction, by Code::index()
  std::vector<Stalls> stalls;
  std::vector<Frame> frames;
  std::int64_t conflict = 0, fetch = 0, queue = 0;  // sums of these stalls

  // Where calls are kept as a tree.
  std::vector<CallNode> tree{1};
  std::map<std::pair<std::int32_t, std::int32_t>, std::int32_t> children;  // of node and function
  std::int32_t node = 0;
  std::int64_t node_since = 0;

  // RI5CY's performance counters: what they held when they last stood still, and the machine's
  // counts when they were started.
  std::array<std::uint64_t, kCounters> counters{}, started{};
  bool counting = false;

  explicit Hart(const pulp::Machine::ICache& icache)
      : cache(std::max<std::int64_t>(icache.private_bytes, icache.line_bytes), icache.private_ways,
              icache.line_bytes) {}
};

}  // namespace workbench::riscv
