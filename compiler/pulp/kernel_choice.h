// Which of the library's kernels can run a layer, or, where none of them is right, which of ours.
#pragma once

#include <vector>

#include "compiler/pulp/layer.h"

namespace workbench::pulp {

// All that these cores can split the layer with, the one that DORY's code calls first
// (pulp.md 2.4).
std::vector<KernelKind> usable_kernels(const Layer& layer, const Machine& machine);
KernelKind dory_kernel(const Layer& layer, const Machine& machine);
// Whether so many cores can share a call; kernels that split the width deal rows to pairs of them.
bool can_split(KernelKind kernel, std::int64_t cores);

}  // namespace workbench::pulp
