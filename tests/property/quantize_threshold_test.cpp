// The threshold search against a literal transcription of xdnn.md 3.7.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "compiler/quantize/calibrate.h"

namespace workbench {
namespace {

// numpy.linspace(0, 1, n)
std::vector<double> linspace(std::size_t n) {
  std::vector<double> points(n);
  for (std::size_t i = 0; i < n; ++i) {
    points[i] = static_cast<double>(i) * (1.0 / static_cast<double>(n - 1));
  }
  points.back() = 1.0;
  return points;
}

// numpy.interp(x, xp, fp)
std::vector<double> interp(const std::vector<double>& x, const std::vector<double>& xp,
                           const std::vector<double>& fp) {
  std::vector<double> result;
  for (const double at : x) {
    if (at >= xp.back()) {
      result.push_back(fp.back());
      continue;
    }
    const auto j =
        static_cast<std::size_t>(std::upper_bound(xp.begin(), xp.end(), at) - xp.begin() - 1);
    const double slope = (fp[j + 1] - fp[j]) / (xp[j + 1] - xp[j]);
    result.push_back(slope * (at - xp[j]) + fp[j]);
  }
  return result;
}

std::vector<double> cumulative_histogram(const std::vector<float>& values, double max,
                                         std::size_t bins) {
  std::vector<double> cdf(bins, 0.0);
  for (const float value : values) {
    const double magnitude = std::fabs(static_cast<double>(value));
    auto bin = static_cast<std::size_t>(magnitude * (static_cast<double>(bins) / max));
    bin = std::min(bin, bins - 1);
    // numpy.histogram puts right what rounding put into the bin beside.
    const auto edge = [&](std::size_t k) {
      return static_cast<double>(k) * (max / static_cast<double>(bins));
    };
    if (magnitude < edge(bin)) --bin;
    if (bin + 1 < bins && magnitude >= edge(bin + 1)) ++bin;
    cdf[bin] += 1;
  }
  double sum = 0;
  for (double& entry : cdf) {
    sum += entry / static_cast<double>(values.size());
    entry = sum;
  }
  return cdf;
}

double slow_threshold(const std::vector<float>& values) {
  double max = 0;
  for (const float value : values) max = std::max(max, std::fabs(static_cast<double>(value)));
  if (max < 1e-8) return 0;
  const auto bins =
      static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(values.size()))));
  const std::size_t n = 128;
  if (n + 1 > bins) return max;
  const std::vector<double> cdf = cumulative_histogram(values, max, bins);
  double smallest = std::numeric_limits<double>::infinity(), threshold = max;
  for (std::size_t i = n + 1; i <= bins; ++i) {
    std::vector<double> p = cdf;
    std::fill(p.begin() + static_cast<std::ptrdiff_t>(i) - 1, p.end(), 1.0);
    const std::vector<double> head(p.begin(), p.begin() + static_cast<std::ptrdiff_t>(i));
    const std::vector<double> down = interp(linspace(n), linspace(i), head);
    const std::vector<double> up = interp(linspace(i), linspace(n), down);
    std::vector<double> q(bins, 1.0);
    std::copy(up.begin(), up.end(), q.begin());
    if (std::count(q.begin(), q.end(), 0.0) > 0) return max;
    double distance = 0;
    for (std::size_t t = 0; t < bins; ++t) distance += (cdf[t] - q[t]) * std::log2(cdf[t] / q[t]);
    if (distance < smallest) {
      smallest = distance;
      threshold = (static_cast<double>(i) + 0.5) * (max / static_cast<double>(bins));
    }
  }
  return threshold;
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
  for (int i = 0; i < 200; ++i) {
    const std::vector<float> values = random_activations(random);
    // Split in two samples: histograms add up.
    const std::span<const float> all(values);
    const std::size_t half = values.size() / 3;
    const std::vector<std::span<const float>> samples = {all.first(half), all.subspan(half)};
    ASSERT_DOUBLE_EQ(j_divergence_threshold(samples, 8), slow_threshold(values))
        << "seed " << seed << ", case " << i;
  }
}

}  // namespace
}  // namespace workbench
