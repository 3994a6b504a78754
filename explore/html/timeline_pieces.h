// A timeline small enough for a page: per engine what it does when, short intervals taken together
// until no more than a given number are left. A page of a megabyte opens at once; the whole
// timeline of a large network is for Perfetto (explore/trace.h).
#pragma once

#include <cstdint>
#include <vector>

#include "isa/program_info.h"
#include "isa/timeline.h"

namespace workbench {

// Time in which an engine is not idle all along.
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

// Layer of an instruction; -1: of none.
std::int32_t layer_of(const ProgramInfo& program, std::int32_t instruction);

}  // namespace workbench
