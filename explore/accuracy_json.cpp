#include "explore/accuracy_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace workbench {

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
