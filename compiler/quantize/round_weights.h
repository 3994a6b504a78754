// Rounding of weights that knows what they are multiplied by (quantization.md 5.3, item 6): errors
// of weights whose operands go together can make up for each other.
#pragma once

#include "compiler/quantize/sample_source.h"
#include "core/graph.h"

namespace workbench {

// Every annotated weight of a Conv or Gemm becomes one of the two codes around it. Per output
// channel, starting from the nearest codes, single weights are rounded the other way while that
// lessens d^T C d: d the errors, C the covariance of the layer's operands, sampled from
// rounded(annotated) over all samples. What the errors do to the mean is taken off the bias. A
// layer's error on the calibration data never grows; layers with more than 2304 weights a channel
// keep the nearest codes.
void round_weights(Graph& annotated, const SampleSource& samples,
                   const StageProgress& progress = {});

}  // namespace workbench
