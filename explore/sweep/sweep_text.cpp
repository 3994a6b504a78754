#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"
#include "explore/report/text.h"
#include "explore/store/result_table.h"
#include "explore/sweep/objectives.h"
#include "explore/sweep/sweep.h"

namespace workbench {

namespace {

bool is_ok(const SweepRow& row) { return row.result.status == PointResult::Status::Ok; }

std::string value_of(const Point& point, const std::string& parameter) {
  const auto setting = std::ranges::find(point.settings, parameter, &Setting::name);
  return setting == point.settings.end() ? "" : setting->value;
}

std::string metric_text(const Metrics& metrics, const std::string& name) {
  const auto metric = metrics.find(name);
  if (metric == metrics.end()) return "-";
  const double value = metric->second;
  constexpr double kExact = 1e15;
  if (std::floor(value) == value && std::abs(value) < kExact) {
    return thousands(static_cast<std::int64_t>(value));
  }
  return fmt::format("{:.5g}", value);
}

std::string count_of(std::int64_t count, const char* one) {
  return fmt::format("{} {}{}", thousands(count), one, count == 1 ? "" : "s");
}

std::string counts_text(const SweepOutcome& outcome) {
  std::map<PointResult::Status, std::int64_t> counts;
  std::map<Tier, std::int64_t> tiers;
  for (const SweepRow& row : outcome.report.rows) {
    ++counts[row.result.status];
    ++tiers[row.point.tier];
  }
  std::vector<std::string> of_tiers;
  for (const auto& [tier, count] : tiers) {
    of_tiers.push_back(thousands(count) + " " + std::string(to_string(tier)));
  }
  if (of_tiers.empty()) of_tiers.push_back("none yet");
  std::string text = fmt::format("points   {}: {} ok", fmt::join(of_tiers, ", "),
                                 thousands(counts[PointResult::Status::Ok]));
  for (const auto status : {PointResult::Status::Infeasible, PointResult::Status::Failed}) {
    if (counts[status] > 0) {
      text += fmt::format(", {} {}", thousands(counts[status]), to_string(status));
    }
  }
  if (outcome.excluded > 0) {
    text += fmt::format("; {} left out by conditions", thousands(outcome.excluded));
  }
  text += fmt::format("\n         {} computed, {} from the store",
                      thousands(outcome.report.computed), thousands(outcome.report.reused));
  if (outcome.report.computed > 0) {
    text += fmt::format(", in {:.1f} s ({:.1f} a second)", outcome.seconds,
                        static_cast<double>(outcome.report.computed) / outcome.seconds);
  }
  return text + "\n";
}

// Reasons that differ in their numbers alone are one.
std::string without_numbers(const std::string& reason) {
  std::string pattern;
  for (const char letter : reason) {
    const bool digit = (letter >= '0' && letter <= '9') || letter == '.' || letter == ',';
    if (!digit) {
      pattern += letter;
    } else if (pattern.empty() || pattern.back() != '#') {
      pattern += '#';
    }
  }
  return pattern;
}

std::string reasons_text(const SweepReport& report, PointResult::Status status) {
  struct Group {
    std::int64_t count = 0;
    const SweepRow* first = nullptr;
  };
  std::map<std::string, Group> groups;
  for (const SweepRow& row : report.rows) {
    if (row.result.status != status) continue;
    Group& group = groups[without_numbers(row.result.reason)];
    if (++group.count == 1) group.first = &row;
  }
  if (groups.empty()) return "";
  std::vector<Group> sorted;
  for (const auto& [pattern, group] : groups) sorted.push_back(group);
  std::ranges::stable_sort(sorted, std::greater<>(), &Group::count);
  constexpr std::size_t kShown = 8;
  std::string text = fmt::format("\n{}\n", to_string(status));
  for (std::size_t i = 0; i < std::min(kShown, sorted.size()); ++i) {
    text += fmt::format("{:>6}  {}\n", thousands(sorted[i].count), sorted[i].first->result.reason);
    const std::string place = place_of(report, sorted[i].first->point);
    if (sorted[i].count > 1 && !place.empty()) {
      text += fmt::format("        first at {}\n", place);
    }
  }
  if (sorted.size() > kShown) {
    text +=
        fmt::format("        and {} more reasons (--csv has them all)\n", sorted.size() - kShown);
  }
  return text;
}

// The rows worth a look, by network, then by the first objective; and how many there were.
struct Best {
  std::vector<const SweepRow*> rows;
  std::int64_t of = 0;      // points that are Ok and meet the constraints
  std::int64_t hidden = 0;  // of the front, not in `rows`
};

Best best_rows(const SweepReport& report, Tier tier) {
  const bool ranking = report.objectives.size() == 1;  // a front of one objective is a point
  const std::size_t shown_max = ranking ? 10 : 30;
  Best best;
  for (const std::string& network : report.networks) {
    std::vector<std::pair<std::vector<double>, const SweepRow*>> candidates;
    for (const SweepRow& row : report.rows) {
      if (row.point.network != network || row.point.tier != tier || !row.meets) continue;
      ++best.of;
      if (!ranking && !row.on_front) continue;
      auto values = objective_values(row.result.metrics, report.objectives);
      if (values) candidates.emplace_back(std::move(*values), &row);
    }
    std::ranges::stable_sort(candidates, {},
                             [](const auto& c) -> const std::vector<double>& { return c.first; });
    for (std::size_t i = 0; i < std::min(shown_max, candidates.size()); ++i) {
      best.rows.push_back(candidates[i].second);
    }
    if (!ranking && candidates.size() > shown_max) {
      best.hidden += static_cast<std::int64_t>(candidates.size() - shown_max);
    }
  }
  return best;
}

std::vector<std::string> metrics_shown(const SweepReport& report) {
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  };
  for (const SweepObjective& objective : report.objectives) {
    if (find_point_metric(objective.metric) != nullptr) add(objective.metric);
  }
  for (const std::string& constraint : report.constraints) {
    add(constraint.substr(0, constraint.find(' ')));
  }
  return names;
}

const SweepRow* same_point(const SweepReport& report, const SweepRow& row, Tier tier) {
  const auto found = std::ranges::find_if(report.rows, [&](const SweepRow& other) {
    return other.point.tier == tier && other.point.network == row.point.network &&
           other.point.machine == row.point.machine && other.point.settings == row.point.settings;
  });
  return found == report.rows.end() ? nullptr : &*found;
}

Table best_table(const SweepReport& report, const Best& best, bool with_analytic) {
  Table table;
  const auto column = [&](const std::string& title, bool right) {
    table.columns.push_back({.title = title, .right_aligned = right, .width_max = 40});
  };
  if (report.networks.size() > 1) column("network", false);
  if (report.machines.size() > 1) column("machine", false);
  for (const std::string& parameter : report.parameters) column(parameter, true);
  const std::vector<std::string> metrics = metrics_shown(report);
  for (const std::string& metric : metrics) column(metric, true);
  const std::string first = metrics.empty() ? "" : metrics.front();
  with_analytic = with_analytic && !first.empty();
  if (with_analytic) column(first + " (analytic)", true);
  for (const SweepRow* row : best.rows) {
    std::vector<std::string>& cells = table.rows.emplace_back();
    if (report.networks.size() > 1) cells.push_back(row->point.network);
    if (report.machines.size() > 1) cells.push_back(row->point.machine);
    for (const std::string& parameter : report.parameters) {
      cells.push_back(value_of(row->point, parameter));
    }
    for (const std::string& metric : metrics) {
      cells.push_back(metric_text(row->result.metrics, metric));
    }
    if (!with_analytic) continue;
    const SweepRow* analytic = same_point(report, *row, Tier::Analytic);
    cells.push_back(analytic == nullptr ? "-" : metric_text(analytic->result.metrics, first));
  }
  return table;
}

std::string best_text(const SweepReport& report) {
  const bool refined = std::ranges::any_of(report.rows, [](const SweepRow& row) {
    return row.point.tier == Tier::Transaction && is_ok(row);
  });
  const Tier tier = refined ? Tier::Transaction : Tier::Analytic;
  const Best best = best_rows(report, tier);
  std::vector<std::string> goals;
  for (const SweepObjective& objective : report.objectives) goals.push_back(to_string(objective));
  for (const std::string& constraint : report.constraints) goals.push_back(constraint);
  if (best.rows.empty()) {
    return fmt::format("\nbest, {} tier: {}: no point is ok and meets the constraints\n",
                       to_string(tier), fmt::join(goals, ", "));
  }
  const auto shown = static_cast<std::int64_t>(best.rows.size());
  std::string text = fmt::format(
      "\n{}, {} tier: {} ({} of {})\n", report.objectives.size() == 1 ? "best" : "pareto front",
      to_string(tier), fmt::join(goals, ", "), shown + best.hidden, count_of(best.of, "point"));
  const bool both = refined && !report.agreement.empty();
  for (const std::string& line : lines(best_table(report, best, both))) text += line + "\n";
  if (best.hidden > 0) text += fmt::format("and {} more\n", best.hidden);
  return text;
}

std::string swaps_text(const SweepReport& report, const TierAgreement& tiers) {
  constexpr std::size_t kShown = 5;
  std::string text;
  const auto both = [&](const SweepRow& row) {
    const SweepRow* analytic = same_point(report, row, Tier::Analytic);
    CHECK(analytic != nullptr, "a refined point that was never analysed");
    return fmt::format("{} -> {}", metric_text(analytic->result.metrics, tiers.metric),
                       metric_text(row.result.metrics, tiers.metric));
  };
  for (std::size_t i = 0; i < std::min(kShown, tiers.swaps.size()); ++i) {
    const SweepRow& first = report.rows[tiers.swaps[i].first];
    const SweepRow& second = report.rows[tiers.swaps[i].second];
    text += fmt::format("  {}: {};  {}: {}\n", place_of(report, first.point), both(first),
                        place_of(report, second.point), both(second));
  }
  if (tiers.swaps.size() > kShown) {
    text += fmt::format("  and {} more pairs\n", tiers.swaps.size() - kShown);
  }
  return text;
}

std::string tiers_text(const SweepReport& report) {
  if (report.agreement.empty()) return "";
  Table table{.columns = {{.title = "analytic against transaction", .right_aligned = false},
                          {.title = "points"},
                          {.title = "Kendall tau"},
                          {.title = "mean error"},
                          {.title = "order changes"}}};
  for (const TierAgreement& tiers : report.agreement) {
    table.rows.push_back({tiers.metric, thousands(tiers.points),
                          fmt::format("{:.3f}", tiers.kendall_tau),
                          fmt::format("{:.1f} %", 100 * tiers.mean_absolute_error),
                          count_of(static_cast<std::int64_t>(tiers.swaps.size()), "pair")});
  }
  std::string text = "\n";
  for (const std::string& line : lines(table)) text += line + "\n";
  for (const TierAgreement& tiers : report.agreement) {
    if (tiers.swaps.empty()) continue;
    text += fmt::format("contention changes the order of these by {} (analytic -> transaction):\n",
                        tiers.metric);
    text += swaps_text(report, tiers);
  }
  return text;
}

std::string verdict_text(const SweepReport& report) {
  std::int64_t compared = 0, exact = 0;
  for (const SweepRow& row : report.rows) {
    if (!row.result.bit_exact) continue;
    ++compared;
    exact += *row.result.bit_exact ? 1 : 0;
  }
  if (compared == 0) return "";
  if (exact < compared) {
    return fmt::format("\nverdict  not bit-exact: {} of {}\n", thousands(compared - exact),
                       count_of(compared, "simulated point"));
  }
  return fmt::format("\nverdict  bit-exact: {} as the golden model has it\n",
                     count_of(compared, "simulated point"));
}

std::string store_text(const SweepOutcome& outcome) {
  std::string text = fmt::format("\nstore    {}: run {}\n", outcome.report.store, outcome.run);
  if (!outcome.complete) {
    text +=
        fmt::format("missing  {}{}; the same command goes on\n", count_of(outcome.missing, "point"),
                    outcome.interrupted ? ", interrupted" : "");
  }
  return text;
}

}  // namespace

