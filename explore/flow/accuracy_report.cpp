#include "explore/flow/accuracy_report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "explore/report/text.h"

namespace workbench {

namespace {

constexpr std::size_t kWidth = 118;
constexpr std::size_t kCostly = 8;  // layers that are discussed

std::string bold(const std::string& text, const TextOptions& options) {
  return options.colour ? "\x1b[1m" + text + "\x1b[0m" : text;
}

std::string percent(double fraction) { return fmt::format("{:.1f} %", 100 * fraction); }

std::string with_interval(const Proportion& p) {
  return fmt::format("{:>7}  ({:.1f} to {:.1f})", percent(p.value), 100 * p.low, 100 * p.high);
}

std::string decibels(double value) {
  return std::isinf(value) ? "exact" : fmt::format("{:.1f}", value);
}

std::string ratio(double value) { return value == 0 ? "-" : fmt::format("{:.1f}", value); }

std::string accumulator(const LayerAccuracy& layer, int hardware) {
  if (layer.accumulator_bits_used == 0) return "-";
  return fmt::format("{}/{}{}", layer.accumulator_bits_used, hardware,
                     layer.accumulator_bits_used > hardware ? " !" : "");
}

void add_heads(const AccuracyReport& report, const TextOptions& options, std::string& text) {
  const std::string target = report.machine.empty()
                                 ? report.target
                                 : fmt::format("{} ({})", report.target, report.machine);
  text += fmt::format("{}  {}: scheme {}, target {}\n", bold("network", options), report.network,
                      report.scheme, target);
  text += fmt::format("{}   {}: {} scored, {} classes", bold("images", options), report.image_set,
                      thousands(report.images), thousands(report.classes));
  if (report.calibration_images > 0) {
    text += fmt::format("; calibrated with {}", thousands(report.calibration_images));
  }
  text += "\n\n";
}

void add_scores(const AccuracyReport& report, std::string& text) {
  const auto line = [&](const char* title, const Proportion& a, const Proportion& b) {
    text += fmt::format("{:<11}{:<28}{}\n", title, with_interval(a), with_interval(b));
  };
  text +=
      fmt::format("{:<11}{:<28}{}\n", "", "  float  (95 % interval)", "integer (95 % interval)");
  line("top-1", report.in_float.top1, report.in_integer.top1);
  line("top-5", report.in_float.top5, report.in_integer.top5);
  text +=
      fmt::format("agreement  {}: the best class is the same\n", with_interval(report.agreement));
  const PairedDifference& d = report.difference;
  text += fmt::format(
      "difference {:+.1f} points of top-1, {:+.1f} to {:+.1f} (paired, 95 %): {} images right only "
      "in float,\n           {} only in integers; as uneven by chance with p = {:.2g}\n",
      100 * d.value, 100 * d.low, 100 * d.high, d.only_float, d.only_integer, d.p_value);
}

Table layer_table(const AccuracyReport& report, std::size_t name_width) {
  Table table{.columns = {{"layer", false, name_width},
                          {"codes", false, 24},
                          {"SQNR"},
                          {"own"},
                          {"inherited"},
                          {"clipped"},
                          {"weight ratio"},
                          {"act. ratio"},
                          {"constant"},
                          {"acc. bits"}}};
  for (const LayerAccuracy& layer : report.layers) {
    const std::string constant =
        layer.constant_channels == 0
            ? "-"
            : fmt::format("{}/{}", layer.constant_channels, layer.channels);
    table.rows.push_back(
        {layer.name, layer.format.empty() ? "-" : layer.format, decibels(layer.sqnr_db),
         decibels(layer.own_sqnr_db), decibels(layer.inherited_sqnr_db),
         layer.clipped == 0 ? "-" : fmt::format("{:.2f}%", 100 * layer.clipped),
         ratio(layer.weight_range_ratio), ratio(layer.activation_range_ratio),
         layer.dead ? "dead" : constant, accumulator(layer, report.accumulator_bits)});
  }
  return table;
}

// Names are shortened only as far as the width asks for.
void add_layers(const AccuracyReport& report, const TextOptions& options, std::string& text) {
  std::vector<std::string> rows;
  for (std::size_t name_width = 40; name_width >= 14; --name_width) {
    rows = lines(layer_table(report, name_width));
    const auto fits = [](const std::string& line) { return columns_of(line) <= kWidth; };
    if (std::all_of(rows.begin(), rows.end(), fits)) break;
  }
  text += "\n" + bold(rows.front(), options) + "\n";
  for (std::size_t i = 1; i < rows.size(); ++i) text += rows[i] + "\n";
  text +=
      "SQNR in dB over all images against the float network; own: what the layer itself adds, on "
      "the operands it got;\ninherited: what would be left if it were exact. Ratios: largest "
      "channel over the median one.\n";
}

void add_costs(const AccuracyReport& report, const TextOptions& options, std::string& text) {
  text += "\n" + bold("layers that add most noise, and what to try", options) + "\n";
  std::size_t rank = 0;
  for (const std::size_t i : report.by_cost) {
    const LayerAccuracy& layer = report.layers[i];
    if (++rank > kCostly) break;
    text += fmt::format("{:>2}. {}: {} dB of its own\n", rank, shortened(layer.name, 80),
                        decibels(layer.own_sqnr_db));
    for (const Advice& advice : layer.advice) {
      text += fmt::format("    {}: try {}\n", advice.cause, advice.remedy);
    }
  }
}

void add_verdict(const AccuracyReport& report, std::string& text) {
  if (report.golden_images > 0) {
    text += fmt::format("\ngolden     {}: {} values of {} image{}\n",
                        report.golden_mismatches == 0
                            ? "bit-exact"
                            : fmt::format("{} DIFFERENT", thousands(report.golden_mismatches)),
                        thousands(report.golden_values), report.golden_images,
                        report.golden_images == 1 ? "" : "s");
  }
  if (report.hazards > 0) text += fmt::format("hazards    {}\n", thousands(report.hazards));
}

}  // namespace

std::string accuracy_text(const AccuracyReport& report, const TextOptions& options) {
  std::string text;
  add_heads(report, options, text);
  add_scores(report, text);
  if (!report.layers.empty()) {
    if (options.every_layer) add_layers(report, options, text);
    add_costs(report, options, text);
  }
  add_verdict(report, text);
  return text;
}

namespace {

using Json = nlohmann::ordered_json;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json interval(double low, double high) { return Json::array({number(low), number(high)}); }

Json scores(const TopScores& scores) {
  return {{"top1", scores.top1.value},
          {"top5", scores.top5.value},
          {"top1_interval", interval(scores.top1.low, scores.top1.high)},
          {"top5_interval", interval(scores.top5.low, scores.top5.high)}};
}

Json difference(const PairedDifference& difference) {
  return {{"top1", difference.value},
          {"interval", interval(difference.low, difference.high)},
          {"p_value", difference.p_value},
          {"only_float", difference.only_float},
          {"only_int8", difference.only_integer}};
}

Json histogram(const MagnitudeHistogram& histogram) {
  return {{"max", number(histogram.max)}, {"counts", histogram.counts}};
}

Json advice(const LayerAccuracy& layer) {
  Json rows = Json::array();
  for (const Advice& one : layer.advice) {
    rows.push_back({{"cause", one.cause}, {"remedy", one.remedy}});
  }
  return rows;
}

Json layer_rows(const AccuracyReport& report) {
  Json rows = Json::array();
  for (const LayerAccuracy& layer : report.layers) {
    rows.push_back({{"name", layer.name},
                    {"op", layer.op},
                    {"value", layer.value},
                    {"format", layer.format},
                    {"threshold", number(layer.threshold)},
                    {"macs", layer.macs},
                    {"values", layer.values},
                    {"sqnr_db", number(layer.sqnr_db)},
                    {"own_sqnr_db", number(layer.own_sqnr_db)},
                    {"inherited_sqnr_db", number(layer.inherited_sqnr_db)},
                    {"clipped", number(layer.clipped)},
                    {"weights_per_channel", layer.weights_per_channel},
                    {"weight_range_ratio", number(layer.weight_range_ratio)},
                    {"activation_range_ratio", number(layer.activation_range_ratio)},
                    {"channels", layer.channels},
                    {"constant_channels", layer.constant_channels},
                    {"prunable_channels", layer.prunable_channels},
                    {"rounding_share", number(layer.rounding_share)},
                    {"dead", layer.dead},
                    {"accumulator_bits_used", layer.accumulator_bits_used},
                    {"accumulator_bits_bound", layer.accumulator_bits_bound},
                    {"advice", advice(layer)},
                    {"histogram", histogram(layer.histogram)}});
  }
  return rows;
}

Json by_cost(const AccuracyReport& report) {
  Json names = Json::array();
  for (const std::size_t i : report.by_cost) names.push_back(report.layers.at(i).name);
  return names;
}

}  // namespace

std::string accuracy_json(const AccuracyReport& report) {
  Json json = {{"schema_version", kAccuracySchemaVersion},
               {"network", report.network},
               {"target", report.target},
               {"machine", report.machine},
               {"scheme", report.scheme},
               {"image_set", report.image_set},
               {"images", report.images},
               {"calibration_images", report.calibration_images},
               {"classes", report.classes}};
  json["float"] = scores(report.in_float);
  json["int8"] = scores(report.in_integer);
  json["agreement"] = report.agreement.value;
  json["agreement_interval"] = interval(report.agreement.low, report.agreement.high);
  json["difference"] = difference(report.difference);
  json["golden"] = {{"images", report.golden_images},
                    {"values", report.golden_values},
                    {"mismatches", report.golden_mismatches},
                    {"hazards", report.hazards}};
  json["accumulator_bits"] = report.accumulator_bits;
  json["layers"] = layer_rows(report);
  json["by_cost"] = by_cost(report);
  json["notes"] = report.notes;
  json["warnings"] = report.warnings;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace workbench
