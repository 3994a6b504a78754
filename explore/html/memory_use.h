// What lies where in a machine's memories, and when: a program's memory map, its instructions put
// on the time line of a run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "explore/flow/pipeline.h"

namespace workbench {

// Bytes [address, address + bytes) are taken during [begin, end).
struct MemoryVolume {
  std::string name;
  std::int32_t layer = -1;  // that writes it first; -1: of none
  std::int64_t address = 0, bytes = 0;
  Cycles begin, end;
};

struct MemoryUse {
  std::string name;                 // "AM", "L1", "L2"
  std::int64_t capacity_bytes = 0;  // that programs may use
  std::vector<MemoryVolume> volumes;
};

// Of one run; nothing in throughput mode, whose timeline is a steady interval of two images.
// Volumes that share bytes (parts of a concat) are all there.
std::vector<MemoryUse> memory_use(const Compiled& compiled, const Timeline& timeline);

// Bytes taken from `time` on, until the next one; shared bytes count once.
struct Occupied {
  Cycles time;
  std::int64_t bytes = 0;
  friend bool operator==(const Occupied&, const Occupied&) = default;
};
std::vector<Occupied> occupied(const MemoryUse& use);

}  // namespace workbench
