#include "compiler/quantize/chain_layers.h"

namespace workbench {

namespace {

bool is_cut(const Activation& activation) {
  return activation.kind == Activation::Kind::Floor ||
         activation.kind == Activation::Kind::Truncate;
}

// Weights, or a window over codes.
bool reads_codes(const Graph& graph, const Node& node) {
  const bool product =
      std::holds_alternative<Gemm>(node.op) || std::holds_alternative<MatMul>(node.op);
  if (product) return graph.value(node.inputs[1]).constant.has_value();
  return std::holds_alternative<Conv>(node.op) || std::holds_alternative<MaxPool>(node.op) ||
         std::holds_alternative<AveragePool>(node.op);
}

bool moves(const Node& node) { return traits(node.op).moves_data && !node.affine; }

// Integers stay integers, or fractions of integers that a layer behind may cut.
bool is_arithmetic(const Node& node) {
  if (const auto* activate = std::get_if<Activate>(&node.op)) {
    return activate->activation.kind == Activation::Kind::Relu ||
           (activate->activation.kind == Activation::Kind::Clip &&
            activate->activation.bounds.empty());
  }
  return std::holds_alternative<Binary>(node.op);
}

}  // namespace

bool is_layer(const Graph& graph, const Node& node) {
  if (node.affine) return true;
  if (const auto* activate = std::get_if<Activate>(&node.op)) return is_cut(activate->activation);
  if (const auto* binary = std::get_if<Binary>(&node.op)) return is_cut(binary->activation);
  return reads_codes(graph, node);
}

LayerReaders layer_readers(const Graph& graph) {
  LayerReaders readers{std::vector<bool>(graph.values.size()),
                       std::vector<bool>(graph.values.size())};
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    const Node& node = graph.nodes[n];
    const auto out = static_cast<std::size_t>(node.outputs[0]);
    const bool passes_on = moves(node) || is_arithmetic(node);
    const bool feeds = is_layer(graph, node) || (passes_on && readers.feeds_layer[out]);
    const bool codes = reads_codes(graph, node) || (moves(node) && readers.read_as_codes[out]);
    for (const ValueId id : node.inputs) {
      if (id == kNoValue) continue;
      if (feeds) readers.feeds_layer[static_cast<std::size_t>(id)] = true;
      if (codes) readers.read_as_codes[static_cast<std::size_t>(id)] = true;
    }
  }
  return readers;
}

}  // namespace workbench
