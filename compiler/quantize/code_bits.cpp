#include "compiler/quantize/code_bits.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <numeric>
#include <set>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/yaml.h"
#include "isa/yaml_fields.h"

namespace workbench {

namespace {

constexpr int kFewestBits = 2, kMostBits = 16;

int width_of(std::string_view text, std::string_view option) {
  int bits = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits);
  if (error != std::errc() || end != text.data() + text.size() || bits < kFewestBits ||
      bits > kMostBits) {
    fail("{}: expected {} to {} bits, found '{}'", option, kFewestBits, kMostBits, text);
  }
  return bits;
}

void check_width(int bits, std::string_view option) {
  if (bits != 0) (void)width_of(std::to_string(bits), option);
}

void read_setting(std::string_view setting, std::string_view whole, CodeBits::Layer& layer) {
  const std::size_t equals = setting.find('=');
  const std::string_view key = setting.substr(0, equals);
  if (equals == std::string_view::npos || (key != "weight-bits" && key != "activation-bits")) {
    fail("--layer '{}': expected NAME:weight-bits=N or NAME:activation-bits=N, found '{}'", whole,
         setting);
  }
  (key == "weight-bits" ? layer.weights : layer.activations) =
      width_of(setting.substr(equals + 1), fmt::format("--layer '{}': {}", whole, key));
}

void read_layer(std::string_view text, CodeBits& bits) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) {
    fail("--layer '{}': expected NAME:weight-bits=N, found no name and colon", text);
  }
  CodeBits::Layer& layer = bits.layers[std::string(text.substr(0, colon))];
  std::string_view left = text.substr(colon + 1);
  while (true) {
    const std::size_t comma = left.find(',');
    read_setting(left.substr(0, comma), text, layer);
    if (comma == std::string_view::npos) return;
    left.remove_prefix(comma + 1);
  }
}

void require_layers(const Graph& graph, const CodeBits& bits) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) names.push_back(node.name);
  for (const auto& [name, layer] : bits.layers) {
    if (std::ranges::find(names, name) != names.end()) continue;
    fail("--layer: network '{}' has no layer '{}' after the passes: expected {} (the nearest)",
         graph.name, name, nearest_name(name, names));
  }
}

bool is_edge(const Graph& graph, ValueId id) {
  return std::ranges::find(graph.inputs, id) != graph.inputs.end() ||
         std::ranges::find(graph.outputs, id) != graph.outputs.end();
}

// Per ValueId: the width asked for; 0: none.
std::vector<int> asked_widths(const Graph& annotated, const CodeBits& bits) {
  std::vector<int> widths(annotated.values.size(), 0);
  for (std::size_t i = 0; i < widths.size(); ++i) {
    if (!is_edge(annotated, static_cast<ValueId>(i))) widths[i] = bits.activations;
  }
  for (const Node& node : annotated.nodes) {
    const auto found = bits.layers.find(node.name);
    if (found == bits.layers.end() || found->second.activations == 0) continue;
    widths[static_cast<std::size_t>(node.outputs[0])] = found->second.activations;
  }
  return widths;
}

void share_in_groups(const std::vector<std::vector<ValueId>>& groups, int own,
                     std::vector<int>& widths) {
  for (const std::vector<ValueId>& group : groups) {
    int widest = 0;
    bool asked = false;
    for (const ValueId id : group) {
      const int width = widths[static_cast<std::size_t>(id)];
      asked = asked || width != 0;
      widest = std::max(widest, width == 0 ? own : width);
    }
    if (!asked) continue;
    for (const ValueId id : group) widths[static_cast<std::size_t>(id)] = widest;
  }
}

// The same threshold, whose step a float32 holds.
void narrow(Quantization& codes, int bits) {
  codes.bits = bits;
  const auto high = static_cast<double>(codes.high());
  for (double& threshold : codes.thresholds) {
    threshold = double{static_cast<float>(threshold / high)} * high;
  }
}

