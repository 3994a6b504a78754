#include "explore/sweep/pareto.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "core/error.h"

namespace workbench {

namespace {

bool dominates(const std::vector<double>& a, const std::vector<double>& b) {
  bool smaller = false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] > b[i]) return false;
    smaller = smaller || a[i] < b[i];
  }
  return smaller;
}

void for_each_pair(const Paired& values, const auto& visit) {
  CHECK(values.estimate.size() == values.truth.size() && values.group.size() == values.truth.size(),
        "{} estimates, {} truths, {} groups", values.estimate.size(), values.truth.size(),
        values.group.size());
  for (std::size_t i = 0; i < values.truth.size(); ++i) {
    for (std::size_t j = i + 1; j < values.truth.size(); ++j) {
      if (values.group[i] == values.group[j]) visit(i, j);
    }
  }
}

int order(double a, double b) { return (a > b) - (a < b); }

}  // namespace

std::vector<std::size_t> pareto_front(std::span<const std::vector<double>> points) {
  std::vector<std::size_t> sorted(points.size());
  std::iota(sorted.begin(), sorted.end(), std::size_t{0});
  // A point is dominated only by one that comes before it in this order.
  std::ranges::stable_sort(
      sorted, {}, [&](std::size_t i) -> const auto& { return points[i]; });
  std::vector<std::size_t> front;
  for (const std::size_t candidate : sorted) {
    const bool beaten = std::ranges::any_of(
        front, [&](std::size_t i) { return dominates(points[i], points[candidate]); });
    if (!beaten) front.push_back(candidate);
  }
  std::ranges::sort(front);
  return front;
}

double kendall_tau(const Paired& values) {
  std::int64_t agreement = 0, ordered_by_estimate = 0, ordered_by_truth = 0;
  for_each_pair(values, [&](std::size_t i, std::size_t j) {
    const int estimate = order(values.estimate[i], values.estimate[j]);
    const int truth = order(values.truth[i], values.truth[j]);
    agreement += estimate * truth;
    ordered_by_estimate += estimate != 0;
    ordered_by_truth += truth != 0;
  });
  if (ordered_by_estimate == 0 && ordered_by_truth == 0) return 1;
  if (ordered_by_estimate == 0 || ordered_by_truth == 0) return 0;
  return static_cast<double>(agreement) / std::sqrt(static_cast<double>(ordered_by_estimate) *
                                                    static_cast<double>(ordered_by_truth));
}

double mean_absolute_relative_error(const Paired& values) {
  double sum = 0;
  std::int64_t count = 0;
  for (std::size_t i = 0; i < values.truth.size(); ++i) {
    if (values.truth[i] == 0) continue;
    sum += std::abs((values.estimate[i] - values.truth[i]) / values.truth[i]);
    ++count;
  }
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

std::vector<SwappedPair> swapped_pairs(const Paired& values) {
  std::vector<SwappedPair> pairs;
  for_each_pair(values, [&](std::size_t i, std::size_t j) {
    if (order(values.estimate[i], values.estimate[j]) * order(values.truth[i], values.truth[j]) >=
        0) {
      return;
    }
    const double smaller = std::min(std::abs(values.truth[i]), std::abs(values.truth[j]));
    const double difference = std::abs(values.truth[i] - values.truth[j]);
    pairs.push_back({i, j, smaller == 0 ? difference : difference / smaller});
  });
  std::ranges::stable_sort(pairs, std::greater<>(), &SwappedPair::difference);
  return pairs;
}

}  // namespace workbench
