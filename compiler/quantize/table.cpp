// The quantizer table and its JSON form (docs/facts/xdnn.md 3.5).
#include "compiler/quantize/table.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "compiler/quantize/quantize.h"
#include "core/json_fault.h"

namespace workbench {

namespace {

using Json = nlohmann::json;

double high_code(int bits) { return std::ldexp(1.0, bits - 1) - 1; }

bool is_weighted(const Node& node) {
  return std::holds_alternative<Conv>(node.op) || std::holds_alternative<ConvTranspose>(node.op);
}

LayerQuantization layer_of(const Graph& graph, const Node& node) {
  const Quantization& in = *graph.value(node.inputs[0]).quantization;
  const Quantization& out = *graph.value(node.outputs[0]).quantization;
  LayerQuantization layer{.name = node.name,
                          .bits = out.bits,
                          .threshold_in = in.thresholds[0],
                          .threshold_out = out.thresholds[0]};
  if (!node.requantize) return layer;
  const Requantize& requantize = *node.requantize;
  const std::size_t channels = requantize.scale.size();
  if (is_weighted(node)) {
    // Of codes as wide as the layer's, which may hold weights of fewer bits.
    const Quantization& weights = *graph.value(node.inputs[1]).quantization;
    const double widening =
        weights.bits == out.bits ? 1.0 : high_code(out.bits) / high_code(weights.bits);
    for (std::size_t c = 0; c < channels; ++c) {
      const std::size_t i = c % weights.thresholds.size();
      layer.threshold_params.push_back(weights.thresholds[i] * widening);
    }
  }
  layer.prescale_shift = requantize.prescale;
  layer.prescale_shift.resize(channels, 0);
  layer.scale = requantize.scale;
  layer.postscale_shift = requantize.shift;
  if (requantize.negative_scale.empty()) return layer;
  layer.positive_scale = requantize.scale;
  layer.negative_scale = requantize.negative_scale;
  // The scale field as hardware holds it: positive scale in the low byte, negative in the next.
  for (std::size_t c = 0; c < channels; ++c) layer.scale[c] |= layer.negative_scale[c] << 8;
  return layer;
}

// One layer object being read; every complaint names file, layer and key.
class LayerReader {
 public:
  LayerReader(const Json& object, const std::string& file) : object_(object), file_(file) {
    if (!object.is_object()) fail("{}: network: expected an object per layer", file);
    const auto name = object.find("name");
    if (name == object.end() || !name->is_string()) {
      fail("{}: network: layer without a 'name' that is a string", file);
    }
    layer_.name = name->get<std::string>();
    layer_.file = file;
  }

  LayerQuantization read() {
    layer_.bits = width("bw_layer_out");
    if (width("bw_layer_in") != layer_.bits) {
      bad("bw_layer_in", fmt::format("{}, as bw_layer_out", layer_.bits));
    }
    layer_.threshold_in = threshold(required("th_layer_in"), "th_layer_in");
    layer_.threshold_out = threshold(required("th_layer_out"), "th_layer_out");
    if (has("th_params")) {
      if (width("bw_params") != layer_.bits) {
        bad("bw_params", fmt::format("{}, as bw_layer_out", layer_.bits));
      }
      for (const Json& item : list("th_params")) {
        layer_.threshold_params.push_back(threshold(item, "th_params"));
      }
    }
    // Without any of them they follow from the thresholds.
    if (has("scale") || has("prescale_shift") || has("postscale_shift")) scales();
    return std::move(layer_);
  }

 private:
  void scales() {
    layer_.scale = integers("scale");
    layer_.prescale_shift = integers("prescale_shift");
    layer_.postscale_shift = integers("postscale_shift");
    same_length("prescale_shift", layer_.prescale_shift);
    same_length("postscale_shift", layer_.postscale_shift);
    const bool each = has("th_params") && !layer_.scale.empty();
    if (each && layer_.threshold_params.size() != layer_.scale.size()) {
      bad("th_params", fmt::format("{} entries, as scale has", layer_.scale.size()));
    }
    if (!has("posscale") && !has("negscale")) return;
    layer_.positive_scale = integers("posscale");
    layer_.negative_scale = integers("negscale");
    same_length("posscale", layer_.positive_scale);
    same_length("negscale", layer_.negative_scale);
  }

  bool has(const char* key) const { return object_.contains(key); }

  [[noreturn]] void bad(const char* key, const std::string& expected) const {
    std::string found = object_.at(key).dump(-1, ' ', true, Json::error_handler_t::replace);
    if (found.size() > 40) found = found.substr(0, 40) + "...";
    fail("{}: layer '{}': {}: expected {}, found {}", file_, layer_.name, key, expected, found);
  }

  const Json& required(const char* key) const {
    if (!has(key)) {
      fail("{}: layer '{}': expected key '{}', found none", file_, layer_.name, key);
    }
    return object_.at(key);
  }

  double threshold(const Json& json, const char* key) const {
    if (!json.is_number()) bad(key, "a number");
    const double value = json.get<double>();
    // Beyond these, products and quotients of thresholds leave the range of numbers.
    if (value != 0 && !(value >= 1e-30 && value <= 1e30)) bad(key, "0 or 1e-30..1e30");
    return value;
  }

