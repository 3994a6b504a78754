// Random float networks full of what a machine with narrow limits refuses: large and dilated
// kernels, deep filters, odd strides, leaky activations, large pools, reorganizations, slices.
#pragma once

#include <cstdint>

#include "core/graph.h"

namespace workbench {

// The same network for the same seed; batch 1, one output.
Graph hostile_graph(std::uint64_t seed);

}  // namespace workbench
