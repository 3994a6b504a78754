// The published threshold search (docs/facts/xdnn.md 3.7, docs/facts/quantization.md 1.3) without
// its O(bins^2): J divergence between a cumulative histogram and what is left of it when it is
// clipped at bin i and resampled to a few levels. No term of the divergence is negative, and
// between two levels the resampled curve q is a straight line, so that a few running sums over the
// histogram c give
//   (c - q) ln(c / q) >= (c - q)^2 / ((c + q) / 2)
// of a whole stretch at once. Every candidate gets that lower bound, O(levels) at most; those that
// it does not rule out are summed up by vector arithmetic, the lowest bound first; where several
// are within rounding errors of the smallest sum, the published loop decides.
#include "compiler/quantize/j_divergence.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <tuple>
#include <vector>

#include "compiler/quantize/histogram.h"
#include "core/error.h"
#include "core/math.h"

namespace workbench {

namespace {

// The J divergence of a few bins, and lower bounds of it for many candidates: straight lines of
// arithmetic, without a branch, which the compiler turns into vector code.

// Some bins of a cumulative histogram c beside q, what is left of it at the levels.
struct DivergenceBlock {
  static constexpr std::size_t kBins = 64;  // at most
  const double* cdf = nullptr;              // from the first of these bins on, as is log_cdf
  const double* log_cdf = nullptr;          // its log2
  const double* knots = nullptr;            // q at the levels, the last one twice
  double ratio = 0;                         // levels per bin
  std::int32_t first = 0, count = 0;        // bins, `first` counted from the histogram's
};

// log2 of normal positive numbers, to about one unit in the last place.
void log2_of(std::span<const double> x, double* result);

double level_at(DivergenceBlock block, std::int32_t t);  // q at bin first + t

// Sum of (c - q) log2(c / q).
double far_sum(DivergenceBlock block);
// The same, faster, where c / q is between 1 / 1.2 and 1.2 in all bins; to 1e-11 of it.
double near_sum(DivergenceBlock block);

// Per bin t, sums over the bins from t on. c is the cumulative histogram, s = 1 - c: exact where c
// is near 1, and small where most of the divergence is. Bins with c = 0 do not count. One cache
// line.
struct alignas(64) DivergenceSums {
  double w = 0, tw = 0, ttw = 0;    // of 1 / c, t / c, t^2 / c
  double sw = 0, tsw = 0, ssw = 0;  // of s / c, t s / c, s^2 / c
  double c = 0;                     // no sum: c at t, of the bins that count
  double rest = 0;                  // no sum: s at t
};
// [cdf.size() + 1], `first` the first bin that counts.
std::vector<DivergenceSums> divergence_sums(std::span<const double> cdf, std::size_t first);

// Some of the straight lines between the levels: from level `begin` to level `end`.
struct LevelGroup {
  std::int32_t begin = 0, end = 0;
  std::int32_t segments = 0;  // of all levels
};

// For every candidate, adds `factor` times a lower bound of the sum of (c - q)^2 / c over the bins
// of the group to its bound. A candidate is its clipped bin, where its last level lies; more bins
// than levels lie before it.
void add_squares(const DivergenceSums* sums, LevelGroup group, double factor,
                 std::span<const std::int32_t> clipped, double* bounds);
// The same for one candidate.
double squares(const DivergenceSums* sums, LevelGroup group, std::int32_t clipped);

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

}  // namespace

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Where the levels of a candidate lie: level k at bin k * step, the last at bin `last`.
struct Segments {
  double step = 0, slope = 0;  // slope: 1 / step
  std::int32_t last = 0;
};

struct Candidate {
  std::size_t i = 0;
  double distance = 0;
};

// One cumulative histogram and what its candidates share.
class DivergenceSearch {
 public:
  DivergenceSearch(std::vector<double> cdf, std::size_t levels);
  // First i in [levels + 1, bins] whose divergence is smallest.
  std::size_t best_candidate();

 private:
  static constexpr std::int32_t kGroup = 4;    // segments between two looks at the limit
  static constexpr std::int32_t kLevels = 32;  // resampled ahead of need
  static constexpr std::size_t kStride = 256, kLeastStride = 16;  // of the coarse scan

