// How an integer network with zero points rescales, in the form of the kernels
// ((multiplier * x + offset) >> shift): products with a mantissa of 31 bits, rounded once, half up
// (docs/facts/tflite.md 3.1, item 4).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/quantization.h"

namespace workbench {

// round(factors[c] * (x + added[c])) + zero point of `out`, for |x| up to reaches[c], per channel
// c. Exact in mantissas of 31 bits where 64 bits hold the products at the finest channel's shift;
// beyond, the finest channels' mantissas are rounded. `out`: unsigned codes.
AffineRequantize rounded_once(std::span<const double> factors, std::span<const std::int64_t> added,
                              std::span<const double> reaches, const Quantization& out);

// The mean of `count` unsigned codes of 8 bits around `centre`, half away from it
// (docs/facts/tflite.md 3.2, item 2: codes are signed there, and 0 is 128 here). Nothing where no
// line in 32 bits is that mean.
std::optional<AffineRequantize> mean_around(std::int64_t centre, std::int64_t count);

// (a - zero_a) * step_a / step_out + (b - ...) + zero_out, rounded half up, with multipliers as
// fine as 32 bits allow.
struct SumNumbers {
  std::vector<AffineRequantize> operands;  // multiplied only
  AffineRequantize sum;
};
SumNumbers sum_rounded_once(std::span<const Quantization> in, const Quantization& out);

}  // namespace workbench
