#include "compiler/quantize/fake_quantize.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "core/eval/evaluate.h"

namespace workbench {

namespace {

// A graph of one constant and one node that crosses between reals and codes.
Tensor crossed(const Tensor& x, Op op, const Quantization& codes) {
  const bool to_codes = std::holds_alternative<Quantize>(op);
  Graph graph;
  Value real{.name = "real", .shape = x.shape()};
  Value code{.name = "code", .shape = x.shape(), .type = storage_type(codes)};
  code.quantization = codes;
  const ValueId from = graph.add_value(to_codes ? real : code);
  const ValueId to = graph.add_value(to_codes ? code : real);
  const Node node{.name = "cross", .op = std::move(op), .inputs = {from}, .outputs = {to}};
  return evaluate_node(graph, node, {&x, 1}).at(0);
}

template <typename Code>
void drop_lowest(Tensor& codes, std::int64_t high) {
  const auto lowest = static_cast<Code>(-high);
  for (Code& code : codes.mutable_values<Code>()) code = std::max(code, lowest);
}

// Puts the nodes of rounding into a copy of the annotated graph, whose ids stay what they are.
class Rounder {
 public:
  Rounder(const Graph& annotated, bool fold_constants)
      : graph_(annotated), fold_constants_(fold_constants), readable_(annotated.values.size()) {
    for (const Value& value : graph_.values) names_.insert(value.name);
    for (const Node& node : graph_.nodes) names_.insert(node.name);
  }

  Graph run() {
    std::vector<Node> nodes = std::exchange(graph_.nodes, {});
    const auto count = static_cast<ValueId>(readable_.size());
    for (ValueId id = 0; id < count; ++id) readable(id) = id;
    for (ValueId id = 0; id < count; ++id) {
      if (graph_.value(id).constant) round_constant(id);
    }
    for (const ValueId id : graph_.inputs) round_activation(id, false);
    for (Node& node : nodes) {
      for (ValueId& id : node.inputs) id = id == kNoValue ? id : readable(id);
      const std::vector<ValueId> written = node.outputs;
      for (ValueId& id : node.outputs) {
        if (id != kNoValue && is_annotated(id) && is_output(id)) id = unrounded(id);
      }
      const std::vector<ValueId> raw = node.outputs;
      graph_.nodes.push_back(std::move(node));
      for (std::size_t i = 0; i < written.size(); ++i) {
        if (written[i] != kNoValue) round_activation(written[i], raw[i] != written[i], raw[i]);
      }
    }
    graph_.scale_groups.clear();
    const std::vector<Violation> violations = verify(graph_);
    CHECK(violations.empty(), "after fake_quantized: {}", violations[0].message);
    return std::move(graph_);
  }

 private:
  ValueId& readable(ValueId id) { return readable_[static_cast<std::size_t>(id)]; }

  bool is_annotated(ValueId id) const {
    const Value& value = graph_.value(id);
    return value.quantization && value.type == ElementType::Float32;
  }
  bool is_output(ValueId id) const {
    return std::find(graph_.outputs.begin(), graph_.outputs.end(), id) != graph_.outputs.end();
  }
  std::string unique(std::string name) {
    while (!names_.insert(name).second) name += '_';
    return name;
  }

  // A node's own result where readers get the rounded value.
  ValueId unrounded(ValueId id) {
    const std::string name = unique(graph_.value(id).name + "_unrounded");
    return graph_.add_value({.name = name, .shape = graph_.value(id).shape});
  }

  void add_node(Op op, const std::string& name, ValueId from, ValueId to) {
    graph_.nodes.push_back(
        {.name = unique(name), .op = std::move(op), .inputs = {from}, .outputs = {to}});
  }

  ValueId add_codes(const std::string& name, const Shape& shape, Quantization codes) {
    Value value{.name = unique(name + "_int8"), .shape = shape, .type = storage_type(codes)};
    value.quantization = std::move(codes);
    return graph_.add_value(std::move(value));
  }

  void round_activation(ValueId id, bool keeps_name, ValueId from = kNoValue) {
    if (!is_annotated(id)) return;
    const Quantization codes = *std::exchange(graph_.value(id).quantization, std::nullopt);
    const std::string name = graph_.value(id).name;
    const Shape shape = graph_.value(id).shape;
    const ValueId code = add_codes(name, shape, codes);
    const ValueId rounded =
        keeps_name ? id : graph_.add_value({.name = unique(name + "_quantized"), .shape = shape});
    add_node(Quantize{}, name + "_quantize", keeps_name ? from : id, code);
    add_node(Dequantize{}, name + "_dequantize", code, rounded);
    readable(id) = rounded;
  }

  void round_constant(ValueId id) {
    if (!is_annotated(id)) return;
    const Quantization codes = *std::exchange(graph_.value(id).quantization, std::nullopt);
    const Tensor real = *graph_.value(id).constant;
    if (fold_constants_) {
      graph_.value(id).constant = rounded_constant(real, codes);
      return;
    }
    const std::string name = graph_.value(id).name;
    const Shape shape = graph_.value(id).shape;
    const ValueId code = add_codes(name, shape, codes);
    graph_.value(code).constant = constant_codes(real, codes);
    // The real constant is dead: its id becomes the rounded value.
    graph_.value(id).constant.reset();
    graph_.value(id).name = unique(name + "_quantized");
    add_node(Dequantize{}, name + "_dequantize", code, id);
  }

  Graph graph_;
  bool fold_constants_;
  std::vector<ValueId> readable_;  // by id in the annotated graph: what its readers read
  std::set<std::string> names_;
};

}  // namespace

Graph fake_quantized(const Graph& annotated) { return Rounder(annotated, false).run(); }

Graph rounded(const Graph& annotated) { return Rounder(annotated, true).run(); }

Graph with_byte_weights(Graph annotated) {
  constexpr int kBits = 8;
  for (Value& value : annotated.values) {
    if (!value.constant || !value.quantization || value.quantization->bits >= kBits) continue;
    Quantization& codes = *value.quantization;
    value.constant = rounded_constant(*value.constant, codes);
    const auto narrow = static_cast<double>(codes.high());
    codes.bits = kBits;
    for (double& threshold : codes.thresholds) {
      threshold *= static_cast<double>(codes.high()) / narrow;
    }
  }
  return annotated;
}

// Signed codes are symmetric, as both lowerings have them.
Tensor constant_codes(const Tensor& constant, const Quantization& quantization) {
  Tensor codes = crossed(constant, Quantize{}, quantization);
  const auto zero = [](std::int64_t point) { return point == 0; };
  if (!std::ranges::all_of(quantization.zero_points, zero)) return codes;
  if (codes.type() == ElementType::Int8) drop_lowest<std::int8_t>(codes, quantization.high());
  if (codes.type() == ElementType::Int16) drop_lowest<std::int16_t>(codes, quantization.high());
  if (codes.type() == ElementType::Int32) drop_lowest<std::int32_t>(codes, quantization.high());
  return codes;
}

Tensor rounded_constant(const Tensor& constant, const Quantization& quantization) {
  return crossed(constant_codes(constant, quantization), Dequantize{}, quantization);
}

}  // namespace workbench
