// Evaluates, once and for all, nodes that read nothing but constants.
#include <algorithm>

#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"
#include "core/eval/evaluate.h"

namespace workbench {

namespace {

bool is_foldable(const Graph& graph, const Node& node) {
  const auto known = [&](ValueId id) { return id == kNoValue || is_constant(graph, id); };
  const auto wanted = [&](ValueId id) { return id != kNoValue && is_graph_output(graph, id); };
  return !node.inputs.empty() && node.inputs[0] != kNoValue &&
         std::all_of(node.inputs.begin(), node.inputs.end(), known) &&
         std::none_of(node.outputs.begin(), node.outputs.end(), wanted);  // a result stays computed
}

bool fold(Graph& graph, std::size_t n) {
  const Node& node = graph.nodes[n];
  if (!is_foldable(graph, node)) return false;
  std::vector<Tensor> operands;
  for (const ValueId id : node.inputs) {
    operands.push_back(id == kNoValue ? Tensor{} : *graph.value(id).constant);
  }
  std::vector<Tensor> results =
      evaluate_node(graph, node, operands, {.arithmetic = Arithmetic::Exact});
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] == kNoValue) continue;
    graph.value(node.outputs[i]).constant = std::move(results.at(i));
  }
  if (std::holds_alternative<Dequantize>(node.op)) {  // the codes' thresholds, for the quantizer
    graph.value(node.outputs[0]).quantization = graph.value(node.inputs[0]).quantization;
  }
  erase_node(graph, n);
  return true;
}

}  // namespace

bool fold_constants(Graph& graph) { return sweep(graph, fold); }

}  // namespace workbench
