// Where the elements of a resized tensor lie in the source: what nearest neighbour and
// interpolation have in common.
#pragma once

#include <cstdint>

#include "core/graph.h"

namespace workbench::eval {

// Position in a source of `in` elements that index i of the result stands for, along dimension d.
double source_position(const Resize& op, std::size_t d, std::int64_t i, std::int64_t in);

}  // namespace workbench::eval
