// What a run's page shows along the time line: the engines, in pieces few enough for a page, and
// what lies in the machine's memories.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "explore/flow/pipeline.h"
#include "isa/program_info.h"
#include "isa/timeline.h"

namespace workbench {

// Time in which an engine is not idle all along. Short intervals are taken together until no more
// than a given number are left: a page of a megabyte opens at once; the whole timeline of a large
// network is for Perfetto (trace_json()).
struct TimelinePiece {
  Cycles begin, end;
  std::int32_t layer = -1;    // index into ProgramInfo::layers; -1: of none
  Cause cause = Cause::Work;  // what takes most of it, idling apart; of `layer`
  Cycles busy;                // of it, not idle: all, but where short intervals were taken together
};

struct TimelinePieces {
  std::vector<std::vector<TimelinePiece>> of_resource;  // by Timeline::resources, in order of time
  Cycles together_below;  // intervals shorter than this were taken together; 0: none were
};

// At most `pieces_max` pieces in all, or one per resource when that is more.
TimelinePieces timeline_pieces(const Timeline& timeline, const ProgramInfo& program,
                               std::size_t pieces_max);

// layer_of() as the page has it; -1: of none.
std::int32_t layer_number(const ProgramInfo& program, std::int32_t instruction);

// Of a program's memory map, its instructions put on the time line of a run: bytes [address,
// address + bytes) are taken during [begin, end).
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
