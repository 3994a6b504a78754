// 2-D and 3-D tensors as 4-D ones: fully connected layers and 1-D networks become convolutions of
// maps.
#include <algorithm>
#include <utility>
#include <vector>

#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"
#include "core/graph.h"

namespace workbench {

// Lifting 2-D and 3-D activations to [N, C, H, W]: [N, C] -> [N, C, 1, 1], [N, C, L] ->
// [N, C, 1, L]. Reshapes are put around a node; those between lifted nodes cancel in
// drop_identities.

// `shape` is [N, C] or [N, C, L].
Shape lifted(const Shape& shape);
// Whether `id` is the flat view of a 4-D value: written by a Reshape from lifted(its shape).
bool is_view_of_4d(const Graph& graph, ValueId id);

// Operand `slot` of node *n becomes its lifted view; *n follows the node when one is inserted.
void lift_operand(Graph& graph, std::size_t& n, std::size_t slot);
// Node n writes a lifted value, from which a Reshape writes the old one.
void lift_result(Graph& graph, std::size_t n);

// Whether lift_elementwise can: an Activate, PRelu, Binary, BatchNorm, Concat or rescaling Identity
// without operand that would have to change rank to broadcast.
bool is_liftable_elementwise(const Graph& graph, const Node& node);
void lift_elementwise(Graph& graph, std::size_t n);

namespace {

// A constant that numpy aligns with a tensor of `rank`, aligned with the lifted tensor.
Shape lifted_constant(Shape shape, std::size_t rank) {
  const bool holds_length = rank == 3 && !shape.empty();
  shape.insert(shape.end() - (holds_length ? 1 : 0), 4 - rank, 1);
  return shape;
}

// The value that `id` is a flat view of; or a Reshape that lifts it, put before node n.
ValueId lifted_view(Graph& graph, std::size_t& n, ValueId id) {
  if (is_view_of_4d(graph, id)) return graph.nodes[*writer_of(graph, id)].inputs[0];
  const Shape shape = lifted(graph.value(id).shape);
  for (std::size_t i = 0; i < n; ++i) {
    const Node& node = graph.nodes[i];
    const auto* reshape = std::get_if<Reshape>(&node.op);
    if (reshape && node.inputs[0] == id && reshape->shape == shape) return node.outputs[0];
  }
  Value view = graph.value(id);
  view.name = unique_value_name(graph, view.name + "_4d");
  view.shape = shape;
  const ValueId view_id = graph.add_value(std::move(view));
  insert_node(graph, n,
              Node{.name = unique_node_name(graph, graph.nodes[n].name + "_lift"),
                   .op = Reshape{shape},
                   .inputs = {id},
                   .outputs = {view_id}});
  ++n;
  return view_id;
}

// How many leading operands are data or aligned with it (the rest are per-channel vectors).
std::size_t aligned_operands(const Node& node) {
  return std::holds_alternative<BatchNorm>(node.op) ? 1 : node.inputs.size();
}

}  // namespace

Shape lifted(const Shape& shape) {
  CHECK(shape.size() == 2 || shape.size() == 3, "shape {}", to_string(shape));
  return shape.size() == 2 ? Shape{shape[0], shape[1], 1, 1}
                           : Shape{shape[0], shape[1], 1, shape[2]};
}

bool is_view_of_4d(const Graph& graph, ValueId id) {
  const auto writer = writer_of(graph, id);
  if (!writer || !std::holds_alternative<Reshape>(graph.nodes[*writer].op)) return false;
  const Shape& shape = graph.value(id).shape;
  return (shape.size() == 2 || shape.size() == 3) &&
         graph.value(graph.nodes[*writer].inputs[0]).shape == lifted(shape);
}

void lift_operand(Graph& graph, std::size_t& n, std::size_t slot) {
  const ValueId view = lifted_view(graph, n, graph.nodes[n].inputs[slot]);
  graph.nodes[n].inputs[slot] = view;
}

void lift_result(Graph& graph, std::size_t n) {
  const ValueId flat = graph.nodes[n].outputs[0];
  Value view = graph.value(flat);
  view.name = unique_value_name(graph, view.name + "_4d");
  view.shape = lifted(view.shape);
  const ValueId view_id = graph.add_value(std::move(view));
  graph.nodes[n].outputs[0] = view_id;
  insert_node(graph, n + 1,
              Node{.name = unique_node_name(graph, graph.nodes[n].name + "_flat"),
                   .op = Reshape{graph.value(flat).shape},
                   .inputs = {view_id},
                   .outputs = {flat}});
}

bool is_liftable_elementwise(const Graph& graph, const Node& node) {
  const bool kind = traits(node.op).elementwise || std::holds_alternative<Concat>(node.op) ||
                    (std::holds_alternative<Identity>(node.op) && node.affine);
  const Value& result = graph.value(node.outputs[0]);
  if (!kind || result.type != ElementType::Float32) return false;
  const std::size_t rank = result.shape.size();
  if (rank != 2 && rank != 3) return false;
  const bool joins = std::holds_alternative<Concat>(node.op);
  const auto fits = [&](ValueId id) {
    const std::size_t found = graph.value(id).shape.size();
    return is_constant(graph, id) && !joins ? found <= rank : found == rank;
  };
  return std::all_of(node.inputs.begin(),
                     node.inputs.begin() + static_cast<std::ptrdiff_t>(aligned_operands(node)),
                     fits);
}

void lift_elementwise(Graph& graph, std::size_t n) {
  const std::size_t rank = graph.value(graph.nodes[n].outputs[0]).shape.size();
  if (auto* concat = std::get_if<Concat>(&graph.nodes[n].op)) {
    concat->axis = normalized_axis(concat->axis, rank);
    if (concat->axis == 2) concat->axis = 3;  // [N, C, L] -> [N, C, 1, L]
  }
  const std::size_t operands = aligned_operands(graph.nodes[n]);
  for (std::size_t slot = 0; slot < operands; ++slot) {
    const ValueId id = graph.nodes[n].inputs[slot];
    if (!is_constant(graph, id)) {
      lift_operand(graph, n, slot);
      continue;
    }
    const Tensor& constant = *graph.value(id).constant;
    set_constant(graph, n, slot, constant.reshaped(lifted_constant(constant.shape(), rank)),
                 graph.value(id).name + "_4d");
  }
  lift_result(graph, n);
}

// Fully connected layers: MatMul by a constant as Gemm, and Gemm on 1x1 maps as convolution where
// convolutions depend on it (squeeze and excitation). A classifier's Gemm stays: it is a host step.

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

// One-dimensional convolutions and pools [N, C, L] as two-dimensional ones of height 1, with the
// elementwise nodes between them, so that 1-D networks run on 2-D hardware.

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
