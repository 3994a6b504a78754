// Tilings beside the one that a layer has: for searches that change a finished plan.
#pragma once

#include <cstddef>
#include <vector>

#include "compiler/pulp/layer.h"
#include "compiler/pulp/optimal_tiling.h"
#include "compiler/pulp/tiling.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

// With the same slices: other tiles and kernels, numbers of cores, loop orders and buffers. `most`
// or fewer, the best by the model first; all fit L1, and none is `tiling` itself.
std::vector<Tiling> other_tilings(const Layer& layer, const Tiling& tiling, const Machine& machine,
                                  std::size_t most, TilingMemo& memo);

}  // namespace workbench::pulp
