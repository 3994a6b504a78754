// Nodes that move elements and compute nothing, in C: where each element comes from, as an
// expression of digits or as tables along the dimensions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/graph.h"

namespace workbench::pulp {

// By element of the node's first result: the element of its operand 0 that it is; -1: a fill value.
// Further operands are constants. Nothing for nodes that do more, or whose operands are not known.
std::optional<std::vector<std::int64_t>> moved_elements(const Graph& graph, const Node& node);

// Digit `d` of element `i` of a tensor: "i / 12 % 3", or "0".
std::string c_digit(const std::string& i, const Shape& shape, std::size_t d);

// A table of indices; -1 or not negative.
std::string c_index_table(const std::string& name, const std::vector<std::int64_t>& list);

// "static int32_t NAME(int32_t i)", with its tables before it: `sources` of a result of `shape`.
std::string c_index_function(const std::string& name, const std::vector<std::int64_t>& sources,
                             const Shape& shape);

}  // namespace workbench::pulp
