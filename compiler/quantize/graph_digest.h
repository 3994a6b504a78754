// The content address of a network: what computes the same has it.
#pragma once

#include <string>

#include "core/graph.h"

namespace workbench {

// SHA-256 of all that evaluate() (core/eval) reads of a graph, and of the names of its values:
// operators with all their attributes, wiring, constants to the last bit.
std::string graph_digest(const Graph& graph);

// Of shape, type and elements.
std::string tensor_digest(const Tensor& tensor);

}  // namespace workbench