Graph narrowed(Graph annotated, const QuantizeTarget& target, const CodeBits& bits) {
  require_layers(annotated, bits);
  std::vector<int> widths = asked_widths(annotated, bits);
  share_in_groups(groups_of_one_width(annotated, target), target.bits, widths);
  for (std::size_t i = 0; i < widths.size(); ++i) {
    Value& value = annotated.values[i];
    if (value.constant || !value.quantization || widths[i] == 0) continue;
    if (widths[i] == value.quantization->bits || !value.quantization->zero_points.empty()) continue;
    require_width(widths[i], target.activation_widths, target,
                  fmt::format("value '{}': activation-bits", value.name));
    narrow(*value.quantization, widths[i]);
  }
  return annotated;
}

// Sets of values that grow together.
class Unions {
 public:
  explicit Unions(std::size_t count) : parent_(count) {
    std::iota(parent_.begin(), parent_.end(), ValueId{0});
  }
  ValueId root(ValueId id) {
    ValueId& above = parent_[static_cast<std::size_t>(id)];
    while (above != parent_[static_cast<std::size_t>(above)]) {
      above = parent_[static_cast<std::size_t>(above)];
    }
    return above;
  }
  void join(ValueId a, ValueId b) {
    const ValueId first = root(a), second = root(b);
    parent_[static_cast<std::size_t>(std::max(first, second))] = std::min(first, second);
  }

 private:
  std::vector<ValueId> parent_;
};

// Keys of the file, each once. `read` is given key and value.
void for_each_entry(const YAML::Node& map, const std::string& file, std::string_view what,
                    const std::function<void(const std::string&, const YAML::Node&)>& read) {
  if (!map.IsMap())
    fail("{}: {} must be a mapping of keys to values", yaml::where(file, map), what);
  std::set<std::string> seen;
  for (const auto& entry : map) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
    if (key.empty() || !seen.insert(key).second) {
      fail("{}: {}: expected names, each once, found '{}'", yaml::where(file, entry.first), what,
           key);
    }
    if (entry.second.IsNull()) {
      fail("{}: {}: '{}' has no value", yaml::where(file, entry.first), what, key);
    }
    read(key, entry.second);
  }
}

int width_in(const YAML::Node& node, const std::string& file, const std::string& key) {
  const std::string place = fmt::format("{}: {}", yaml::where(file, node), key);
  if (!node.IsScalar()) fail("{}: expected a number of bits", place);
  return width_of(node.Scalar(), place);
}

CodeBits::Layer layer_in(const YAML::Node& map, const std::string& file, const std::string& name) {
  CodeBits::Layer layer;
  for_each_entry(map, file, fmt::format("layer '{}'", name),
                 [&](const std::string& key, const YAML::Node& node) {
                   if (key != "weight-bits" && key != "activation-bits") {
                     fail("{}: layer '{}': expected weight-bits or activation-bits, found '{}'",
                          yaml::where(file, node), name, key);
                   }
                   (key == "weight-bits" ? layer.weights : layer.activations) =
                       width_in(node, file, key);
                 });
  return layer;
}

// As a name in YAML, whatever it contains.
std::string yaml_text(std::string_view name) {
  YAML::Emitter out;
  out << YAML::DoubleQuoted << std::string(name);
  return out.c_str();
}

}  // namespace

std::vector<std::vector<ValueId>> groups_of_one_width(const Graph& annotated,
                                                      const QuantizeTarget& target) {
  Unions unions(annotated.values.size());
  for (const ScaleGroup& group : annotated.scale_groups) {
    for (const ValueId id : group.members) unions.join(group.members.front(), id);
  }
  const auto is_code = [&](ValueId id) {
    const Value& value = annotated.value(id);
    return !value.constant && value.quantization.has_value();
  };
  for (const Node& node : annotated.nodes) {
    const auto* sum = std::get_if<Binary>(&node.op);
    const bool joins = target.sums_of_one_width && sum != nullptr &&
                       sum->kind == Binary::Kind::Add && is_code(node.inputs[0]) &&
                       is_code(node.inputs[1]) && is_code(node.outputs[0]);
    if (joins) unions.join(node.inputs[0], node.inputs[1]);
  }
  std::map<ValueId, std::vector<ValueId>> groups;
  for (std::size_t i = 0; i < annotated.values.size(); ++i) {
    groups[unions.root(static_cast<ValueId>(i))].push_back(static_cast<ValueId>(i));
  }
  std::vector<std::vector<ValueId>> result;
  for (auto& [root, members] : groups) {
    if (members.size() > 1) result.push_back(std::move(members));
  }
  return result;
}

