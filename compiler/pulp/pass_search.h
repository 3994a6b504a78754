// Tiles of layers of which the inputs of a single result do not fit L1 (Tiling::passes): products
// over many input channels, averages over large windows. Ours: DORY never cuts input channels
// (docs/facts/pulp.md 3.3).
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/pulp/tiling.h"

namespace workbench::pulp {

// Tiles cut into passes that fit L1, each with the largest passes; what says how slices are cut is
// `sliced`'s. Empty: there are none, or the layer's kernels have no partial sums.
std::vector<Tiling> pass_tiles(const Layer& layer, const Tiling& sliced, const Machine& machine);

// Bytes of L1 that the smallest of such tiles takes; the largest number where there is none.
std::int64_t smallest_pass_l1(const Layer& layer, const Tiling& sliced, const Machine& machine);

}  // namespace workbench::pulp
