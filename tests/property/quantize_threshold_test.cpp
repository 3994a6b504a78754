// The threshold search against a literal transcription of docs/facts/xdnn.md 3.7.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "compiler/quantize/histogram.h"
#include "compiler/quantize/j_divergence.h"
#include "tests/support/plain_divergence.h"

namespace workbench {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr int kActivations = 20, kHistograms = 200;
#else
constexpr int kActivations = 200, kHistograms = 2500;
#endif

// numpy.histogram of |x| over [0, max]
MagnitudeHistogram numpy_histogram(const std::vector<float>& values, double max, std::size_t bins) {
  MagnitudeHistogram histogram{.max = max, .counts = std::vector<std::int64_t>(bins)};
  for (const float value : values) {
    const double magnitude = std::fabs(static_cast<double>(value));
    auto bin = static_cast<std::size_t>(magnitude * (static_cast<double>(bins) / max));
    bin = std::min(bin, bins - 1);
    // numpy puts right what rounding put into the bin beside.
    const auto edge = [&](std::size_t k) {
      return static_cast<double>(k) * (max / static_cast<double>(bins));
    };
    if (magnitude < edge(bin)) --bin;
    if (bin + 1 < bins && magnitude >= edge(bin + 1)) ++bin;
    ++histogram.counts[bin];
  }
  return histogram;
}

double slow_threshold(const std::vector<float>& values) {
  double max = 0;
  for (const float value : values) max = std::max(max, std::fabs(static_cast<double>(value)));
  if (max < 1e-8) return 0;
  const auto bins =
      static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(values.size()))));
  return plain_j_divergence_threshold(numpy_histogram(values, max, bins), {.levels = 128});
}

// Activations as networks have them: normal, rectified, sparse, skewed, with outliers.
std::vector<float> random_activations(std::mt19937_64& random) {
  std::uniform_real_distribution<double> uniform(0, 1);
  std::normal_distribution<double> normal(0, 1);
  const auto count = static_cast<std::size_t>(100 + uniform(random) * 60000);
  const auto kind = static_cast<int>(uniform(random) * 5);
  const double scale = std::exp(6 * normal(random) / 2);
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i) {
    double x = normal(random);
    if (kind == 1) x = std::max(x, 0.0);
    if (kind == 2) x = uniform(random) < 0.9 ? 0.0 : x;
    if (kind == 3) x = std::exp(x);
    if (kind == 4) x = uniform(random) < 0.001 ? 10 * x : x;
    values.push_back(static_cast<float>(x * scale));
  }
  return values;
}

TEST(JDivergenceProperty, fast_search_finds_the_literal_searchs_threshold) {
  const std::uint64_t seed = 20240611;
  std::mt19937_64 random(seed);
  for (int i = 0; i < kActivations; ++i) {
    const std::vector<float> values = random_activations(random);
    // Split in two samples: histograms add up.
    const std::span<const float> all(values);
    const std::size_t half = values.size() / 3;
    const std::vector<std::span<const float>> samples = {all.first(half), all.subspan(half)};
    ASSERT_DOUBLE_EQ(j_divergence_threshold(samples, 8), slow_threshold(values))
        << "seed " << seed << ", case " << i;
  }
}

std::int64_t draw(std::mt19937_64& random, std::int64_t low, std::int64_t high) {
  return std::uniform_int_distribution<std::int64_t>(low, high)(random);
}

// What might mislead a bound: spikes, one bin, dead first bins, two humps, plateaus, two values.
std::int64_t adversarial_count(std::mt19937_64& random, std::int64_t kind, double x) {
  switch (kind) {
    case 0:  // uniform, and nothing else: almost no divergence
      return 1000;
    case 1:
      return draw(random, 0, 20) == 0 ? draw(random, 1, 1000000000) : 0;
    case 2:
      return draw(random, 0, 3);
    case 3:  // two humps over noise
      return draw(random, 0, 2) +
             static_cast<std::int64_t>(1e6 * std::exp(-x * x / 0.01) +
                                       1e4 * std::exp(-(x - 0.7) * (x - 0.7) / 0.001));
    case 4:  // smooth: neighbouring candidates are nearly as good
      return static_cast<std::int64_t>(1e9 * std::exp(-8 * x));
    case 5:  // heavy tail
      return static_cast<std::int64_t>(1e7 / (1 + 1e4 * x * x)) + draw(random, 0, 1);
    default:  // almost everything in few bins
      return 0;
  }
}

MagnitudeHistogram adversarial_histogram(std::mt19937_64& random) {
  const std::int64_t bins = draw(random, 3, 400), kind = draw(random, 0, 8);
  MagnitudeHistogram histogram{.max = static_cast<double>(draw(random, 1, 1000)) / 7.0};
  for (std::int64_t t = 0; t < bins; ++t) {
    const double x = static_cast<double>(t) / static_cast<double>(bins);
    histogram.counts.push_back(adversarial_count(random, kind, x));
  }
  const std::int64_t spikes = draw(random, 0, 2);
  for (std::int64_t i = 0; i < spikes; ++i) {
    histogram.counts[static_cast<std::size_t>(draw(random, 0, bins - 1))] +=
        draw(random, 1, 1000000);
  }
  if (draw(random, 0, 3) > 0) histogram.counts.front() += draw(random, 1, 1000);
  if (draw(random, 0, 9) > 0) histogram.counts.back() += draw(random, 1, 5);  // else a plateau
  if (draw(random, 0, 9) == 0) histogram.counts.front() = 0;
  return histogram;
}

TEST(JDivergenceProperty, adversarial_histograms_get_the_literal_searchs_threshold) {
  const std::uint64_t seed = 20261122;
  std::mt19937_64 random(seed);
  for (int i = 0; i < kHistograms; ++i) {
    const MagnitudeHistogram histogram = adversarial_histogram(random);
    const DivergenceRule rule{.levels = static_cast<std::size_t>(2 << draw(random, 0, 7)),
                              .skip_empty_bins = draw(random, 0, 1) == 1};
    ASSERT_EQ(j_divergence_threshold(histogram, rule),
              plain_j_divergence_threshold(histogram, rule))
        << "seed " << seed << ", case " << i << ", " << histogram.counts.size() << " bins, "
        << rule.levels << " levels, skip " << rule.skip_empty_bins;
  }
}

}  // namespace
}  // namespace workbench
