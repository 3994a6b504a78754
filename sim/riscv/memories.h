// The memories of a cluster, where the cores see them, and the banks of L1.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "isa/pulp/machine.h"
#include "isa/riscv/semantics.h"

namespace workbench::riscv {

inline constexpr Word kL1Base = 0x10000000, kL2Base = 0x1c000000;

struct Memory {
  Word base = 0;
  std::vector<std::uint8_t> bytes;

  bool holds(Word address, std::uint64_t count) const {
    const Word offset = address - base;
    return offset <= bytes.size() && count <= bytes.size() - offset;
  }
  std::uint8_t* at(Word address) { return bytes.data() + (address - base); }
  const std::uint8_t* at(Word address) const { return bytes.data() + (address - base); }
};

inline constexpr std::int64_t kL1BytesMax = 0x200000, kL3BytesMax = 1 << 30;

// A transfer that is done: what a direction of the DMA or L3 was busy with.
struct Move {
  unsigned lane = 0;
  std::int64_t begin = 0, end = 0, bytes = 0;
};

struct Memories {
  // Throws Error: an L1 that reaches into the registers behind it, an L3 larger than is modelled.
  explicit Memories(const pulp::Machine& machine)
      : l1{kL1Base, std::vector<std::uint8_t>(static_cast<std::size_t>(machine.l1.size_bytes))},
        l2{kL2Base, std::vector<std::uint8_t>(static_cast<std::size_t>(machine.l2.size_bytes))},
        l3{0, {}} {
    const auto expect = [](const char* key, std::int64_t most, std::int64_t found) {
      if (found > most)
        fail("{}: expected at most {} to execute programs, found {}", key, most, found);
    };
    expect("l1.size_bytes", kL1BytesMax, machine.l1.size_bytes);
    expect("l3.size_bytes", kL3BytesMax, machine.l3.size_bytes);
    l3.bytes.resize(static_cast<std::size_t>(machine.l3.size_bytes));
  }
  Memory l1, l2, l3;
};

// One word per cycle and bank, in order of arrival (docs/facts/pulp.md 1.3).
class Banks {
 public:
  explicit Banks(const pulp::Machine::L1& l1)
      : count_(static_cast<Word>(l1.banks)),
        mask_((count_ & (count_ - 1)) == 0 ? count_ - 1 : 0),
        conflicts_(l1.conflicts != 0),
        free_(static_cast<std::size_t>(l1.banks), 0) {}

  // When the bank of an address serves who comes at `time`.
  std::int64_t serve(Word address, std::int64_t time) {
    if (!conflicts_) return time;
    const Word word = address >> 2;
    std::int64_t& free = free_[mask_ != 0 ? word & mask_ : word % count_];
    const std::int64_t start = free > time ? free : time;
    free = start + 1;
    return start;
  }

 private:
  Word count_, mask_;
  bool conflicts_;
  std::vector<std::int64_t> free_;  // its first cycle without work
};

}  // namespace workbench::riscv
