#include "explore/validate/figures.h"

#include <algorithm>
#include <set>
#include <sstream>

#include "core/error.h"
#include "core/file.h"
#include "core/yaml.h"
#include "explore/report/metrics.h"
#include "isa/yaml_fields.h"

namespace workbench {

namespace {

bool has_value(const Metric& metric, const RealFigure& figure) {
  return figure.layer.empty() ? metric.run.value != nullptr : metric.layer.value != nullptr;
}

}  // namespace

const Metric* find_metric(const RealFigure& figure) {
  for (const Metric& metric : metrics()) {
    if (metric.name == figure.metric && has_value(metric, figure)) return &metric;
  }
  return nullptr;
}

namespace {

constexpr std::size_t kFiguresMax = 10000;

std::vector<Setting> settings_of(const RealFigure& figure, const std::string& place) {
  std::vector<Setting> settings;
  std::istringstream words(figure.settings);
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == word.size()) {
      fail("{}: settings: expected PARAMETER=VALUE, found '{}'", place, word);
    }
    settings.push_back({word.substr(0, equals), word.substr(equals + 1)});
  }
  std::sort(settings.begin(), settings.end());
  return settings;
}

void check_metric(const RealFigure& figure, const std::string& place) {
  if (find_metric(figure) != nullptr) return;
  std::vector<std::string_view> names;
  for (const Metric& metric : metrics()) {
    if (has_value(metric, figure)) names.push_back(metric.name);
  }
  fail("{}: metric: expected one of {}; found '{}'", place, fmt::join(names, ", "), figure.metric);
}

RealFigure figure_of(const YAML::Node& node, const std::string& file) {
  RealFigure figure;
  read_yaml_fields(node, figure, file, "figures.",
                   {"name", "machine", "network", "metric", "value", "source"});
  figure.line = node.Mark().line + 1;
  const std::string place = yaml::where(file, node);
  check_metric(figure, place);
  settings_of(figure, place);
  if (!(figure.value > 0 && figure.value < 1e18)) {
    fail("{}: value: expected a number above 0, found {}", place, figure.value);
  }
  return figure;
}

}  // namespace

std::vector<RealFigure> parse_figures(const std::string& yaml, const std::string& file) {
  const YAML::Node root = parse_yaml(yaml, file);
  const bool list = root.IsMap() && root.size() == 1 && root["figures"] &&
                    root["figures"].IsSequence() && root["figures"].size() <= kFiguresMax;
  if (!list) {
    fail("{}:1: expected the key 'figures' with a list of at most {} rows", file, kFiguresMax);
  }
  std::vector<RealFigure> figures;
  std::set<std::string> names;
  for (const YAML::Node& node : root["figures"]) {
    figures.push_back(figure_of(node, file));
    if (!names.insert(figures.back().name).second) {
      fail("{}:{}: figure '{}' appears twice", file, figures.back().line, figures.back().name);
    }
  }
  return figures;
}

std::vector<RealFigure> load_figures(const std::filesystem::path& path) {
  return parse_figures(read_file(path), path.string());
}

Point point_of(const RealFigure& figure) {
  return {.network = figure.network,
          .machine = figure.machine,
          .settings = settings_of(figure, "figure '" + figure.name + "'"),
          .tier = Tier::Transaction};
}

}  // namespace workbench
