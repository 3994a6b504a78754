// Which operands the weights of a layer multiply at one position of its result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "compiler/quantize/weighted_layers.h"
#include "core/graph.h"

namespace workbench {

// A Conv of two dimensions or a Gemm, its output channels in groups that read the same operands.
struct OperandLayer {
  WeightedLayer weighted;
  std::size_t groups = 1;
  std::size_t row_size = 0;  // weights of an output channel

  std::size_t channels() const { return static_cast<std::size_t>(weighted.outputs) / groups; }
  // Per output channel its weights' indices in the constant, in the order of gather_operands().
  std::vector<std::vector<std::size_t>> weights_of_channels() const;
};

// Nothing for other layers, those whose weights have no codes or whose bias is no constant per
// channel, and those with more than 2304 weights a channel (256 channels of 3 x 3).
std::optional<OperandLayer> operand_layer(const Graph& annotated, const WeightedLayer& weighted);

// Places of one channel of a result: [N, C, height, width] or [N, C].
std::int64_t result_positions(const Shape& result);

// Operands of the weights of a channel of `group` at `position` of the result of `shape`, in their
// order, to `to` [row_size]; `x`: the node's data operand.
void gather_operands(const Node& node, const Tensor& x, const Shape& shape, std::int64_t group,
                     std::int64_t position, std::vector<float>& to);

}  // namespace workbench
