#include "compiler/quantize/saturation.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace workbench {

namespace {

std::optional<RealRange> range_of(const Quantization& codes) {
  if (codes.thresholds.size() != 1 || codes.bits > 16) return std::nullopt;
  const double step = codes.step();
  const auto real = [&](std::int64_t code) {
    return static_cast<double>(code - codes.zero_point()) * step;
  };
  return RealRange{real(codes.low()), real(codes.high()), step};
}

bool contains(const RealRange& range, double low, double high) {
  return low >= range.low - range.step && high <= range.high + range.step;
}

// Whether the activation's results lie in the range whatever its operands are.
bool bounds(const Activation& activation, const RealRange& range) {
  using Kind = Activation::Kind;
  switch (activation.kind) {
    case Kind::Sigmoid:
    case Kind::HardSigmoid:
      return contains(range, 0, 1);
    case Kind::Tanh:
      return contains(range, -1, 1);
    case Kind::Clip:
      return activation.bounds.empty() && contains(range, static_cast<double>(activation.alpha),
                                                   static_cast<double>(activation.beta));
    default:
      return false;
  }
}

class Saturating {
 public:
  Saturating(Graph graph, const RealRanges& ranges) : graph_(std::move(graph)), ranges_(ranges) {
    for (const Value& value : graph_.values) names_.insert(value.name);
    for (const Node& node : graph_.nodes) names_.insert(node.name);
  }

  Graph run() {
    std::vector<Node> nodes = std::exchange(graph_.nodes, {});
    for (const ValueId id : graph_.inputs) cut(id);
    for (Node& node : nodes) {
      for (ValueId& id : node.inputs) {
        const auto found = replaced_.find(id);
        if (found != replaced_.end()) id = found->second;
      }
      const bool inside = stays_inside(node);
      const std::vector<ValueId> results = node.outputs;
      graph_.nodes.push_back(std::move(node));
      if (inside) continue;
      for (const ValueId id : results) {
        if (id != kNoValue) cut(id);
      }
    }
    for (ValueId& id : graph_.outputs) {
      const auto found = replaced_.find(id);
      if (found != replaced_.end()) id = found->second;
    }
    return std::move(graph_);
  }

 private:
  const RealRange* wanted(ValueId id) const {
    const Value& value = graph_.value(id);
    const auto found = ranges_.find(value.name);
    const bool real = value.type == ElementType::Float32 && !value.constant;
    return found == ranges_.end() || !real ? nullptr : &found->second;
  }

  bool stays_inside(const Node& node) const {
    const RealRange* own = node.outputs.empty() ? nullptr : wanted(node.outputs[0]);
    if (own == nullptr) return false;
    if (bounds(activation_of(node.op), *own)) return true;
    if (const auto* softmax = std::get_if<Softmax>(&node.op)) {
      return !softmax->log && contains(*own, 0, 1);
    }
    const OpTraits& kind = traits(node.op);
    if (!kind.moves_data && !kind.selects) return false;
    return std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) {
      if (id == kNoValue || graph_.value(id).constant) return true;
      const RealRange* from = wanted(id);
      return from != nullptr && contains(*own, from->low, from->high);
    });
  }

  std::string unique(std::string name) {
    while (!names_.insert(name).second) name += '_';
    return name;
  }

  // A graph input keeps its name: it is the user's.
  void cut(ValueId id) {
    const RealRange* range = wanted(id);
    if (range == nullptr) return;
    const bool is_input =
        std::find(graph_.inputs.begin(), graph_.inputs.end(), id) != graph_.inputs.end();
    const std::string name = graph_.value(id).name;
    Value value{.name = unique(name + (is_input ? "_saturated" : "_unsaturated")),
                .shape = graph_.value(id).shape};
    value.quantization = graph_.value(id).quantization;
    const ValueId to = graph_.add_value(std::move(value));
    if (!is_input) {
      std::swap(graph_.value(id).name, graph_.value(to).name);
      graph_.value(id).quantization.reset();
    }
    graph_.nodes.push_back({.name = unique(name + "_saturate"),
                            .op = Activate{{.kind = Activation::Kind::Clip,
                                            .alpha = static_cast<float>(range->low),
                                            .beta = static_cast<float>(range->high)}},
                            .inputs = {id},
                            .outputs = {to}});
    replaced_[id] = to;
  }

  Graph graph_;
  const RealRanges& ranges_;
  std::map<ValueId, ValueId> replaced_;
  std::set<std::string> names_;
};

}  // namespace

RealRanges ranges_of_pairs(const Graph& imported) {
  RealRanges ranges;
  const auto readers = consumers(imported);
  for (const Node& node : imported.nodes) {
    if (!std::holds_alternative<Quantize>(node.op)) continue;
    const Value& code = imported.value(node.outputs[0]);
    const auto range = code.quantization ? range_of(*code.quantization) : std::nullopt;
    if (!range) continue;
    for (const std::size_t n : readers[static_cast<std::size_t>(node.outputs[0])]) {
      const Node& behind = imported.nodes[n];
      if (!std::holds_alternative<Dequantize>(behind.op)) continue;
      ranges.emplace(imported.value(node.inputs[0]).name, *range);
      ranges.emplace(imported.value(behind.outputs[0]).name, *range);
    }
  }
  return ranges;
}

void saturate(Tensor& tensor, const RealRange& range) {
  if (tensor.type() != ElementType::Float32) return;
  const auto low = static_cast<float>(range.low), high = static_cast<float>(range.high);
  for (float& x : tensor.mutable_values<float>()) x = std::clamp(x, low, high);
}

Graph with_saturation(Graph graph, const RealRanges& ranges) {
  return Saturating(std::move(graph), ranges).run();
}

RealRanges ranges_without_codes(const RealRanges& ranges, const Graph& annotated,
                                const std::vector<bool>& weighted) {
  RealRanges open;
  const auto add = [&](ValueId id) {
    const Value& value = annotated.value(id);
    const auto found = ranges.find(value.name);
    if (found != ranges.end() && !value.quantization) open.insert(*found);
  };
  for (const ValueId id : annotated.inputs) add(id);
  for (std::size_t n = 0; n < annotated.nodes.size(); ++n) {
    for (const ValueId id : annotated.nodes[n].outputs) {
      if (id != kNoValue && !weighted[n]) add(id);
    }
  }
  return open;
}

}  // namespace workbench
