// A float network made integer as NEMO does after training (docs/facts/quantization.md 2,
// docs/facts/pulp.md 3.1): uint8 activations (int8 where a value can be negative: linear
// bottlenecks, inputs), int8 weights, multiplier, offset and shift per channel.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>

#include "compiler/quantize/calibrate.h"
#include "core/graph.h"

namespace workbench {

struct NemoOptions {
  int activation_bits = 8, weight_bits = 8;
  bool per_channel = true;             // weight scales
  std::set<std::string> non_negative;  // graph inputs that are never negative: unsigned codes
  bool clip_per_channel = false;       // saturation may stand for Activation::bounds, too
  // Why the target cannot run this node, or nothing; such nodes stay float. Called with nemo_form.
  std::function<std::optional<std::string>(const Graph&, const Node&)> host_reason;
};

// `graph` (float, after the passes) with every fused activation that saturation cannot implement
// (leaky, sigmoid, Clip(-1, 6), ...) as a node of its own again. Such a node reads a new value,
// NAME_linear, which needs a threshold: calibrate this form.
Graph nemo_form(Graph graph);

// `graph` in nemo_form; `thresholds` per value name. Integer nodes as in integer_network.h, with
// real steps in `quantization`; the rest is float between Dequantize and Quantize, named as
// quantize() names them. Scales are shared by max pools, reshapes and concats; what a concat cannot
// share is rescaled by an Identity before it. A Gemm that nothing integer reads leaves as int32,
// unless it came with codes. Layers that came as integers (kept_codes.h) are computed as the file's
// own arithmetic has it: products with 31 bits, rounded once. Elsewhere multipliers err by less
// than an eighth of an output code (by 1/32 where 64 bits are needed); multiplier * accumulator +
// offset stays inside 32 bits, whatever the input, wherever that precision allows. Throws Error for
// weights that are not finite and values without a threshold.
Graph quantize_nemo(const Graph& graph, const Thresholds& thresholds, const NemoOptions& options);

// The two halves of quantize_nemo(). First: `graph` with the codes of every value that an integer
// node reads or writes as its `quantization` (those of other activations are dropped, those of
// constants stay; a Gemm's int32 results have none) and the reasons for shared scales as
// `scale_groups`. Rounding is HalfUp where an integer node writes the value, else HalfAwayFromZero.
Graph annotate_nemo(Graph graph, const Thresholds& thresholds, const NemoOptions& options);
// Second: the integers that `annotated` describes, with its steps unchanged. Weights: signed codes
// of 2 to 8 bits, symmetric, thresholds per tensor or per channel; or as the options say.
Graph lower_nemo(const Graph& annotated, const NemoOptions& options);

}  // namespace workbench
