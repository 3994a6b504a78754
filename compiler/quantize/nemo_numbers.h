// The integers of one NEMO node: weight codes, multipliers, offsets, the divisor they share.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "compiler/quantize/nemo.h"

namespace workbench {

struct NemoWeights {
  Tensor codes;               // int8, shape of the float weights
  Quantization quantization;  // one threshold, or one per index of the output channels' axis
  std::vector<double> steps;  // per output channel
  std::vector<double> bias;   // per output channel, real
};

// Weights of a Conv or Gemm (its alpha and beta applied), rounded half away from zero to symmetric
// codes. Threshold of a channel: an import hint's, else max|w|, else 1.
NemoWeights nemo_weights(const Graph& graph, const Node& node, const NemoOptions& options,
                         bool per_channel);

// What one output channel makes of its accumulator: real output codes = gain * acc + offset.
struct Channel {
  double gain = 0, offset = 0;
  double reach = 0;  // the largest |acc| that any input gives
};

// Power-of-two divisor, rounded half up by an offset of half of it (quantization.md 2.2). The
// divisor: the largest that keeps gains below 2^15 and every step inside 32 bits, if that is
// precise to an eighth of a code; else the smallest that is precise to 1/32. `span`: the codes of
// the output that are not saturated.
AffineRequantize nemo_rescaling(std::span<const Channel> channels, const Quantization& out);

// Per output channel, from its weights' codes: the largest |acc| of inputs in `in`'s range.
std::vector<double> reaches(const Node& node, const Tensor& codes, std::size_t channels,
                            const Quantization& in);

// Multipliers of both operands of a sum (range of 32 bits, nothing divided), and what divides it.
struct NemoSum {
  std::vector<AffineRequantize> operands;
  AffineRequantize sum;
};
NemoSum nemo_sum(std::span<const Quantization> in, const Quantization& out);

}  // namespace workbench
