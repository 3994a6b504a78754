#include "explore/bits/widths.h"

#include <algorithm>
#include <set>

#include "core/error.h"

namespace workbench {

namespace {

std::int64_t elements_of(const Graph& graph, const std::vector<ValueId>& values) {
  std::int64_t sum = 0;
  for (const ValueId id : values) sum += element_count(graph.value(id).shape);
  return sum;
}

bool has_full_width(const Value& value, int bits) {
  return value.quantization && value.quantization->bits == bits &&
         value.quantization->zero_points.empty();
}

// Activations of codes that are decided together, by their first value.
std::vector<std::vector<ValueId>> activation_groups(const Graph& graph,
                                                    const QuantizeTarget& target) {
  std::vector<std::vector<ValueId>> groups = groups_of_one_width(graph, target);
  std::set<ValueId> grouped;
  for (const auto& group : groups) grouped.insert(group.begin(), group.end());
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    const auto id = static_cast<ValueId>(i);
    if (!grouped.contains(id) && !graph.values[i].constant) groups.push_back({id});
  }
  return groups;
}

struct Placed {
  std::size_t node = 0;
  WidthVariable variable;
};

// Where all members are results of layers with codes of the full width, and none leaves the
// network.
std::optional<Placed> activations(const Graph& graph, std::vector<ValueId> group, int bits) {
  const std::vector<std::ptrdiff_t> writers = producers(graph);
  Placed placed{.node = graph.nodes.size(),
                .variable = {.weights = false, .layers = {}, .values = {}, .elements = 0}};
  for (const ValueId id : group) {
    const Value& value = graph.value(id);
    if (value.constant) continue;
    const auto writer = writers[static_cast<std::size_t>(id)];
    const bool leaves = std::ranges::find(graph.outputs, id) != graph.outputs.end();
    if (writer < 0 || leaves) return std::nullopt;
    if (!value.quantization) continue;
    if (!has_full_width(value, bits)) return std::nullopt;
    const auto node = static_cast<std::size_t>(writer);
    placed.node = std::min(placed.node, node);
    placed.variable.layers.push_back(graph.nodes[node].name);
    placed.variable.values.push_back(id);
  }
  if (placed.variable.values.empty()) return std::nullopt;
  placed.variable.elements = elements_of(graph, placed.variable.values);
  return placed;
}

std::optional<Placed> weights(const Graph& graph, std::size_t node, int bits) {
  const ValueId id = graph.nodes[node].inputs.at(1);
  if (id == kNoValue || !has_full_width(graph.value(id), bits)) return std::nullopt;
  return Placed{.node = node,
                .variable = {.weights = true,
                             .layers = {graph.nodes[node].name},
                             .values = {id},
                             .elements = elements_of(graph, {id})}};
}

}  // namespace

std::optional<std::size_t> Widths::variable_of(ValueId id) const {
  for (std::size_t v = 0; v < variables.size(); ++v) {
    if (std::ranges::find(variables[v].values, id) != variables[v].values.end()) return v;
  }
  return std::nullopt;
}

Widths widths_of(const Graph& annotated, const QuantizeTarget& target) {
  Widths widths{.choices = target.weight_widths, .variables = {}};
  std::vector<Placed> placed;
  const std::vector<bool> codes = target.has_weight_codes(annotated);
  for (std::size_t n = 0; n < annotated.nodes.size(); ++n) {
    if (!codes[n]) continue;
    if (auto found = weights(annotated, n, target.bits)) placed.push_back(std::move(*found));
  }
  for (std::vector<ValueId>& group : activation_groups(annotated, target)) {
    auto found = activations(annotated, std::move(group), target.bits);
    if (found) placed.push_back(std::move(*found));
  }
  std::ranges::stable_sort(placed,
                           [](const Placed& a, const Placed& b) { return a.node < b.node; });
  for (Placed& one : placed) widths.variables.push_back(std::move(one.variable));
  return widths;
}

CodeBits code_bits(const Widths& widths, const Options& options) {
  CodeBits bits;
  for (std::size_t v = 0; v < options.size(); ++v) {
    const WidthVariable& variable = widths.variables[v];
    for (const std::string& name : variable.layers) {
      CodeBits::Layer& layer = bits.layers[name];
      (variable.weights ? layer.weights : layer.activations) = widths.choices.at(options[v]);
    }
  }
  return bits;
}

std::int64_t weight_bytes(const Widths& widths, const Options& options) {
  std::int64_t bytes = 0;
  for (std::size_t v = 0; v < options.size(); ++v) {
    const WidthVariable& variable = widths.variables[v];
    if (variable.weights) bytes += (variable.elements * widths.choices.at(options[v]) + 7) / 8;
  }
  return bytes;
}

Options uniform_options(const Widths& widths, int weight_bits, int activation_bits) {
  const auto option = [&](int bits) {
    const auto at = std::ranges::find(widths.choices, bits);
    CHECK(at != widths.choices.end(), "{} bits are no choice", bits);
    return static_cast<std::size_t>(at - widths.choices.begin());
  };
  Options options;
  std::size_t first = widths.variables.size(), last = 0;
  for (std::size_t v = 0; v < widths.variables.size(); ++v) {
    if (!widths.variables[v].weights) continue;
    first = std::min(first, v);
    last = v;
  }
  for (std::size_t v = 0; v < widths.variables.size(); ++v) {
    const bool weights = widths.variables[v].weights;
    const bool edge = weights && (v == first || v == last);
    options.push_back(edge ? 0 : option(weights ? weight_bits : activation_bits));
  }
  return options;
}

}  // namespace workbench
