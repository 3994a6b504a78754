// Removes nodes that only hand their input on, and joins data movements that follow each other, so
// that pairs which cancel disappear.
#include <algorithm>
#include <limits>

#include "compiler/passes/channel_affine.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace workbench {

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
  bool operator()(const Reduce& op) const { return op.axes.empty(); }
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

}  // namespace workbench
