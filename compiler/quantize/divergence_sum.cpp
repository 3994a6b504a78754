// Straight lines of arithmetic, without a branch, which the compiler turns into vector code.
#include "compiler/quantize/divergence_sum.h"

#include <array>
#include <bit>
#include <numeric>

namespace workbench {

namespace {

// log2 of a normal positive number, to about one unit in the last place; no branch.
inline double fast_log2(double x) {
  constexpr std::uint64_t kMantissa = (std::uint64_t{1} << 52) - 1;
  constexpr double kTwo52 = 4503599627370496.0;
  const auto bits = std::bit_cast<std::uint64_t>(x);
  double exponent = std::bit_cast<double>(std::bit_cast<std::uint64_t>(kTwo52) | (bits >> 52)) -
                    (kTwo52 + 1023.0);
  double mantissa = std::bit_cast<double>((bits & kMantissa) | std::bit_cast<std::uint64_t>(1.0));
  const bool high = mantissa > 1.4142135623730951;
  mantissa = high ? mantissa * 0.5 : mantissa;
  exponent = high ? exponent + 1.0 : exponent;
  // log2(m) = 2/ln 2 * atanh(s), s = (m-1)/(m+1), |s| <= 0.1716: eleven terms reach 2^-53.
  const double s = (mantissa - 1.0) / (mantissa + 1.0);
  const double z = s * s;
  double sum = 1.0 / 21.0;
  sum = sum * z + 1.0 / 19.0;
  sum = sum * z + 1.0 / 17.0;
  sum = sum * z + 1.0 / 15.0;
  sum = sum * z + 1.0 / 13.0;
  sum = sum * z + 1.0 / 11.0;
  sum = sum * z + 1.0 / 9.0;
  sum = sum * z + 1.0 / 7.0;
  sum = sum * z + 1.0 / 5.0;
  sum = sum * z + 1.0 / 3.0;
  sum = sum * z + 1.0;
  return exponent + 2.8853900817779268 * s * sum;
}

inline double level_of(DivergenceBlock block, std::int32_t t) {
  const double position = (block.first + t) * block.ratio;
  const auto j = static_cast<std::int32_t>(position);
  return block.knots[j] + (position - j) * (block.knots[j + 1] - block.knots[j]);
}

// Sum of term(bin, q) over the block. The terms go through an array so that the compiler may
// compute several at once: sums must not be reordered behind our back.
template <typename Term>
double sum_over(DivergenceBlock block, const Term& term) {
  std::array<double, DivergenceBlock::kBins> terms{};
  for (std::int32_t t = 0; t < block.count; ++t) {
    terms[static_cast<std::size_t>(t)] = term(t, level_of(block, t));
  }
  std::array<double, 8> lanes{};
  for (std::size_t t = 0; t < terms.size(); t += lanes.size()) {
    for (std::size_t lane = 0; lane < lanes.size(); ++lane) lanes[lane] += terms[t + lane];
  }
  return std::accumulate(lanes.begin(), lanes.end(), 0.0);
}

}  // namespace

void log2_of(std::span<const double> x, double* result) {
  for (std::size_t i = 0; i < x.size(); ++i) result[i] = fast_log2(x[i]);
}

double level_at(DivergenceBlock block, std::int32_t t) { return level_of(block, t); }

double far_sum(DivergenceBlock block) {
  return sum_over(block, [cdf = block.cdf, log_cdf = block.log_cdf](std::int32_t t, double q) {
    return (cdf[t] - q) * (log_cdf[t] - fast_log2(q));
  });
}

// ln(c / q) = 2 atanh(z), z = (c - q) / (c + q), |z| < 0.1.
double near_sum(DivergenceBlock block) {
  return sum_over(block, [cdf = block.cdf](std::int32_t t, double q) {
    const double r = cdf[t] - q, z = r / (cdf[t] + q), x = z * z;
    const double series =
        1.0 + x * (1.0 / 3.0 + x * (1.0 / 5.0 + x * (1.0 / 7.0 + x * (1.0 / 9.0))));
    return 2.8853900817779268 * r * z * series;
  });
}

}  // namespace workbench
