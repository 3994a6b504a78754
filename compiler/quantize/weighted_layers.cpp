#include "compiler/quantize/weighted_layers.h"

#include <algorithm>
#include <utility>

#include "compiler/passes/rewrite.h"

namespace workbench {

namespace {

std::int64_t elements_behind(const Shape& shape, std::size_t axis) {
  std::int64_t count = 1;
  for (std::size_t i = axis + 1; i < shape.size(); ++i) count *= shape[i];
  return count;
}

WeightedLayer layer_of(const Conv& op, const Shape& w) {
  WeightedLayer layer;
  layer.inputs = w[1] * op.groups;
  layer.outputs = w[0];
  layer.rows_per_group = w[0] / op.groups;
  return layer;
}

WeightedLayer layer_of(const ConvTranspose& op, const Shape& w) {
  WeightedLayer layer;
  layer.inputs = w[0];
  layer.outputs = w[1] * op.groups;
  layer.axis = 1;
  layer.rows_are_outputs = false;
  layer.rows_per_group = w[0] / op.groups;
  return layer;
}

WeightedLayer layer_of(const Gemm& op, const Shape& w) {
  WeightedLayer layer;
  layer.inputs = w[op.transpose_b ? 1 : 0];
  layer.outputs = w[op.transpose_b ? 0 : 1];
  layer.axis = op.transpose_b ? 0 : 1;
  layer.rows_are_outputs = op.transpose_b;
  layer.rows_per_group = w[0];
  return layer;
}

// Whether channel c of the result depends on channel c of the operand alone, s * y on s * x.
struct KeepsChannels {
  const Graph& graph;
  const Node& node;

  const Shape& in() const { return graph.value(node.inputs[0]).shape; }
  const Shape& out() const { return graph.value(node.outputs[0]).shape; }

  bool operator()(const MaxPool&) const { return node.outputs.size() == 1; }
  bool operator()(const AveragePool&) const { return true; }
  bool operator()(const Identity&) const { return true; }
  bool operator()(const Activate& op) const {
    using Kind = Activation::Kind;
    const Kind kind = op.activation.kind;
    return kind == Kind::None || kind == Kind::Relu || kind == Kind::LeakyRelu ||
           kind == Kind::PRelu;
  }
  bool operator()(const Reshape&) const {  // [N, C, 1, 1] to [N, C] and back
    return in().size() > 1 && out().size() > 1 && in()[0] == out()[0] && in()[1] == out()[1] &&
           elements_behind(in(), 1) == 1;
  }
  bool operator()(const Reduce& op) const {
    const bool spatial = std::all_of(op.axes.begin(), op.axes.end(), [&](std::int64_t axis) {
      return normalized_axis(axis, in().size()) > 1;
    });
    return spatial && !op.axes.empty();
  }
  template <typename Other>
  bool operator()(const Other&) const {
    return false;
  }
};

bool reads_as_data(const Node& node, ValueId value) {
  return node.inputs[0] == value && std::count(node.inputs.begin(), node.inputs.end(), value) == 1;
}

}  // namespace

bool is_weighted_layer(const Graph& graph, const Node& node) {
  const Tensor* weights = float_constant(graph, node, 1);
  if (weights == nullptr || weights->size() == 0 || is_constant(graph, node.inputs[0]))
    return false;
  const auto* gemm = std::get_if<Gemm>(&node.op);
  return std::holds_alternative<Conv>(node.op) || std::holds_alternative<ConvTranspose>(node.op) ||
         (gemm != nullptr && !gemm->transpose_a);
}

std::vector<WeightedLayer> weighted_layers(const Graph& graph) {
  std::vector<WeightedLayer> layers;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (!is_weighted_layer(graph, node)) continue;
    const Shape& w = graph.value(node.inputs[1]).shape;
    std::visit(
        [&](const auto& op) {
          if constexpr (requires { layer_of(op, w); }) layers.push_back(layer_of(op, w));
        },
        node.op);
    layers.back().node = n;
    layers.back().columns = w[1];
    layers.back().cells = elements_behind(w, 1);
    layers.back().steps = static_cast<std::size_t>(w[static_cast<std::size_t>(layers.back().axis)]);
  }
  return layers;
}

const Activation& fused(const Node& node) {
  static const Activation none;
  return std::visit(
      [](const auto& op) -> const Activation& {
        if constexpr (requires { op.activation.kind; }) {
          return op.activation;
        } else {
          return none;
        }
      },
      node.op);
}

std::optional<std::vector<float>> layer_bias(const Graph& graph, const WeightedLayer& layer) {
  const Node& node = graph.nodes[layer.node];
  if (operand(node, 2) == kNoValue) {
    return std::vector<float>(static_cast<std::size_t>(layer.outputs), 0.0F);
  }
  const Tensor* bias = float_constant(graph, node, 2);
  const auto* gemm = std::get_if<Gemm>(&node.op);
  if (bias == nullptr || bias->size() != layer.outputs || bias->rank() == 0 ||
      bias->shape().back() != layer.outputs || (gemm != nullptr && gemm->beta != 1)) {
    return std::nullopt;
  }
  const auto values = bias->values<float>();
  return std::vector<float>(values.begin(), values.end());
}

void set_layer_bias(Graph& graph, const WeightedLayer& layer, const std::vector<float>& bias) {
  const Node& node = graph.nodes[layer.node];
  const std::string base = node.name + "_bias";
  const Tensor* old = float_constant(graph, node, 2);
  Tensor tensor = Tensor::from<float>(old != nullptr ? old->shape() : Shape{layer.outputs}, bias);
  if (old == nullptr) {
    if (auto* gemm = std::get_if<Gemm>(&graph.nodes[layer.node].op)) gemm->beta = 1;
  }
  set_constant(graph, layer.node, 2, std::move(tensor), base);
}

void set_layer_weights(Graph& graph, const WeightedLayer& layer,
                       const std::vector<float>& weights) {
  const Node& node = graph.nodes[layer.node];
  const Tensor& old = *graph.value(node.inputs[1]).constant;
  Tensor tensor = Tensor::from<float>(old.shape(), weights, old.layout());
  set_constant(graph, layer.node, 1, std::move(tensor), node.name + "_weights");
}

std::vector<float> layer_weights(const Graph& graph, const WeightedLayer& layer) {
  const auto values = graph.value(graph.nodes[layer.node].inputs[1]).constant->values<float>();
  return {values.begin(), values.end()};
}

ChannelReaders channel_readers(const Graph& graph, ValueId value) {
  ChannelReaders found;
  std::vector<ValueId> open{value};
  while (!open.empty()) {
    const ValueId at = open.back();
    open.pop_back();
    if (is_graph_output(graph, at)) found.all = false;
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      const Node& node = graph.nodes[n];
      if (std::find(node.inputs.begin(), node.inputs.end(), at) == node.inputs.end()) continue;
      if (reads_as_data(node, at) && is_weighted_layer(graph, node)) {
        found.nodes.push_back(n);
      } else if (reads_as_data(node, at) && std::visit(KeepsChannels{graph, node}, node.op)) {
        open.push_back(node.outputs[0]);
      } else {
        found.all = false;
      }
    }
  }
  std::sort(found.nodes.begin(), found.nodes.end());
  return found;
}

}  // namespace workbench
