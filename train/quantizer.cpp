#include "train/quantizer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <type_traits>

#include "core/rounding.h"

namespace workbench::train {

namespace {

// x / step, cut one code beyond the ends.
template <typename Real>
Real scaled(float x, Real step, Real inverse, const Codes& codes) {
  const Real v =
      std::is_same_v<Real, float> ? static_cast<Real>(x) * inverse : static_cast<Real>(x) / step;
  return cut_beyond(v, static_cast<Real>(codes.low), static_cast<Real>(codes.high));
}

template <Rounding kRounding, typename Real>
void quantize_as(std::span<const float> x, const Codes codes, Real step, std::span<float> y) {
  const Real inverse = 1 / step, low = static_cast<Real>(codes.low),
             high = static_cast<Real>(codes.high);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Real r = rounded<kRounding>(scaled(x[i], step, inverse, codes));
    y[i] = static_cast<float>(std::min(std::max(r, low), high) * step);
  }
}

constexpr std::size_t kLanes = 8;  // sums that can be added to at once

template <Rounding kRounding, typename Real>
double gradients_as(std::span<const float> x, const Codes codes, Real step,
                    std::span<const float> upstream, std::span<float> into_x) {
  const Real inverse = 1 / step, low = static_cast<Real>(codes.low),
             high = static_cast<Real>(codes.high);
  std::array<double, kLanes> sums{};
  const auto add = [&](std::size_t i, double& sum) {
    const Real v = scaled(x[i], step, inverse, codes), r = rounded<kRounding>(v);
    const Real code = std::min(std::max(r, low), high);
    const bool inside = code == r;
    into_x[i] = inside ? upstream[i] : 0.0F;
    sum += static_cast<double>(inside ? r - v : code) * static_cast<double>(upstream[i]);
  };
  const std::size_t whole = x.size() / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) add(i + lane, sums[lane]);
  }
  for (std::size_t i = whole; i < x.size(); ++i) add(i, sums[i - whole]);
  double sum = 0;
  for (const double lane : sums) sum += lane;
  return sum * static_cast<double>(step) * std::numbers::ln2;
}

// Of a power of two, products with floats are exact.
bool is_power_of_two(double step) {
  int exponent = 0;
  return std::frexp(step, &exponent) == 0.5 && exponent > -100 && exponent < 100;
}

}  // namespace

void quantize(std::span<const float> x, const Codes& codes, double step, std::span<float> y) {
  with_rounding(codes.rounding, [&](auto rounding) {
    if (is_power_of_two(step)) {
      quantize_as<decltype(rounding)::value>(x, codes, static_cast<float>(step), y);
    } else {
      quantize_as<decltype(rounding)::value>(x, codes, step, y);
    }
  });
}

double gradients(std::span<const float> x, const Codes& codes, double step,
                 std::span<const float> upstream, std::span<float> into_x) {
  return with_rounding(codes.rounding, [&](auto rounding) {
    constexpr Rounding kRounding = decltype(rounding)::value;
    if (is_power_of_two(step)) {
      return gradients_as<kRounding>(x, codes, static_cast<float>(step), upstream, into_x);
    }
    return gradients_as<kRounding>(x, codes, step, upstream, into_x);
  });
}

double step_of(double log2_step, bool power_of_two) {
  if (power_of_two) return std::ldexp(1.0, static_cast<int>(std::ceil(log2_step)));
  return static_cast<double>(static_cast<float>(std::exp2(log2_step)));
}

}  // namespace workbench::train
