#include "explore/report/export.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>

#include "explore/report/bounds.h"
#include "explore/report/metrics.h"
#include "explore/report/trace.h"

namespace workbench {

namespace {

using Json = nlohmann::ordered_json;

template <typename Part>
bool is_shown(const Part& row) {
  return row.value != nullptr && row.shown != Shown::Points;
}

bool is_known(const MetricValue& value) { return !std::holds_alternative<std::monostate>(value); }

std::string csv_number(const MetricValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *integer);
  const auto* real = std::get_if<double>(&value);
  return real == nullptr ? "" : fmt::format("{}", *real);
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json number(const MetricValue& value) {
  const auto* integer = std::get_if<std::int64_t>(&value);
  return integer != nullptr ? Json(*integer) : number(std::get<double>(value));
}

// Rows of the metric table that the report has, as members of an object.
Json totals(const Report& report, bool memory) {
  Json object = Json::object();
  for (const Metric& metric : metrics()) {
    if (!is_shown(metric.run) || metric.run.memory != memory) continue;
    const MetricValue value = metric.run.value(report);
    if (is_known(value)) object[std::string(metric.name)] = number(value);
  }
  return object;
}

void add_metrics(const LayerReport& layer, Json& object) {
  for (const Metric& metric : metrics()) {
    if (!is_shown(metric.layer)) continue;
    const MetricValue value = metric.layer.value(layer);
    if (is_known(value)) object[std::string(metric.name)] = number(value);
  }
}

Json waterfall(const Waterfall& cycles) {
  Json object = Json::object();
  for (std::size_t s = 0; s < kSteps; ++s) object[step_key(static_cast<Step>(s))] = cycles[s].value;
  return object;
}

// The part of the waterfall that is waiting.
Json waits(const Waterfall& cycles) {
  Json object = Json::object();
  for (const Step step :
       {Step::WeightLoad, Step::MemoryWait, Step::PortStall, Step::OtherEngine, Step::Issue}) {
    object[step_key(step)] = cycles[static_cast<std::size_t>(step)].value;
  }
  return object;
}

Json cores_json(const riscv::Spent& spent) {
  Json object = {{"cycles", spent.cycles()}};
  riscv::Spent::fields(spent,
                       [&](std::string_view name, std::int64_t cycles) { object[name] = cycles; });
  return object;
}

Json layer_rows(const Report& report, const std::vector<riscv::Spent>& cores) {
  Json rows = Json::array();
  for (std::size_t i = 0; i < report.layers.size(); ++i) {
    const LayerReport& layer = report.layers[i];
    const LayerInfo& info = report.program.layers[i];
    Json row = {
        {"name", layer.name}, {"op", layer.op}, {"shape", info.shape}, {"nodes", info.merged}};
    add_metrics(layer, row);
    row["waits"] = waits(layer.waterfall);
    row["waterfall"] = waterfall(layer.waterfall);
    if (!cores.empty()) row["cores"] = cores_json(cores[i]);
    rows.push_back(std::move(row));
  }
  return rows;
}

Json engines(const Report& report) {
  Json rows = Json::array();
  for (const EngineReport& engine : report.engines) {
    rows.push_back({{"interval_cycles", engine.interval.value},
                    {"latency_cycles", engine.latency.value},
                    {"engine_images_per_second", number(engine.images_per_second)},
                    {"ddr_wait_cycles", engine.ddr_waited.value}});
  }
  return rows;
}

Json host_steps(const Report& report) {
  Json rows = Json::array();
  for (const HostStepInfo& step : report.program.host_steps) {
    Json nodes = Json::array();
    for (const HostNodeInfo& node : step.nodes) {
      nodes.push_back({{"name", node.name}, {"op", node.op}, {"reason", node.reason}});
    }
    rows.push_back({{"name", step.name},
                    {"op", step.op},
                    {"reason", step.reason},
                    {"milliseconds", number(step.milliseconds)},
                    {"macs", step.macs},
                    {"bytes_in", step.bytes_in},
                    {"bytes_out", step.bytes_out},
                    {"nodes", std::move(nodes)}});
  }
  return rows;
}

Json verdict(const RunResult& result) {
  Json object = {{"bit_exact", nullptr},
                 {"values_compared", 0},
                 {"mismatches", 0},
                 {"hazards", result.hazards.size()}};
  if (!result.verdict) return object;
  object["bit_exact"] = result.verdict->bit_exact();
  object["values_compared"] = result.verdict->values_compared;
  object["mismatches"] = result.verdict->mismatches;
  Json layers = Json::array();
  for (const LayerVerdict& layer : result.verdict->layers) {
    if (layer.mismatches == 0) continue;
    layers.push_back({{"name", layer.name},
                      {"values", layer.values},
                      {"mismatches", layer.mismatches},
                      {"coordinates", layer.coordinates},
                      {"expected", number(layer.expected)},
                      {"got", number(layer.got)}});
  }
  object["layers"] = std::move(layers);
  return object;
}

Json classes(const std::vector<ClassScore>& scores) {
  Json rows = Json::array();
  for (const ClassScore& one : scores) {
    rows.push_back({{"class", one.index}, {"score", number(one.score)}});
  }
  return rows;
}

Json accuracy(const RunResult& result) {
  Json layers = Json::array(), outputs = Json::array();
  for (const LayerSignalToNoise& layer : result.signal_to_noise) {
    layers.push_back({{"name", layer.name}, {"decibel", number(layer.decibel)}});
  }
  for (const Classification& one : result.classifications) {
    outputs.push_back({{"name", one.output},
                       {"float", classes(one.in_float)},
                       {"integer", classes(one.in_integer)}});
  }
  return {{"failures", failures(result).size()},
          {"signal_to_noise", std::move(layers)},
          {"top5", std::move(outputs)}};
}

Json bound(const ExplainedBound& one, const std::vector<std::string>& resources) {
  Json least = Json::object();
  for (std::size_t r = 0; r < resources.size(); ++r) least[resources[r]] = one.least[r].value;
  return {
      {"name", one.name},          {"bound_cycles", one.bound.value}, {"resource", one.resource},
      {"cycles", one.taken.value}, {"busy_cycles", one.busy.value},   {"gap", number(one.gap())},
      {"held_by", one.held_by},    {"least_cycles", std::move(least)}};
}

Json bounds(const BoundReport& report) {
  Json rows = Json::array();
  for (const ExplainedBound& layer : report.layers) rows.push_back(bound(layer, report.resources));
  return {{"total", bound(report.total, report.resources)}, {"layers", std::move(rows)}};
}

Json hazards(const RunResult& result) {
  Json rows = Json::array();
  for (const Hazard& hazard : result.hazards) {
    rows.push_back({{"text", to_string(hazard)},
                    {"layer", hazard.layer},
                    {"instruction", hazard.instruction},
                    {"space", hazard.space},
                    {"address", hazard.address},
                    {"cycle", hazard.time.value}});
  }
  return rows;
}

Json advice(const std::vector<KnobStep>& all) {
  Json steps = Json::array();
  for (const KnobStep& step : all) {
    steps.push_back({{"knob", step.knob},
                     {"from", step.from},
                     {"to", step.to},
                     {"change", number(step.change)}});
  }
  return {{"lines", advice_lines(all)}, {"steps", std::move(steps)}};
}

Json support(const Support& support) {
  Json figures = Json::array();
  for (const SupportingFigure& one : support.figures) {
    figures.push_back({{"name", one.name},
                       {"metric", one.metric},
                       {"value", one.value},
                       {"source", one.source},
                       {"calibrates", one.calibrates}});
  }
  return {{"machine", support.machine},
          {"changed", support.changed},
          {"figures", std::move(figures)},
          {"never_measured", support.never_measured}};
}

}  // namespace

std::string json_report(const RunResult& result, const std::vector<riscv::Spent>& cores) {
  const Report& report = result.report;
  const ProgramInfo& program = report.program;
  Json json = {{"schema_version", kReportSchemaVersion},
               {"machine",
                {{"name", report.machine.name},
                 {"summary", report.machine.summary},
                 {"mode", report.machine.throughput ? "throughput" : "latency"},
                 {"extrapolated", report.machine.extrapolated},
                 {"images_per_run", report.machine.images},
                 {"report_clock_mhz", number(report.machine.report_clock_mhz)},
                 {"peak_mac_per_cycle", number(report.machine.peak_macs_per_cycle)}}},
               {"network",
                {{"name", program.network},
                 {"macs", program.network_macs},
                 {"ops", program.network_ops},
                 {"parameters", program.network_parameters}}}};
  json["totals"] = totals(report, false);
  json["waterfall"] = waterfall(report.waterfall);
  json["memory"] = totals(report, true);
  json["engines"] = engines(report);
  json["verdict"] = verdict(result);
  json["accuracy"] = accuracy(result);
  json["layers"] = layer_rows(report, cores);
  if (result.bounds) json["bounds"] = bounds(explain(*result.bounds, report));
  if (result.advice) json["advice"] = advice(*result.advice);
  json["host_steps"] = host_steps(report);
  json["hazards"] = hazards(result);
  json["warnings"] = result.warnings;
  if (result.support) json["support"] = support(*result.support);
  if (result.wall) {
    json["wall"] = {{"import_seconds", result.wall->import_seconds},
                    {"calibrate_seconds", result.wall->calibrate_seconds},
                    {"compile_seconds", result.wall->compile_seconds},
                    {"simulate_seconds", result.wall->simulate_seconds},
                    {"golden_seconds", result.wall->golden_seconds}};
  }
  // A name that is not UTF-8 is replaced, not refused: the report of a finished run matters more.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

namespace {

// Whether a spreadsheet would compute it (OWASP, "CSV Injection"): names come from files.
bool is_formula(std::string_view text) {
  if (text.size() < 2 || std::string_view("=+-@\t\r").find(text[0]) == std::string::npos) {
    return false;
  }
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + (text[0] == '+' ? 1 : 0), end, number);
  return error != std::errc() || stop != end;
}

}  // namespace

std::string csv_cell(std::string_view name) {
  const std::string text = (is_formula(name) ? "'" : "") + std::string(name);
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    quoted += c;
    if (c == '"') quoted += c;
  }
  return quoted + "\"";
}