std::string place_of(const SweepReport& report, const Point& point) {
  std::vector<std::string> parts;
  if (report.networks.size() > 1) parts.push_back(point.network);
  if (report.machines.size() > 1) parts.push_back(point.machine);
  for (const std::string& parameter : report.parameters) {
    parts.push_back(parameter + "=" + value_of(point, parameter));
  }
  return fmt::format("{}", fmt::join(parts, " "));
}

std::string sweep_text(const SweepOutcome& outcome) {
  const SweepReport& report = outcome.report;
  std::string text = fmt::format("sweep    {}\nspace    {}{}\n", report.name, outcome.space,
                                 outcome.searched ? ", searched by NSGA-II" : "") +
                     counts_text(outcome);
  for (const auto status : {PointResult::Status::Failed, PointResult::Status::Infeasible}) {
    text += reasons_text(report, status);
  }
  return text + best_text(report) + tiers_text(report) + verdict_text(report) + store_text(outcome);
}

std::string sweep_csv(const SweepReport& report) {
  std::vector<StoredPoint> points;
  for (const SweepRow& row : report.rows) {
    points.push_back({.key = row.key, .point = row.point, .result = row.result});
    points.back().result.layers.clear();
  }
  return csv(result_table(points, {}));
}

}  // namespace workbench
