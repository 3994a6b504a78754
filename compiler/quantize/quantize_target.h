// What quantization asks of a target, as functions over the float graph.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/nemo.h"
#include "compiler/quantize/quantize.h"
#include "core/graph.h"

namespace workbench {

struct QuantizeTarget {
  std::string name;  // "xdnn", "pulp", "none"
  int bits = 8;      // of codes and, at most, of weights
  // Bits that weights and activations may be asked to have, the most first.
  std::vector<int> weight_widths, activation_widths;
  int accumulator_bits = 32;       // what the hardware has: 24, 32
  bool sums_of_one_width = false;  // both operands of a sum have codes of the same width
  bool late_bias = false;          // the bias is added to codes of the result (late_bias.h)
  // The float graph in the form that is calibrated.
  std::function<Graph(Graph)> prepare;
  // `graph` (prepared) with `quantization` (bits, sign, one threshold, rounding) on every
  // activation that will be codes: own thresholds by value name (a quantization that a value came
  // with, as models in QDQ form do, counts before them), then shared where the target shares scales
  // (Graph::scale_groups says which and why), capped where saturation stands for a Clip. Real steps
  // are rounded to float32, so that a QDQ file holds them. Weights are left alone.
  std::function<Graph(Graph graph, const Thresholds& thresholds)> annotate;
  // Per node of a prepared graph, whether the target computes it in integers.
  std::function<std::vector<bool>(const Graph& prepared)> runs_on_target;
  // Raises thresholds of weights for the sake of the fields of multipliers; none: nothing to gain.
  std::function<void(Graph& annotated)> fit_multipliers;
  // Per node of an annotated graph, whether its weights become codes.
  std::function<std::vector<bool>(const Graph& annotated)> has_weight_codes;
  // An annotated graph as integers; for "none" fake_quantized(). Weights without annotation: max|w|
  // per output channel.
  std::function<Graph(const Graph& annotated)> lower;
};

// Throws Error unless `bits` are among `widths`, the target's; `what` has so many, for the message:
// "weight-bits: expected 8, 4 or 2 on target pulp, found 3".
void require_width(int bits, const std::vector<int>& widths, const QuantizeTarget& target,
                   const std::string& what);

QuantizeTarget xdnn_quantize_target(const QuantizeOptions& options);
QuantizeTarget pulp_quantize_target(const NemoOptions& options);
// No hardware: unsigned codes where a value cannot be negative, scales shared by concat, pools and
// reshapes only; ties are rounded to even, as in ONNX.
QuantizeTarget free_quantize_target(int activation_bits);

// What a network that came quantized (QDQ, QOperator) loses on a target without its codes: the
// values whose codes change, and by how much.

struct RequantizedCodes {
  std::vector<std::string> lines;
  std::size_t activations = 0, other_activations = 0;  // with codes in the file; of those, changed
  std::size_t weights = 0, other_weights = 0;          // layers likewise

  // "re-lowered: 7 of 16 activations and the weights of 0 of 10 layers have other codes than the
  // file's"; nothing where none has.
  std::optional<std::string> summary() const;
};

// One line per activation, then per layer with weights, whose codes in `imported` (between Quantize
// and Dequantize, constant before Dequantize) are not those of `annotated`, the same network after
// the passes and QuantizeTarget::annotate, by value name:
//   "value 'x': came as uint8, zero point 3, scale 0.0123; is int8, scale 0.0246: differs by up to
//    1 steps"
// in steps of what came, over all its codes. No lines: the target runs the codes that came.
RequantizedCodes requantized_codes(const Graph& imported, const Graph& annotated);

// Whether every activation of `prepared` (after the passes and target.prepare()) that becomes codes
// has come with its own, so that no calibration is needed.
bool has_all_codes(const Graph& prepared, const QuantizeTarget& target);

}  // namespace workbench
