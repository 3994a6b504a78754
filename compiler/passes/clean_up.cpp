// What becomes unnecessary is taken out: nodes that only hand their input on, nodes that read
// nothing but constants, nodes and values without a reader.
#include <algorithm>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"
#include "core/eval/evaluate.h"

namespace workbench {

// Removes nodes that only hand their input on, and joins data movements that follow each other, so
// that pairs which cancel disappear.

namespace {

bool all_equal(const std::vector<std::int64_t>& values, std::int64_t expected) {
  return std::all_of(values.begin(), values.end(), [=](std::int64_t v) { return v == expected; });
}

bool is_point(const Window& window) {
  return all_equal(window.kernel, 1) && all_equal(window.strides, 1) &&
         all_equal(window.pads_begin, 0) && all_equal(window.pads_end, 0);
}

bool passes_everything(const Activation& activation) {
  constexpr float kMost = std::numeric_limits<float>::max();
  return activation.kind == Activation::Kind::None ||
         (activation.kind == Activation::Kind::Clip && activation.alpha <= -kMost &&
          activation.beta >= kMost && activation.bounds.empty());
}

// Whether a node gives its first operand unchanged, one overload per op that can. Ops whose
// parameters only matter through the shape need no more than equal shapes.
struct GivesInput {
  const Graph& graph;
  const Node& node;

  bool operator()(const Identity&) const { return true; }
  bool operator()(const Reshape&) const { return true; }
  bool operator()(const Activate& op) const { return passes_everything(op.activation); }
  bool operator()(const Pad& op) const { return all_equal(op.begin, 0) && all_equal(op.end, 0); }
  bool operator()(const Concat&) const { return node.inputs.size() == 1; }
  bool operator()(const SpaceToDepth& op) const { return op.block == 1; }
  bool operator()(const DepthToSpace& op) const { return op.block == 1; }
  bool operator()(const Reduce& op) const {
    return op.axes.empty() && op.kind <= Reduce::Kind::Prod;  // others are functions of one element
  }
  bool operator()(const MaxPool& op) const {
    return is_point(op.window) && node.outputs.size() == 1;
  }
  bool operator()(const AveragePool& op) const { return is_point(op.window); }
  bool operator()(const Transpose& op) const {
    for (std::size_t i = 0; i < op.permutation.size(); ++i) {
      const std::int64_t from = normalized_axis(op.permutation[i], op.permutation.size());
      if (from != static_cast<std::int64_t>(i)) return false;
    }
    return true;
  }
  bool operator()(const Slice& op) const { return all_equal(op.steps, 1); }
  bool operator()(const Resize& op) const {
    return op.coordinates != Resize::Coordinates::TfCropAndResize &&
           std::all_of(op.scales.begin(), op.scales.end(), [](float s) { return s == 1; });
  }
  bool operator()(const Binary& op) const {
    const auto affine = channel_affine(graph, node);
    return op.activation.kind == Activation::Kind::None && affine && affine->x == node.inputs[0] &&
           affine->is_pure_scale() &&
           std::all_of(affine->scale.begin(), affine->scale.end(), [](double s) { return s == 1; });
  }
  template <typename Other>
  bool operator()(const Other&) const {
    return false;
  }
};

bool drop(Graph& graph, std::size_t n) {
  const Node& node = graph.nodes[n];
  if (node.affine || node.requantize) return false;
  if (graph.value(node.inputs[0]).type != graph.value(node.outputs[0]).type) return false;
  if (graph.value(node.inputs[0]).shape != graph.value(node.outputs[0]).shape) return false;
  return std::visit(GivesInput{graph, node}, node.op) && bypass(graph, n);
}

// The node before `node` if it is of the same kind, else nullptr.
template <typename Movement>
const Node* same_before(const Graph& graph, const Node& node) {
  if (!std::holds_alternative<Movement>(node.op)) return nullptr;
  const auto before = writer_of(graph, node.inputs[0]);
  if (!before || !std::holds_alternative<Movement>(graph.nodes[*before].op)) return nullptr;
  return &graph.nodes[*before];
}

bool join_movements(Graph& graph, std::size_t n) {
  Node& node = graph.nodes[n];
  if (const Node* before = same_before<Reshape>(graph, node)) {
    node.inputs[0] = before->inputs[0];
    return true;
  }
  if (const Node* before = same_before<Transpose>(graph, node)) {
    const auto& first = std::get<Transpose>(before->op).permutation;
    for (std::int64_t& axis : std::get<Transpose>(node.op).permutation) {
      axis = first[static_cast<std::size_t>(normalized_axis(axis, first.size()))];
    }
    node.inputs[0] = before->inputs[0];
    return true;
  }
  return false;
}

// A Transpose that keeps the order of the dimensions larger than 1 moves nothing.
bool transpose_to_reshape(Graph& graph, std::size_t n) {
  Node& node = graph.nodes[n];
  const auto* transpose = std::get_if<Transpose>(&node.op);
  if (!transpose) return false;
  const Shape& shape = graph.value(node.inputs[0]).shape;
  std::int64_t last = -1;
  for (const std::int64_t p : transpose->permutation) {
    const std::int64_t from = normalized_axis(p, shape.size());
    if (shape[static_cast<std::size_t>(from)] == 1) continue;
    if (from < last) return false;
    last = from;
  }
  node.op = Reshape{graph.value(node.outputs[0]).shape};
  return true;
}

}  // namespace

bool drop_identities(Graph& graph) {
  return sweep(graph, [](Graph& g, std::size_t n) {
    return drop(g, n) || join_movements(g, n) || transpose_to_reshape(g, n);
  });
}

// Evaluates, once and for all, nodes that read nothing but constants.

namespace {

bool is_foldable(const Graph& graph, const Node& node) {
  const auto known = [&](ValueId id) { return id == kNoValue || is_constant(graph, id); };
  const auto wanted = [&](ValueId id) { return id != kNoValue && is_graph_output(graph, id); };
  return !node.inputs.empty() && node.inputs[0] != kNoValue &&
         std::all_of(node.inputs.begin(), node.inputs.end(), known) &&
         std::none_of(node.outputs.begin(), node.outputs.end(), wanted);  // a result stays computed
}

// What a constant's codes were, for the quantizer: those of a DequantizeLinear, also where its
// result is transposed.
std::optional<Quantization> folded_codes(const Graph& graph, const Node& node) {
  const auto& codes = graph.value(node.inputs[0]).quantization;
  if (std::holds_alternative<Dequantize>(node.op)) return codes;
  const auto* transpose = std::get_if<Transpose>(&node.op);
  const Value& operand = graph.value(node.inputs[0]);
  if (transpose == nullptr || !codes || operand.type != ElementType::Float32) return std::nullopt;
  const auto place = std::ranges::find(transpose->permutation, std::int64_t{codes->axis});
  if (codes->thresholds.size() > 1 && place == transpose->permutation.end()) return std::nullopt;
  Quantization moved = *codes;
  if (codes->thresholds.size() > 1) {
    moved.axis = static_cast<int>(place - transpose->permutation.begin());
  }
  return moved;
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
  if (auto codes = folded_codes(graph, node)) {
    graph.value(node.outputs[0]).quantization = std::move(codes);
  }
  erase_node(graph, n);
  return true;
}

}  // namespace

bool fold_constants(Graph& graph) { return sweep(graph, fold); }

// Removes what no graph output depends on: nodes, trailing optional results, values.

namespace {

// Marks what each node reads, from the back; erases nodes that write nothing marked.
bool remove_nodes(Graph& graph, std::vector<bool>& used) {
  bool changed = false;
  const auto is_used = [&](ValueId id) {
    return id != kNoValue && used[static_cast<std::size_t>(id)];
  };
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    Node& node = graph.nodes[n];
    while (!node.outputs.empty() && !is_used(node.outputs.back())) {
      if (node.outputs.size() == 1) break;
      node.outputs.pop_back();
      changed = true;
    }
    if (node.outputs.size() == 1 && !is_used(node.outputs[0])) {
      erase_node(graph, n);
      changed = true;
      continue;
    }
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) used[static_cast<std::size_t>(id)] = true;
    }
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) used[static_cast<std::size_t>(id)] = true;
    }
  }
  return changed;
}

