#include "tests/support/plain_divergence.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

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

// numpy.interp(x, xp, fp), both x and xp ascending from 0 to 1
std::vector<double> interp(const std::vector<double>& x, const std::vector<double>& xp,
                           const std::vector<double>& fp) {
  std::vector<double> result(x.size());
  std::size_t j = 0;
  for (std::size_t t = 0; t < x.size(); ++t) {
    while (j + 1 < xp.size() && xp[j + 1] <= x[t]) ++j;
    if (j + 1 == xp.size()) {
      result[t] = fp.back();
    } else {
      const double slope = (fp[j + 1] - fp[j]) / (xp[j + 1] - xp[j]);
      result[t] = slope * (x[t] - xp[j]) + fp[j];
    }
  }
  return result;
}

std::vector<double> cumulative(const MagnitudeHistogram& histogram) {
  double total = 0, sum = 0;
  for (const std::int64_t count : histogram.counts) total += static_cast<double>(count);
  std::vector<double> cdf;
  for (const std::int64_t count : histogram.counts) {
    sum += static_cast<double>(count) / total;
    cdf.push_back(sum);
  }
  return cdf;
}

}  // namespace

double plain_j_divergence_threshold(const MagnitudeHistogram& histogram,
                                    const DivergenceRule& rule) {
  const std::size_t bins = histogram.counts.size(), n = rule.levels;
  if (n + 1 > bins) return histogram.max;
  const std::vector<double> cdf = cumulative(histogram);
  double smallest = std::numeric_limits<double>::infinity(), threshold = histogram.max;
  for (std::size_t i = n + 1; i <= bins; ++i) {
    std::vector<double> p = cdf;
    std::fill(p.begin() + static_cast<std::ptrdiff_t>(i) - 1, p.end(), 1.0);
    const std::vector<double> head(p.begin(), p.begin() + static_cast<std::ptrdiff_t>(i));
    const std::vector<double> down = interp(linspace(n), linspace(i), head);
    const std::vector<double> up = interp(linspace(i), linspace(n), down);
    std::vector<double> q = p;
    std::copy(up.begin(), up.end(), q.begin());
    if (!rule.skip_empty_bins && std::count(q.begin(), q.end(), 0.0) > 0) return histogram.max;
    double distance = 0;
    for (std::size_t t = 0; t < bins; ++t) {
      if (rule.skip_empty_bins && cdf[t] == 0) continue;
      distance += (cdf[t] - q[t]) * std::log2(cdf[t] / q[t]);
    }
    if (distance < smallest) {
      smallest = distance;
      threshold = (static_cast<double>(i) + 0.5) * (histogram.max / static_cast<double>(bins));
    }
  }
  return threshold;
}

}  // namespace workbench
