#include <algorithm>
#include <set>

#include "explore/sweep/sweep_text.h"

namespace workbench {

namespace {

std::string cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char letter : text) quoted += letter == '"' ? "\"\"" : std::string(1, letter);
  return quoted + "\"";
}

std::string line_of(std::vector<std::string> cells) {
  for (std::string& text : cells) text = cell(text);
  return fmt::format("{}\n", fmt::join(cells, ","));
}

// In the order in which the points have them.
std::vector<std::string> settings_of(const SweepReport& report) {
  std::vector<std::string> names;
  for (const SweepRow& row : report.rows) {
    for (const Setting& setting : row.point.settings) {
      if (std::ranges::find(names, setting.name) == names.end()) names.push_back(setting.name);
    }
  }
  return names;
}

// Those that some point has, in the order of the table of metrics.
std::vector<std::string> metrics_of(const SweepReport& report) {
  std::set<std::string> found;
  for (const SweepRow& row : report.rows) {
    for (const auto& [name, value] : row.result.metrics) found.insert(name);
  }
  std::vector<std::string> names;
  for (const PointMetric& metric : point_metrics()) {
    if (found.erase(std::string(metric.name)) > 0) names.emplace_back(metric.name);
  }
  names.insert(names.end(), found.begin(), found.end());  // of another version's store
  return names;
}

}  // namespace

std::string sweep_csv(const SweepReport& report) {
  const std::vector<std::string> settings = settings_of(report), metrics = metrics_of(report);
  std::vector<std::string> titles = {"network", "machine"};
  titles.insert(titles.end(), settings.begin(), settings.end());
  for (const char* title : {"tier", "status", "bit_exact", "reason"}) titles.emplace_back(title);
  titles.insert(titles.end(), metrics.begin(), metrics.end());
  titles.emplace_back("key");
  std::string csv = line_of(titles);
  for (const SweepRow& row : report.rows) {
    std::vector<std::string> cells = {row.point.network, row.point.machine};
    for (const std::string& name : settings) {
      const auto setting = std::ranges::find(row.point.settings, name, &Setting::name);
      cells.push_back(setting == row.point.settings.end() ? "" : setting->value);
    }
    cells.emplace_back(to_string(row.point.tier));
    cells.emplace_back(to_string(row.result.status));
    cells.emplace_back(!row.result.bit_exact ? "" : *row.result.bit_exact ? "true" : "false");
    cells.push_back(row.result.reason);
    for (const std::string& name : metrics) {
      const auto metric = row.result.metrics.find(name);
      cells.push_back(metric == row.result.metrics.end() ? "" : fmt::format("{}", metric->second));
    }
    cells.push_back(row.key);
    csv += line_of(cells);
  }
  return csv;
}

}  // namespace workbench
