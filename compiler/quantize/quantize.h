// From a float Graph to an integer one, with the published xfDNN recalibration
// (docs/facts/xdnn.md 3.5 to 3.7): per-channel weight thresholds, activation thresholds by J
// divergence over the cumulative histogram, thresholds shared across concat and eltwise, scale and
// shift from thresholds.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/table.h"
#include "core/graph.h"

namespace workbench {

// What one target's requantization stage can express (docs/facts/xdnn.md 3.6 table).
struct RequantizeLimits {
  int scale_bits = 16;        // of convolutions and adds
  int conv_prescale_max = 0;  // PREMAX of convolutions; 0: they have no prescale
  int prescaled_bits = 8;     // what follows a prescale clamps it to
  int conv_shift_max = 32;    // POSTMAX of V3 8-bit conv
  int other_shift_max = 40;   // POSTMAX of V3 8-bit scale/eltwise/pool
  int average_scale_bits = 16;
  int average_shift_max = 40;  // POSTMAX of average pools
  int bias_bits = 24;          // bias is added to the accumulator in this width, ...
  int bias_shift = 0;          // ... stored without this many low bits; ...
  bool bias_after = false;     // or, in output codes, to the convolution's result (3.2)
};

struct QuantizeOptions {
  int bits = 8;
  RequantizeLimits limits;
  // Where a prescale is clamped before a scale of 1/2 to 1 (3.6), results beyond the scale times
  // the last code are lost. True: scales of 1 to 2 instead, so that nothing is before the last
  // clamp.
  bool keeps_range = false;
  // Why this node cannot run as integer node on the target, or nothing if it can. Called with the
  // float graph after the passes. Nodes with a reason stay float, between Dequantize and Quantize.
  std::function<std::optional<std::string>(const Graph&, const Node&)> host_reason;
};

// `graph` is float, after the passes; `thresholds` are per value name (calibrate.h). Result:
//  - every graph input stays float and is followed by a Quantize node (TowardZero,
//  docs/facts/xdnn.md 3.1);
//  - integer nodes (Conv, ConvTranspose, AveragePool, Binary add, MaxPool, Concat, Resize, Reshape
//    that keeps N,C,H,W meaning, ...) have int8 (bits 16: int16) values with `quantization`,
//    weights of that type (Oihw, per-channel thresholds), int32 bias in accumulator units
//    (bias_shift) or output codes, and `requantize`;
//  - activation of an integer node is None, Relu or PRelu (then requantize.negative_scale is set);
//  - the rest is float between Dequantize/Quantize nodes, one per value however many read it.
// Names: what a producer writes keeps its name, be it float or codes; the converted form is called
// NAME_int8 (whatever the width of codes) or NAME_float. Graph outputs stay float under their own
// name: where an integer node produces one, its codes are NAME_int8 and a Dequantize writes NAME.
// Fused Clip(0, a) becomes Relu and Clip(-a, a) None, by capping the threshold to a. `table`
// overrides thresholds, and its scales are used as they are. Without a host_reason everything that
// integers can express is integer. Throws Error on NaN/Inf weights (naming the value) and for a
// table that does not fit the network or the target.
Graph quantize(const Graph& graph, const Thresholds& thresholds, const QuantizeOptions& options,
               const QuantizerTable* table = nullptr);

// The two halves of quantize(). First: `graph` with the codes of every value that an integer node
// reads or writes as its `quantization` (those of other activations are dropped, those of constants
// stay) and the reasons for shared thresholds as `scale_groups`. Rounding is HalfUp where an
// integer node writes the value, else TowardZero, as the host library truncates
// (docs/facts/xdnn.md 3.1).
Graph annotate_xfdnn(Graph graph, const Thresholds& thresholds, const QuantizeOptions& options,
                     const QuantizerTable* table = nullptr);
// Second: the integers that `annotated` describes, with its thresholds unchanged. Weights: signed
// codes of 2 to `bits` bits, symmetric, thresholds per tensor or per channel; or as above.
Graph lower_xfdnn(const Graph& annotated, const QuantizeOptions& options,
                  const QuantizerTable* table = nullptr);

// sf_in * sf_params / sf_out of thresholds whose codes end at `high` (> 0, as threshold_out is), in
// single precision: the published files have been computed so, and in double precision 10 of their
// 14560 scales round the other way. In double precision where a float would not be normal.
double scale_multiplier(double threshold_in, double threshold_weights, double threshold_out,
                        double high);

// m -> (prescale shift, scale, post shift), docs/facts/xdnn.md 3.6; the prescale is 0 where
// `prescale_max` is. m >= 0 and finite (CHECKed).
struct ScaleShift {
  std::int32_t prescale_shift = 0, scale = 0, postscale_shift = 0;
};
ScaleShift scale_and_shift(double multiplier, int prescale_max, int scale_bits, int postscale_max);
// The same with a scale / 2^post shift of 1 to 2, as far as the fields allow.
ScaleShift scale_and_shift_in_range(double multiplier, int prescale_max, int scale_bits,
                                    int postscale_max);

}  // namespace workbench
