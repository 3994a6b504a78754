// Counting magnitudes, on all cores and without a run of equal values serialising.
#include "compiler/quantize/histogram.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

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
