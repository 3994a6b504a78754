// Scales of activations by a recipe: which threshold of which value's statistics.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/quantize_target.h"
#include "compiler/quantize/recipe.h"
#include "compiler/quantize/weighted_layers.h"
#include "core/graph.h"
#include "data/samples.h"

namespace workbench {

// Of every value in `statistics`: max|x| for the network's inputs and (outputs_at_max) for what no
// layer with weights and no sum stands behind, else by the recipe's method, for the width and sign
// that the target gives the value; 0 for a dead one.
Thresholds activation_thresholds(const Graph& graph, const Statistics& statistics,
                                 const Recipe& recipe, const QuantizeTarget& target);

// Widens the steps of all annotated activations to powers of two: a threshold t becomes that of the
// step 2^ceil(log2 t) / 2^(bits - sign) (docs/facts/quantization.md 1.1); one that is of such a
// step stays.
void make_steps_powers_of_two(Graph& annotated);

// Scales of weights: Value::quantization of the weight constants of an annotated graph.

// Threshold of `weights` for signed codes of `bits`; 0 for zeros alone. Max: max|w|. Mse: the
// least sum of squared errors of the codes, of the octaves below the maximum (power of two) or of a
// hundred parts of it (real). A power-of-two step is 2^ceil(log2 max|w|) / 2^(bits - 1) or a part
// of it (docs/facts/quantization.md 1.1). Real steps are float32 numbers.
double weight_threshold(std::span<const float> weights, int bits, ThresholdMethod method,
                        ScaleKind scale);

// Below these a channel's bias (channel c: part c % parts) has no room in an accumulator of
// `accumulator_bits`. 0 where the layer's operand has no codes.
std::vector<double> least_weight_thresholds(const Graph& graph, const WeightedLayer& layer,
                                            std::size_t parts, int bits, int accumulator_bits);

// Annotates the weights of the weighted layers that `wanted` (per node) picks, whose operands are
// annotated, by the recipe's weight_* and granularity fields. The first and last of them keep 8
// bits if edge_layers_8_bits. Thresholds of channels with tiny weights are raised so far that the
// bias keeps within a quarter of an accumulator of `accumulator_bits`. Throws Error for weights
// that are not finite and for methods that do not apply to weights.
void choose_weight_thresholds(Graph& annotated, const std::vector<bool>& wanted,
                              const Recipe& recipe, int accumulator_bits);

// Thresholds by their effect on the network's results (docs/facts/quantization.md 5.3, item 5): a
// few candidates around those from each activation's own statistics.

// Coordinate descent over the activations' scales in graph order, those that share one together: a
// quarter of an octave at a time, an octave where all steps are powers of two, as long as the
// squared error of the network's results (before a softmax) against `reference`, the float network
// of the same values, falls by half a percent. Over at most 16 samples. The target decides what
// becomes of a candidate (a Clip's bound is not exceeded). Weights stay as they are.
void search_thresholds(Graph& annotated, const Graph& reference, const SampleSource& samples,
                       const QuantizeTarget& target, std::vector<std::string>& notes,
                       const StageProgress& progress = {});

}  // namespace workbench
