// Rows [1, N] that the network reshapes to maps [1, C, H, W]. A map lies pixel by pixel, its
// channels side by side; a row has no order of its own. One that a fully connected layer or the
// host writes can therefore lie as the map that is made of it, and the Reshape moves nothing.
#pragma once

#include <optional>
#include <vector>

#include "compiler/pulp/layer.h"

namespace workbench::pulp {

// By value: the map whose order in memory a row is to have. None where no Reshape makes a map of
// it, where two make different ones (the first in the network's order counts), or where a reader
// needs the row as it is.
std::vector<std::optional<FeatureMap>> rows_as_maps(const Graph& graph);

// Makes a fully connected layer write its results in the order of `map`.
void write_in_order_of(const FeatureMap& map, Layer& layer);

}  // namespace workbench::pulp
