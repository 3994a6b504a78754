// Exact rescalings of the graph (AffineRequantize) as what kernels compute: a line, cut by a shift.
// Whatever the divisor and the rounding, a rescaling is a staircase over the accumulator; a line
// and shift that step at the same accumulators, over all that can occur, is the same function.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compiler/pulp/layer.h"
#include "core/quantization.h"

namespace workbench::pulp {

// What an accumulator can be; ends included.
struct Values {
  std::int64_t low = 0, high = 0;
};

// Saturation behind the shift, if any.
struct Codes {
  bool clipped = true;
  std::int64_t low = 0, high = 255;
};

// clip((multiplier[c] * x + offset[c]) >> shift), c = channel; all in `bits` bits (32 or 64). Of
// clamped accumulators: x is cut to [low[c], high[c]] first; elsewhere low and high are empty.
struct Lines {
  std::vector<std::int64_t> multiplier, offset;  // one per entry of the ranges given
  std::vector<std::int64_t> low, high;
  std::int64_t shift = 0, bits = 32;
  // The first channel that plain 32 bits do not hold; -1: there is none, or nothing was tried.
  std::int64_t wraps = -1;
};

// The rescaling of one value, exactly.
std::int64_t rescaled(const AffineRequantize& affine, std::size_t channel, std::int64_t value);
// Of that channel, where lists may have one entry for all.
std::int64_t channel_entry(const std::vector<std::int64_t>& list, std::size_t channel);

// Lines equal to `affine` on ranges[c] for every channel c. With Bits32, power-of-two divisors are
// taken at 32 bits whatever the products come to, as DORY takes them. Auto: 32 bits where nothing
// wraps; else, if `may_clamp`, of accumulators that are clamped where the code is saturated anyway;
// else 64. Empty when there are none.
std::optional<Lines> lines_of(const AffineRequantize& affine, std::span<const Values> ranges,
                              const Codes& codes, NormBits bits, bool may_clamp = false);

// An average pool's (sum * multiplier / divisor + offset) >> shift, in 32 bits, where `divisor` is
// the window's size or 1. Empty when there is none.
struct PoolLine {
  std::int64_t multiplier = 1, divisor = 1, offset = 0, shift = 0;
};
std::optional<PoolLine> pool_line_of(const AffineRequantize& affine, const Values& sums,
                                     std::int64_t window, const Codes& codes);

}  // namespace workbench::pulp
