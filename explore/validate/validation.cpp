#include "explore/validate/validation.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "explore/flow/pipeline.h"
#include "explore/report/metrics.h"
#include "explore/report/text.h"
#include "explore/sweep/evaluate.h"
#include "explore/sweep/parameter.h"

namespace workbench {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

// The report of a run, or why there is none.
struct Answer {
  std::optional<Report> report;
  std::string reason;
};

// What is asked; neighbours in the file often ask different figures of one run.
struct Question {
  Point point;
  fs::path program;  // empty: compiled
  bool operator==(const Question& other) const {
    return point.network == other.point.network && point.machine == other.point.machine &&
           point.settings == other.point.settings && program == other.program;
  }
};

Answer answer_to(const Question& question, PreparedNetworks& networks) {
  CompileRequest request = request_of(question.point);
  request.program = question.program;
  request.keep_reference = false;
  const Machine machine = load_machine(request.machine, request.overrides);
  const auto& [compiled, obstacle, constants] = networks.program(request, machine, true);
  if (!obstacle.empty()) return {{}, obstacle};
  return {run_network(compiled, {.golden = false, .values = is_xdnn(compiled)}).result.report, ""};
}

std::optional<double> number_of(const MetricValue& value) {
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return static_cast<double>(*whole);
  if (const auto* real = std::get_if<double>(&value)) return *real;
  return {};
}

void take_answer(const Answer& answer, HeldFigure& held) {
  const RealFigure& figure = held.figure;
  held.reason = answer.reason;
  if (!answer.report) return;
  const Metric& metric = *find_metric(figure);
  if (figure.layer.empty()) {
    held.modelled = number_of(metric.run.value(*answer.report));
  } else {
    const auto& layers = answer.report->layers;
    const auto layer = std::ranges::find(layers, figure.layer, &LayerReport::name);
    if (layer == layers.end()) {
      held.reason = fmt::format("{} has no layer '{}'", figure.network, figure.layer);
      return;
    }
    held.modelled = number_of(metric.layer.value(*layer));
  }
  if (!held.modelled) held.reason = fmt::format("no figure {} of such machines", figure.metric);
}

// Below the folder; nothing: `reason` says what is missing.
std::optional<fs::path> find_file(const fs::path& networks, const std::string& name,
                                  std::string& reason) {
  if (networks.empty()) {
    reason = fmt::format("needs {} below --networks FOLDER", name);
    return {};
  }
  const fs::path file = networks / name;
  std::error_code ignored;
  if (fs::is_regular_file(file, ignored)) return file;
  reason = fmt::format("{}: no such file", file.string());
  return {};
}

std::optional<Question> question_of(const RealFigure& figure, const fs::path& networks,
                                    std::string& reason) {
  Question question{.point = point_of(figure), .program = {}};
  if (!figure.network.starts_with("zoo:")) {
    const auto file = find_file(networks, figure.network, reason);
    if (!file) return {};
    question.point.network = file->string();
  }
  if (!figure.program.empty()) {
    const auto file = find_file(networks, figure.program, reason);
    if (!file) return {};
    question.program = *file;
  }
  return question;
}

}  // namespace

Validation validate(const std::vector<RealFigure>& figures, const fs::path& networks,
                    const Progress& progress) {
  Validation validation;
  std::optional<Question> last;
  PreparedNetworks prepared;
  Answer answer;
  for (const RealFigure& figure : figures) {
    if (progress) {
      progress(figure.name, static_cast<double>(validation.figures.size()) /
                                static_cast<double>(figures.size()));
    }
    HeldFigure held{.figure = figure,
                    .unit = std::string(find_metric(figure)->unit),
                    .modelled = {},
                    .reason = ""};
    if (const auto question = question_of(figure, networks, held.reason)) {
      if (last != question) answer = answer_to(*question, prepared);
      last = question;
      take_answer(answer, held);
    }
    validation.figures.push_back(std::move(held));
  }
  return validation;
}

