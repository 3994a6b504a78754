#include "compiler/passes/lift.h"

#include <algorithm>
#include <utility>

#include "compiler/passes/rewrite.h"

namespace workbench {

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
  const bool kind =
      std::holds_alternative<Activate>(node.op) || std::holds_alternative<PRelu>(node.op) ||
      std::holds_alternative<Binary>(node.op) || std::holds_alternative<BatchNorm>(node.op) ||
      std::holds_alternative<Concat>(node.op) ||
      (std::holds_alternative<Identity>(node.op) && node.affine);
  if (!kind) return false;
  const std::size_t rank = graph.value(node.outputs[0]).shape.size();
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

}  // namespace workbench
