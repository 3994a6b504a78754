// Percentile and least squared error from a histogram against the samples themselves.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <span>
#include <vector>

#include "compiler/quantize/histogram.h"
#include "compiler/quantize/recipe.h"

namespace workbench {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr int kCases = 5, kThresholds = 200;
#else
constexpr int kCases = 60, kThresholds = 1000;
#endif

std::vector<float> random_samples(std::mt19937_64& random) {
  std::uniform_real_distribution<double> uniform(0, 1);
  std::normal_distribution<double> normal(0, 1);
  const auto count = static_cast<std::size_t>(1000 + uniform(random) * 3000);
  const auto kind = static_cast<int>(uniform(random) * 6);
  const double scale = std::exp(3 * normal(random));
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i) {
    double x = normal(random);
    if (kind == 1) x = std::max(x, 0.0);
    if (kind == 2) x = uniform(random);
    if (kind == 3) x = std::exp(x);
    if (kind == 4) x = uniform(random) < 0.002 ? 30 * x : x;
    if (kind == 5) x = uniform(random) < 0.5 ? 1.0 : 3.0;
    values.push_back(static_cast<float>(x * scale));
  }
  return values;
}

MagnitudeHistogram histogram_of(const std::vector<float>& values) {
  MagnitudeHistogram histogram{.max = max_magnitude(values)};
  const std::int64_t bins = histogram_bins(static_cast<std::int64_t>(values.size()));
  histogram.counts.assign(static_cast<std::size_t>(bins), 0);
  add_magnitudes(histogram, values);
  return histogram;
}

double bin_width(const MagnitudeHistogram& histogram) {
  return histogram.max / static_cast<double>(histogram.counts.size());
}

// Root of the mean squared error of rounding |x| to the codes 0..high and back.
double sample_error(const std::vector<float>& values, double high, double threshold) {
  const double step = threshold / high;
  double sum = 0;
  for (const float value : values) {
    const double x = std::fabs(static_cast<double>(value));
    const double error = std::min(std::nearbyint(x / step), high) * step - x;
    sum += error * error;
  }
  return std::sqrt(sum / static_cast<double>(values.size()));
}

// No value is further than a bin's width from where the histogram has it, and no rounding error
// changes by more than its value: so neither does the root of the mean squared error.
TEST(MseThresholdProperty, no_random_threshold_has_a_smaller_error_on_the_samples) {
  const std::uint64_t seed = 7;
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> octaves(-10, 0);
  for (int i = 0; i < kCases; ++i) {
    const std::vector<float> values = random_samples(random);
    const MagnitudeHistogram histogram = histogram_of(values);
    const int bits = 2 + static_cast<int>(random() % 7);
    const bool is_signed = random() % 2 == 0;
    const double high = (1 << (bits - is_signed)) - 1;
    const double best = mse_threshold(histogram, bits, is_signed, ScaleKind::Real);
    const double power = mse_threshold(histogram, bits, is_signed, ScaleKind::PowerOfTwo);
    EXPECT_LE(best, histogram.max);
    EXPECT_EQ(std::exp2(std::round(std::log2(power / high))), power / high);
    const double tolerance = 2 * bin_width(histogram);
    const double error = sample_error(values, high, best);
    const double power_error = sample_error(values, high, power);
    for (int k = 0; k < kThresholds; ++k) {
      const double other = histogram.max * std::exp2(octaves(random));
      ASSERT_LE(error, 1.01 * sample_error(values, high, other) + tolerance)
          << "seed " << seed << ", case " << i << ": " << best << " against " << other;
      const double rounded = high * std::exp2(std::round(std::log2(other / high)));
      ASSERT_LE(power_error, sample_error(values, high, rounded) + tolerance)
          << "seed " << seed << ", case " << i << ": " << power << " against " << rounded;
    }
  }
}

TEST(MseThresholdProperty, the_error_from_bins_is_that_of_the_samples_within_a_bin) {
  std::mt19937_64 random(8);
  std::uniform_real_distribution<double> octaves(-10, 1);
  for (int i = 0; i < kCases; ++i) {
    const std::vector<float> values = random_samples(random);
    const MagnitudeHistogram histogram = histogram_of(values);
    const double threshold = histogram.max * std::exp2(octaves(random));
    EXPECT_NEAR(std::sqrt(squared_error(histogram, 8, true, threshold)),
                sample_error(values, 127, threshold), bin_width(histogram))
        << "seed 8, case " << i;
  }
}

TEST(PercentileThresholdProperty, it_is_the_sorted_samples_within_a_bin) {
  std::mt19937_64 random(9);
  std::uniform_real_distribution<double> uniform(0, 1);
  for (int i = 0; i < kCases; ++i) {
    const std::vector<float> values = random_samples(random);
    const MagnitudeHistogram histogram = histogram_of(values);
    std::vector<double> sorted;
    for (const float value : values) sorted.push_back(std::fabs(static_cast<double>(value)));
    std::sort(sorted.begin(), sorted.end());
    for (const double fraction : {1.0, 0.9999, 0.5, 1e-6, 1 - uniform(random)}) {
      const auto rank =
          static_cast<std::size_t>(std::ceil(fraction * static_cast<double>(sorted.size())));
      EXPECT_NEAR(percentile_threshold(histogram, fraction), sorted[rank - 1],
                  1.000001 * bin_width(histogram))
          << "seed 9, case " << i << ", fraction " << fraction;
    }
  }
}

}  // namespace
}  // namespace workbench
