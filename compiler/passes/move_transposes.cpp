// Networks with channels last reach us as operators with channels first between transpositions. A
// transposition moves behind operations on single elements, until it meets the one back and both
// go, and from the front of a reduction into its axes.
#include <algorithm>
#include <utility>

#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace workbench {

namespace {

using Permutation = std::vector<std::int64_t>;

Permutation permutation_of(const Node& transpose) {
  Permutation result;
  const auto& axes = std::get<Transpose>(transpose.op).permutation;
  for (const std::int64_t axis : axes) result.push_back(normalized_axis(axis, axes.size()));
  return result;
}

std::optional<std::size_t> transpose_before(const Graph& graph, ValueId id) {
  const auto writer = id == kNoValue ? std::nullopt : writer_of(graph, id);
  return writer && std::holds_alternative<Transpose>(graph.nodes[*writer].op) ? writer
                                                                              : std::nullopt;
}

bool has_codes_per_index(const Value& value) {
  return value.quantization &&
         (value.quantization->thresholds.size() > 1 || value.quantization->zero_points.size() > 1);
}

bool is_per_channel(const Activation& activation) {
  return !activation.slopes.empty() || !activation.bounds.empty();
}

// Operands whose elements become those of the result, one by one, in whatever order they are.
// Empty: the operation is none of single elements.
std::vector<std::size_t> elementwise_operands(const Graph& graph, const Node& node) {
  if (node.outputs.size() != 1 || node.requantize || node.affine || !node.operand_affine.empty()) {
    return {};
  }
  std::vector<std::size_t> operands = {0};
  if (const auto* op = std::get_if<Activate>(&node.op)) {
    if (is_per_channel(op->activation)) return {};
  } else if (const auto* binary = std::get_if<Binary>(&node.op)) {
    if (is_per_channel(binary->activation)) return {};
    const Tensor* number = float_constant(graph, node, 1);
    if (number == nullptr || number->size() != 1) operands.push_back(1);
  } else if (!std::holds_alternative<Identity>(node.op) &&
             !std::holds_alternative<Quantize>(node.op) &&
             !std::holds_alternative<Dequantize>(node.op)) {
    return {};
  }
  const Value& result = graph.value(node.outputs[0]);
  for (const std::size_t slot : operands) {
    const Value& x = graph.value(node.inputs[slot]);
    if (x.shape != result.shape || has_codes_per_index(x)) return {};
  }
  return has_codes_per_index(result) ? std::vector<std::size_t>{} : operands;
}

// A transposition that nothing reads any more would be taken for a reader of what is before it.
void erase_unread(Graph& graph, ValueId id) {
  const bool read = std::ranges::any_of(graph.nodes, [&](const Node& node) {
    return std::ranges::find(node.inputs, id) != node.inputs.end();
  });
  const auto transpose = transpose_before(graph, id);
  if (!read && transpose && !is_graph_output(graph, id)) erase_node(graph, *transpose);
}

// Two in a row become one, which goes if it moves nothing.
bool join(Graph& graph, std::size_t n) {
  auto* second = std::get_if<Transpose>(&graph.nodes[n].op);
  if (second == nullptr) return false;
  const ValueId between = graph.nodes[n].inputs[0];
  const auto first = transpose_before(graph, between);
  if (!first) return false;
  const Permutation there = permutation_of(graph.nodes[*first]);
  Permutation both;
  for (const std::int64_t axis : permutation_of(graph.nodes[n])) {
    both.push_back(there[static_cast<std::size_t>(axis)]);
  }
  second->permutation = both;
  graph.nodes[n].inputs[0] = graph.nodes[*first].inputs[0];
  if (std::ranges::is_sorted(both)) bypass(graph, n);
  erase_unread(graph, between);
  return true;
}

// Node `n` reads what the transpositions before it read; one of them follows it.
bool move_behind(Graph& graph, std::size_t n) {
  const std::vector<std::size_t> operands = elementwise_operands(graph, graph.nodes[n]);
  if (operands.empty()) return false;
  const auto first = transpose_before(graph, graph.nodes[n].inputs[0]);
  if (!first) return false;
  bool goes = false;  // one of them has no other reader
  for (const std::size_t slot : operands) {
    const ValueId x = graph.nodes[n].inputs[slot];
    const auto transpose = transpose_before(graph, x);
    if (!transpose ||
        permutation_of(graph.nodes[*transpose]) != permutation_of(graph.nodes[*first])) {
      return false;
    }
    goes = goes || sole_reader(graph, x);
  }
  if (!goes) return false;
  Node behind{.name = unique_node_name(graph, graph.nodes[n].name + "_layout"),
              .op = graph.nodes[*first].op};
  std::vector<ValueId> transposed;
  for (const std::size_t slot : operands) {
    ValueId& x = graph.nodes[n].inputs[slot];
    transposed.push_back(x);
    x = graph.nodes[*transpose_before(graph, x)].inputs[0];
  }
  // The result keeps its name and order, behind the transposition.
  Value moved = graph.value(graph.nodes[n].outputs[0]);
  moved.name = unique_value_name(graph, moved.name + "_moved");
  moved.shape = graph.value(graph.nodes[n].inputs[0]).shape;
  behind.outputs = {graph.nodes[n].outputs[0]};
  behind.inputs = {graph.add_value(std::move(moved))};
  graph.nodes[n].outputs[0] = behind.inputs[0];
  insert_node(graph, n + 1, std::move(behind));
  for (const ValueId x : transposed) erase_unread(graph, x);
  return true;
}

// Of [N, H, W, C] the mean over H and W, of [N, C, H, W] over the same.
bool move_into_axes(Graph& graph, std::size_t n) {
  auto* reduce = std::get_if<Reduce>(&graph.nodes[n].op);
  if (reduce == nullptr || reduce->axes.empty() || reduce->keep_dims) return false;
  const auto transpose = transpose_before(graph, graph.nodes[n].inputs[0]);
  if (!transpose) return false;
  const Permutation there = permutation_of(graph.nodes[*transpose]);
  std::vector<std::int64_t> axes, left;
  for (std::size_t i = 0; i < there.size(); ++i) {
    const bool reduced = std::ranges::any_of(reduce->axes, [&](std::int64_t axis) {
      return normalized_axis(axis, there.size()) == static_cast<std::int64_t>(i);
    });
    (reduced ? axes : left).push_back(there[i]);
  }
  if (!std::ranges::is_sorted(left)) return false;
  std::ranges::sort(axes);
  reduce->axes = axes;
  graph.nodes[n].inputs[0] = graph.nodes[*transpose].inputs[0];
  return true;
}

std::ptrdiff_t transposes(const Graph& graph) {
  return std::ranges::count_if(
      graph.nodes, [](const Node& node) { return std::holds_alternative<Transpose>(node.op); });
}

}  // namespace

bool move_transposes(Graph& graph) {
  const std::ptrdiff_t before = transposes(graph);
  if (before == 0) return false;
  Graph moved = graph;  // which shares the constants
  sweep(moved, [](Graph& g, std::size_t n) {
    return join(g, n) || move_behind(g, n) || move_into_axes(g, n);
  });
  remove_dead(moved);
  if (transposes(moved) >= before) return false;  // they are elsewhere, no more
  graph = std::move(moved);
  return true;
}

}  // namespace workbench
