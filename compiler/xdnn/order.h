// The order in which the nodes of a network are computed: it decides which engines work side by
// side and how much is alive at once, not what comes out.
#pragma once

#include <cstddef>
#include <vector>

#include "core/graph.h"

namespace workbench::xdnn {

// Graph order, but a pool comes as soon as its operand is there: the pool engine then works beside
// the convolutions that read the same tensor.
std::vector<std::size_t> natural_order(const Graph& quantized);

}  // namespace workbench::xdnn