  Candidate coarse_scan();
  std::vector<Candidate> open_candidates(double limit) const;
  double limit_above(double smallest) const;
  Segments segments_of(std::size_t i) const {
    const auto count = static_cast<double>(segments_), last = static_cast<double>(i - 1);
    return {last * (1 / count), count / last, static_cast<std::int32_t>(i) - 1};
  }
  LevelGroup group_at(std::int32_t group) const {
    return {group * kGroup, std::min((group + 1) * kGroup, static_cast<std::int32_t>(segments_)),
            static_cast<std::int32_t>(segments_)};
  }
  double bound_per_square(std::int32_t group, double limit) const;
  void sort_groups(std::size_t i);
  double vector_sum(std::size_t i, double limit);
  void resample(const Segments& at, std::int32_t begin, std::int32_t end);
  double block_sum(std::size_t begin, std::size_t end, double ratio) const;
  double published_sum(std::size_t i) const;
  std::size_t published_best(std::vector<Candidate> candidates) const;

  std::vector<double> cdf_, log_cdf_;
  std::size_t first_ = 0;     // the first bin that counts
  std::vector<double> tail_;  // sum over t >= i of (cdf - 1) * log2(cdf)
  std::vector<DivergenceSums> sums_;
  std::size_t segments_;              // between the levels
  std::vector<std::int32_t> groups_;  // of segments, those that matter most first
  std::vector<double> knots_;         // q at the levels; one more, so that knots_[j + 1] exists
};

DivergenceSearch::DivergenceSearch(std::vector<double> cdf, std::size_t levels)
    : cdf_(std::move(cdf)),
      log_cdf_(cdf_.size()),
      tail_(cdf_.size() + 1, 0),
      segments_(levels - 1),
      groups_((segments_ + kGroup - 1) / kGroup),
      knots_(levels + 1) {
  std::iota(groups_.begin(), groups_.end(), 0);
  while (cdf_[first_] == 0) ++first_;
  log2_of(std::span(cdf_).subspan(first_), log_cdf_.data() + first_);
  sums_ = divergence_sums(cdf_, first_);
  for (std::size_t t = cdf_.size(); t-- > 0;) {
    tail_[t] = tail_[t + 1] + (cdf_[t] - 1.0) * log_cdf_[t];
  }
}

// A divergence above this is not the smallest, whatever the rounding errors of three ways to sum
// up: each is good for 1e-14 or so of every cdf - q, and for sqrt(bins) times that of the root of
// the sum of squares.
double DivergenceSearch::limit_above(double smallest) const {
  const double noise = 1e-13 * std::sqrt(static_cast<double>(cdf_.size()));
  const double root = std::sqrt(smallest) * (1 + 1e-7) + noise;
  return root * root;
}

// With R the sum of (c - q)^2 / c over a group, no |c - q| / c in it exceeds sqrt(R / its smallest
// c). So (c + q) / 2 <= c (1 + sqrt(R / c) / 2), and the divergence is at least R log2(e) /
// (1 + sqrt(R / c) / 2), which grows with R. With the R at which that is `limit` under the root,
// the factor is too small for smaller R, and right for larger ones in that they are above the
// limit.
double DivergenceSearch::bound_per_square(std::int32_t group, double limit) const {
  constexpr double kLog2E = 1.4426950408889634 * (1 - 1e-12);
  // Of the first candidate the levels lie lowest.
  const double begin = group * kGroup * segments_of(segments_ + 2).step;
  const double smallest = sums_[static_cast<std::size_t>(begin) + 1].c;
  const double quarter = limit / kLog2E / std::sqrt(smallest) / 4;
  const double root = quarter + std::sqrt(quarter * quarter + limit / kLog2E);
  return kLog2E / (1 + root / std::sqrt(smallest) / 2);
}

// Near i's neighbours, too, the groups of the largest sums reach a limit soonest.
void DivergenceSearch::sort_groups(std::size_t i) {
  std::vector<double> bounds;
  for (std::size_t group = 0; group < groups_.size(); ++group) {
    bounds.push_back(squares(sums_.data(), group_at(static_cast<std::int32_t>(group)),
                             static_cast<std::int32_t>(i) - 1));
  }
  std::stable_sort(groups_.begin(), groups_.end(), [&](std::int32_t a, std::int32_t b) {
    return bounds[static_cast<std::size_t>(a)] > bounds[static_cast<std::size_t>(b)];
  });
}

// sum over all bins of (cdf - q) * log2(cdf / q); infinity once it is seen to exceed `limit`.
double DivergenceSearch::vector_sum(std::size_t i, double limit) {
  double sum = tail_[i];
  if (sum > limit) return kInfinity;
  const Segments at = segments_of(i);
  std::int32_t known = 0;  // levels
  for (std::size_t begin = first_; begin < i; begin += DivergenceBlock::kBins) {
    const std::size_t end = std::min(begin + DivergenceBlock::kBins, i);
    const std::int32_t needed = static_cast<std::int32_t>(static_cast<double>(end) * at.slope) + 2;
    if (needed > known) {
      resample(at, known, needed + kLevels);
      known = needed + kLevels;
    }
    sum += block_sum(begin, end, at.slope);
    if (sum > limit) return kInfinity;
  }
  return sum;
}

// The clipped cdf interpolated onto the levels from `begin` to at least `end` (numpy.interp).
void DivergenceSearch::resample(const Segments& at, std::int32_t begin, std::int32_t end) {
  const double* cdf = cdf_.data();
  double* knots = knots_.data();
  const auto segments = static_cast<std::int32_t>(segments_);
  for (std::int32_t k = begin; k < std::min(end, segments); ++k) {
    const double position = k * at.step;
    const auto j = static_cast<std::int32_t>(position);
    const double left = j < at.last ? cdf[j] : 1.0;
    const double right = j + 1 < at.last ? cdf[j + 1] : 1.0;
    knots[k] = left + (position - j) * (right - left);
  }
  knots[segments] = knots[segments + 1] = 1.0;
}

// Of a few bins. The cdf and q both rise, so their ends tell how far they can be apart.
double DivergenceSearch::block_sum(std::size_t begin, std::size_t end, double ratio) const {
  const DivergenceBlock block{.cdf = cdf_.data() + begin,
                              .log_cdf = log_cdf_.data() + begin,
                              .knots = knots_.data(),
                              .ratio = ratio,
                              .first = static_cast<std::int32_t>(begin),
                              .count = static_cast<std::int32_t>(end - begin)};
  const double high = std::max(cdf_[end - 1], level_at(block, block.count - 1));
  const double low = std::min(cdf_[begin], level_at(block, 0));
  return high < 1.2 * low ? near_sum(block) : far_sum(block);
}

// The published loop: clip, resample down and up by numpy's linspace and interp, add up.
double DivergenceSearch::published_sum(std::size_t i) const {
  const std::size_t n = segments_ + 1;
  const auto point = [](std::size_t k, std::size_t count) {  // of linspace(0, 1, count)
    return k + 1 == count ? 1.0 : static_cast<double>(k) * (1.0 / static_cast<double>(count - 1));
  };
  const auto clipped = [&](std::size_t t) { return t + 1 < i ? cdf_[t] : 1.0; };
  const auto between = [](double x, double x0, double x1, double f0, double f1) {
    return (f1 - f0) / (x1 - x0) * (x - x0) + f0;
  };
  std::vector<double> down(n, 1.0);
  for (std::size_t k = 0, j = 0; k + 1 < n; ++k) {
    while (point(j + 1, i) <= point(k, n)) ++j;
    down[k] = between(point(k, n), point(j, i), point(j + 1, i), clipped(j), clipped(j + 1));
  }
  double distance = 0;
  for (std::size_t t = 0, j = 0; t < cdf_.size(); ++t) {
    double q = 1.0;
    if (t + 1 < i) {
      while (point(j + 1, n) <= point(t, i)) ++j;
      q = between(point(t, i), point(j, n), point(j + 1, n), down[j], down[j + 1]);
    }
    if (t >= first_) distance += (cdf_[t] - q) * math::log2(cdf_[t] / q);
  }
  return distance;
}

// A good candidate: the best one of every kStride-th, then of some around it.
Candidate DivergenceSearch::coarse_scan() {
  Candidate best{segments_ + 2, kInfinity};
  const auto look = [&](std::size_t i) {
    const double sum = vector_sum(i, best.distance);
    if (sum < best.distance) best = {i, sum};
  };
  for (std::size_t i = best.i; i <= cdf_.size(); i += kStride) look(i);
  for (std::size_t stride = kStride / 4; stride >= kLeastStride; stride /= 4) {
    const std::size_t centre = best.i;
    for (std::size_t k = 1; k < 4; ++k) {
      if (centre >= segments_ + 2 + k * stride) look(centre - k * stride);
      if (centre + k * stride <= cdf_.size()) look(centre + k * stride);
    }
  }
  return best;
}

// Those whose divergence may be up to `limit`, the lowest bound first. All of them together go
// through a few groups of segments at a time, the arithmetic of several at once.
std::vector<Candidate> DivergenceSearch::open_candidates(double limit) const {
  std::vector<std::int32_t> clipped;
  std::vector<double> bounds;
  for (std::size_t i = segments_ + 2; i <= cdf_.size(); ++i) {
    if (tail_[i - 1] > limit) continue;
    clipped.push_back(static_cast<std::int32_t>(i) - 1);
    bounds.push_back(tail_[i - 1]);
  }
  for (std::size_t begin = 0, end = 1; begin < groups_.size(); begin = end, end = 2 * end + 1) {
    for (std::size_t k = begin; k < std::min(end, groups_.size()); ++k) {
      add_squares(sums_.data(), group_at(groups_[k]), bound_per_square(groups_[k], limit), clipped,
                  bounds.data());
    }
    std::size_t kept = 0;
    for (std::size_t c = 0; c < clipped.size(); ++c) {
      if (bounds[c] > limit) continue;
      clipped[kept] = clipped[c];
      bounds[kept++] = bounds[c];
    }
    clipped.resize(kept);
    bounds.resize(kept);
  }
  std::vector<Candidate> open;
  for (std::size_t c = 0; c < clipped.size(); ++c) {
    open.push_back({static_cast<std::size_t>(clipped[c]) + 1, bounds[c]});
  }
  std::sort(open.begin(), open.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(a.distance, a.i) < std::tie(b.distance, b.i);
  });
  return open;
}