void renumber(std::vector<ValueId>& ids, const std::vector<ValueId>& moved) {
  for (ValueId& id : ids) {
    if (id != kNoValue) id = moved[static_cast<std::size_t>(id)];
  }
}

bool remove_values(Graph& graph, const std::vector<bool>& used) {
  std::vector<ValueId> moved(graph.values.size(), kNoValue);
  std::vector<Value> kept;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    if (!used[i]) continue;
    moved[i] = static_cast<ValueId>(kept.size());
    kept.push_back(std::move(graph.values[i]));
  }
  const bool changed = kept.size() < graph.values.size();
  graph.values = std::move(kept);
  for (Node& node : graph.nodes) {
    renumber(node.inputs, moved);
    renumber(node.outputs, moved);
  }
  renumber(graph.inputs, moved);
  renumber(graph.outputs, moved);
  return changed;
}

}  // namespace

bool remove_dead(Graph& graph) {
  std::vector<bool> used(graph.values.size(), false);
  for (const ValueId id : graph.outputs) used[static_cast<std::size_t>(id)] = true;
  const bool fewer_nodes = remove_nodes(graph, used);
  for (const ValueId id : graph.inputs) used[static_cast<std::size_t>(id)] = true;
  const bool fewer_values = remove_values(graph, used);
  return fewer_nodes || fewer_values;
}

}  // namespace workbench
