// Empirical bias correction (docs/facts/quantization.md 5.2): rounding shifts the mean of a layer's
// results, channel by channel, and the shifts accumulate over layers. They are measured and
// subtracted.
#pragma once

#include <string>
#include <vector>

#include "core/graph.h"
#include "data/samples.h"

namespace workbench {

// Layer by layer in graph order, on operands as the rounded and already corrected network gives
// them: bias -= mean(result of `annotated`, rounded) - mean(result of `reference`), per channel,
// before the activation, over as many of the first samples as fit (one value of every kind that is
// alive at once, at most 256 MiB for all samples together). `reference`: the float network with
// the same nodes. Layers without a bias get one; a bias that is no constant per channel stays.
void correct_bias(Graph& annotated, const Graph& reference, const SampleSource& samples,
                  std::vector<std::string>& notes, const StageProgress& progress = {});

// Rounding of weights against the covariance of their operands (docs/facts/quantization.md 5.3,
// item 6): errors of weights with correlated operands can cancel.

// Every annotated weight of a Conv or Gemm becomes one of the two codes around it. Per output
// channel, starting from the nearest codes, single weights are rounded the other way while that
// lessens d^T C d: d the errors, C the covariance of the layer's operands, sampled from
// rounded(annotated) over all samples. What the errors do to the mean is taken off the bias. A
// layer's error on the calibration data never grows; layers with more than 2304 weights a channel
// keep the nearest codes.
void round_weights(Graph& annotated, const SampleSource& samples,
                   const StageProgress& progress = {});
// The same with operands as rounded(operands) gives them, a network of the same nodes.
void round_weights(Graph& annotated, const Graph& operands, const SampleSource& samples,
                   const StageProgress& progress = {});

}  // namespace workbench
