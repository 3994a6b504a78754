// Channel shuffles (Reshape, Transpose, Reshape), which no unit has, as 1x1 convolutions.
#pragma once

#include "core/graph.h"

namespace workbench::xdnn {

// Three nodes that do nothing but give channels another order become one dense 1x1 convolution of
// zeros and ones, called as the last of them. True if anything changed.
bool shuffle_to_conv(Graph& graph);

}  // namespace workbench::xdnn
