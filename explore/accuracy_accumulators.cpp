#include "explore/accuracy_accumulators.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/eval/evaluate.h"

namespace workbench {

namespace {

template <typename T>
void append(const Tensor& tensor, std::vector<float>& out) {
  for (const T code : tensor.values<T>()) out.push_back(static_cast<float>(code));
}

// Codes as float32; nothing for a tensor of real numbers.
std::optional<Tensor> codes_as_floats(const Tensor& tensor, const Shape& shape) {
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(tensor.size()));
  if (tensor.type() == ElementType::Int8) {
    append<std::int8_t>(tensor, values);
  } else if (tensor.type() == ElementType::Uint8) {
    append<std::uint8_t>(tensor, values);
  } else if (tensor.type() == ElementType::Int16) {
    append<std::int16_t>(tensor, values);
  } else if (tensor.type() == ElementType::Uint16) {
    append<std::uint16_t>(tensor, values);
  } else {
    return std::nullopt;
  }
  return Tensor::from<float>(shape, values, Layout::Nchw);
}

// The node without what comes after its sums; nothing for one that sums no products.
std::optional<Op> sums_of(const Op& op) {
  Op sums = op;
  if (auto* conv = std::get_if<Conv>(&sums)) {
    conv->activation = {};
  } else if (auto* transposed = std::get_if<ConvTranspose>(&sums)) {
    transposed->activation = {};
  } else if (auto* gemm = std::get_if<Gemm>(&sums)) {
    gemm->activation = {};
    gemm->alpha = 1;
  } else {
    return std::nullopt;
  }
  return sums;
}

std::size_t product(const Shape& shape, std::size_t from) {
  std::size_t count = 1;
  for (std::size_t d = from; d < shape.size(); ++d) count *= static_cast<std::size_t>(shape[d]);
  return count;
}

// What accumulators begin or end with. Biases in output codes are added later (xdnn.md 3.2).
std::vector<double> biases_of(const Graph& integers, const Node& node, std::size_t channels) {
  std::vector<double> biases(channels, 0);
  if (node.inputs.size() < 3 || node.inputs[2] == kNoValue) return biases;
  const std::optional<Tensor>& bias = integers.value(node.inputs[2]).constant;
  if (!bias || bias->type() != ElementType::Int32) return biases;
  if (node.requantize && node.requantize->bias_after) return biases;
  const double unit = node.requantize ? std::ldexp(1.0, node.requantize->bias_shift) : 1;
  const auto values = bias->values<std::int32_t>();
  for (std::size_t c = 0; c < channels && !values.empty(); ++c) {
    biases[c] = unit * values[values.size() == 1 ? 0 : c];
  }
  return biases;
}

// Sums of the output channels when every operand is at whichever end is worst.
AccumulatorBits bits_of_any(const Node& node, const Tensor& weights, const Quantization& operand,
                            const std::vector<double>& biases) {
  const auto low = static_cast<double>(operand.low()), high = static_cast<double>(operand.high());
  const std::size_t channels = biases.size();
  // Output channels are the first axis of a Conv's weights and of a transposed Gemm's, else the
  // last but the kernel's.
  const auto* gemm = std::get_if<Gemm>(&node.op);
  const auto* transposed = std::get_if<ConvTranspose>(&node.op);
  const bool first_axis = transposed == nullptr && (gemm == nullptr || gemm->transpose_b);
  const auto values = weights.values<float>();
  const std::size_t inner = first_axis ? values.size() / channels : product(weights.shape(), 2);
  std::vector<double> least = biases, most = biases;
  const std::size_t count = first_axis ? channels : static_cast<std::size_t>(weights.dim(1));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double w = static_cast<double>(values[i]);
    const std::size_t c = i / inner % count;
    least[c] += std::min(w * low, w * high);
    most[c] += std::max(w * low, w * high);
  }
  return {.bound = signed_bits(*std::min_element(least.begin(), least.end()),
                               *std::max_element(most.begin(), most.end()))};
}

}  // namespace

