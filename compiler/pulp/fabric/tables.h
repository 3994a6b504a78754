// Functions of one code of 8 bits, and of its channel, as tables of all their results.
#pragma once

#include <optional>
#include <span>

#include "core/graph.h"

namespace workbench::pulp {

inline constexpr std::int64_t kCodes = 256;

// Tables have the shape [1, 1, 1, 256], or [1, C, 1, 256] where channels have functions of their
// own; the least code of its type comes first. This one is of the codes themselves.
Tensor all_codes(ElementType type);

// Element i of the node's result follows from element i of each operand that is no constant, and
// from the channel of i.
bool is_of_one_element(const Graph& graph, const Node& node);

// The results of such a node for all codes. `operands`: tables of one code; anything for constants.
// Nothing where channels cannot be told: they are axis 1 of [1, C, H, W].
std::optional<Tensor> table_of(const Graph& graph, const Node& node,
                               std::span<const Tensor> operands);

}  // namespace workbench::pulp
