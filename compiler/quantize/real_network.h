// Networks that came as integers, for machines that have no such rescalings: the real network their
// codes stand for, one step being 1, to be quantized again for the machine at hand.
#pragma once

#include "core/graph.h"

namespace workbench {

// `integers` is as integer_network() gives it. Rescalings become part of weights and biases, or a
// Mul and an Add; the mean of what a cut fraction loses (half a step) is taken off with the bias;
// a clip at zero becomes a Clip, other saturation is left to the codes that the values get. Names
// stay, Quantize and Dequantize at the borders go. Every value of codes becomes Float32.
Graph real_network(const Graph& integers);

}  // namespace workbench