RecipeFile parse_recipe_file(const std::string& text, const std::string& name) {
  const YAML::Node root = parse_yaml(text, name);
  if (!root.IsDefined() || root.IsNull()) fail("{}:1: the recipe is empty", name);
  RecipeFile file;
  for_each_entry(root, name, "the recipe", [&](const std::string& key, const YAML::Node& node) {
    if (key == "scheme") {
      yaml::read_scalar(node, file.scheme, yaml::where(name, node), key);
    } else if (key == "weight-bits") {
      file.bits.weights = width_in(node, name, key);
    } else if (key == "activation-bits") {
      file.bits.activations = width_in(node, name, key);
    } else if (key == "layers") {
      for_each_entry(node, name, key, [&](const std::string& layer, const YAML::Node& map) {
        file.bits.layers[layer] = layer_in(map, name, layer);
      });
    } else {
      fail("{}: expected scheme, weight-bits, activation-bits or layers, found '{}'",
           yaml::where(name, node), key);
    }
  });
  return file;
}

std::string recipe_file_text(const RecipeFile& recipe) {
  const auto setting = [](const char* key, int bits) {
    return bits == 0 ? std::string() : fmt::format("{}: {}", key, bits);
  };
  std::string text = fmt::format("scheme: {}\n", recipe.scheme);
  for (const std::string& line : {setting("weight-bits", recipe.bits.weights),
                                  setting("activation-bits", recipe.bits.activations)}) {
    if (!line.empty()) text += line + "\n";
  }
  if (!recipe.bits.layers.empty()) text += "layers:\n";
  for (const auto& [name, layer] : recipe.bits.layers) {
    const std::string weights = setting("weight-bits", layer.weights);
    const std::string activations = setting("activation-bits", layer.activations);
    const char* comma = weights.empty() || activations.empty() ? "" : ", ";
    text += fmt::format("  {}: {{{}{}{}}}\n", yaml_text(name), weights, comma, activations);
  }
  return text;
}

CodeBits overridden(CodeBits file, const CodeBits& options) {
  if (options.weights != 0) file.weights = options.weights;
  if (options.activations != 0) file.activations = options.activations;
  for (const auto& [name, layer] : options.layers) {
    CodeBits::Layer& own = file.layers[name];
    if (layer.weights != 0) own.weights = layer.weights;
    if (layer.activations != 0) own.activations = layer.activations;
  }
  return file;
}

CodeBits code_bits(int weights, int activations, const std::vector<std::string>& layers) {
  check_width(weights, "--weight-bits");
  check_width(activations, "--activation-bits");
  CodeBits bits{.weights = weights, .activations = activations};
  for (const std::string& layer : layers) read_layer(layer, bits);
  return bits;
}

void require_widths(const CodeBits& bits, const QuantizeTarget& target) {
  const auto require = [&](int asked, const std::vector<int>& widths, const std::string& what) {
    if (asked != 0) require_width(asked, widths, target, what);
  };
  require(bits.weights, target.weight_widths, "weight-bits");
  require(bits.activations, target.activation_widths, "activation-bits");
  for (const auto& [name, layer] : bits.layers) {
    require(layer.weights, target.weight_widths, fmt::format("layer '{}': weight-bits", name));
    require(layer.activations, target.activation_widths,
            fmt::format("layer '{}': activation-bits", name));
  }
}

Recipe with_weight_bits(Recipe recipe, const CodeBits& bits) {
  if (bits.weights != 0) recipe.weight_bits = bits.weights;
  for (const auto& [name, layer] : bits.layers) {
    if (layer.weights != 0) recipe.layer_weight_bits[name] = layer.weights;
  }
  return recipe;
}

QuantizeTarget with_activation_bits(QuantizeTarget target, const CodeBits& bits) {
  if (!bits.any()) return target;
  QuantizeTarget own = target;
  own.annotate = [target = std::move(target), bits](Graph graph, const Thresholds& thresholds) {
    return narrowed(target.annotate(std::move(graph), thresholds), target, bits);
  };
  return own;
}

}  // namespace workbench
