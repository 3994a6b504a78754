#include "compiler/quantize/fixed_point.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.h"

namespace workbench {

namespace {

constexpr std::int64_t kHigh32 = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kLow32 = std::numeric_limits<std::int32_t>::min();
constexpr double kRoom64 = 2305843009213693952.0;  // 2^61: of products, and of what is added
constexpr int kLargestShift = 52;                  // codes of 9 bits at this shift are in the room

// mantissa * 2^-shift; docs/facts/tflite.md 3.1, item 1.
struct Mantissa {
  std::int64_t mantissa = 0;
  int shift = 0;
};

Mantissa mantissa_of(double factor) {
  CHECK(factor >= 0 && std::isfinite(factor), "factor {}", factor);
  if (factor == 0) return {};
  int exponent = 0;
  const double fraction = std::frexp(factor, &exponent);
  return {std::llround(std::ldexp(fraction, 31)), 31 - exponent};
}

// The mantissa at another shift.
std::int64_t at_shift(const Mantissa& m, int shift) {
  return std::llround(std::ldexp(static_cast<double>(m.mantissa), shift - m.shift));
}

bool has_room(std::span<const Mantissa> mantissas, std::span<const std::int64_t> added,
              std::span<const double> reaches, int shift) {
  for (std::size_t c = 0; c < mantissas.size(); ++c) {
    const double largest = reaches[c] + std::abs(static_cast<double>(added[c]));
    const double multiplier =
        std::ldexp(static_cast<double>(mantissas[c].mantissa), shift - mantissas[c].shift);
    if (multiplier * std::max(largest, 1.0) >= kRoom64) return false;
  }
  return true;
}

// Steps of the mean as mean_around() has it: the least sum that gives `code`.
std::int64_t least_sum(std::int64_t code, std::int64_t centre, std::int64_t count) {
  const bool tie_goes_below = count % 2 == 0 && code <= centre;
  return count * code - count / 2 + (tie_goes_below ? 1 : 0);
}

}  // namespace

AffineRequantize rounded_once(std::span<const double> factors, std::span<const std::int64_t> added,
                              std::span<const double> reaches, const Quantization& out) {
  std::vector<Mantissa> mantissas;
  int shift = 1;
  for (const double factor : factors) {
    mantissas.push_back(mantissa_of(factor));
    shift = std::max(shift, mantissas.back().shift);
  }
  shift = std::min(shift, kLargestShift);
  while (shift > 1 && !has_room(mantissas, added, reaches, shift)) --shift;
  AffineRequantize how{.multiplier = {},
                       .offset = {},
                       .divisor = std::int64_t{1} << shift,
                       .low = out.low(),
                       .high = out.high()};
  for (std::size_t c = 0; c < mantissas.size(); ++c) {
    how.multiplier.push_back(at_shift(mantissas[c], shift));
    how.offset.push_back(how.multiplier.back() * added[c] + how.divisor / 2 +
                         out.zero_point() * how.divisor);
  }
  return how;
}

std::optional<AffineRequantize> mean_around(std::int64_t centre, std::int64_t count) {
  constexpr std::int64_t kHigh = 255;
  // Through (centre + 1/2) at the sum of as many centres, and so much steeper than 1 / count that
  // ties below it are missed: by half of what the farthest code can bear.
  const auto n = static_cast<double>(count);
  const double slope = 1 / n + (count % 2 == 0 ? 0.5 / (128 * n * n) : 0);
  for (int shift = 30; shift > 0; --shift) {
    const std::int64_t multiplier = std::llround(std::ldexp(slope, shift));
    const std::int64_t divisor = std::int64_t{1} << shift;
    const std::int64_t offset = centre * divisor + divisor / 2 - centre * count * multiplier;
    const std::int64_t top = multiplier * count * kHigh;
    if (top > kHigh32 || top + offset > kHigh32 || std::abs(offset) > kHigh32) continue;
    bool exact = true;
    for (std::int64_t code = 1; exact && code <= kHigh; ++code) {
      const std::int64_t sum = least_sum(code, centre, count);
      exact = (sum * multiplier + offset) >> shift >= code &&
              ((sum - 1) * multiplier + offset) >> shift < code;
    }
    if (!exact) return std::nullopt;
    return AffineRequantize{
        .multiplier = {multiplier}, .offset = {offset}, .divisor = divisor, .high = kHigh};
  }
  return std::nullopt;
}

SumNumbers sum_rounded_once(std::span<const Quantization> in, const Quantization& out) {
  const auto multiplier = [&](std::size_t i, int shift) {
    return std::ldexp(in[i].step() / out.step(), shift);
  };
  const auto fits = [&](int shift) {
    double reach = std::ldexp(static_cast<double>(out.high() + 1), shift);
    for (std::size_t i = 0; i < in.size(); ++i) {
      reach += 2 * (multiplier(i, shift) + 1) * static_cast<double>(in[i].high() - in[i].low());
    }
    return reach < static_cast<double>(kHigh32);
  };
  int shift = 30;
  while (shift > 0 && !fits(shift)) --shift;
  SumNumbers numbers;
  numbers.sum = {.divisor = std::int64_t{1} << shift, .low = out.low(), .high = out.high()};
  numbers.sum.offset = {numbers.sum.divisor / 2 + out.zero_point() * numbers.sum.divisor};
  for (std::size_t i = 0; i < in.size(); ++i) {
    const std::int64_t m = std::llround(multiplier(i, shift));
    numbers.sum.offset[0] -= m * in[i].zero_point();
    numbers.operands.push_back({.multiplier = {m}, .low = kLow32, .high = kHigh32});
  }
  return numbers;
}

}  // namespace workbench
