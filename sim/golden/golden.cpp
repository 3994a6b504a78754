#include "sim/golden/golden.h"

#include <utility>
#include <variant>

#include "sim/golden/operation.h"

namespace workbench::golden {

namespace {

// The op table. An op that has both meanings is an integer one where its result is codes.
struct Run {
  const Operation& at;
  bool affine_system;  // the codes are PULP's, not xDNN's

  bool on_codes() const { return is_code(at.output().type); }

  Tensor only(const Conv& op) const {
    return on_codes() ? integer_conv(op, at) : float_conv(op, at);
  }
  Tensor only(const ConvTranspose& op) const {
    return on_codes() ? integer_conv(op, at) : float_conv(op, at);
  }
  Tensor only(const AveragePool& op) const {
    return on_codes() ? integer_average_pool(op, at) : float_average_pool(op, at);
  }
  Tensor only(const Binary& op) const {
    return on_codes() ? integer_add(op, at) : float_binary(op, at);
  }
  Tensor only(const Activate& op) const {
    return on_codes() ? integer_activate(op, at) : float_activate(op, at);
  }
  Tensor only(const Quantize&) const { return affine_system ? affine_quantize(at) : quantize(at); }
  Tensor only(const Dequantize&) const {
    return affine_system ? affine_dequantize(at) : dequantize(at);
  }

  Tensor only(const BatchNorm& op) const { return batch_norm(op, at); }
  Tensor only(const PRelu&) const { return prelu(at); }
  Tensor only(const Gemm& op) const { return gemm(op, at); }
  Tensor only(const MatMul&) const { return mat_mul(at); }
  Tensor only(const Softmax& op) const { return softmax(op, at); }
  Tensor only(const Lrn& op) const { return lrn(op, at); }
  Tensor only(const Reduce& op) const { return reduce(op, at); }

  Tensor only(const Concat& op) const { return concat(op, at); }
  Tensor only(const Reshape&) const { return reshape(at); }
  Tensor only(const Transpose& op) const { return transpose(op, at); }
  Tensor only(const Pad& op) const { return pad(op, at); }
  Tensor only(const Identity&) const { return at.operand(0); }
  Tensor only(const Resize& op) const { return resize(op, at); }
  Tensor only(const SpaceToDepth& op) const { return space_to_depth(op, at); }
  Tensor only(const DepthToSpace& op) const { return depth_to_space(op, at); }
  Tensor only(const Slice& op) const { return slice(op, at); }

  std::vector<Tensor> operator()(const MaxPool& op) const { return max_pool(op, at); }
  template <typename Op>
  std::vector<Tensor> operator()(const Op& op) const {
    return {only(op)};
  }
};

void check_result(const Node& node, const Value& value, const Tensor& tensor) {
  CHECK(tensor.type() == value.type && tensor.shape() == value.shape,
        "node '{}' gives '{}' {} {}, its value says {} {}", node.name, value.name,
        to_string(tensor.type()), to_string(tensor.shape()), to_string(value.type),
        to_string(value.shape));
}

}  // namespace

std::vector<Tensor> run(const Graph& quantized, std::span<const Tensor> inputs) {
  CHECK(inputs.size() == quantized.inputs.size(), "{} inputs given, the graph has {}",
        inputs.size(), quantized.inputs.size());
  std::vector<Tensor> values(quantized.values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (quantized.values[i].constant) values[i] = *quantized.values[i].constant;
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Value& value = quantized.value(quantized.inputs[i]);
    CHECK(inputs[i].shape() == value.shape, "input '{}' is {}, expected {}", value.name,
          to_string(inputs[i].shape()), to_string(value.shape));
    values[static_cast<std::size_t>(quantized.inputs[i])] = inputs[i];
  }
  const bool affine_system = is_affine_system(quantized);
  for (const Node& node : quantized.nodes) {
    const Operation at{.graph = quantized, .node = node, .values = values};
    std::vector<Tensor> results =
        node.affine ? std::vector{affine(at)} : std::visit(Run{at, affine_system}, node.op);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      check_result(node, quantized.value(node.outputs[i]), results.at(i));
      values[static_cast<std::size_t>(node.outputs[i])] = std::move(results[i]);
    }
  }
  return values;
}

Tensor accumulator(const Graph& quantized, const Node& node, std::span<const Tensor> values) {
  return accumulator(Operation{.graph = quantized, .node = node, .values = values});
}

Tensor rescaled_operand(const Graph& quantized, const Node& node, std::size_t i,
                        std::span<const Tensor> values) {
  return rescaled_operand(Operation{.graph = quantized, .node = node, .values = values}, i);
}

}  // namespace workbench::golden
