// J divergence applied to cumulative histograms, as the published quantizer does (xdnn.md 3.7), in
// O(bins^2) arithmetic that vectorises: its own log2, block-wise sums, and an early stop, since no
// term of the divergence is negative.
#include "compiler/quantize/histogram.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "compiler/quantize/calibrate.h"
#include "core/parallel.h"

namespace workbench {

namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kLanes = 4;  // histogram copies: a run of equal values must not serialise
constexpr std::int64_t kChunk = 1 << 17;  // values per parallel task

// Bin numbers of up to kBlock values. The product is exact in double and the quotient correctly
// rounded, so no value lands in a neighbouring bin.
void bin_numbers(std::span<const float> values, double max, int bins,
                 std::array<std::int32_t, kBlock>& numbers) {
  const double count = bins;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double position = static_cast<double>(std::fabs(values[i])) * count / max;
    numbers[i] = std::min(static_cast<std::int32_t>(position), bins - 1);
  }
}

std::vector<std::int64_t> count_chunk(std::span<const float> values, double max, int bins) {
  std::vector<std::uint32_t> lanes(static_cast<std::size_t>(bins) * kLanes, 0);
  std::array<std::int32_t, kBlock> numbers;
  for (std::size_t begin = 0; begin < values.size(); begin += kBlock) {
    const auto block = values.subspan(begin, std::min(kBlock, values.size() - begin));
    bin_numbers(block, max, bins, numbers);
    for (std::size_t i = 0; i < block.size(); ++i) {
      ++lanes[static_cast<std::size_t>(numbers[i]) * kLanes + i % kLanes];
    }
  }
  std::vector<std::int64_t> counts(static_cast<std::size_t>(bins));
  for (std::size_t bin = 0; bin < counts.size(); ++bin) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) counts[bin] += lanes[bin * kLanes + lane];
  }
  return counts;
}

// log2 of a normal positive number, to about one unit in the last place; unlike std::log2 it is a
// straight line of arithmetic that the compiler turns into vector code.
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

// The search over one cumulative histogram: state that every candidate shares.
class DivergenceSearch {
 public:
  DivergenceSearch(std::vector<double> cdf, std::size_t levels)
      : cdf_(std::move(cdf)), log_cdf_(cdf_.size()), tail_(cdf_.size() + 1, 0), knots_(levels + 1) {
    for (std::size_t t = cdf_.size(); t-- > 0;) {
      log_cdf_[t] = std::log2(cdf_[t]);
      tail_[t] = tail_[t + 1] + (cdf_[t] - 1.0) * log_cdf_[t];
    }
  }

  // First i in [levels + 1, bins] whose divergence is smallest. A coarse scan tells beforehand how
  // small it can be, so that most candidates are given up early.
  std::size_t best_candidate() {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const std::size_t first = knots_.size();
    double bound = kInfinity;
    for (std::size_t i = first; i <= cdf_.size(); i += kStride) {
      bound = std::min(bound, divergence(i, bound));
    }
    bound *= 1 + 1e-12;  // sums of terms that are 0 but for rounding may shrink again
    std::size_t best = first;
    double smallest = kInfinity;
    for (std::size_t i = first; i <= cdf_.size(); ++i) {
      const double distance = divergence(i, std::min(bound, smallest));
      if (distance < smallest) {
        smallest = distance;
        best = i;
      }
    }
    return best;
  }

 private:
  static constexpr std::size_t kTerms = 64;
  static constexpr std::size_t kStride = 16;

  // sum over all bins of (cdf - q) * log2(cdf / q); infinity once it is seen to exceed `limit`.
  double divergence(std::size_t i, double limit) {
    double sum = tail_[i];  // where q = 1
    if (sum > limit) return std::numeric_limits<double>::infinity();
    resample(i);
    const double ratio = static_cast<double>(knots_.size() - 2) / static_cast<double>(i - 1);
    for (std::size_t begin = 0; begin < i; begin += kTerms) {
      sum += block_sum(begin, std::min(begin + kTerms, i), ratio);
      if (sum > limit) return std::numeric_limits<double>::infinity();
    }
    return sum;
  }

  // The first i points of the clipped cdf, interpolated onto the levels (numpy.interp).
  void resample(std::size_t i) {
    const std::size_t last = knots_.size() - 2;
    for (std::size_t k = 0; k <= last; ++k) {
      const std::size_t j = k * (i - 1) / last;
      const double part = static_cast<double>(k * (i - 1) % last) / static_cast<double>(last);
      const double left = j + 1 < i ? cdf_[j] : 1.0;
      const double right = j + 2 < i ? cdf_[j + 1] : 1.0;
      knots_[k] = left + part * (right - left);
    }
    knots_[last + 1] = knots_[last];
  }

