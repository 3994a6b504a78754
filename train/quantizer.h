// The quantizer that training rounds with, and its gradients (TQT, arXiv:1903.08066, equations 4 to
// 8; docs/facts/quantization.md 1.1 and 1.2): of plain arrays, so that closed forms can be held to
// them.
//
//   x' = clamp(x, at_least, at_most),   r = round(x' / s),   y = s * clamp(r, low, high)
//   dy/dx           = 1 where low <= r <= high and at_least < x < at_most, else 0
//   dy/d(log2 s)    = s * ln 2 * (r - x' / s where low <= r <= high; low below; high above)
//
// x' is the ReLU or Clip in front, whose own pass over an activation would cost half of the
// quantizer's.
//
// A threshold t has s = 2^ceil(log2 t) / Q: rounding up is straight through, and log2 s and log2 t
// differ by a constant, so that the gradient is that of log2 t as well.
#pragma once

#include <limits>
#include <span>

#include "core/quantization.h"

namespace workbench::train {

// Codes of one step each.
struct Codes {
  float low = -128, high = 127;
  Rounding rounding = Rounding::HalfEven;
  // Of the activation in front that is computed with the rounding; else without end.
  float at_least = -std::numeric_limits<float>::infinity();
  float at_most = std::numeric_limits<float>::infinity();
};

// Of 16 bits at most; `step` > 0. Where the step is a power of two, results are those of real
// arithmetic. NaN becomes the lowest code, behind a ReLU or Clip that of its lower bound.
void quantize(std::span<const float> x, const Codes& codes, double step, std::span<float> y);

// `into_x` = dy/dx * upstream; returns the sum of dy/d(log2 s) * upstream, added up in one order.
double gradients(std::span<const float> x, const Codes& codes, double step,
                 std::span<const float> upstream, std::span<float> into_x);

// 2^ceil(log2_step), or 2^log2_step as float32 holds it.
double step_of(double log2_step, bool power_of_two);

}  // namespace workbench::train
