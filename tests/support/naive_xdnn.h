// xDNN arithmetic once more, as naive integer loops over [row][column][channel] pixels: what the
// matrix-speed semantics are compared with.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "isa/xdnn/filters.h"
#include "isa/xdnn/instructions.h"

namespace workbench {

using Pixels = std::vector<std::int8_t>;

// Every code from -128 to 127 equally likely.
Pixels random_codes(std::mt19937_64& random, std::int64_t count);

// floor(value / 2^shift + 1/2): rounds halves toward +infinity (docs/facts/xdnn.md 3.1).
std::int64_t naive_round_shift(std::int64_t value, std::int64_t shift);

// `weights`: [out_ch][in_ch][kernel_h][kernel_w]. `in`: [in_h][in_w][in_ch].
Pixels naive_convolution(const xdnn::Conv& conv, const Pixels& in, const Pixels& weights,
                         const std::vector<xdnn::ChannelConfig>& configs);
// The same with V2's arithmetic behind the sums (docs/facts/xdnn.md 3.2).
Pixels naive_prescaled_convolution(const xdnn::Conv& conv, const Pixels& in, const Pixels& weights,
                                   const std::vector<xdnn::ChannelConfig>& configs);
// `pool.average` rescales the sum.
Pixels naive_pool(const xdnn::Pool& pool, const Pixels& in, std::int64_t scale, std::int64_t shift);
// The in-line pool behind a convolution's result.
Pixels naive_inline_pool(const xdnn::ConvPool& fused, const Pixels& conv_result);
Pixels naive_eltwise(const xdnn::Eltwise& add, const Pixels& a, const Pixels& b, std::int64_t scale,
                     std::int64_t shift);
Pixels naive_upsample(const xdnn::Upsample& up, const Pixels& in);

}  // namespace workbench
