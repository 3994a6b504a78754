#include "compiler/import/tflite/fixed_point.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

namespace workbench::importer::tflite {

namespace {

constexpr std::int32_t kLow = std::numeric_limits<std::int32_t>::min();
constexpr std::int32_t kHigh = std::numeric_limits<std::int32_t>::max();

std::int32_t saturated(std::int64_t x) {
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(x, kLow, kHigh));
}

// (a + b) / 2, half away from zero.
std::int32_t half_sum(std::int32_t a, std::int32_t b) {
  const std::int64_t sum = std::int64_t{a} + b;
  return static_cast<std::int32_t>((sum + (sum >= 0 ? 1 : -1)) / 2);
}

// e^x of x in [-1/4, 0), Q0.31: the Taylor series around -1/8.
std::int32_t exponential_near_zero(std::int32_t a) {
  constexpr std::int32_t kAtCentre = 1895147668;  // e^(-1/8)
  constexpr std::int32_t kThird = 715827883;
  const std::int32_t x = a + (1 << 28);
  const std::int32_t x2 = high_product(x, x), x3 = high_product(x2, x), x4 = high_product(x2, x2);
  const std::int32_t tail = shifted_right(high_product(shifted_right(x4, 2) + x3, kThird) + x2, 1);
  return kAtCentre + high_product(kAtCentre, x + tail);
}

}  // namespace

Factor factor_of(double real) {
  if (!(real > 0)) return {};
  constexpr double kMost = 0x1p31;  // beyond, every sum saturates
  real = std::min(real, kMost);
  Factor factor;
  const double fraction = std::frexp(real, &factor.exponent);
  auto mantissa = static_cast<std::int64_t>(std::round(std::ldexp(fraction, 31)));
  if (mantissa == std::int64_t{1} << 31) {
    mantissa /= 2;
    ++factor.exponent;
  }
  if (factor.exponent < -31) return {};
  factor.mantissa = static_cast<std::int32_t>(mantissa);
  return factor;
}

std::int32_t high_product(std::int32_t a, std::int32_t b) {
  if (a == kLow && b == kLow) return kHigh;
  const std::int64_t product = std::int64_t{a} * b;
  const std::int64_t nudge = product >= 0 ? std::int64_t{1} << 30 : 1 - (std::int64_t{1} << 30);
  return static_cast<std::int32_t>((product + nudge) / (std::int64_t{1} << 31));
}

std::int32_t shifted_right(std::int32_t x, int shift) {
  if (shift == 0) return x;
  const std::int64_t mask = (std::int64_t{1} << shift) - 1;
  const std::int64_t rest = x & mask, half = (mask >> 1) + (x < 0 ? 1 : 0);
  return static_cast<std::int32_t>((std::int64_t{x} >> shift) + (rest > half ? 1 : 0));
}

std::int32_t rescaled(std::int64_t accumulator, Factor factor, Rescaling how) {
  const std::int32_t x = saturated(accumulator);
  if (how == Rescaling::RoundsTwice) {
    const int left = std::clamp(factor.exponent, 0, 31);
    const int right = std::clamp(-factor.exponent, 0, 31);
    return shifted_right(
        high_product(saturated(std::int64_t{x} * (std::int64_t{1} << left)), factor.mantissa),
        right);
  }
  const int shift = 31 - std::clamp(factor.exponent, -31, 30);
  const std::int64_t product = std::int64_t{x} * factor.mantissa;
  return saturated((product + (std::int64_t{1} << (shift - 1))) >> shift);
}

std::int32_t exponential(std::int32_t x) {
  if (x == 0) return kHigh;
  constexpr std::int32_t kQuarter = 1 << 24;  // of 26 fractional bits
  const std::int32_t near = (x & (kQuarter - 1)) - kQuarter;
  // From 26 to 31 fractional bits; it is above -1/4, so that nothing overflows.
  std::int32_t result = exponential_near_zero(near * 32);
  const std::int32_t rest = near - x;  // whole quarters
  // e^-(1/4), e^-(1/2), ... e^-16
  constexpr std::int32_t kPowers[] = {1672461947, 1302514674, 790015084, 290630308,
                                      39332535,   720401,     242};
  for (std::size_t i = 0; i < std::size(kPowers); ++i) {
    if ((rest >> (24 + i) & 1) != 0) result = high_product(result, kPowers[i]);
  }
  return result;
}

// Newton's iteration for the reciprocal of (1 + x) / 2, from 48/17 - 32/17 of it.
std::int32_t reciprocal_of_one_plus(std::int32_t a) {
  constexpr std::int32_t k48Of17 = 1515870810, kMinus32Of17 = -1010580540;  // Q2.29
  constexpr std::int32_t kOne = 1 << 29;                                    // Q2.29
  const std::int32_t half = half_sum(a, kHigh);
  std::int32_t x = k48Of17 + high_product(half, kMinus32Of17);
  for (int i = 0; i < 3; ++i) {
    const std::int32_t missing = kOne - high_product(half, x);
    x += saturated(std::int64_t{high_product(x, missing)} * 4);  // Q4.27 to Q2.29
  }
  return saturated(std::int64_t{x} * 2);  // halved, Q1.30, to Q0.31
}

}  // namespace workbench::importer::tflite
