#include "compiler/quantize/kept_codes.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace workbench {

namespace {

bool is_padded(const Window& window) {
  const auto some = [](std::int64_t pad) { return pad != 0; };
  return std::ranges::any_of(window.pads_begin, some) || std::ranges::any_of(window.pads_end, some);
}

bool zero_is_lowest(const Quantization& codes) { return codes.zero_point() == codes.low(); }

bool same_codes(const Quantization& a, const Quantization& b) {
  return a.bits == b.bits && a.is_signed == b.is_signed && a.thresholds == b.thresholds &&
         a.zero_point() == b.zero_point();
}

// What nodes demand of the codes around them.
class Surroundings {
 public:
  Surroundings(const Graph& graph, const Roles& roles)
      : graph_(graph), roles_(roles), writers_(producers(graph)), readers_(consumers(graph)) {}

  // Of a set of tied values, what all of them can have.
  const Quantization* kept(const std::vector<ValueId>& set) const {
    const Quantization* codes = nullptr;
    for (const ValueId id : set) {
      const auto& own = graph_.value(id).quantization;
      if (!own) continue;
      const bool usable = own->bits == 8 && own->thresholds.size() == 1 && is_shifted(*own);
      if (!usable || (codes != nullptr && !same_codes(*codes, *own))) return nullptr;
      codes = &*own;
    }
    if (codes == nullptr || zero_is_lowest(*codes)) return codes;
    const bool allowed = std::ranges::all_of(set, [&](ValueId id) { return nodes_allow(id); });
    return allowed ? codes : nullptr;
  }

 private:
  // Any zero point.
  bool nodes_allow(ValueId id) const {
    const std::ptrdiff_t writer = writers_[static_cast<std::size_t>(id)];
    if (writer >= 0 && !writer_allows(static_cast<std::size_t>(writer))) return false;
    return std::ranges::all_of(readers_[static_cast<std::size_t>(id)],
                               [&](std::size_t n) { return reader_allows(n); });
  }

  bool writer_allows(std::size_t n) const {
    return !roles_[n] || activation_of(graph_.nodes[n].op).kind == Activation::Kind::None;
  }

  bool reader_allows(std::size_t n) const {
    if (roles_[n] != Role::Weighted && roles_[n] != Role::Average) return true;
    const Op& op = graph_.nodes[n].op;
    if (const auto* conv = std::get_if<Conv>(&op)) return !is_padded(conv->window);
    if (const auto* pool = std::get_if<AveragePool>(&op)) return !is_padded(pool->window);
    return std::holds_alternative<Gemm>(op);
  }

  const Graph& graph_;
  const Roles& roles_;
  std::vector<std::ptrdiff_t> writers_;
  std::vector<std::vector<std::size_t>> readers_;
};

bool pads_shifted_input(const Graph& graph, const Node& node) {
  const auto* conv = std::get_if<Conv>(&node.op);
  if (conv == nullptr || !is_padded(conv->window)) return false;
  const ValueId x = node.inputs[0];
  const auto& codes = graph.value(x).quantization;
  return std::ranges::find(graph.inputs, x) != graph.inputs.end() && codes &&
         codes->thresholds.size() == 1 && is_shifted(*codes) && !zero_is_lowest(*codes);
}

// The padding of a window as a node of its own.
Pad taken_padding(Window& window) {
  Pad pad{.begin = {0, 0}, .end = {0, 0}};
  pad.begin.insert(pad.begin.end(), window.pads_begin.begin(), window.pads_begin.end());
  pad.end.insert(pad.end.end(), window.pads_end.begin(), window.pads_end.end());
  std::ranges::fill(window.pads_begin, 0);
  std::ranges::fill(window.pads_end, 0);
  return pad;
}

}  // namespace

bool is_shifted(const Quantization& codes) {
  return std::ranges::any_of(codes.zero_points, [](std::int64_t point) { return point != 0; });
}

std::vector<std::optional<Quantization>> kept_codes(const Graph& graph, const Roles& roles,
                                                    const std::vector<bool>& present,
                                                    ScaleClasses& ties) {
  std::map<std::size_t, std::vector<ValueId>> sets;
  for (std::size_t i = 0; i < present.size(); ++i) {
    if (present[i]) sets[ties.find(static_cast<ValueId>(i))].push_back(static_cast<ValueId>(i));
  }
  std::vector<std::optional<Quantization>> result(present.size());
  const Surroundings surroundings(graph, roles);
  for (const auto& [root, set] : sets) {
    const Quantization* codes = surroundings.kept(set);
    if (codes == nullptr) continue;
    for (const ValueId id : set) result[static_cast<std::size_t>(id)] = *codes;
  }
  return result;
}

Quantization kernel_codes(Quantization codes) {
  if (!codes.is_signed || !is_shifted(codes)) return codes;
  const std::int64_t lowest = codes.low();
  const double step = codes.step();
  codes.zero_points = {codes.zero_point() - lowest};
  codes.is_signed = false;
  codes.thresholds = {step * static_cast<double>(codes.high())};
  return codes;
}

Graph with_input_borders(Graph graph) {
  std::set<std::string> names;
  for (const Value& value : graph.values) names.insert(value.name);
  for (const Node& node : graph.nodes) names.insert(node.name);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!pads_shifted_input(graph, graph.nodes[n])) continue;
    const ValueId x = graph.nodes[n].inputs[0];
    const Pad pad = taken_padding(std::get<Conv>(graph.nodes[n].op).window);
    Value bordered = graph.value(x);
    bordered.name += "_bordered";
    while (!names.insert(bordered.name).second) bordered.name += '_';
    for (std::size_t d = 0; d < bordered.shape.size(); ++d) {
      bordered.shape[d] += pad.begin[d] + pad.end[d];
    }
    const std::string name = bordered.name;
    const ValueId to = graph.add_value(std::move(bordered));
    graph.nodes[n].inputs[0] = to;
    graph.nodes.insert(graph.nodes.begin() + static_cast<std::ptrdiff_t>(n),
                       Node{.name = name, .op = pad, .inputs = {x}, .outputs = {to}});
    ++n;
  }
  return graph;
}

bool came_as_integers(const Graph& graph, const Node& node) {
  const auto shifted = [&](ValueId id) {
    const auto& codes = graph.value(id).quantization;
    return codes && is_shifted(*codes);
  };
  if (shifted(node.inputs[0]) || shifted(node.outputs[0])) return true;
  if (node.inputs.size() < 3 || node.inputs[2] == kNoValue) return false;
  const auto& bias = graph.value(node.inputs[2]).quantization;
  return bias && bias->bits == 32;
}

}  // namespace workbench
