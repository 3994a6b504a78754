#include "explore/sweep/objectives.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "core/error.h"
#include "explore/sweep/parameter.h"
#include "explore/sweep/values.h"

namespace workbench {

namespace {

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t at = 0;;) {
    at = text.find_first_not_of(" \t", at);
    if (at == std::string_view::npos) return words;
    const std::size_t end = std::min(text.find_first_of(" \t", at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end;
  }
}

const PointMetric& known_metric(std::string_view name, const std::string& where) {
  if (const PointMetric* metric = find_point_metric(name)) return *metric;
  std::vector<std::string> names;
  for (const PointMetric& metric : point_metrics()) names.emplace_back(metric.name);
  fail("{}: expected a metric, the nearest is {}; found '{}'", where, nearest_name(name, names),
       name);
}

// What may be an objective beside metrics: a parameter, whose values the study gives.
bool is_parameter(std::string_view name) {
  return name.find('.') != std::string_view::npos ||
         std::ranges::any_of(named_parameters(),
                             [&](const Parameter& one) { return one.name == name; });
}

struct Sign {
  std::string_view text;
  Constraint::Comparison comparison;
};

constexpr Sign kSigns[] = {{"<=", Constraint::Comparison::LessOrEqual},  // before their beginnings
                           {">=", Constraint::Comparison::GreaterOrEqual},
                           {"==", Constraint::Comparison::Equal},
                           {"<", Constraint::Comparison::Less},
                           {">", Constraint::Comparison::Greater}};

bool holds(double value, Constraint::Comparison comparison, double bound) {
  switch (comparison) {
    case Constraint::Comparison::Less:
      return value < bound;
    case Constraint::Comparison::LessOrEqual:
      return value <= bound;
    case Constraint::Comparison::Greater:
      return value > bound;
    case Constraint::Comparison::GreaterOrEqual:
      return value >= bound;
    case Constraint::Comparison::Equal:
      return value == bound;
  }
  CHECK(false, "comparison {}", static_cast<int>(comparison));
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") + 1 - first);
}

}  // namespace

SweepObjective parse_objective(std::string_view text, const std::string& where) {
  const std::vector<std::string_view> words = words_of(text);
  const bool directed = words.size() == 2 && (words[0] == "min" || words[0] == "max");
  if (!directed && words.size() != 1) {
    fail("{}: expected min METRIC or max METRIC, found '{}'", where, text);
  }
  const std::string_view name = words.back();
  SweepObjective objective{.metric = std::string(name), .better = Better::Neither};
  if (find_point_metric(name) != nullptr || !is_parameter(name)) {
    objective.better = known_metric(name, where).better;
  }
  if (directed) objective.better = words[0] == "min" ? Better::Lower : Better::Higher;
  if (objective.better == Better::Neither) {
    fail("{}: expected min {} or max {}, found '{}'", where, name, name, text);
  }
  return objective;
}

Constraint parse_constraint(std::string_view text, const std::string& where) {
  for (const Sign& sign : kSigns) {
    const std::size_t at = text.find(sign.text);
    if (at == std::string_view::npos) continue;
    const std::string_view name = trimmed(text.substr(0, at));
    const std::string_view bound = trimmed(text.substr(at + sign.text.size()));
    const std::optional<double> number = numeric_value(bound);
    if (!number) {
      fail("{}: expected a number behind {}, found '{}'", where, sign.text, bound);
    }
    return {std::string(known_metric(name, where).name), sign.comparison, *number};
  }
  fail("{}: expected METRIC <= NUMBER (or <, >, >=, ==), found '{}'", where, text);
}

std::string to_string(const SweepObjective& objective) {
  return (objective.better == Better::Higher ? "max " : "min ") + objective.metric;
}

std::string to_string(const Constraint& constraint) {
  const auto sign = std::ranges::find(kSigns, constraint.comparison, &Sign::comparison);
  return fmt::format("{} {} {}", constraint.metric, sign->text, constraint.bound);
}

bool meets(const Metrics& metrics, std::span<const Constraint> constraints) {
  return std::ranges::all_of(constraints, [&](const Constraint& constraint) {
    const auto metric = metrics.find(constraint.metric);
    return metric != metrics.end() &&
           holds(metric->second, constraint.comparison, constraint.bound);
  });
}

double violation(const Metrics& metrics, std::span<const Constraint> constraints) {
  constexpr double kMissing = 1e6, kBroken = 1e-3;
  double sum = 0;
  for (const Constraint& constraint : constraints) {
    if (meets(metrics, {&constraint, 1})) continue;
    const auto metric = metrics.find(constraint.metric);
    sum += kBroken + (metric == metrics.end() ? kMissing
                                              : std::abs(metric->second - constraint.bound) /
                                                    std::max(std::abs(constraint.bound), 1.0));
  }
  return sum;
}

std::optional<std::vector<double>> objective_values(const Metrics& metrics,
                                                    std::span<const SweepObjective> objectives) {
  std::vector<double> values;
  for (const SweepObjective& objective : objectives) {
    const auto metric = metrics.find(objective.metric);
    if (metric == metrics.end()) return std::nullopt;
    values.push_back(objective.better == Better::Higher ? -metric->second : metric->second);
  }
  return values;
}

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
