#include "compiler/quantize/scale_classes.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <utility>

namespace workbench {

namespace {

constexpr std::size_t kNodesNamed = 4;  // a residual network ties dozens

// "concat 'inception_3a/output'"
std::string named(const Node& node) {
  std::string op = op_name(node.op);
  for (char& c : op) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return fmt::format("{} '{}'", op, node.name);
}

std::string reason_of(const Graph& graph, const std::vector<std::size_t>& nodes) {
  std::string text;
  for (std::size_t i = 0; i < std::min(nodes.size(), kNodesNamed); ++i) {
    text += (i == 0 ? "" : ", ") + named(graph.nodes[nodes[i]]);
  }
  if (nodes.size() > kNodesNamed) text += fmt::format(" and {} more", nodes.size() - kNodesNamed);
  return text;
}

// Sets that `node` holds two values of.
std::set<std::size_t> tied_by(const Node& node, ScaleClasses& classes,
                              const std::vector<bool>& present) {
  std::set<ValueId> values(node.inputs.begin(), node.inputs.end());
  values.insert(node.outputs.begin(), node.outputs.end());
  std::set<std::size_t> seen, twice;
  for (const ValueId id : values) {
    if (id == kNoValue || !present[static_cast<std::size_t>(id)]) continue;
    if (!seen.insert(classes.find(id)).second) twice.insert(classes.find(id));
  }
  return twice;
}

}  // namespace

ScaleClasses::ScaleClasses(std::size_t values)
    : parent_(values), cap_(values, std::numeric_limits<double>::infinity()) {
  std::iota(parent_.begin(), parent_.end(), std::size_t{0});
}

std::size_t ScaleClasses::find(ValueId id) {
  auto at = static_cast<std::size_t>(id);
  while (parent_[at] != at) at = parent_[at] = parent_[parent_[at]];
  return at;
}

void ScaleClasses::tie(ValueId a, ValueId b) {
  limit(b, cap(a));
  parent_[find(a)] = find(b);
}

void ScaleClasses::limit(ValueId id, double cap) {
  double& own = cap_[find(id)];
  own = std::min(own, cap);
}

std::vector<bool> coded_values(const Graph& graph, const Roles& roles) {
  std::vector<bool> coded(graph.values.size(), false);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!roles[n]) continue;
    const Node& node = graph.nodes[n];
    coded[static_cast<std::size_t>(node.outputs[0])] = true;
    for (const ValueId id : data_operands(node, *roles[n])) {
      coded[static_cast<std::size_t>(id)] = true;
    }
  }
  return coded;
}

std::vector<ScaleGroup> scale_groups(const Graph& graph, ScaleClasses& classes,
                                     const std::vector<bool>& present,
                                     const std::vector<bool>& ties) {
  std::map<std::size_t, std::vector<std::size_t>> nodes;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!ties[n]) continue;
    for (const std::size_t set : tied_by(graph.nodes[n], classes, present)) nodes[set].push_back(n);
  }
  std::map<std::size_t, std::vector<ValueId>> members;
  for (std::size_t i = 0; i < present.size(); ++i) {
    const auto id = static_cast<ValueId>(i);
    if (present[i] && nodes.contains(classes.find(id))) members[classes.find(id)].push_back(id);
  }
  std::vector<ScaleGroup> groups;
  for (auto& [set, ids] : members) {
    groups.push_back({.reason = reason_of(graph, nodes.at(set)), .members = std::move(ids)});
  }
  return groups;
}

double magnitude(const Quantization& quantization) {
  double largest = 0;
  for (std::size_t i = 0; i < quantization.thresholds.size(); ++i) {
    const auto zero = static_cast<double>(quantization.zero_point(i));
    const double step = quantization.step(i);
    const double above = (static_cast<double>(quantization.high()) - zero) * step;
    const double below = (zero - static_cast<double>(quantization.low())) * step;
    largest = std::max(largest, zero == 0 ? quantization.thresholds[i] : std::max(above, below));
  }
  return largest;
}

Graph with_codes(Graph graph, const Roles& roles, Codes codes) {
  const std::vector<std::ptrdiff_t> writers = producers(graph);
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    if (!is_real(graph, static_cast<ValueId>(i))) continue;
    Value& value = graph.values[i];
    value.quantization.reset();
    if (codes.thresholds[i] == 0) continue;
    const bool computed = writers[i] >= 0 && roles[static_cast<std::size_t>(writers[i])];
    value.quantization =
        Quantization{.bits = codes.bits,
                     .is_signed = codes.is_unsigned.empty() || !codes.is_unsigned[i],
                     .thresholds = {codes.thresholds[i]},
                     .rounding = computed ? Rounding::HalfUp : codes.host_rounding};
  }
  graph.scale_groups = std::move(codes.groups);
  return graph;
}

}  // namespace workbench
