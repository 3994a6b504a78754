#include "explore/track/record_json.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/json_fault.h"

namespace workbench::track {

namespace {

// Fingerprints by their names in JSON.
void each_print(auto& prints, auto&& visit) {
  visit("network", prints.network);
  visit("weights", prints.weights);
  visit("passes", prints.passes);
  visit("quantization", prints.quantization);
  visit("program", prints.program);
  visit("constants", prints.constants);
  visit("technology", prints.technology);
}

}  // namespace

std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json Reader::parse(const std::string& text) const {
  check_json_depth(text, where_);
  try {
    return Json::parse(text);
  } catch (const Json::out_of_range& error) {
    fail("{}: expected numbers within range, found {}", where_, json_fault(error.what()));
  } catch (const Json::parse_error& error) {
    const std::size_t end = std::min(error.byte, text.size());
    const auto line =
        1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end), '\n');
    fail("{}:{}: expected JSON, found something else (or a truncated file)", where_, line);
  }
}

void Reader::refuse(const std::string& expected, const std::string& found) const {
  fail("{}: expected {}, found {}", where_, expected, found);
}

void Reader::allow(const Json& object, const std::vector<std::string_view>& known) const {
  if (!object.is_object()) refuse("an object", object.type_name());
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      refuse(fmt::format("one of {}", fmt::join(known, ", ")), "'" + key + "'");
    }
  }
}

const Json& Reader::member(const Json& object, std::string_view key) const {
  if (!object.is_object()) refuse("an object", object.type_name());
  const auto found = object.find(key);
  if (found == object.end()) refuse(fmt::format("'{}'", key), "none");
  return *found;
}

std::string Reader::as_text(const Json& value, std::string_view key) const {
  if (!value.is_string()) refuse(fmt::format("text for '{}'", key), value.type_name());
  return value.get<std::string>();
}

double Reader::as_number(const Json& value, std::string_view key) const {
  if (!value.is_number()) refuse(fmt::format("a number for '{}'", key), value.type_name());
  return value.get<double>();
}

std::string Reader::text(const Json& object, std::string_view key) const {
  return as_text(member(object, key), key);
}

std::int64_t Reader::whole(const Json& object, std::string_view key) const {
  const Json& value = member(object, key);
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const bool too_large = value.is_number_unsigned() && value.get<std::uint64_t>() > kMax;
  if (!value.is_number_integer() || too_large) {
    refuse(fmt::format("a whole number for '{}'", key), dumped(value));
  }
  return value.get<std::int64_t>();
}

bool Reader::flag(const Json& object, std::string_view key) const {
  const Json& value = member(object, key);
  if (!value.is_boolean()) refuse(fmt::format("true or false for '{}'", key), dumped(value));
  return value.get<bool>();
}

const Json& Reader::array(const Json& object, std::string_view key) const {
  const Json& value = member(object, key);
  if (!value.is_array()) refuse(fmt::format("a list for '{}'", key), value.type_name());
  return value;
}

const Json& Reader::object(const Json& object, std::string_view key) const {
  const Json& value = member(object, key);
  if (!value.is_object()) refuse(fmt::format("an object for '{}'", key), value.type_name());
  return value;
}

Json number_json(double value) {
  constexpr double kExact = 9007199254740992.0;  // 2^53
  if (std::abs(value) < kExact && value == std::floor(value)) {
    return static_cast<std::int64_t>(value);
  }
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

Json figures_json(const std::map<std::string, double>& figures) {
  Json json = Json::object();
  for (const PointMetric& figure : point_metrics()) {
    const auto found = figures.find(std::string(figure.name));
    if (found != figures.end()) json[std::string(figure.name)] = number_json(found->second);
  }
  return json;
}

Json fingerprints_json(const Fingerprints& prints) {
  Json json = Json::object();
  each_print(prints, [&](const char* name, const std::string& print) { json[name] = print; });
  return json;
}

Fingerprints read_fingerprints(const Json& json, const Reader& reader) {
  Fingerprints prints;
  each_print(prints,
             [&](const char* name, std::string& print) { print = reader.text(json, name); });
  return prints;
}

Json layer_json(const LayerRecord& layer) {
  Json waterfall = Json::object();
  for (std::size_t s = 0; s < kSteps; ++s) {
    if (layer.waterfall[s].value == 0) continue;
    waterfall[step_key(static_cast<Step>(s))] = layer.waterfall[s].value;
  }
  return {{"name", layer.name},
          {"op", layer.op},
          {"shape", layer.shape},
          {"cycles", layer.cycles},
          {"waterfall", std::move(waterfall)},
          {"instructions", layer.instructions},
          {"tiles", layer.tiles},
          {"code", layer.code}};
}

Json causes_json(const std::vector<Cause>& causes) {
  Json rows = Json::array();
  for (const Cause& cause : causes) {
    rows.push_back({{"kind", std::string(to_string(cause.kind))}, {"text", cause.text}});
  }
  return rows;
}

LayerRecord read_layer(const Json& json, const Reader& reader) {
  reader.allow(json,
               {"name", "op", "shape", "cycles", "waterfall", "instructions", "tiles", "code"});
  LayerRecord layer{.name = reader.text(json, "name")};
  const Reader at = reader.within("layer '" + layer.name + "'");
  layer.op = at.text(json, "op");
  layer.shape = at.text(json, "shape");
  layer.cycles = at.whole(json, "cycles");
  const Json& waterfall = at.object(json, "waterfall");
  for (const auto& [key, cycles] : waterfall.items()) {
    std::size_t step = 0;
    while (step < kSteps && step_key(static_cast<Step>(step)) != present_name(key)) ++step;
    if (step == kSteps) at.refuse("steps of the waterfall", "'" + key + "'");
    layer.waterfall[step] = Cycles{at.whole(waterfall, key)};
  }
  layer.instructions = at.whole(json, "instructions");
  layer.tiles = at.text(json, "tiles");
  layer.code = at.text(json, "code");
  return layer;
}

}  // namespace workbench::track
