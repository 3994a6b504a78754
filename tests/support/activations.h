// Do the activations of a network neither die nor saturate? Evaluated in float on an image-like
// input of the scale the zoo's networks are made for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/graph.h"

namespace workbench {

// Zero mean, deviation about 64: blocks of 8x8 equal pixels with finer noise on top.
Tensor image_like(const Shape& shape, std::uint64_t seed);

// One line per layer whose result has a standard deviation outside [0.01, 100], or outside [0.5, 8]
// where softmax reads it, and per activation layer that is zero everywhere. Softmax itself is left
// out: probabilities are small.
std::vector<std::string> activation_faults(const Graph& graph, std::uint64_t seed);

}  // namespace workbench
