// The only timing output of every tier. Intervals of one resource do not overlap and tile its
// whole time [0, end): idle time is an interval too.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/units.h"

namespace workbench {

// Why a resource spends an interval.
enum class Cause {
  Work,        // doing what it is for (for an array: MAC slots, useful or not)
  FillDrain,   // array pipeline filling or draining
  WeightLoad,  // weights not there: the loader has the memory to itself
  MemoryWait,  // data not there: the memory serves another engine or is slower than needed
  PortStall,   // activation-memory port taken by another engine
  WaitEngine,  // a wait bit or a full queue: another engine must finish first
  Issue,       // fetching and issuing instructions
  Idle,        // nothing to do
};
std::string_view to_string(Cause cause);

struct Interval {
  std::int32_t resource = 0;      // index into Timeline::resources
  std::int32_t instruction = -1;  // index into the program; -1: none
  Cycles ready, begin, end;       // [begin, end); ready <= begin: when it could have started
  Bytes bytes;  // moved in this interval; set by the memory itself ("ddr") alone, so
                // that they can be added up
  Cause cause = Cause::Idle;
  std::int32_t blocked_on = -1;  // resource waited for; -1: none
};

struct Timeline {
  std::vector<std::string> resources;  // "conv", "pool", "eltwise", "download", ..., "ddr"
  std::vector<Interval> intervals;     // sorted by (resource, begin)
  Cycles end;                          // of the whole run, in the report clock
};

// Every violated rule (overlap, gap, bad index), empty when well-formed.
std::vector<std::string> verify(const Timeline& timeline);

}  // namespace workbench