int signed_bits(double low, double high) {
  int bits = 1;
  while (high > std::ldexp(1.0, bits - 1) - 1 || low < -std::ldexp(1.0, bits - 1)) ++bits;
  return bits;
}

AccumulatorMeter::AccumulatorMeter(const Graph& integers) {
  for (const Node& node : integers.nodes) add_layer(integers, node);
}

void AccumulatorMeter::add_layer(const Graph& integers, const Node& node) {
  std::optional<Op> sums = sums_of(node.op);
  if (!sums || node.inputs.size() < 2 || node.inputs[1] == kNoValue) return;
  const Value& operand = integers.value(node.inputs[0]);
  const Value& weights = integers.value(node.inputs[1]);
  const Value& result = integers.value(node.outputs[0]);
  if (!weights.constant || !operand.quantization) return;
  std::optional<Tensor> codes = codes_as_floats(*weights.constant, weights.shape);
  if (!codes || result.shape.size() < 2) return;
  const auto channels = static_cast<std::size_t>(result.shape[1]);
  Layer layer{.operand = operand.name, .result = result.name};
  layer.biases = biases_of(integers, node, channels);
  layer.low.assign(channels, 0);
  layer.high.assign(channels, 0);
  const auto* transposed = std::get_if<ConvTranspose>(&node.op);
  if (transposed == nullptr || transposed->groups == 1) {
    layer.bits = bits_of_any(node, *codes, *operand.quantization, layer.biases);
  }
  const ValueId x = layer.graph.add_value({.name = "x", .shape = operand.shape});
  const ValueId w = layer.graph.add_constant("w", std::move(*codes));
  const ValueId y = layer.graph.add_value({.name = "y", .shape = result.shape});
  layer.graph.nodes.push_back(
      {.name = node.name, .op = std::move(*sums), .inputs = {x, w}, .outputs = {y}});
  layers_.push_back(std::move(layer));
}

void AccumulatorMeter::add(const NamedTensors& tensors) {
  for (Layer& layer : layers_) {
    const auto found = tensors.find(layer.operand);
    const Node& node = layer.graph.nodes[0];
    const Shape& shape = layer.graph.value(node.inputs[0]).shape;
    if (found == tensors.end() || found->second.size() != element_count(shape)) continue;
    const std::optional<Tensor> codes = codes_as_floats(found->second, shape);
    if (!codes) continue;
    const std::vector<Tensor> operands = {*codes, *layer.graph.value(node.inputs[1]).constant};
    const Tensor sums = evaluate_node(layer.graph, node, operands).at(0);
    const auto values = sums.values<float>();
    const std::size_t inner = product(sums.shape(), 2);
    for (std::size_t begin = 0; begin + inner <= values.size(); begin += inner) {
      const auto [low, high] =
          std::minmax_element(values.begin() + static_cast<std::ptrdiff_t>(begin),
                              values.begin() + static_cast<std::ptrdiff_t>(begin + inner));
      const std::size_t c = begin / inner % layer.low.size();
      layer.low[c] = std::min(layer.low[c], static_cast<double>(*low));
      layer.high[c] = std::max(layer.high[c], static_cast<double>(*high));
    }
  }
}

std::map<std::string, AccumulatorBits> AccumulatorMeter::bits() const {
  std::map<std::string, AccumulatorBits> result;
  for (const Layer& layer : layers_) {
    AccumulatorBits bits = layer.bits;
    for (std::size_t c = 0; c < layer.low.size(); ++c) {
      const double bias = layer.biases[c];
      bits.used = std::max({bits.used, signed_bits(layer.low[c], layer.high[c]),
                            signed_bits(layer.low[c] + bias, layer.high[c] + bias)});
    }
    result[layer.result] = bits;
  }
  return result;
}

}  // namespace workbench
