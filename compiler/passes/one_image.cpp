#include "compiler/passes/one_image.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "compiler/passes/rewrite.h"
#include "core/error.h"
#include "core/shapes.h"

namespace workbench {

namespace {

bool is_first_axis(std::int64_t axis, const Shape& shape) {
  return normalized_axis(axis, shape.size()) == 0;
}

// Whether an operator keeps images apart, given that its first operand holds one after the other.
struct KeepsApart {
  const Graph& graph;
  const Node& node;
  std::int64_t batch;

  const Shape& in(std::size_t i = 0) const { return graph.value(node.inputs[i]).shape; }
  // A constant that is the same for all images.
  bool is_shared(ValueId id) const {
    const Shape& shape = graph.value(id).shape;
    const std::size_t rank = graph.value(node.outputs[0]).shape.size();
    return shape.size() < rank || shape.empty() || shape[0] == 1;
  }
  bool shared_constants() const {
    return std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) {
      return id == kNoValue || !graph.value(id).constant || is_shared(id);
    });
  }

  bool operator()(const Conv&) const { return true; }
  bool operator()(const ConvTranspose&) const { return true; }
  bool operator()(const BatchNorm&) const { return true; }
  bool operator()(const InstanceNorm&) const { return true; }
  bool operator()(const Activate&) const { return true; }
  bool operator()(const Identity&) const { return true; }
  bool operator()(const Lrn&) const { return true; }
  bool operator()(const AveragePool&) const { return true; }
  bool operator()(const SpaceToDepth&) const { return true; }
  bool operator()(const DepthToSpace&) const { return true; }
  bool operator()(const PRelu&) const { return shared_constants(); }
  bool operator()(const Binary&) const { return shared_constants(); }
  bool operator()(const MaxPool&) const { return node.outputs.size() == 1; }  // indices count on
  bool operator()(const Concat& op) const {
    const bool variable = std::none_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) {
      return graph.value(id).constant.has_value();
    });
    return variable && !is_first_axis(op.axis, in());
  }
  bool operator()(const Gemm& op) const {
    const bool biased = node.inputs.size() > 2 && node.inputs[2] != kNoValue;
    return !op.transpose_a && graph.value(node.inputs[1]).constant &&
           (!biased || is_shared(node.inputs[2]));
  }
  bool operator()(const MatMul&) const {
    const auto& by = graph.value(node.inputs[1]);
    return by.constant ? by.shape.size() == 2 : in().size() > 2 && in(1).size() == in().size();
  }
  bool operator()(const Reshape& op) const { return !op.shape.empty() && op.shape[0] == batch; }
  bool operator()(const Transpose& op) const { return op.permutation.front() == 0; }
  bool operator()(const Pad& op) const { return op.begin.front() == 0 && op.end.front() == 0; }
  bool operator()(const Softmax& op) const { return !is_first_axis(op.axis, in()); }
  bool operator()(const Resize& op) const { return op.sizes.front() == batch; }
  bool operator()(const Slice& op) const {
    return std::none_of(op.axes.begin(), op.axes.end(),
                        [&](std::int64_t axis) { return is_first_axis(axis, in()); });
  }
  bool operator()(const Reduce& op) const {
    return !op.axes.empty() && std::none_of(op.axes.begin(), op.axes.end(), [&](std::int64_t axis) {
      return is_first_axis(axis, in());
    });
  }
  bool operator()(const Quantize&) const { return apart(node.outputs[0]); }
  bool operator()(const Dequantize&) const { return apart(node.inputs[0]); }
  bool apart(ValueId codes) const {
    const auto& how = graph.value(codes).quantization;
    return !how || how->thresholds.size() < 2 || how->axis != 0;
  }
  template <typename Op>
  bool operator()(const Op&) const {
    return false;
  }
};

void set_batch_1(Op& op) {
  if (auto* reshape = std::get_if<Reshape>(&op)) reshape->shape[0] = 1;
  if (auto* resize = std::get_if<Resize>(&op)) resize->sizes[0] = 1;
}

std::int64_t batch_of(const Graph& graph) {
  std::int64_t batch = 0;
  for (const ValueId id : graph.inputs) {
    const Shape& shape = graph.value(id).shape;
    if (shape.size() < 3 || (batch != 0 && shape[0] != batch)) return 1;
    batch = shape[0];
  }
  return std::max<std::int64_t>(batch, 1);
}

class Separation {
 public:
  Separation(Graph& graph, std::int64_t batch)
      : graph_(graph), batch_(batch), batched_(graph.values.size(), false) {}

  // Empty, or the node that does not allow it.
  std::string run() {
    for (const ValueId id : graph_.inputs) set(id);
    for (Node& node : graph_.nodes) {
      if (!separate(node)) {
        return fmt::format("node '{}' ({}) computes with more than one image", node.name,
                           op_name(node.op));
      }
    }
    const bool all = std::all_of(graph_.outputs.begin(), graph_.outputs.end(),
                                 [&](ValueId id) { return is_batched(id); });
    return all ? "" : "an output does not depend on the images";
  }

 private:
  bool is_batched(ValueId id) const {
    return id != kNoValue && batched_[static_cast<std::size_t>(id)];
  }
  void set(ValueId id) {
    batched_[static_cast<std::size_t>(id)] = true;
    graph_.value(id).shape[0] = 1;
  }

  bool separate(Node& node) {
    if (std::none_of(node.inputs.begin(), node.inputs.end(),
                     [&](ValueId id) { return is_batched(id); })) {
      return true;
    }
    const bool sure = is_batched(node.inputs[0]) ||
                      (std::holds_alternative<Binary>(node.op) && is_batched(node.inputs[1]));
    if (!sure || node.outputs.empty()) return false;
    for (const ValueId id : node.outputs) {
      if (id != kNoValue && (graph_.value(id).shape.empty() || graph_.value(id).shape[0] != batch_))
        return false;
    }
    if (!std::visit(KeepsApart{graph_, node, batch_}, node.op)) return false;
    set_batch_1(node.op);
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) set(id);
    }
    return true;
  }

  Graph& graph_;
  std::int64_t batch_;
  std::vector<bool> batched_;
};

}  // namespace

OneImage one_image(Graph graph) {
  OneImage result{.graph = std::move(graph)};
  result.batch = batch_of(result.graph);
  if (result.batch == 1) return result;
  Graph one = result.graph;
  result.obstacle = Separation(one, result.batch).run();
  if (!result.obstacle.empty()) return result;
  const std::vector<Violation> violations = verify(one);
  if (violations.empty()) {
    result.graph = std::move(one);
  } else {
    result.obstacle = violations.front().message;
  }
  return result;
}

}  // namespace workbench
