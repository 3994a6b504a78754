// Where the elements of a resized tensor lie in the source: what nearest neighbour and
// interpolation have in common.
#pragma once

#include <cstdint>
#include <vector>

#include "core/graph.h"

namespace workbench::eval {

// Position in a source of `in` elements that index i of the result stands for, along dimension d.
double source_position(const Resize& op, std::size_t d, std::int64_t i, std::int64_t in);

// An element of the source and its share in the mean.
struct Tap {
  std::int64_t index = 0;
  double weight = 0;
};
using Taps = std::vector<Tap>;

// Those of index i of the result along dimension d, none of weight 0; no tap: i lies outside of the
// source of `size` elements, and is the extrapolation value.
Taps taps_of(const Interpolate& op, std::size_t d, std::int64_t i, std::int64_t size);

}  // namespace workbench::eval
