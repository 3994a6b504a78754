#include "explore/store/point_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace workbench {

using json = nlohmann::ordered_json;

namespace {

json figures(const std::map<std::string, double>& metrics) {
  json object = json::object();
  for (const auto& [name, value] : metrics) {
    CHECK(std::isfinite(value), "{} is {}", name, value);
    object[name] = value + 0.0;  // minus zero is zero
  }
  return object;
}

json layers(const std::vector<LayerFigures>& layers) {
  json list = json::array();
  for (const LayerFigures& layer : layers) {
    list.push_back({{"name", layer.name},
                    {"op", layer.op},
                    {"shape", layer.shape},
                    {"metrics", figures(layer.metrics)}});
  }
  return list;
}

json settings(const std::vector<Setting>& settings) {
  json object = json::object();
  for (const Setting& setting : settings) object[setting.name] = setting.value;
  return object;
}

std::map<std::string, double> figures_from(const json& object) {
  return object.get<std::map<std::string, double>>();
}

}  // namespace

std::string point_json(const StoredPoint& stored) {
  const Point& point = stored.point;
  const PointResult& result = stored.result;
  const json exact = result.bit_exact ? json(*result.bit_exact) : json();
  const json object = {{"key", stored.key},
                       {"network", point.network},
                       {"machine", point.machine},
                       {"settings", settings(point.settings)},
                       {"tier", to_string(point.tier)},
                       {"status", to_string(result.status)},
                       {"reason", result.reason},
                       {"bit_exact", exact},
                       {"seconds", result.seconds},
                       {"metrics", figures(result.metrics)},
                       {"layers", layers(result.layers)}};
  try {
    return object.dump();
  } catch (const json::exception&) {
    fail("point {}: expected names in UTF-8, found other bytes", stored.key);
  }
}

Tier tier_from(std::string_view text, const std::string& where) {
  for (const Tier tier : {Tier::Analytic, Tier::Transaction}) {
    if (text == to_string(tier)) return tier;
  }
  fail("{}: expected analytic or transaction, found '{}'", where, text);
}

PointResult::Status status_from(std::string_view text, const std::string& where) {
  using Status = PointResult::Status;
  for (const Status status : {Status::Ok, Status::Infeasible, Status::Failed}) {
    if (text == to_string(status)) return status;
  }
  fail("{}: expected ok, infeasible or failed, found '{}'", where, text);
}

StoredPoint point_from_json(std::string_view text, const std::string& where) {
  try {
    const json object = json::parse(text);
    StoredPoint stored;
    stored.key = object.at("key").get<std::string>();
    stored.point.network = object.at("network").get<std::string>();
    stored.point.machine = object.at("machine").get<std::string>();
    for (const auto& [name, value] : object.at("settings").items()) {
      stored.point.settings.push_back({name, value.get<std::string>()});
    }
    stored.point.tier = tier_from(object.at("tier").get<std::string>(), where);
    PointResult& result = stored.result;
    result.status = status_from(object.at("status").get<std::string>(), where);
    result.reason = object.at("reason").get<std::string>();
    if (!object.at("bit_exact").is_null()) result.bit_exact = object.at("bit_exact").get<bool>();
    result.seconds = object.at("seconds").get<double>();
    result.metrics = figures_from(object.at("metrics"));
    for (const json& layer : object.at("layers")) {
      result.layers.push_back({.name = layer.at("name").get<std::string>(),
                               .op = layer.at("op").get<std::string>(),
                               .shape = layer.at("shape").get<std::string>(),
                               .metrics = figures_from(layer.at("metrics"))});
    }
    return stored;
  } catch (const json::exception& error) {
    fail("{}: expected a point as JSON, found: {}", where, error.what());
  }
}

}  // namespace workbench
