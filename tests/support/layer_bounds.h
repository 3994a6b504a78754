// What machines cannot do faster (isa/bounds.h) against what a simulation took.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "isa/bounds.h"
#include "isa/program_info.h"
#include "isa/timeline.h"

namespace workbench {

// No resource of a layer works for longer than from where the layer begins to where it ends, but
// for dispatch, which comes before. The chain is one of the whole program.
inline void expect_bounds_hold(const Bounds& bounds, const ProgramInfo& info,
                               const Timeline& timeline) {
  std::vector<Cycles> first(info.layers.size(), timeline.end), last(info.layers.size());
  for (const Interval& interval : timeline.intervals) {
    if (interval.instruction < 0 || interval.cause == Cause::Idle) continue;
    const auto layer = static_cast<std::size_t>(
        info.instruction_layer.at(static_cast<std::size_t>(interval.instruction)));
    first.at(layer) = std::min(first.at(layer), interval.begin);
    last.at(layer) = std::max(last.at(layer), interval.end);
  }
  for (std::size_t r = 0; r < bounds.resources.size(); ++r) {
    EXPECT_LE(bounds.total[r], timeline.end) << bounds.resources[r];
    if (bounds.resources[r] == "dispatch") continue;
    for (std::size_t layer = 0; layer < info.layers.size(); ++layer) {
      const Cycles busy = std::max(first[layer], last[layer]) - first[layer];
      EXPECT_LE(bounds.layers.at(layer)[r], busy)
          << info.layers[layer].name << ": " << bounds.resources[r];
    }
  }
}

}  // namespace workbench
