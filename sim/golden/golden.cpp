#include "sim/golden/golden.h"

#include <utility>
#include <variant>

#include "sim/golden/operation.h"

namespace workbench::golden {

// Ops that have a meaning on codes and one on reals: the first where the result is codes.

namespace {

bool on_codes(const Operation& at) { return is_code(at.output().type); }

}  // namespace

template <>
Tensor result_of(const Conv& op, const Operation& at) {
  return on_codes(at) ? integer_conv(op, at) : float_conv(op, at);
}
template <>
Tensor result_of(const ConvTranspose& op, const Operation& at) {
  return on_codes(at) ? integer_conv(op, at) : float_conv(op, at);
}
template <>
Tensor result_of(const AveragePool& op, const Operation& at) {
  return on_codes(at) ? integer_average_pool(op, at) : float_average_pool(op, at);
}
template <>
Tensor result_of(const Binary& op, const Operation& at) {
  return at.node.requantize ? integer_add(op, at) : float_binary(op, at);
}
template <>
Tensor result_of(const Activate& op, const Operation& at) {
  const bool of_codes =
      on_codes(at) && is_code(at.operand(0).type()) && op.activation.kind == Activation::Kind::Relu;
  return of_codes ? integer_activate(op, at) : float_activate(op, at);
}
template <>
Tensor result_of(const Quantize&, const Operation& at) {
  const auto& codes = at.output().quantization;
  const bool as_onnx = codes && codes->rounding != Rounding::TowardZero;
  return at.affine_system || as_onnx ? affine_quantize(at) : quantize(at);
}
template <>
Tensor result_of(const Dequantize&, const Operation& at) {
  return at.affine_system ? affine_dequantize(at) : dequantize(at);
}

namespace {

struct ResultsOf {
  const Operation& at;

  std::vector<Tensor> operator()(const MaxPool& op) const { return max_pool(op, at); }
  std::vector<Tensor> operator()(const TopK& op) const { return top_k(op, at); }
  std::vector<Tensor> operator()(const Recurrent& op) const { return recurrent(op, at); }
  std::vector<Tensor> operator()(const auto& op) const { return {result_of(op, at)}; }
};

void check_result(const Node& node, const Value& value, const Tensor& tensor) {
  CHECK(tensor.type() == value.type && tensor.shape() == value.shape,
        "node '{}' gives '{}' {} {}, its value says {} {}", node.name, value.name,
        to_string(tensor.type()), to_string(tensor.shape()), to_string(value.type),
        to_string(value.shape));
}

}  // namespace

namespace {

// How many nodes read each value.
std::vector<std::int64_t> readers_of(const Graph& graph) {
  std::vector<std::int64_t> readers(graph.values.size(), 0);
  for (const Node& node : graph.nodes) {
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) ++readers[static_cast<std::size_t>(id)];
    }
  }
  return readers;
}

std::vector<Tensor> constants_of(const Graph& graph) {
  std::vector<Tensor> values(graph.values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (graph.values[i].constant) values[i] = *graph.values[i].constant;
  }
  return values;
}

}  // namespace

void run(const Graph& quantized, std::span<const Tensor> inputs,
         const std::function<void(ValueId, const Tensor&)>& observe) {
  CHECK(inputs.size() == quantized.inputs.size(), "{} inputs given, the graph has {}",
        inputs.size(), quantized.inputs.size());
  std::vector<Tensor> values = constants_of(quantized);
  std::vector<std::int64_t> readers = readers_of(quantized);
  const auto know = [&](ValueId id, Tensor tensor) {
    observe(id, tensor);
    if (readers[static_cast<std::size_t>(id)] > 0) {
      values[static_cast<std::size_t>(id)] = std::move(tensor);
    }
  };
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Value& value = quantized.value(quantized.inputs[i]);
    CHECK(inputs[i].shape() == value.shape, "input '{}' is {}, expected {}", value.name,
          to_string(inputs[i].shape()), to_string(value.shape));
    know(quantized.inputs[i], inputs[i]);
  }
  const bool affine_system = is_affine_system(quantized);
  for (const Node& node : quantized.nodes) {
    const Operation at{
        .graph = quantized, .node = node, .values = values, .affine_system = affine_system};
    std::vector<Tensor> results =
        node.affine ? std::vector{affine(at)} : std::visit(ResultsOf{at}, node.op);
    for (const ValueId id : node.inputs) {
      if (id == kNoValue || --readers[static_cast<std::size_t>(id)] > 0) continue;
      values[static_cast<std::size_t>(id)] = {};
    }
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      check_result(node, quantized.value(node.outputs[i]), results.at(i));
      know(node.outputs[i], std::move(results[i]));
    }
  }
}

std::vector<Tensor> run(const Graph& quantized, std::span<const Tensor> inputs) {
  std::vector<Tensor> values = constants_of(quantized);
  run(quantized, inputs,
      [&](ValueId id, const Tensor& tensor) { values[static_cast<std::size_t>(id)] = tensor; });
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
