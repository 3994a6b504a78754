#include "compiler/pulp/fabric/tables.h"

#include <algorithm>

#include "core/error.h"
#include "core/eval/evaluate.h"
#include "core/shapes.h"

namespace workbench::pulp {

namespace {

bool is_one_step(const Value& value) {
  return !value.quantization || value.quantization->thresholds.size() == 1;
}
// Of [1, C, H, W], one step for each channel.
bool is_step_per_channel(const Value& value) {
  return value.shape.size() == 4 &&
         (value.quantization->axis == 1 || value.quantization->axis == -3);
}

bool has_own_channels(const Graph& graph, const Node& node) {
  const Activation& activation = activation_of(node.op);
  if (std::holds_alternative<BatchNorm>(node.op)) return true;
  if (activation.slopes.size() > 1 || !activation.bounds.empty()) return true;
  const auto more = [&](ValueId id) {
    const Value& value = graph.value(id);
    return !is_one_step(value) || (value.constant && value.constant->size() > 1);
  };
  return std::ranges::any_of(node.inputs, more) || more(node.outputs[0]);
}

// The same table for each channel.
Tensor repeated(const Tensor& table, std::int64_t channels) {
  if (table.dim(1) == channels) return table;
  Tensor result = Tensor::uninitialized(table.type(), {1, channels, 1, kCodes}, Layout::Nchw);
  std::byte* to = result.mutable_data();
  for (std::int64_t c = 0; c < channels; ++c) {
    to = std::copy_n(table.data(), table.size_bytes(), to);
  }
  return result;
}

}  // namespace

Tensor all_codes(ElementType type) {
  CHECK(element_bytes(type) == 1, "codes of {}", to_string(type));
  Tensor codes = Tensor::uninitialized(type, {1, 1, 1, kCodes}, Layout::Nchw);
  const int low = type == ElementType::Int8 ? -128 : 0;
  for (int i = 0; i < kCodes; ++i) codes.mutable_data()[i] = static_cast<std::byte>(i + low);
  return codes;
}

bool is_of_one_element(const Graph& graph, const Node& node) {
  const bool converts = std::holds_alternative<Quantize>(node.op) ||
                        std::holds_alternative<Dequantize>(node.op) ||
                        std::holds_alternative<Identity>(node.op);
  if (!converts && !traits(node.op).elementwise) return false;
  const Value& result = graph.value(node.outputs[0]);
  for (std::size_t k = 0; k < node.inputs.size(); ++k) {
    if (node.inputs[k] == kNoValue) return false;
    const Value& value = graph.value(node.inputs[k]);
    const bool parameter = k > 0 && std::holds_alternative<BatchNorm>(node.op);
    if (value.constant) {
      if (!parameter && !is_per_channel(value.shape, result.shape)) return false;
    } else if (parameter || element_count(value.shape) != element_count(result.shape)) {
      return false;
    }
    if (!is_one_step(value) && (value.constant || !is_step_per_channel(value))) return false;
  }
  return is_one_step(result) || is_step_per_channel(result);
}

std::optional<Tensor> table_of(const Graph& graph, const Node& node,
                               std::span<const Tensor> operands) {
  const Value& result = graph.value(node.outputs[0]);
  std::int64_t channels = 1;
  if (has_own_channels(graph, node)) {
    if (result.shape.size() != 4 || result.shape[0] != 1) return std::nullopt;
    channels = result.shape[1];
  }
  for (std::size_t k = 0; k < operands.size(); ++k) {
    const Value& value = graph.value(node.inputs[k]);
    if (value.constant) continue;
    channels = std::max(channels, operands[k].dim(1));
    if (channels > 1 && value.shape != result.shape) return std::nullopt;
  }
  // The node alone, on maps of all codes in a row.
  Graph alone;
  Node of_codes = node;
  std::vector<Tensor> tables;
  for (std::size_t k = 0; k < operands.size(); ++k) {
    Value value = graph.value(node.inputs[k]);
    Tensor table = value.constant ? *value.constant : repeated(operands[k], channels);
    if (value.constant && table.size() == 1 && !std::holds_alternative<BatchNorm>(node.op)) {
      table = table.reshaped({1});
    }
    value.shape = table.shape();
    value.constant.reset();
    of_codes.inputs[k] = alone.add_value(std::move(value));
    tables.push_back(std::move(table));
  }
  Value codes = result;
  codes.shape = {1, channels, 1, kCodes};
  of_codes.outputs = {alone.add_value(std::move(codes))};
  return evaluate_node(alone, of_codes, tables,
                       {.arithmetic = Arithmetic::Exact, .threads = 1, .observe = {}})[0];
}

}  // namespace workbench::pulp
