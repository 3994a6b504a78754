// Scales of weights: Value::quantization of the weight constants of an annotated graph.
#pragma once

#include <span>
#include <vector>

#include "compiler/quantize/recipe.h"
#include "core/graph.h"

namespace workbench {

// Threshold of `weights` for signed codes of `bits`; 0 for zeros alone. Max: max|w|. Mse: the
// least sum of squared errors of the codes, of the octaves below the maximum (power of two) or of a
// hundred parts of it (real). A power-of-two step is 2^ceil(log2 max|w|) / 2^(bits - 1) or a part
// of it (quantization.md 1.1). Real steps are float32 numbers.
double weight_threshold(std::span<const float> weights, int bits, ThresholdMethod method,
                        ScaleKind scale);

// Annotates the weights of the weighted layers that `wanted` (per node) picks, whose operands are
// annotated, by the recipe's weight_* and granularity fields. The first and last of them keep 8
// bits if edge_layers_8_bits. Thresholds of channels with tiny weights are raised so far that the
// bias keeps within a quarter of an accumulator of `accumulator_bits`. Throws Error for weights
// that are not finite and for methods that make no sense of weights.
void choose_weight_thresholds(Graph& annotated, const std::vector<bool>& wanted,
                              const Recipe& recipe, int accumulator_bits);

}  // namespace workbench