namespace {

// Of the figures of one kind; none of them: `figures` is 0.
ValidationSummary summary_of(const Validation& validation, const std::string& machine,
                             bool calibrating) {
  ValidationSummary one{.machine = machine, .calibrating = calibrating};
  for (const HeldFigure& held : validation.figures) {
    const RealFigure& figure = held.figure;
    if (!held.modelled || figure.machine != machine) continue;
    if (figure.calibrates.empty() == calibrating) continue;
    const double error = std::abs(held.error());
    ++one.figures;
    one.mean_error += error;
    if (one.worst == nullptr || error > std::abs(one.worst->error())) one.worst = &held;
  }
  if (one.figures > 0) one.mean_error /= static_cast<double>(one.figures);
  return one;
}

}  // namespace

std::vector<ValidationSummary> summaries(const Validation& validation) {
  std::vector<ValidationSummary> all;
  std::set<std::string> seen;
  for (const HeldFigure& held : validation.figures) {
    if (!seen.insert(held.figure.machine).second) continue;
    for (const bool calibrating : {false, true}) {
      ValidationSummary one = summary_of(validation, held.figure.machine, calibrating);
      if (one.figures > 0) all.push_back(std::move(one));
    }
  }
  return all;
}

namespace {

std::string number_text(double value) {
  return value >= 10000 ? thousands(std::llround(value)) : fmt::format("{:.2f}", value);
}

std::string percent(double fraction) { return fmt::format("{:+.1f} %", 100 * fraction); }

Table figure_table(const Validation& validation) {
  Table table{.columns = {{"machine", false},
                          {"figure", false, 60},
                          {"real"},
                          {"model"},
                          {"unit", false},
                          {"error"},
                          {"source, calibrates", false}},
              .rows = {}};
  for (const HeldFigure& held : validation.figures) {
    const RealFigure& figure = held.figure;
    const std::string calibrates =
        figure.calibrates.empty() ? "" : fmt::format(" ({})", figure.calibrates);
    table.rows.push_back({figure.machine, figure.name, number_text(figure.value),
                          held.modelled ? number_text(*held.modelled) : "-", held.unit,
                          held.modelled ? percent(held.error()) : "-", figure.source + calibrates});
  }
  return table;
}

std::string summary_line(const ValidationSummary& one) {
  return fmt::format("{}: {} {}: mean error {:.1f} %, worst {} ({})\n", one.machine, one.figures,
                     one.calibrating ? "that calibrated a constant" : "that nothing was fitted to",
                     100 * one.mean_error, percent(one.worst->error()), one.worst->figure.name);
}

}  // namespace

std::string to_text(const Validation& validation) {
  std::string text;
  for (const std::string& line : lines(figure_table(validation))) text += line + "\n";
  text += "\n";
  for (const ValidationSummary& one : summaries(validation)) text += summary_line(one);
  for (const HeldFigure& held : validation.figures) {
    if (!held.modelled) text += fmt::format("{}: {}\n", held.figure.name, held.reason);
  }
  return text;
}

std::string validation_json(const Validation& validation) {
  Json rows = Json::array();
  for (const HeldFigure& held : validation.figures) {
    Json row = Json::object();
    const RealFigure& figure = held.figure;
    for_each_field(figure, [&](std::string_view name, const auto& member) {
      row[std::string(name)] = member;
    });
    row["unit"] = held.unit;
    row["modelled"] = held.modelled ? Json(*held.modelled) : Json(nullptr);
    row["error"] = held.modelled ? Json(held.error()) : Json(nullptr);
    row["reason"] = held.reason;
    rows.push_back(std::move(row));
  }
  Json summary = Json::array();
  for (const ValidationSummary& one : summaries(validation)) {
    summary.push_back({{"machine", one.machine},
                       {"calibrating", one.calibrating},
                       {"figures", one.figures},
                       {"mean_error", one.mean_error},
                       {"worst", one.worst->figure.name},
                       {"worst_error", one.worst->error()}});
  }
  return Json{{"figures", rows}, {"machines", summary}}.dump(2, ' ', false,
                                                             Json::error_handler_t::replace) +
         "\n";
}

}  // namespace workbench
