// One-dimensional convolutions and pools [N, C, L] as two-dimensional ones of height 1, with the
// elementwise nodes between them, so that 1-D networks run on 2-D hardware.
#include <algorithm>

#include "compiler/passes/lift.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace workbench {

namespace {

void add_height(Window& window) {
  window.kernel.insert(window.kernel.begin(), 1);
  window.strides.insert(window.strides.begin(), 1);
  window.dilations.insert(window.dilations.begin(), 1);
  window.pads_begin.insert(window.pads_begin.begin(), 0);
  window.pads_end.insert(window.pads_end.begin(), 0);
}

bool widen_window(Graph& graph, std::size_t n) {
  Node& node = graph.nodes[n];
  Window* window = window_of(node.op);
  if (!window || window->kernel.size() != 1 || node.outputs.size() > 1 ||
      is_constant(graph, node.inputs[0])) {
    return false;
  }
  const bool weighted =
      std::holds_alternative<Conv>(node.op) || std::holds_alternative<ConvTranspose>(node.op);
  if (weighted && !is_constant(graph, node.inputs[1])) return false;
  add_height(*window);
  if (auto* conv = std::get_if<ConvTranspose>(&node.op)) {
    conv->output_padding.insert(conv->output_padding.begin(), 0);
  }
  if (weighted) {
    const Tensor& weights = *graph.value(node.inputs[1]).constant;
    const auto quantization = graph.value(node.inputs[1]).quantization;  // of the same numbers
    const Shape shape{weights.dim(0), weights.dim(1), 1, weights.dim(2)};
    set_constant(graph, n, 1, weights.reshaped(shape), node.name + "_weights");
    graph.value(graph.nodes[n].inputs[1]).quantization = quantization;
  }
  lift_operand(graph, n, 0);
  lift_result(graph, n);
  return true;
}

bool widen_between(Graph& graph, std::size_t n) {
  const Node& node = graph.nodes[n];
  if (graph.value(node.outputs[0]).shape.size() != 3 || !is_liftable_elementwise(graph, node)) {
    return false;
  }
  const bool follows = std::any_of(node.inputs.begin(), node.inputs.end(),
                                   [&](ValueId id) { return is_view_of_4d(graph, id); });
  if (follows) lift_elementwise(graph, n);
  return follows;
}

}  // namespace

bool widen_1d(Graph& graph) {
  return sweep(graph,
               [](Graph& g, std::size_t n) { return widen_window(g, n) || widen_between(g, n); });
}

}  // namespace workbench
