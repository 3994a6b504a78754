#include "explore/json.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "explore/metrics.h"

namespace workbench {

namespace {

using Json = nlohmann::ordered_json;

// "edge and padding" -> edge_and_padding
std::string key(Step step) {
  std::string text(to_string(step));
  for (char& c : text) {
    if (c == ' ') c = '_';
  }
  return text;
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json metrics(std::span<const Metric> table, const Report& report) {
  Json object = Json::object();
  for (const Metric& metric : table) {
    const MetricValue value = metric.value(report);
    if (const auto* integer = std::get_if<std::int64_t>(&value)) {
      object[std::string(metric.name)] = *integer;
    } else {
      object[std::string(metric.name)] = number(std::get<double>(value));
    }
  }
  return object;
}

Json waterfall(const Waterfall& cycles) {
  Json object = Json::object();
  for (std::size_t s = 0; s < kSteps; ++s) object[key(static_cast<Step>(s))] = cycles[s].value;
  return object;
}

// The part of the waterfall that is waiting.
Json waits(const Waterfall& cycles) {
  Json object = Json::object();
  for (const Step step :
       {Step::WeightLoad, Step::DdrStall, Step::PortStall, Step::OtherEngine, Step::Issue}) {
    object[key(step)] = cycles[static_cast<std::size_t>(step)].value;
  }
  return object;
}

Json layer_rows(const Report& report) {
  Json rows = Json::array();
  for (std::size_t i = 0; i < report.layers.size(); ++i) {
    const LayerReport& layer = report.layers[i];
    const LayerInfo& info = report.program.layers[i];
    rows.push_back({{"name", layer.name},
                    {"op", layer.op},
                    {"shape", info.shape},
                    {"nodes", info.merged},
                    {"macs", layer.macs},
                    {"ops", layer.ops},
                    {"cycles", layer.cycles.value},
                    {"busy_cycles", layer.busy.value},
                    {"mac_per_cycle", number(layer.mac_per_cycle)},
                    {"percent_of_peak", number(layer.percent_of_peak)},
                    {"waits", waits(layer.waterfall)},
                    {"waterfall", waterfall(layer.waterfall)},
                    {"ddr_bytes", layer.ddr_bytes},
                    {"memory_words", layer.memory_words}});
  }
  return rows;
}

Json engines(const Report& report) {
  Json rows = Json::array();
  for (const EngineReport& engine : report.engines) {
    rows.push_back({{"interval_cycles", engine.interval.value},
                    {"latency_cycles", engine.latency.value},
                    {"images_per_second", number(engine.images_per_second)},
                    {"ddr_wait_cycles", engine.ddr_waited.value}});
  }
  return rows;
}

Json host_steps(const Report& report) {
  Json rows = Json::array();
  for (const HostStepInfo& step : report.program.host_steps) {
    rows.push_back({{"name", step.name},
                    {"op", step.op},
                    {"reason", step.reason},
                    {"milliseconds", number(step.milliseconds)},
                    {"macs", step.macs}});
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

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    quoted += c;
    if (c == '"') quoted += c;
  }
  return quoted + "\"";
}

}  // namespace

std::string json_report(const RunResult& result) {
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
  json["totals"] = metrics(total_metrics(), report);
  json["waterfall"] = waterfall(report.waterfall);
  json["memory"] = metrics(memory_metrics(), report);
  json["engines"] = engines(report);
  json["verdict"] = verdict(result);
  json["accuracy"] = accuracy(result);
  json["layers"] = layer_rows(report);
  json["host_steps"] = host_steps(report);
  json["hazards"] = hazards(result);
  json["warnings"] = result.warnings;
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

std::string csv_report(const Report& report) {
  std::string text = "layer,op,shape,macs,ops,cycles,busy_cycles,mac_per_cycle,percent_of_peak";
  for (std::size_t s = 0; s < kSteps; ++s) text += "," + key(static_cast<Step>(s)) + "_cycles";
  text += ",ddr_bytes,memory_words\n";
  for (const LayerReport& layer : report.layers) {
    text += fmt::format("{},{},{},{},{},{},{},{},{}", csv_cell(layer.name), csv_cell(layer.op),
                        layer.shape, layer.macs, layer.ops, layer.cycles.value, layer.busy.value,
                        layer.mac_per_cycle, layer.percent_of_peak);
    for (const Cycles cycles : layer.waterfall) text += fmt::format(",{}", cycles.value);
    text += fmt::format(",{},{}\n", layer.ddr_bytes, layer.memory_words);
  }
  return text;
}

}  // namespace workbench
