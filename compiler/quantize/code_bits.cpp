#include "compiler/quantize/code_bits.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>
#include <utility>

#include "core/error.h"

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

void share_in_groups(const Graph& annotated, int own, std::vector<int>& widths) {
  for (const ScaleGroup& group : annotated.scale_groups) {
    int widest = 0;
    for (const ValueId id : group.members) {
      const int width = widths[static_cast<std::size_t>(id)];
      widest = std::max(widest, width == 0 ? own : width);
    }
    for (const ValueId id : group.members) widths[static_cast<std::size_t>(id)] = widest;
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
  share_in_groups(annotated, target.bits, widths);
  for (std::size_t i = 0; i < widths.size(); ++i) {
    Value& value = annotated.values[i];
    if (value.constant || !value.quantization || widths[i] == 0) continue;
    if (widths[i] == value.quantization->bits || !value.quantization->zero_points.empty()) continue;
    if (!target.narrow_activations || widths[i] > target.bits) {
      fail("--activation-bits: value '{}': expected {}{} on target {}, found {}", value.name,
           target.narrow_activations ? "2 to " : "", target.bits, target.name, widths[i]);
    }
    narrow(*value.quantization, widths[i]);
  }
  return annotated;
}

}  // namespace

CodeBits code_bits(int weights, int activations, const std::vector<std::string>& layers) {
  check_width(weights, "--weight-bits");
  check_width(activations, "--activation-bits");
  CodeBits bits{.weights = weights, .activations = activations};
  for (const std::string& layer : layers) read_layer(layer, bits);
  return bits;
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
