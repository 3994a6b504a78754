// Which of the library's kernels can run a layer, or, where none of them is right, which of ours.
#pragma once

#include <vector>

#include "compiler/pulp/layer.h"

namespace workbench::pulp {

// All that these cores can split the layer with, the one that DORY's code calls first
// (pulp.md 2.4).
std::vector<KernelKind> usable_kernels(const Layer& layer, const Machine& machine);
KernelKind dory_kernel(const Layer& layer, const Machine& machine);

}  // namespace workbench::pulp
