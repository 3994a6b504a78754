// What DORY prints of a network (pulp.md 3.6, 3.7), from our own data: per layer its counter, tiles
// and check sums.
#pragma once

#include <string>

#include "explore/flow/pipeline.h"

namespace workbench {

// Per layer: num_cycles (between the performance counter's start and stop), MACs, MAC/cycle; sizes
// of tiles and slices per level, bytes, number of tiles, share of L1; byte sums of weights, of the
// activations read and written (as far as the run kept them). Then the totals of the counters, as
// DORY adds them up: what passes between layers is not in them.
std::string dory_report(const Compiled& compiled, const SimulatedNetwork& run);

}  // namespace workbench
