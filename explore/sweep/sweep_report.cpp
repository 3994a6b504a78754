#include "explore/sweep/sweep_report.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"

namespace workbench {

namespace {

using Json = nlohmann::ordered_json;

Json number(double value) {
  if (!std::isfinite(value)) return nullptr;
  // Counts as integers: shorter, and what programs expect.
  if (std::nearbyint(value) == value && std::abs(value) < 9e15) {
    return static_cast<std::int64_t>(value);
  }
  return value;
}

// Those of the table that some row has; names that the table lacks come last, without a unit.
Json metrics(std::span<const PointMetric> table, std::set<std::string> names) {
  Json rows = Json::array();
  for (const PointMetric& metric : table) {
    if (names.erase(std::string(metric.name)) == 0) continue;
    rows.push_back({{"name", metric.name},
                    {"unit", metric.unit},
                    {"formula", metric.formula},
                    {"better", to_string(metric.better)}});
  }
  for (const std::string& name : names) {
    rows.push_back({{"name", name}, {"unit", ""}, {"formula", ""}, {"better", "neither"}});
  }
  return rows;
}

// Layers of one point as columns of figures; their names are written once for all points that have
// the same.
class LayerSets {
 public:
  explicit LayerSets(std::vector<std::string> metrics) : metrics_(std::move(metrics)) {}

  Json columns(const std::vector<LayerFigures>& layers) {
    std::vector<std::string> set;
    for (const LayerFigures& layer : layers) {
      set.insert(set.end(), {layer.name, layer.op, layer.shape});
    }
    const auto [found, added] = indices_.emplace(std::move(set), sets_.size());
    if (added) {
      Json rows = Json::array();
      for (const LayerFigures& layer : layers) {
        rows.push_back({{"name", layer.name}, {"op", layer.op}, {"shape", layer.shape}});
      }
      sets_.push_back(std::move(rows));
    }
    Json figures = Json::object();
    for (const std::string& metric : metrics_) {
      Json column = Json::array();
      bool any = false;
      for (const LayerFigures& layer : layers) {
        const auto value = layer.metrics.find(metric);
        any = any || value != layer.metrics.end();
        column.push_back(value == layer.metrics.end() ? Json(nullptr) : number(value->second));
      }
      if (any) figures[metric] = std::move(column);
    }
    return {{"set", found->second}, {"figures", std::move(figures)}};
  }
  Json take() { return std::move(sets_); }

 private:
  std::vector<std::string> metrics_;
  std::map<std::vector<std::string>, std::size_t> indices_;
  Json sets_ = Json::array();
};

std::int64_t figure_count(const PointResult& result) {
  std::int64_t count = 0;
  for (const LayerFigures& layer : result.layers) {
    count += static_cast<std::int64_t>(layer.metrics.size());
  }
  return count;
}

Json point(const SweepRow& row, bool with_layers, LayerSets& sets) {
  Json settings = Json::object(), figures = Json::object();
  for (const Setting& setting : row.point.settings) settings[setting.name] = setting.value;
  for (const auto& [name, value] : row.result.metrics) figures[name] = number(value);
  Json json = {{"key", row.key},
               {"network", row.point.network},
               {"machine", row.point.machine},
               {"settings", std::move(settings)},
               {"tier", to_string(row.point.tier)},
               {"status", to_string(row.result.status)},
               {"reason", row.result.reason},
               {"bit_exact", row.result.bit_exact ? Json(*row.result.bit_exact) : Json(nullptr)},
               {"meets", row.meets},
               {"front", row.on_front},
               {"command", row.command},
               {"run", row.run_command},
               {"metrics", std::move(figures)}};
  if (with_layers && !row.result.layers.empty()) json["layers"] = sets.columns(row.result.layers);
  return json;
}

Json agreement(const std::vector<TierAgreement>& tiers) {
  Json rows = Json::array();
  for (const TierAgreement& one : tiers) {
    Json swaps = Json::array();
    for (const TierAgreement::Swap& swap : one.swaps) swaps.push_back({swap.first, swap.second});
    rows.push_back({{"metric", one.metric},
                    {"points", one.points},
                    {"kendall_tau", number(one.kendall_tau)},
                    {"mean_absolute_error", number(one.mean_absolute_error)},
                    {"swaps", std::move(swaps)}});
  }
  return rows;
}

}  // namespace

std::string sweep_json(const SweepReport& report, std::int64_t layer_figures_max) {
  std::set<std::string> point_names, layer_names;
  std::int64_t figures = 0;
  for (const SweepRow& row : report.rows) {
    for (const auto& [name, value] : row.result.metrics) point_names.insert(name);
    for (const LayerFigures& layer : row.result.layers) {
      for (const auto& [name, value] : layer.metrics) layer_names.insert(name);
    }
    figures += figure_count(row.result);
  }
  Json objectives = Json::array(), points = Json::array();
  for (const SweepObjective& one : report.objectives) {
    objectives.push_back({{"metric", one.metric}, {"better", to_string(one.better)}});
  }
  const bool all_layers = figures <= layer_figures_max;
  LayerSets sets({layer_names.begin(), layer_names.end()});
  for (const SweepRow& row : report.rows) {
    const bool chosen = row.on_front || row.point.tier == Tier::Transaction;
    points.push_back(point(row, all_layers || chosen, sets));
  }
  const Json json = {{"schema_version", 1},
                     {"name", report.name},
                     {"networks", report.networks},
                     {"machines", report.machines},
                     {"parameters", report.parameters},
                     {"metrics", metrics(point_metrics(), std::move(point_names))},
                     {"layer_metrics", metrics(layer_metrics(), std::move(layer_names))},
                     {"objectives", std::move(objectives)},
                     {"constraints", report.constraints},
                     {"store", report.store},
                     {"layer_sets", sets.take()},
                     {"points", std::move(points)},
                     {"agreement", agreement(report.agreement)},
                     {"warnings", report.warnings}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace workbench
