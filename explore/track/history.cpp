#include "explore/track/history.h"

#include <algorithm>

#include "core/error.h"
#include "explore/report/text.h"
#include "explore/track/compare_report.h"
#include "explore/track/record_json.h"

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

namespace {

Json step_json(const HistoryStep& step) {
  Json figures = Json::array(), layers = Json::array();
  for (const FigureChange& figure : step.change.figures) {
    figures.push_back({{"name", figure.name},
                       {"before", number_json(figure.before)},
                       {"after", number_json(figure.after)},
                       {"worse_percent", number_json(figure.worse_percent())}});
  }
  for (const LayerChange& layer : step.change.layers) {
    layers.push_back({{"name", layer.name},
                      {"before", layer.added ? Json(nullptr) : Json(layer.before)},
                      {"after", layer.gone ? Json(nullptr) : Json(layer.after)},
                      {"where", steps_text(layer)},
                      {"causes", causes_json(layer.causes)}});
  }
  return {{"run", step.run},
          {"previous", step.previous},
          {"kind", std::string(to_string(step.change.kind))},
          {"verdict", step.change.verdict_after},
          {"figures", std::move(figures)},
          {"causes", causes_json(step.change.causes)},
          {"layers", std::move(layers)}};
}

Json series_json(const std::vector<std::optional<double>>& series) {
  Json values = Json::array();
  for (const auto& value : series) values.push_back(value ? number_json(*value) : Json(nullptr));
  return values;
}

Json wall_json(const CaseHistory& one) {
  Json points = Json::array();
  for (const auto& point : one.wall) {
    points.push_back(
        point ? Json{{"median", point->median}, {"low", point->low}, {"high", point->high}}
              : Json(nullptr));
  }
  return {{"seconds", std::move(points)}, {"steps", one.wall_steps}};
}

Json case_json(const CaseHistory& one) {
  Json figures = Json::array(), steps = Json::array();
  for (const PointMetric& figure : point_metrics()) {
    const auto found = one.figures.find(std::string(figure.name));
    if (found == one.figures.end()) continue;
    figures.push_back({{"name", std::string(figure.name)},
                       {"unit", std::string(figure.unit)},
                       {"better", to_string(figure.better)},
                       {"values", series_json(found->second)}});
  }
  for (const HistoryStep& step : one.steps) steps.push_back(step_json(step));
  return {{"name", one.name},          {"network", one.network},
          {"machine", one.machine},    {"figures", std::move(figures)},
          {"steps", std::move(steps)}, {"wall", wall_json(one)}};
}

// By its revision; without one, by its place.
std::string run_text(const History& history, std::size_t index) {
  const RunLabel& run = history.runs[index];
  return (run.revision.empty() ? fmt::format("run {}", index + 1) : revision_text(run.revision)) +
         (run.date.empty() ? "" : " (" + run.date.substr(0, 10) + ")");
}

std::string step_text(const History& history, const HistoryStep& step) {
  std::string text = fmt::format("  {} at {}, after {}\n", to_string(step.change.kind),
                                 run_text(history, step.run), run_text(history, step.previous));
  if (!step.change.verdict_after.empty()) {
    text += fmt::format("    verdict: {} -> {}\n", step.change.verdict_before,
                        step.change.verdict_after);
  }
  for (const std::string& line : figure_lines(step.change.figures)) text += "    " + line + "\n";
  for (const Cause& cause : step.change.causes) text += "    " + cause_text(cause) + "\n";
  constexpr std::size_t kLayers = 5;
  for (std::size_t i = 0; i < std::min(kLayers, step.change.layers.size()); ++i) {
    const LayerChange& layer = step.change.layers[i];
    text += fmt::format("    {}: {} -> {} cycles{}\n", layer.name, thousands(layer.before),
                        thousands(layer.after),
                        layer.steps.empty() ? "" : " (" + steps_text(layer) + ")");
  }
  if (step.change.layers.size() > kLayers) {
    text += fmt::format("    {} more layers\n", step.change.layers.size() - kLayers);
  }
  return text;
}

std::string wall_text(const History& history, const CaseHistory& one) {
  std::string text;
  for (const std::size_t run : one.wall_steps) {
    text += fmt::format("  wall time moved at {}: {:.3g} s there\n", run_text(history, run),
                        one.wall[run]->median);
  }
  return text;
}

// Of the runs that have the case, first and last.
std::pair<std::optional<double>, std::optional<double>> ends(
    const std::vector<std::optional<double>>& series) {
  const auto has = [](const auto& value) { return value.has_value(); };
  const auto first = std::find_if(series.begin(), series.end(), has);
  const auto last = std::find_if(series.rbegin(), series.rend(), has);
  if (first == series.end()) return {};
  return {*first, *last};
}

}  // namespace

std::string track_json(const History& history) {
  Json runs = Json::array(), cases = Json::array();
  for (const RunLabel& run : history.runs) {
    runs.push_back({{"name", run.name}, {"revision", run.revision}, {"date", run.date}});
  }
  for (const CaseHistory& one : history.cases) cases.push_back(case_json(one));
  const Json json = {{"schema_version", 1}, {"runs", std::move(runs)}, {"cases", std::move(cases)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string history_text(const History& history) {
  Table table{.columns = {{"case", false, 50}, {"cycles at first"}, {"now"}, {"change"}, {"steps"}},
              .rows = {}};
  for (const CaseHistory& one : history.cases) {
    const auto found = one.figures.find("cycles");
    if (found == one.figures.end()) continue;
    const auto [first, last] = ends(found->second);
    if (!first) continue;
    table.rows.push_back({one.name, figure_text(*first), figure_text(*last),
                          percent_text(*first, *last), fmt::format("{}", one.steps.size())});
  }
  std::string text = fmt::format("{} run{}, {} to {}\n\n", history.runs.size(),
                                 history.runs.size() == 1 ? "" : "s", run_text(history, 0),
                                 run_text(history, history.runs.size() - 1));
  for (const std::string& line : lines(table)) text += line + "\n";
  for (const CaseHistory& one : history.cases) {
    if (one.steps.empty() && one.wall_steps.empty()) continue;
    text += "\n" + one.name + "\n";
    for (const HistoryStep& step : one.steps) text += step_text(history, step);
    text += wall_text(history, one);
  }
  return text;
}

}  // namespace workbench::track
