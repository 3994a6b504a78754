#include "compiler/passes/channel_affine.h"

#include <algorithm>
#include <cmath>

#include "compiler/passes/rewrite.h"

namespace workbench {

namespace {

std::optional<ChannelAffine> from_batch_norm(const Graph& graph, const Node& node,
                                             const BatchNorm& op) {
  const Tensor* scale = float_constant(graph, node, 1);
  const Tensor* bias = float_constant(graph, node, 2);
  const Tensor* mean = float_constant(graph, node, 3);
  const Tensor* variance = float_constant(graph, node, 4);
  if (!scale || !bias || !mean || !variance) return std::nullopt;
  ChannelAffine affine{.x = node.inputs[0]};
  for (std::size_t c = 0; c < static_cast<std::size_t>(scale->size()); ++c) {
    const double deviation = std::sqrt(double{variance->values<float>()[c]} + double{op.epsilon});
    const double factor = double{scale->values<float>()[c]} / deviation;
    affine.scale.push_back(factor);
    affine.shift.push_back(double{bias->values<float>()[c]} -
                           double{mean->values<float>()[c]} * factor);
  }
  return affine;
}

std::optional<ChannelAffine> from_binary(const Graph& graph, const Node& node, const Binary& op) {
  const bool constant_first = is_constant(graph, node.inputs[0]);
  const ValueId x = node.inputs[constant_first ? 1 : 0];
  const Shape& shape = graph.value(x).shape;
  if (graph.value(node.outputs[0]).shape != shape) return std::nullopt;
  const auto constant = per_channel(graph, node.inputs[constant_first ? 0 : 1], shape);
  if (!constant || (op.kind == Binary::Kind::Div && constant_first)) return std::nullopt;
  ChannelAffine affine{.x = x, .activation = op.activation};
  for (const double k : *constant) {
    switch (op.kind) {
      case Binary::Kind::Add:
        affine.scale.push_back(1);
        affine.shift.push_back(k);
        break;
      case Binary::Kind::Sub:  // k - x, or x - k
        affine.scale.push_back(constant_first ? -1 : 1);
        affine.shift.push_back(constant_first ? k : -k);
        break;
      case Binary::Kind::Mul:
        affine.scale.push_back(k);
        affine.shift.push_back(0);
        break;
      case Binary::Kind::Div:
        affine.scale.push_back(1 / k);
        affine.shift.push_back(0);
        break;
    }
  }
  return affine;
}

}  // namespace

bool ChannelAffine::is_pure_scale() const {
  return std::all_of(shift.begin(), shift.end(), [](double s) { return s == 0; });
}

std::optional<std::vector<float>> per_channel(const Graph& graph, ValueId id, const Shape& shape) {
  if (!is_constant(graph, id) || shape.size() < 2) return std::nullopt;
  const Tensor& constant = *graph.value(id).constant;
  if (constant.type() != ElementType::Float32 || constant.rank() > shape.size()) {
    return std::nullopt;
  }
  const std::size_t offset = shape.size() - constant.rank();  // numpy aligns the last dimensions
  for (std::size_t i = 0; i < constant.rank(); ++i) {
    const bool is_channel = i + offset == 1 && constant.dim(i) == shape[1];
    if (constant.dim(i) != 1 && !is_channel) return std::nullopt;
  }
  const std::span<const float> values = constant.values<float>();
  if (values.size() == 1) {
    return std::vector<float>(static_cast<std::size_t>(shape[1]), values[0]);
  }
  return std::vector<float>(values.begin(), values.end());
}

std::optional<ChannelAffine> channel_affine(const Graph& graph, const Node& node) {
  std::optional<ChannelAffine> affine;
  if (const auto* norm = std::get_if<BatchNorm>(&node.op)) {
    affine = from_batch_norm(graph, node, *norm);
  } else if (const auto* binary = std::get_if<Binary>(&node.op)) {
    affine = from_binary(graph, node, *binary);
  }
  if (!affine || is_constant(graph, affine->x)) return std::nullopt;
  const auto finite = [](double v) { return std::isfinite(v); };
  const bool usable = std::all_of(affine->scale.begin(), affine->scale.end(), finite) &&
                      std::all_of(affine->shift.begin(), affine->shift.end(), finite);
  return usable ? affine : std::nullopt;
}

}  // namespace workbench
