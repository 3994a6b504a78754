// Lifting 2-D and 3-D activations to [N, C, H, W]: [N, C] -> [N, C, 1, 1], [N, C, L] ->
// [N, C, 1, L]. Reshapes are put around a node; those between lifted nodes cancel in
// drop_identities.
#pragma once

#include "core/graph.h"

namespace workbench {

// `shape` is [N, C] or [N, C, L].
Shape lifted(const Shape& shape);
// Whether `id` is the flat view of a 4-D value: written by a Reshape from lifted(its shape).
bool is_view_of_4d(const Graph& graph, ValueId id);

// Operand `slot` of node *n becomes its lifted view; *n follows the node when one is inserted.
void lift_operand(Graph& graph, std::size_t& n, std::size_t slot);
// Node n writes a lifted value, from which a Reshape writes the old one.
void lift_result(Graph& graph, std::size_t n);

// Whether lift_elementwise can: an Activate, PRelu, Binary, BatchNorm, Concat or rescaling Identity
// without operand that would have to change rank to broadcast.
bool is_liftable_elementwise(const Graph& graph, const Node& node);
void lift_elementwise(Graph& graph, std::size_t n);

}  // namespace workbench
