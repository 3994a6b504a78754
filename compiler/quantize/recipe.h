// From a float Graph to an annotated one: the same network in real numbers, whose values say in
// Value::quantization how integers stand for them, whose weights and biases have been edited for
// the sake of that (pruned, equalized, corrected, rounded). QuantizeTarget::lower makes integers of
// it, fake_quantized() makes it runnable as it is, export_onnx writes it as QDQ.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/quantize_target.h"
#include "core/graph.h"
#include "data/samples.h"

namespace workbench {

enum class ScaleKind { Real, PowerOfTwo };
enum class Granularity { PerTensor, PerChannel };  // of weight scales; activations are per tensor
enum class ThresholdMethod { Max, Percentile, Mse, KlJ };

// What is done, in the order of the fields (docs/facts/quantization.md 5.2 "recipe that works").
struct Recipe {
  std::string name;
  // Channels whose output is constant over the calibration set: weights 0, the constant as bias.
  bool prune_constant_channels = false;
  // Cross-layer equalization; factors within 1/limit .. limit. 0: none.
  double equalize_limit = 0;
  // Equalize across a Clip(0, a), too: its bound then is one per channel (Activation::bounds),
  // which neither family of hardware has. Else such channels are left as they are.
  bool equalize_across_clips = false;
  // Without it: a layer where a channel at its clip has weights more than so many times the median
  // channel's is equalized, too, and its bounds become a layer (clip_layer.h). 0: none.
  double clip_layer_beyond = 0;
  // Scale layers so that their results end where the codes of a power-of-two step do.
  bool align_to_powers_of_two = false;
  int weight_bits = 0;                           // 0: as wide as the target's codes
  std::map<std::string, int> layer_weight_bits;  // by node, in place of all other widths
  bool edge_layers_8_bits = true;                // first and last weighted layer keep 8 bits
  Granularity granularity = Granularity::PerChannel;
  ScaleKind weight_scale = ScaleKind::Real, activation_scale = ScaleKind::Real;
  ThresholdMethod weight_method = ThresholdMethod::Max;
  ThresholdMethod activation_method = ThresholdMethod::KlJ;
  // KlJ as xfDNN has it: the maximum where the first bin of the histogram is empty. Graffitist
  // leaves such bins out.
  bool maximum_at_empty_bin = false;
  double percentile = 99.99;
  // Network outputs keep max|x|: no later layer compensates a clipped logit.
  bool outputs_at_max = true;
  // Closed-form rounding of weights against the Gram matrix of their layer's inputs.
  bool round_weights = false;
  // Subtracts, per channel, each weighted layer's mean error on quantized inputs from its bias.
  bool correct_bias = false;
  // In place of both, for weights of less than 8 bits or steps that are powers of two: codes, steps
  // and biases by what a layer gives of rounded operands, against the float one (reconstruct.h).
  bool reconstruct = false;
  // Thresholds as the target's arithmetic wants them: with room for biases that are added late
  // (late_bias.h), with multipliers that its fields hold (fit_multipliers.h).
  bool fit_target = false;
  // The few candidate thresholds (octaves, or parts of one) by the error of the network's outputs.
  bool search_thresholds = false;
};

enum class Effort { Fast, Normal, Best };

// `recipe` with its open widths as the target has them.
Recipe for_target(Recipe recipe, const QuantizeTarget& target);

// The default for a target ("xdnn", "pulp", "none"); Fast needs a pass or two over the samples.
Recipe default_recipe(std::string_view target, Effort effort);
// What the default compares itself with: the same without weight rounding and bias correction, by
// least squares and with the thresholds of xfDNN.
std::vector<Recipe> simpler_recipes(const Recipe& recipe);
// "per-tensor-pow2": ours under Graffitist's restriction, and what else is of use, by name. Throws
// Error naming the known ones.
Recipe recipe_named(std::string_view name);
std::vector<std::string> recipe_names();

struct Annotated {
  Graph graph;
  // `graph` before its weights were rounded and its biases corrected, pruned and equalized only:
  // what each layer is measured against.
  Graph floats;
  Statistics statistics;           // of the float network as the recipe left it, by value name
  std::vector<std::string> notes;  // what was done: "conv_dw_3: 4 constant channels pruned"
};

// `graph`: float, after the passes and target.prepare(). Deterministic for any thread count;
// memory does not grow with the number of samples. `known`: the statistics of `graph` on these
// samples, where they have been gathered before. Throws Error for no samples, NaN activations
// (naming the value), weights that are not finite.
Annotated apply_recipe(const Graph& graph, const SampleSource& samples, const Recipe& recipe,
                       const QuantizeTarget& target, const StageProgress& progress = {},
                       const Statistics* known = nullptr);

}  // namespace workbench