std::string csv_report(const Report& report) {
  std::string text = "layer,op,shape";
  for (const Metric& metric : metrics()) {
    if (is_shown(metric.layer)) text += fmt::format(",{}", metric.name);
  }
  for (std::size_t s = 0; s < kSteps; ++s) {
    text += fmt::format(",{}_cycles", step_key(static_cast<Step>(s)));
  }
  text += "\n";
  for (const LayerReport& layer : report.layers) {
    text += fmt::format("{},{},{}", csv_cell(layer.name), csv_cell(layer.op), layer.shape);
    for (const Metric& metric : metrics()) {
      if (is_shown(metric.layer)) text += "," + csv_number(metric.layer.value(layer));
    }
    for (const Cycles cycles : layer.waterfall) text += fmt::format(",{}", cycles.value);
    text += "\n";
  }
  return text;
}

namespace {

const LayerInfo* layer_info(const ProgramInfo& program, const Interval& interval) {
  const auto layer = layer_of(program, interval.instruction);
  return layer ? &program.layers[*layer] : nullptr;
}

// What an engine is seen doing: its instruction while it works, the cause and the layer otherwise.
std::string slice_name(const ProgramInfo& program, const Interval& interval) {
  const LayerInfo* layer = layer_info(program, interval);
  const bool works = interval.cause == Cause::Work;
  if (works && interval.instruction >= 0) {
    const auto index = static_cast<std::size_t>(interval.instruction);
    if (index < program.instruction_text.size()) return program.instruction_text[index];
  }
  if (layer == nullptr) return std::string(to_string(interval.cause));
  return works ? layer->name : fmt::format("{}: {}", to_string(interval.cause), layer->name);
}

void add_slice(TraceText& text, const ProgramInfo& program, const Timeline& timeline,
               const Interval& interval) {
  const LayerInfo* layer = layer_info(program, interval);
  std::string args;
  auto to = std::back_inserter(args);
  if (interval.instruction >= 0) fmt::format_to(to, ",\"instruction\":{}", interval.instruction);
  if (layer != nullptr) fmt::format_to(to, ",\"layer\":{}", json_text(layer->name));
  if (interval.bytes.value > 0) fmt::format_to(to, ",\"bytes\":{}", interval.bytes.value);
  if (interval.blocked_on >= 0) {
    fmt::format_to(to, ",\"blocked_on\":{}",
                   json_text(timeline.resources.at(static_cast<std::size_t>(interval.blocked_on))));
  }
  text.slice(static_cast<std::size_t>(interval.resource), interval.begin.value, interval.end.value,
             slice_name(program, interval), to_string(interval.cause), args);
}

}  // namespace

std::string trace_json(const ProgramInfo& program, const Timeline& timeline,
                       const MachineInfo& machine) {
  TraceText text(fmt::format("{} on {}", program.network, machine.name), timeline.resources,
                 machine.report_clock_mhz);
  for (const Interval& interval : timeline.intervals) {
    if (interval.cause == Cause::Idle || interval.begin == interval.end) continue;
    add_slice(text, program, timeline, interval);
  }
  return text.take();
}

}  // namespace workbench
