#include "explore/track/history.h"

#include <algorithm>

namespace workbench::track {

namespace {

WallPoint wall_point(const WallRecord& wall) {
  const auto interval = median_interval(wall.seconds);
  const auto [low, high] = std::minmax_element(wall.seconds.begin(), wall.seconds.end());
  return {.median = median(wall.seconds),
          .low = interval ? interval->low : *low,
          .high = interval ? interval->high : *high};
}

std::vector<std::size_t> wall_steps(const CaseHistory& history) {
  std::vector<double> medians;
  std::vector<std::size_t> runs;
  for (std::size_t run = 0; run < history.wall.size(); ++run) {
    if (!history.wall[run]) continue;
    medians.push_back(history.wall[run]->median);
    runs.push_back(run);
  }
  std::vector<std::size_t> steps;
  for (const std::size_t index : change_points(medians)) steps.push_back(runs[index]);
  return steps;
}

CaseHistory case_history(const std::string& name, std::span<const Baseline> runs) {
  CaseHistory history{.name = name, .wall = std::vector<std::optional<WallPoint>>(runs.size())};
  std::optional<std::size_t> previous;
  for (std::size_t run = 0; run < runs.size(); ++run) {
    const CaseRecord* record = runs[run].find(name);
    if (record == nullptr) continue;
    history.network = record->asked.point.network;
    history.machine = record->asked.point.machine;
    for (const auto& [figure, value] : record->figures) {
      auto& series = history.figures[figure];
      series.resize(runs.size());
      series[run] = value;
    }
    if (record->wall && !record->wall->seconds.empty()) {
      history.wall[run] = wall_point(*record->wall);
    }
    if (previous) {
      CaseChange change = compare(*runs[*previous].find(name), *record);
      if (!change.figures.empty() || !change.verdict_after.empty()) {
        history.steps.push_back({run, *previous, std::move(change)});
      }
    }
    previous = run;
  }
  history.wall_steps = wall_steps(history);
  return history;
}

}  // namespace

History history_of(std::span<const Baseline> runs) {
  History history;
  std::vector<std::string> names;  // in the order in which they came
  for (const Baseline& run : runs) {
    history.runs.push_back({run.name, run.revision, run.date});
    for (const CaseRecord& record : run.cases) {
      if (std::find(names.begin(), names.end(), record.asked.name) == names.end()) {
        names.push_back(record.asked.name);
      }
    }
  }
  for (const std::string& name : names) history.cases.push_back(case_history(name, runs));
  return history;
}

std::vector<Baseline> oldest_first(std::vector<Baseline> runs) {
  const bool dated =
      std::none_of(runs.begin(), runs.end(), [](const Baseline& run) { return run.date.empty(); });
  if (dated) {
    std::stable_sort(runs.begin(), runs.end(),
                     [](const Baseline& a, const Baseline& b) { return a.date < b.date; });
  }
  return runs;
}

}  // namespace workbench::track
