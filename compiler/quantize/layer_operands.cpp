#include "compiler/quantize/layer_operands.h"

#include <algorithm>
#include <variant>

namespace workbench {

namespace {

constexpr std::size_t kMostWeights = 2304;

}  // namespace

std::vector<std::vector<std::size_t>> OperandLayer::weights_of_channels() const {
  std::vector<std::vector<std::size_t>> index(static_cast<std::size_t>(weighted.outputs));
  for (std::size_t i = 0; i < groups * channels() * row_size; ++i) {
    index[weighted.output_of(i)].push_back(i);
  }
  return index;
}

std::optional<OperandLayer> operand_layer(const Graph& annotated, const WeightedLayer& weighted) {
  const Node& node = annotated.nodes[weighted.node];
  const auto* conv = std::get_if<Conv>(&node.op);
  const bool known =
      (conv != nullptr && conv->window.kernel.size() == 2) || std::holds_alternative<Gemm>(node.op);
  if (!known || !annotated.value(node.inputs[1]).quantization || !layer_bias(annotated, weighted)) {
    return std::nullopt;
  }
  OperandLayer layer{.weighted = weighted};
  layer.groups = conv != nullptr ? static_cast<std::size_t>(conv->groups) : 1;
  layer.row_size = static_cast<std::size_t>(weighted.inputs * weighted.cells) / layer.groups;
  if (layer.row_size > kMostWeights) return std::nullopt;
  return layer;
}

std::int64_t result_positions(const Shape& result) {
  return element_count(result) / std::max<std::int64_t>(result[1], 1);
}

void gather_operands(const Node& node, const Tensor& x, const Shape& shape, std::int64_t group,
                     std::int64_t position, std::vector<float>& to) {
  const float* values = x.values<float>().data();
  const auto* conv = std::get_if<Conv>(&node.op);
  if (conv == nullptr) {
    const float* row = values + position * static_cast<std::int64_t>(to.size());
    std::copy(row, row + to.size(), to.begin());
    return;
  }
  const Window& window = conv->window;
  const std::int64_t image = position / (shape[2] * shape[3]);
  const std::int64_t row = position / shape[3] % shape[2], column = position % shape[3];
  const std::int64_t channels = x.dim(1) / conv->groups, height = x.dim(2), width = x.dim(3);
  std::size_t k = 0;
  for (std::int64_t c = 0; c < channels; ++c) {
    const float* plane = values + ((image * x.dim(1)) + group * channels + c) * height * width;
    for (std::int64_t i = 0; i < window.kernel[0]; ++i) {
      const std::int64_t h =
          row * window.strides[0] - window.pads_begin[0] + i * window.dilations[0];
      for (std::int64_t j = 0; j < window.kernel[1]; ++j) {
        const std::int64_t w =
            column * window.strides[1] - window.pads_begin[1] + j * window.dilations[1];
        const bool inside = h >= 0 && h < height && w >= 0 && w < width;
        to[k++] = inside ? plane[h * width + w] : 0;
      }
    }
  }
}

}  // namespace workbench
