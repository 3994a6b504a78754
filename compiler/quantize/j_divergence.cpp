// The published threshold search (xdnn.md 3.7, quantization.md 1.3) without its O(bins^2): J
// divergence between a cumulative histogram and what is left of it when it is clipped at bin i and
// resampled to a few levels. No term of the divergence is negative, and between two levels the
// resampled curve q is a straight line, so that a few running sums over the histogram c give
//   (c - q) ln(c / q) >= (c - q)^2 / ((c + q) / 2)
// of a whole stretch at once. Every candidate gets that lower bound, O(levels) at most; those that
// it does not rule out are summed up by vector arithmetic, the lowest bound first; where several
// are within rounding errors of the smallest sum, the published loop decides.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <tuple>

#include "compiler/quantize/divergence_sum.h"
#include "compiler/quantize/histogram.h"
#include "core/error.h"
#include "core/math.h"

namespace workbench {

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

}  // namespace workbench