  std::int32_t integer(const Json& json, const char* key) const {
    // Writers in dynamic languages give whole numbers as 7 or as 7.0.
    if (!json.is_number()) bad(key, "whole numbers");
    const double value = json.get<double>();
    if (!(value >= 0 && value <= 65535) || value != std::floor(value)) {
      bad(key, "whole numbers 0..65535");
    }
    return static_cast<std::int32_t>(value);
  }

  int width(const char* key) const {
    const std::int32_t bits = integer(required(key), key);
    if (bits != 8 && bits != 16) bad(key, "8 or 16");
    return bits;
  }

  // A list, or one number where a list of one is meant.
  std::vector<Json> list(const char* key) const {
    const Json& json = required(key);
    if (!json.is_array()) return {json};
    return {json.begin(), json.end()};
  }

  std::vector<std::int32_t> integers(const char* key) const {
    std::vector<std::int32_t> values;
    for (const Json& item : list(key)) values.push_back(integer(item, key));
    return values;
  }

  void same_length(const char* key, const std::vector<std::int32_t>& values) const {
    if (values.size() != layer_.scale.size()) {
      bad(key, fmt::format("{} entries, as scale has", layer_.scale.size()));
    }
  }

  const Json& object_;
  const std::string& file_;
  LayerQuantization layer_;
};

Json layer_json(const LayerQuantization& layer) {
  const double high = high_code(layer.bits);
  Json json = {{"name", layer.name},
               {"bw_layer_in", layer.bits},
               {"bw_layer_out", layer.bits},
               {"th_layer_in", layer.threshold_in},
               {"th_layer_out", layer.threshold_out},
               {"sf_layer_in", layer.threshold_in / high},
               {"sf_layer_out", layer.threshold_out / high}};
  if (!layer.threshold_params.empty()) {
    json["bw_params"] = layer.bits;
    json["th_params"] = layer.threshold_params;
    for (const double threshold : layer.threshold_params) {
      json["sf_params"].push_back(threshold / high);
    }
  }
  if (!layer.scale.empty()) {
    json["prescale_shift"] = layer.prescale_shift;
    json["scale"] = layer.scale;
    json["postscale_shift"] = layer.postscale_shift;
  }
  if (!layer.positive_scale.empty()) {
    json["posscale"] = layer.positive_scale;
    json["negscale"] = layer.negative_scale;
  }
  return json;
}

}  // namespace

QuantizerTable quantizer_table(const Graph& quantized) {
  QuantizerTable table;
  for (const Node& node : quantized.nodes) {
    const bool converts = std::holds_alternative<Quantize>(node.op);
    if (converts || !is_code(quantized.value(node.outputs[0]).type)) continue;
    const bool integer = quantized.value(node.inputs[0]).quantization.has_value();
    if (integer) table.layers.push_back(layer_of(quantized, node));
  }
  return table;
}

std::string to_json(const QuantizerTable& table) {
  Json layers = Json::array();
  for (const LayerQuantization& layer : table.layers) layers.push_back(layer_json(layer));
  // Indented by one, keys sorted, as the published files are.
  return Json{{"network", layers}}.dump(1, ' ', true, Json::error_handler_t::replace) + "\n";
}

std::optional<std::string> layers_left_out(const QuantizerTable& table, const Graph& quantized) {
  constexpr std::size_t kNamed = 3;
  std::set<std::string> present;
  for (const LayerQuantization& layer : table.layers) present.insert(layer.name);
  std::size_t scaled = 0;
  std::vector<std::string> missing;
  for (const Node& node : quantized.nodes) {
    if (!node.requantize) continue;
    ++scaled;
    if (!present.contains(node.name)) missing.push_back("'" + node.name + "'");
  }
  if (missing.empty()) return std::nullopt;
  const std::size_t named = std::min(kNamed, missing.size());
  std::string names = fmt::format("{}", fmt::join(missing.begin(), missing.begin() + named, ", "));
  if (named < missing.size()) names += ", ...";
  return fmt::format("{} of {} layers with scales not in it, filled from calibration: {}",
                     missing.size(), scaled, names);
}

QuantizerTable quantizer_table_from_json(std::string_view text, const std::string& file_name) {
  check_json_depth(text, file_name);
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::exception& error) {  // or a number no double can hold
    fail("{}: expected quantizer JSON, found that {}", file_name, json_fault(error.what()));
  }
  if (!json.is_object() || !json.contains("network") || !json["network"].is_array()) {
    fail("{}: expected an object with a list 'network', found none", file_name);
  }
  QuantizerTable table;
  std::set<std::string> names;
  for (const Json& layer : json["network"]) {
    table.layers.push_back(LayerReader(layer, file_name).read());
    const std::string& name = table.layers.back().name;
    if (!names.insert(name).second) {
      fail("{}: layer '{}': expected once, found twice", file_name, name);
    }
  }
  return table;
}

}  // namespace workbench
