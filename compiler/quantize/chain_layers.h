// Who reads what as integers in an imported network.
#pragma once

#include <vector>

#include "core/graph.h"

namespace workbench {

// Whether a node computes with integers: weights, pools, cuts of fractions, rescalings.
bool is_layer(const Graph& graph, const Node& node);

struct LayerReaders {
  std::vector<bool> feeds_layer;    // by value: some layer depends on it
  std::vector<bool> read_as_codes;  // a convolution, product or pool reads it as it is
};
LayerReaders layer_readers(const Graph& graph);

}  // namespace workbench
