// Counting magnitudes, on all cores and without a run of equal values serialising.
#include "compiler/quantize/histogram.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "compiler/quantize/recipe.h"
#include "core/math.h"
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

// Percentile and least squared error from bins (docs/facts/quantization.md 4.2, 5.3): as from a
// sort, or a pass over all samples per candidate, up to the width of a bin.

namespace {

constexpr int kCandidates = 128;
constexpr int kPerOctave = 8;
constexpr int kExponents = kCandidates / kPerOctave;  // the same sixteen octaves
constexpr int kRefinements = 2;
constexpr int kHalvings = 40;
constexpr int kRefined = 32;  // candidates of one refinement

double total_count(const MagnitudeHistogram& histogram) {
  return static_cast<double>(
      std::accumulate(histogram.counts.begin(), histogram.counts.end(), std::int64_t{0}));
}

double highest_code(int bits, bool is_signed) {
  Quantization quantization;
  quantization.bits = bits;
  quantization.is_signed = is_signed;
  return static_cast<double>(quantization.high());
}

// Integral of the squared distance to the nearest of the codes 0..high from 0 to `x`, for steps of
// 1: a twelfth for each code passed, and a cubic from the nearest code on.
double error_integral(double x, double high) {
  const double code = std::min(std::floor(x + 0.5), high);
  const double rest = x - code;
  return code / 12.0 + rest * rest * rest / 3.0;
}

struct Choice {
  double threshold = 0, error = 0;
};

// The better of the two; the former of equals.
void improve(Choice& best, const MagnitudeHistogram& histogram, int bits, bool is_signed,
             double threshold) {
  const double error = squared_error(histogram, bits, is_signed, threshold);
  if (error < best.error) best = {threshold, error};
}

Choice choice_of(const MagnitudeHistogram& histogram, int bits, bool is_signed, double threshold) {
  return {threshold, squared_error(histogram, bits, is_signed, threshold)};
}

double real_threshold(const MagnitudeHistogram& histogram, int bits, bool is_signed) {
  Choice best = choice_of(histogram, bits, is_signed, histogram.max);
  double spacing = math::pow(2, 1.0 / kPerOctave);  // to the candidates beside, as a factor
  for (int i = 1; i < kCandidates; ++i) {
    improve(best, histogram, bits, is_signed, histogram.max / math::pow(spacing, i));
  }
  for (int pass = 0; pass < kRefinements; ++pass) {
    const double centre = best.threshold;
    for (int i = 1; i < kRefined; ++i) {
      const double factor = math::pow(spacing, 2.0 * i / kRefined - 1.0);
      improve(best, histogram, bits, is_signed, std::min(centre * factor, histogram.max));
    }
    spacing = math::pow(spacing, 2.0 / kRefined);
  }
  return best.threshold;
}

double power_of_two_threshold(const MagnitudeHistogram& histogram, int bits, bool is_signed) {
  const double high = highest_code(bits, is_signed);
  const auto top = static_cast<int>(std::ceil(math::log2(histogram.max / high)));
  Choice best = choice_of(histogram, bits, is_signed, std::ldexp(high, top));
  for (int i = 1; i <= kExponents; ++i) {
    improve(best, histogram, bits, is_signed, std::ldexp(high, top - i));
  }
  return best.threshold;
}

}  // namespace

double max_threshold(const MagnitudeHistogram& histogram) { return histogram.max; }

double percentile_threshold(const MagnitudeHistogram& histogram, double fraction) {
  CHECK(fraction > 0 && fraction <= 1, "percentile of fraction {}", fraction);
  double left = fraction * total_count(histogram);
  const double width = histogram.max / static_cast<double>(histogram.counts.size());
  for (std::size_t bin = 0; bin < histogram.counts.size(); ++bin) {
    const auto count = static_cast<double>(histogram.counts[bin]);
    if (count > 0 && count >= left) {
      return std::min((static_cast<double>(bin) + left / count) * width, histogram.max);
    }
    left -= count;
  }
  return histogram.max;
}

double squared_error(const MagnitudeHistogram& histogram, int bits, bool is_signed,
                     double threshold) {
  CHECK(threshold > 0, "squared error of threshold {}", threshold);
  if (histogram.counts.empty()) return 0;
  const double high = highest_code(bits, is_signed);
  const double step = threshold / high;
  const double width = histogram.max / static_cast<double>(histogram.counts.size()) / step;
  double sum = 0, before = 0;
  for (std::size_t bin = 0; bin < histogram.counts.size(); ++bin) {
    const double after = error_integral(static_cast<double>(bin + 1) * width, high);
    sum += static_cast<double>(histogram.counts[bin]) * (after - before);
    before = after;
  }
  return sum / width / total_count(histogram) * step * step;
}

double tail_threshold(const MagnitudeHistogram& histogram, int bits, bool is_signed) {
  if (histogram.counts.empty() || histogram.max <= 0) return histogram.max;
  const double width = histogram.max / static_cast<double>(histogram.counts.size());
  // The tail: from bin `begin` on.
  std::size_t begin = histogram.counts.size();
  double count = 0, sum = 0;
  while (begin > 0 && count < static_cast<double>(histogram.counts.size())) {
    --begin;
    const auto of_bin = static_cast<double>(histogram.counts[begin]);
    count += of_bin;
    sum += of_bin * (static_cast<double>(begin) + 0.5) * width;
  }
  const double from = static_cast<double>(begin) * width, excess = sum / count - from;
  const double high = highest_code(bits, is_signed);
  // Both derivatives are equal where P(x > t) = t / (12 high^2 excess); the former falls.
  const auto clips_too_much = [&](double t) {
    return count / total_count(histogram) * math::exp((from - t) / excess) >
           t / (12 * high * high * excess);
  };
  double low = histogram.max, above = 2 * low;
  if (!clips_too_much(low)) return low;
  while (clips_too_much(above)) above *= 2;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (low + above) / 2;
    (clips_too_much(middle) ? low : above) = middle;
  }
  return low;
}

double mse_threshold(const MagnitudeHistogram& histogram, int bits, bool is_signed,
                     ScaleKind scale) {
  if (histogram.counts.empty() || histogram.max <= 0) return histogram.max;
  return scale == ScaleKind::Real ? real_threshold(histogram, bits, is_signed)
                                  : power_of_two_threshold(histogram, bits, is_signed);
}

}  // namespace workbench
