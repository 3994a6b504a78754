// Nodes that multiply and shift each channel by constants (BatchNorm, Mul, Add, Sub, Div), seen as
// one thing: what the scale passes fold into convolutions.
#pragma once

#include <optional>
#include <vector>

#include "core/graph.h"

namespace workbench {

// The float constant `id` as one number per channel (axis 1) of a tensor of `shape`. Nothing if it
// is no float constant, varies along another axis, or would broadcast `shape` to a larger one.
std::optional<std::vector<float>> per_channel(const Graph& graph, ValueId id, const Shape& shape);

// y = activation(scale[c] * x + shift[c]), c along axis 1 of x.
struct ChannelAffine {
  ValueId x = kNoValue;
  std::vector<double> scale, shift;  // finite, [C]
  Activation activation;

  bool is_pure_scale() const;  // no shift
};

// `node` as a ChannelAffine of a value that is not constant; nothing if it is something else.
std::optional<ChannelAffine> channel_affine(const Graph& graph, const Node& node);

}  // namespace workbench
