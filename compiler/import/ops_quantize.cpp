// QuantizeLinear and DequantizeLinear: the integer value between them carries its Quantization.
// ONNX rounds half to even (platform.md section 4).
#include <algorithm>
#include <cmath>

#include "compiler/import/op_table.h"

namespace workbench::importer {

namespace {

Integers zero_points(const NodeReader& node) {
  const Tensor& tensor = node.constant(2, "zero_point");
  Integers points;
  const auto append = [&](const auto values) { points.assign(values.begin(), values.end()); };
  if (tensor.type() == ElementType::Int8) {
    append(tensor.values<std::int8_t>());
  } else if (tensor.type() == ElementType::Uint8) {
    append(tensor.values<std::uint8_t>());
  } else if (tensor.type() == ElementType::Int32) {
    append(tensor.values<std::int32_t>());
  } else {
    node.refuse("input 2 (zero_point): expected int8, uint8 or int32, found {}",
                to_string(tensor.type()));
  }
  return points;
}

// What the scale and zero point operands say about codes of `type` in a tensor of `shape`.
Quantization read_quantization(NodeReader& node, ElementType type, const Shape& shape) {
  Quantization quantization{.bits = static_cast<int>(8 * element_bytes(type)),
                            .is_signed = type != ElementType::Uint8,
                            .rounding = Rounding::HalfEven};
  const std::int64_t wanted_axis = node.integer("axis", 1);
  const std::vector<float> scales = node.constant_reals(1, "scale");
  if (node.shape(1).size() > 1 || scales.empty()) {
    node.refuse("input 1 (scale): expected a number or a list, found shape {}",
                to_string(node.shape(1)));
  }
  if (scales.size() > 1) {
    const std::size_t axis = node.axis(wanted_axis, shape.size());
    if (static_cast<std::int64_t>(scales.size()) != shape[axis]) {
      node.refuse("input 1 (scale): expected 1 or {} entries, found {}", shape[axis],
                  scales.size());
    }
    quantization.axis = static_cast<int>(axis);
  }
  for (const float scale : scales) {
    if (!(scale > 0) || !std::isfinite(scale)) {
      node.refuse("input 1 (scale): expected finite values above 0, found {}", scale);
    }
    quantization.thresholds.push_back(static_cast<double>(scale) *
                                      static_cast<double>(quantization.high()));
  }
  if (!node.has_input(2)) return quantization;
  const Integers points = zero_points(node);
  if (points.size() != scales.size()) {
    node.refuse("input 2 (zero_point): expected {} entries, found {}", scales.size(),
                points.size());
  }
  const bool any = std::ranges::any_of(points, [](std::int64_t p) { return p != 0; });
  if (any && type == ElementType::Int32) {
    node.refuse("input 2 (zero_point): expected 0 for int32, found {}", to_string(points));
  }
  if (any) quantization.zero_points = points;
  return quantization;
}

}  // namespace

void import_quantize(NodeReader& node) {
  const ElementType type =
      node.has_input(2) ? node.constant(2, "zero_point").type() : ElementType::Uint8;
  if (type != ElementType::Int8 && type != ElementType::Uint8) {
    node.refuse("input 2 (zero_point): expected int8 or uint8, found {}", to_string(type));
  }
  const Quantization quantization = read_quantization(node, type, node.shape(0));
  node.emit(Quantize{}, {node.float_input(0)}, {{.type = type, .quantization = quantization}});
}

void import_dequantize(NodeReader& node) {
  const ElementType type = node.value(0).type;
  if (type != ElementType::Int8 && type != ElementType::Uint8 && type != ElementType::Int32) {
    node.refuse("input 0: expected int8, uint8 or int32, found {}", to_string(type));
  }
  if (node.has_input(2) && node.value(2).type != type) {
    node.refuse("input 2 (zero_point): expected {} like input 0, found {}", to_string(type),
                to_string(node.value(2).type));
  }
  const Quantization quantization = read_quantization(node, type, node.shape(0));
  Value& code = node.mutable_value(0);
  if (code.quantization && *code.quantization != quantization) {
    node.refuse("input 0 '{}': expected the scale and zero point it already has, found others",
                code.name);
  }
  code.quantization = quantization;
  node.emit(Dequantize{}, {node.input(0)}, {{.type = ElementType::Float32}});
}

}  // namespace workbench::importer