  double block_sum(std::size_t begin, std::size_t end, double ratio) const {
    std::array<double, kTerms> terms{};
    const double* cdf = cdf_.data() + begin;
    const double* log_cdf = log_cdf_.data() + begin;
    const double* knots = knots_.data();
    const auto count = static_cast<std::int32_t>(end - begin);
    const auto first = static_cast<std::int32_t>(begin);
    for (std::int32_t t = 0; t < count; ++t) {
      const double position = static_cast<double>(first + t) * ratio;
      const auto j = static_cast<std::int32_t>(position);
      const double q = knots[j] + (position - j) * (knots[j + 1] - knots[j]);
      terms[static_cast<std::size_t>(t)] = (cdf[t] - q) * (log_cdf[t] - fast_log2(q));
    }
    std::array<double, 8> lanes{};
    for (std::size_t t = 0; t < kTerms; t += lanes.size()) {
      for (std::size_t lane = 0; lane < lanes.size(); ++lane) lanes[lane] += terms[t + lane];
    }
    return std::accumulate(lanes.begin(), lanes.end(), 0.0);
  }

  std::vector<double> cdf_, log_cdf_;
  std::vector<double> tail_;   // tail_[i] = sum over t >= i of (cdf - 1) * log2(cdf)
  std::vector<double> knots_;  // one more than the levels, so that knots_[j + 1] always exists
};

}  // namespace

float max_magnitude(std::span<const float> values) {
  // Magnitudes order like their bit patterns, and integer maxima vectorise.
  std::uint32_t largest = 0;
  for (const float value : values) {
    largest = std::max(largest, std::bit_cast<std::uint32_t>(value) & 0x7fffffffU);
  }
  const float magnitude = std::bit_cast<float>(largest);
  return std::isfinite(magnitude) ? magnitude : std::numeric_limits<float>::infinity();
}

std::int64_t histogram_bins(std::int64_t value_count) {
  auto root = static_cast<std::int64_t>(std::sqrt(static_cast<double>(value_count)));
  while (root * root < value_count) ++root;
  while (root > 0 && (root - 1) * (root - 1) >= value_count) --root;
  return root;
}

void add_magnitudes(MagnitudeHistogram& histogram, std::span<const float> values) {
  CHECK(histogram.max > 0, "histogram of a dead tensor");
  const auto total = static_cast<std::int64_t>(values.size());
  const std::int64_t chunks = (total + kChunk - 1) / kChunk;
  std::vector<std::vector<std::int64_t>> parts(static_cast<std::size_t>(chunks));
  parallel_for(chunks, 0, [&](std::int64_t i) {
    const auto begin = static_cast<std::size_t>(i * kChunk);
    const auto count = static_cast<std::size_t>(std::min(kChunk, total - i * kChunk));
    parts[static_cast<std::size_t>(i)] = count_chunk(values.subspan(begin, count), histogram.max,
                                                     static_cast<int>(histogram.counts.size()));
  });
  for (const auto& part : parts) {
    for (std::size_t bin = 0; bin < part.size(); ++bin) histogram.counts[bin] += part[bin];
  }
}

double j_divergence_threshold(const MagnitudeHistogram& histogram, int bits) {
  const std::size_t bins = histogram.counts.size();
  const std::size_t levels = std::size_t{1} << (bits - 1);
  if (levels + 1 > bins) return histogram.max;
  // The published search gives up where the resampled cdf is exactly 0. Its first point is the
  // cdf's own and the rest are means of later ones, so that is: where the first bin is empty.
  if (histogram.counts[0] == 0) return histogram.max;
  const auto total = static_cast<double>(
      std::accumulate(histogram.counts.begin(), histogram.counts.end(), std::int64_t{0}));
  std::vector<double> cdf(bins);
  double sum = 0;
  for (std::size_t bin = 0; bin < bins; ++bin) {
    sum += static_cast<double>(histogram.counts[bin]) / total;
    cdf[bin] = sum;
  }
  const std::size_t best = DivergenceSearch(std::move(cdf), levels).best_candidate();
  return (static_cast<double>(best) + 0.5) * (histogram.max / static_cast<double>(bins));
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
