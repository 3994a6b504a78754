// Fully connected layers: MatMul by a constant as Gemm, and Gemm on 1x1 maps as convolution where
// convolutions depend on it (squeeze and excitation). A classifier's Gemm stays: it is a host step.
#include <algorithm>
#include <vector>

#include "compiler/passes/channel_affine.h"
#include "compiler/passes/lift.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace workbench {

namespace {

bool become_gemm(Graph& graph, std::size_t n) {
  Node& node = graph.nodes[n];
  if (!std::holds_alternative<MatMul>(node.op)) return false;
  const Tensor* weights = float_constant(graph, node, 1);
  const bool flat = graph.value(node.inputs[0]).shape.size() == 2;
  if (!weights || weights->rank() != 2 || !flat || is_constant(graph, node.inputs[0])) return false;
  node.op = Gemm{};
  return true;
}

bool is_linear_layer(const Graph& graph, const Node& node) {
  const auto* gemm = std::get_if<Gemm>(&node.op);
  if (!gemm || gemm->transpose_a || !float_constant(graph, node, 1)) return false;
  return operand(node, 2) == kNoValue ||
         per_channel(graph, operand(node, 2), graph.value(node.outputs[0]).shape).has_value();
}

bool is_convolution(const Op& op) {
  return std::holds_alternative<Conv>(op) || std::holds_alternative<ConvTranspose>(op);
}

// A Binary that stretches a 1x1 map over a larger one.
bool stretches_map(const Graph& graph, const Node& node) {
  const Shape& shape = graph.value(node.outputs[0]).shape;
  return std::holds_alternative<Binary>(node.op) && shape.size() == 4 && shape[2] * shape[3] > 1;
}

bool carries_on(const Graph& graph, const Node& node) {
  return std::holds_alternative<Activate>(node.op) || std::holds_alternative<PRelu>(node.op) ||
         std::holds_alternative<Binary>(node.op) || std::holds_alternative<Reshape>(node.op) ||
         std::holds_alternative<Identity>(node.op) || is_linear_layer(graph, node);
}

// Whether `id`, through elementwise nodes, Reshapes and linear layers, reaches a convolution or is
// stretched over a map.
bool feeds_convolution(const Graph& graph, ValueId id) {
  std::vector<bool> reached(graph.values.size(), false);
  reached[static_cast<std::size_t>(id)] = true;
  for (const Node& node : graph.nodes) {
    const bool reads = std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId input) {
      return input != kNoValue && reached[static_cast<std::size_t>(input)];
    });
    if (!reads) continue;
    if (is_convolution(node.op) || stretches_map(graph, node)) return true;
    if (carries_on(graph, node)) reached[static_cast<std::size_t>(node.outputs[0])] = true;
  }
  return false;
}

// [Co, Ci, 1, 1] from the Gemm's [K, N] (or [N, K]), times alpha.
Tensor point_weights(const Gemm& gemm, const Tensor& b) {
  const std::int64_t outputs = b.dim(gemm.transpose_b ? 0 : 1);
  const std::int64_t inputs = b.dim(gemm.transpose_b ? 1 : 0);
  Tensor weights = Tensor::uninitialized(ElementType::Float32, {outputs, inputs, 1, 1});
  const std::span<float> to = weights.mutable_values<float>();
  const std::span<const float> from = b.values<float>();
  for (std::int64_t o = 0; o < outputs; ++o) {
    for (std::int64_t i = 0; i < inputs; ++i) {
      const std::int64_t source = gemm.transpose_b ? o * inputs + i : i * outputs + o;
      to[static_cast<std::size_t>(o * inputs + i)] =
          gemm.alpha * from[static_cast<std::size_t>(source)];
    }
  }
  return weights;
}

void become_point_conv(Graph& graph, std::size_t n) {
  const Gemm gemm = std::get<Gemm>(graph.nodes[n].op);
  const std::string name = graph.nodes[n].name;
  const Shape result = graph.value(graph.nodes[n].outputs[0]).shape;
  if (const ValueId c = operand(graph.nodes[n], 2); c != kNoValue) {
    std::vector<float> bias = *per_channel(graph, c, result);
    for (float& b : bias) b *= gemm.beta;
    set_constant(graph, n, 2, Tensor::from(Shape{result[1]}, bias), name + "_bias");
  }
  set_constant(graph, n, 1, point_weights(gemm, *float_constant(graph, graph.nodes[n], 1)),
               name + "_weights");
  graph.nodes[n].op = Conv{.window = {.kernel = {1, 1},
                                      .strides = {1, 1},
                                      .dilations = {1, 1},
                                      .pads_begin = {0, 0},
                                      .pads_end = {0, 0}},
                           .activation = gemm.activation};
  lift_operand(graph, n, 0);
  lift_result(graph, n);
}

bool convert(Graph& graph, std::size_t n) {
  const Node& node = graph.nodes[n];
  if (graph.value(node.outputs[0]).shape.size() != 2) return false;
  const bool on_map = std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) {
    return id != kNoValue && is_view_of_4d(graph, id);
  });
  if (!on_map || !feeds_convolution(graph, node.outputs[0])) return false;
  if (is_linear_layer(graph, node)) {
    become_point_conv(graph, n);
    return true;
  }
  if (!is_liftable_elementwise(graph, node)) return false;
  lift_elementwise(graph, n);
  return true;
}

}  // namespace

bool matmul_to_gemm(Graph& graph) { return sweep(graph, become_gemm); }
bool gemm_to_conv(Graph& graph) { return sweep(graph, convert); }

}  // namespace workbench
