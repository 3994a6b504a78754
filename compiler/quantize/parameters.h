// Weights, bias and requantization of one integer node, from its thresholds.
#pragma once

#include <optional>

#include "compiler/quantize/integer_nodes.h"
#include "compiler/quantize/quantize.h"
#include "compiler/quantize/table.h"

namespace workbench {

// The context of an integer node: thresholds of its operands and result, its table entry.
struct NodeScales {
  double threshold_in = 0, threshold_out = 0;  // > 0
  const LayerQuantization* layer = nullptr;
};

struct WeightedParameters {
  Tensor weights;              // codes, shape of the float weights
  Quantization quantization;   // of the weights, one threshold per index of `axis`
  std::optional<Tensor> bias;  // int32 [Co], accumulator units or, bias_after, output codes
  Requantize requantize;       // one scale per output channel
};

// Weights and bias: round half away from zero, weights clamped to +-127 (16 bits: +-32767), bias to
// `bias_bits`. Threshold of a channel: the table's, else an import hint's, else max|w| (published)
// or, where a bias in accumulator units would be clamped for smallness of the weights, what makes
// the bias fit. Bias in output codes is round(b * high / threshold_out) (docs/facts/xdnn.md 3.2). A
// channel without weights and bias gets scale 0. ConvTranspose has one threshold per index of its
// weights' axis 1, shared by the groups. Throws Error for NaN or infinite weights and for an
// unusable table entry.
WeightedParameters weighted_parameters(const Graph& graph, const Node& node,
                                       const NodeScales& scales, const QuantizeOptions& options);

// One scale and shift for AveragePool (in / out / window) and Binary add (in / out).
Requantize plain_requantize(const Node& node, const NodeScales& scales,
                            const QuantizeOptions& options);

// Throws Error "value 'NAME': ..." when a float constant that a weighted node (integer or host)
// reads, or a fused PRelu slope, is not finite.
void check_finite_weights(const Graph& graph);

}  // namespace workbench
