#include "explore/track/wall.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace workbench::track {

namespace {

// Of n fair coins, at most k heads.
double coins_at_most(std::size_t k, std::size_t n) {
  // In logarithms: 2^-n alone leaves the range of double from n = 1075 on.
  double sum = 0, log_choose = 0;
  for (std::size_t i = 0; i <= k; ++i) {
    if (i > 0) {
      log_choose += std::log(static_cast<double>(n - i + 1)) - std::log(static_cast<double>(i));
    }
    sum += std::exp(log_choose - static_cast<double>(n) * std::log(2.0));
  }
  return sum;
}

int sign(double value) { return value > 0 ? 1 : value < 0 ? -1 : 0; }

struct Split {
  std::size_t index = 0;  // first of the right part
  double significance = 1;
};

// U(t) = sum of sign(x[j] - x[i]) over i < t <= j; the step is where |U| is largest.
Split best_split(std::span<const double> values) {
  const std::size_t n = values.size();
  Split split;
  double u = 0, largest = 0;
  for (std::size_t t = 1; t < n; ++t) {
    // x[t - 1] moves from the right part to the left one.
    for (std::size_t j = 0; j < n; ++j) u += sign(values[j] - values[t - 1]);
    if (std::abs(u) > largest) {
      largest = std::abs(u);
      split.index = t;
    }
  }
  const auto size = static_cast<double>(n);
  split.significance = 2 * std::exp(-6 * largest * largest / (size * size * size + size * size));
  return split;
}

void find_change_points(std::span<const double> values, std::size_t offset, double significance,
                        std::vector<std::size_t>& found) {
  if (values.size() < 2) return;
  const Split split = best_split(values);
  if (split.index == 0 || split.significance > significance) return;
  find_change_points(values.first(split.index), offset, significance, found);
  found.push_back(offset + split.index);
  find_change_points(values.subspan(split.index), offset + split.index, significance, found);
}

}  // namespace

double median(std::vector<double> values) {
  CHECK(!values.empty());
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::optional<Interval95> median_interval(std::vector<double> values) {
  constexpr double kOutside = 0.05;
  const std::size_t n = values.size();
  std::size_t below = 0;  // values left out at either end
  while (below < n / 2 && 2 * coins_at_most(below, n) <= kOutside) ++below;
  if (below == 0) return std::nullopt;
  std::sort(values.begin(), values.end());
  return Interval95{values[below - 1], values[n - below]};
}

PairedDifference paired_difference(const PairedTimes& times) {
  CHECK(times.before.size() == times.after.size() && !times.before.empty());
  std::vector<double> percents;
  for (std::size_t i = 0; i < times.before.size(); ++i) {
    CHECK(times.before[i] > 0 && times.after[i] > 0, "a time of {} and {} s", times.before[i],
          times.after[i]);
    percents.push_back(100 * (times.after[i] / times.before[i] - 1));
  }
  return {
      .percent = median(percents), .interval = median_interval(percents), .pairs = percents.size()};
}

std::vector<std::size_t> change_points(std::span<const double> values, double significance) {
  std::vector<std::size_t> found;
  find_change_points(values, 0, significance, found);
  return found;
}

}  // namespace workbench::track
