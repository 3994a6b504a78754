#include "train/quantizer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <type_traits>

#include "core/rounding.h"
#include "core/vectors.h"

namespace workbench::train {

namespace {

// What the activation in front leaves of x; NaN, which compares false, becomes its lower bound.
float activated(float x, const Codes& codes) {
  const float above = x > codes.at_least ? x : codes.at_least;
  return above < codes.at_most ? above : codes.at_most;
}

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
    const Real r = rounded<kRounding>(scaled(activated(x[i], codes), step, inverse, codes));
    y[i] = static_cast<float>(std::min(std::max(r, low), high) * step);
  }
}

// Terms of a sum at a time: `kLanes` sums are added to at once, each of few enough terms in the
// type they are computed in that float has 18 bits of each left.
constexpr std::size_t kTerms = 1024, kLanes = 16;

template <typename Real>
double sum_of(const std::array<Real, kTerms>& terms) {
  std::array<Real, kLanes> lanes{};
  for (std::size_t i = 0; i < kTerms; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += terms[i + lane];
  }
  double sum = 0;
  for (const Real lane : lanes) sum += static_cast<double>(lane);
  return sum;
}

template <Rounding kRounding, typename Real>
double gradients_as(std::span<const float> x, const Codes codes, Real step,
                    std::span<const float> upstream, std::span<float> into_x) {
  const Real inverse = 1 / step, low = static_cast<Real>(codes.low),
             high = static_cast<Real>(codes.high);
  std::array<Real, kTerms> terms{};
  double sum = 0;
  for (std::size_t begin = 0; begin < x.size(); begin += kTerms) {
    const std::size_t count = std::min(kTerms, x.size() - begin);
    for (std::size_t i = 0; i < count; ++i) {
      const float given = x[begin + i], g = upstream[begin + i];
      const Real v = scaled(activated(given, codes), step, inverse, codes);
      const Real r = rounded<kRounding>(v), code = std::min(std::max(r, low), high);
      const float above = given > codes.at_least ? g : 0.0F;
      const float passed = given < codes.at_most ? above : 0.0F;
      into_x[begin + i] = code == r ? passed : 0.0F;
      terms[i] = (code == r ? r - v : code) * static_cast<Real>(g);
    }
    if (count < kTerms)
      std::fill(terms.begin() + static_cast<std::ptrdiff_t>(count), terms.end(), Real(0));
    sum += sum_of(terms);
  }
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
    constexpr Rounding kRounding = decltype(rounding)::value;
    const bool exact = is_power_of_two(step);
    with_vectors([&] {
      if (exact) return quantize_as<kRounding>(x, codes, static_cast<float>(step), y);
      quantize_as<kRounding>(x, codes, step, y);
    });
  });
}

double gradients(std::span<const float> x, const Codes& codes, double step,
                 std::span<const float> upstream, std::span<float> into_x) {
  double sum = 0;
  with_rounding(codes.rounding, [&](auto rounding) {
    constexpr Rounding kRounding = decltype(rounding)::value;
    const bool exact = is_power_of_two(step);
    with_vectors([&] {
      sum = exact ? gradients_as<kRounding>(x, codes, static_cast<float>(step), upstream, into_x)
                  : gradients_as<kRounding>(x, codes, step, upstream, into_x);
    });
  });
  return sum;
}

double step_of(double log2_step, bool power_of_two) {
  if (power_of_two) return std::ldexp(1.0, static_cast<int>(std::ceil(log2_step)));
  return static_cast<double>(static_cast<float>(std::exp2(log2_step)));
}

}  // namespace workbench::train
