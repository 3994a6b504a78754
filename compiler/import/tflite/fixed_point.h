// The fixed-point arithmetic of TensorFlow Lite's reference kernels (docs/facts/tflite.md 3),
// written from that page: rescaling of accumulators, and the exponentials of Softmax.
#pragma once

#include <cstdint>

namespace workbench::importer::tflite {

// Twice: the high half of the product, then the shift (TensorFlow Lite Micro). Once: the exact
// product (TFLITE_SINGLE_ROUNDING, XNNPACK).
enum class Rescaling { RoundsTwice, RoundsOnce };

// A real factor as mantissa 2^-31 2^exponent.
struct Factor {
  std::int32_t mantissa = 0;
  int exponent = 0;
};
Factor factor_of(double real);  // finite, >= 0

std::int32_t rescaled(std::int64_t accumulator, Factor factor, Rescaling how);

// a b 2^-31, half away from zero, saturating.
std::int32_t high_product(std::int32_t a, std::int32_t b);
// x 2^-shift, half away from zero.
std::int32_t shifted_right(std::int32_t x, int shift);

// e^x of x <= 0 with 26 fractional bits, as Q0.31.
std::int32_t exponential(std::int32_t x);
// 1 / (1 + x) of x in [0, 1), both Q0.31.
std::int32_t reciprocal_of_one_plus(std::int32_t x);

}  // namespace workbench::importer::tflite