std::size_t DivergenceSearch::best_candidate() {
  const Candidate start = coarse_scan();
  sort_groups(start.i);
  double limit = limit_above(start.distance);
  std::vector<Candidate> summed;
  for (const Candidate& candidate : open_candidates(limit)) {
    if (candidate.distance > limit) break;
    const double sum = vector_sum(candidate.i, limit);
    if (sum > limit) continue;
    summed.push_back({candidate.i, sum});
    limit = std::min(limit, limit_above(sum));
  }
  std::erase_if(summed, [&](const Candidate& candidate) { return candidate.distance > limit; });
  return summed.size() == 1 ? summed.front().i : published_best(std::move(summed));
}

// First of the smallest by the published sum, which is never negative.
std::size_t DivergenceSearch::published_best(std::vector<Candidate> candidates) const {
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.i < b.i; });
  Candidate best{0, kInfinity};
  for (const Candidate& candidate : candidates) {
    const double distance = published_sum(candidate.i);
    if (distance < best.distance) best = {candidate.i, distance};
    if (distance == 0) break;
  }
  return best.i;
}

}  // namespace

double j_divergence_threshold(const MagnitudeHistogram& histogram, const DivergenceRule& rule) {
  CHECK(rule.levels >= 2, "{} levels", rule.levels);
  const std::size_t bins = histogram.counts.size();
  if (rule.levels + 1 > bins) return histogram.max;
  // xfDNN gives up where the resampled cdf is exactly 0. Its first point is the cdf's own and the
  // rest are means of later ones, so that is: where the first bin is empty.
  if (histogram.counts[0] == 0 && !rule.skip_empty_bins) return histogram.max;
  const auto total = static_cast<double>(
      std::accumulate(histogram.counts.begin(), histogram.counts.end(), std::int64_t{0}));
  if (total == 0) return histogram.max;
  std::vector<double> cdf(bins);
  double sum = 0;
  for (std::size_t bin = 0; bin < bins; ++bin) {
    sum += static_cast<double>(histogram.counts[bin]) / total;
    cdf[bin] = sum;
  }
  const std::size_t best = DivergenceSearch(std::move(cdf), rule.levels).best_candidate();
  return (static_cast<double>(best) + 0.5) * (histogram.max / static_cast<double>(bins));
}

double j_divergence_threshold(const MagnitudeHistogram& histogram, int bits) {
  return j_divergence_threshold(histogram, {.levels = std::size_t{1} << (bits - 1)});
}

double j_divergence_threshold(std::span<const std::span<const float>> samples, int bits) {
  MagnitudeHistogram histogram;
  std::int64_t count = 0;
  for (const auto sample : samples) {
    histogram.max = std::max(histogram.max, static_cast<double>(max_magnitude(sample)));
    count += static_cast<std::int64_t>(sample.size());
  }
  CHECK(std::isfinite(histogram.max), "threshold of infinite or NaN data");
  if (histogram.max < kDeadMagnitude) return 0;
  histogram.counts.assign(static_cast<std::size_t>(histogram_bins(count)), 0);
  for (const auto sample : samples) add_magnitudes(histogram, sample);
  return j_divergence_threshold(histogram, bits);
}

}  // namespace workbench
