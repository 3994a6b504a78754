// Straight lines of arithmetic, without a branch, which the compiler turns into vector code.
#include "compiler/quantize/divergence_sum.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
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

// Several sums with their rounding errors beside them (two-sum, without a branch).
struct ExactSums {
  std::array<double, 8> high{}, low{};
  void add(const std::array<double, 8>& x) {
    for (std::size_t k = 0; k < x.size(); ++k) {
      const double sum = high[k] + x[k];
      const double added = sum - high[k];
      low[k] += (high[k] - (sum - added)) + (x[k] - added);
      high[k] = sum;
    }
  }
};

// One level of several candidates: 1 - q there, and the sums from the first bin behind it on.
template <std::size_t kLanes>
struct Knots {
  using Lanes = std::array<double, kLanes>;
  Lanes y, w, tw, ttw, sw, tsw, ssw;

  void take(std::size_t lane, const DivergenceSums& sums) {
    w[lane] = sums.w, tw[lane] = sums.tw, ttw[lane] = sums.ttw;
    sw[lane] = sums.sw, tsw[lane] = sums.tsw, ssw[lane] = sums.ssw;
  }
};

// In a segment 1 - q = a + b t, hence the sum R of (c - q)^2 / c is
//   R = a^2 w + 2 a b tw + b^2 ttw - 2 a sw - 2 b tsw + ssw.
template <std::size_t kLanes>
class SquaresOf {
 public:
  using Lanes = std::array<double, kLanes>;

  SquaresOf(const DivergenceSums* sums, LevelGroup group, const std::int32_t* clipped)
      : sums_(sums), group_(group), clipped_(clipped) {
    const auto count = static_cast<double>(group.segments);
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      step_[lane] = clipped[lane] * (1 / count);
      slope_[lane] = count / clipped[lane];
    }
  }

  Lanes result() {
    Knots<kLanes> knots[2];
    read(group_.begin, knots[0]);
    const Knots<kLanes> first = knots[0];
    for (std::int32_t k = group_.begin; k < group_.end; ++k) {
      Knots<kLanes>& from = knots[(k - group_.begin) % 2];
      Knots<kLanes>& to = knots[(k - group_.begin + 1) % 2];
      read(k + 1, to);
      add_segment(k, from, to);
    }
    return less_rounding(first);
  }

 private:
  // Segments are longer than a bin, so that only the last level is at or next to the clipped bin.
  void read(std::int32_t k, Knots<kLanes>& to) const {
    if (k == group_.segments) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        to.y[lane] = 0;
        to.take(lane, sums_[clipped_[lane]]);
      }
      return;
    }
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const double position = k * step_[lane];
      const auto j = static_cast<std::int32_t>(position);
      const double left = sums_[j].rest, right = sums_[j + 1].rest;
      to.y[lane] = left + (position - j) * (right - left);
      to.take(lane, sums_[j + 1]);
    }
  }

  void add_segment(std::int32_t k, const Knots<kLanes>& from, const Knots<kLanes>& to) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const double b = (to.y[lane] - from.y[lane]) * slope_[lane];  // <= 0
      const double a = from.y[lane] - b * (k * step_[lane]);        // >= 0
      const double w = from.w[lane] - to.w[lane], tw = from.tw[lane] - to.tw[lane];
      const double ttw = from.ttw[lane] - to.ttw[lane], sw = from.sw[lane] - to.sw[lane];
      const double tsw = from.tsw[lane] - to.tsw[lane], ssw = from.ssw[lane] - to.ssw[lane];
      squares_[lane] += a * (a * w + 2 * (b * tw - sw)) + b * (b * ttw - 2 * tsw) + ssw;
      largest_a_[lane] = largest_a_[lane] > a ? largest_a_[lane] : a;
      smallest_b_[lane] = smallest_b_[lane] < b ? smallest_b_[lane] : b;
    }
  }

  // Less what rounding may have added: a few units in the last place of all sums from the first
  // level on times their factors.
  Lanes less_rounding(const Knots<kLanes>& first) const {
    constexpr double kUnits = 64 * std::numeric_limits<double>::epsilon();
    Lanes result;
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const double a = largest_a_[lane], b = smallest_b_[lane];
      const double sums = a * (a * first.w[lane] + 2 * (first.sw[lane] - b * first.tw[lane])) +
                          b * (b * first.ttw[lane] - 2 * first.tsw[lane]) + first.ssw[lane];
      const double least = squares_[lane] - kUnits * sums;
      result[lane] = least > 0 ? least : 0;
    }
    return result;
  }

  const DivergenceSums* sums_;
  LevelGroup group_;
  const std::int32_t* clipped_;
  Lanes step_{}, slope_{};  // bins per level, levels per bin
  Lanes squares_{}, largest_a_{}, smallest_b_{};
};

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

std::vector<DivergenceSums> divergence_sums(std::span<const double> cdf, std::size_t first) {
  std::vector<DivergenceSums> result(cdf.size() + 1);
  ExactSums sums;
  for (std::size_t t = cdf.size(); t-- > 0;) {
    const double c = cdf[t], s = 1.0 - c, at = static_cast<double>(t);
    if (t >= first) {
      const double w = 1.0 / c;
      sums.add({w, at * w, at * at * w, s * w, at * s * w, s * s * w});
    }
    std::array<double, 6> of;
    for (std::size_t k = 0; k < of.size(); ++k) of[k] = sums.high[k] + sums.low[k];
    result[t] = {of[0], of[1], of[2], of[3], of[4], of[5], std::max(c, cdf[first]), s};
  }
  return result;
}

void add_squares(const DivergenceSums* sums, LevelGroup group, double factor,
                 std::span<const std::int32_t> clipped, double* bounds) {
  constexpr std::size_t kLanes = 16;
  for (std::size_t begin = 0; begin < clipped.size(); begin += kLanes) {
    const std::size_t count = std::min(kLanes, clipped.size() - begin);
    std::array<std::int32_t, kLanes> of;
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      of[lane] = clipped[begin + std::min(lane, count - 1)];
    }
    const auto squares = SquaresOf<kLanes>(sums, group, of.data()).result();
    for (std::size_t lane = 0; lane < count; ++lane) {
      bounds[begin + lane] += factor * squares[lane];
    }
  }
}

double squares(const DivergenceSums* sums, LevelGroup group, std::int32_t clipped) {
  return SquaresOf<1>(sums, group, &clipped).result()[0];
}

}  // namespace workbench
