// QuantizeLinear and DequantizeLinear: the integer value between them carries its Quantization.
// ONNX rounds half to even (platform.md section 4).
#include <algorithm>
#include <cmath>

#include "compiler/import/op_table.h"

namespace workbench::importer {

namespace {

Integers zero_points(const NodeReader& node, std::size_t i) {
  const Tensor& tensor = node.constant(i, "zero_point");
  Integers points;
  const auto append = [&](const auto values) { points.assign(values.begin(), values.end()); };
  if (tensor.type() == ElementType::Int8) {
    append(tensor.values<std::int8_t>());
  } else if (tensor.type() == ElementType::Uint8) {
    append(tensor.values<std::uint8_t>());
  } else if (tensor.type() == ElementType::Int32) {
    append(tensor.values<std::int32_t>());
  } else {
    node.refuse("input {} (zero_point): expected int8, uint8 or int32, found {}", i,
                to_string(tensor.type()));
  }
  return points;
}

// `count` scales along `wanted` of a tensor of `shape`.
int scale_axis(const NodeReader& node, std::size_t scale, std::size_t count,
               std::optional<std::int64_t> wanted, const Shape& shape) {
  if (!wanted) node.refuse("input {} (scale): expected one number, found {}", scale, count);
  const std::size_t axis = node.axis(*wanted, shape.size());
  if (static_cast<std::int64_t>(count) != shape[axis]) {
    node.refuse("input {} (scale): expected 1 or {} entries, found {}", scale, shape[axis], count);
  }
  return static_cast<int>(axis);
}

}  // namespace

Quantization read_quantization(const NodeReader& node, std::size_t scale, ElementType type,
                               const Shape& shape, std::optional<std::int64_t> axis) {
  Quantization quantization{.bits = static_cast<int>(8 * element_bytes(type)),
                            .is_signed = type != ElementType::Uint8,
                            .rounding = Rounding::HalfEven};
  const std::vector<float> scales = node.constant_reals(scale, "scale");
  if (node.shape(scale).size() > 1 || scales.empty()) {
    node.refuse("input {} (scale): expected a number or a list, found shape {}", scale,
                to_string(node.shape(scale)));
  }
  if (scales.size() > 1) {
    quantization.axis = scale_axis(node, scale, scales.size(), axis, shape);
  }
  for (const float step : scales) {
    if (!(step > 0) || !std::isfinite(step)) {
      node.refuse("input {} (scale): expected finite values above 0, found {}", scale, step);
    }
    quantization.thresholds.push_back(static_cast<double>(step) *
                                      static_cast<double>(quantization.high()));
  }
  const std::size_t zero_point = scale + 1;
  if (!node.has_input(zero_point)) return quantization;
  const Integers points = zero_points(node, zero_point);
  if (points.size() != scales.size()) {
    node.refuse("input {} (zero_point): expected {} entries, found {}", zero_point, scales.size(),
                points.size());
  }
  const bool any = std::ranges::any_of(points, [](std::int64_t p) { return p != 0; });
  if (any && type == ElementType::Int32) {
    node.refuse("input {} (zero_point): expected 0 for int32, found {}", zero_point,
                to_string(points));
  }
  if (any) quantization.zero_points = points;
  return quantization;
}

void import_quantize(NodeReader& node) {
  const ElementType type =
      node.has_input(2) ? node.constant(2, "zero_point").type() : ElementType::Uint8;
  if (type != ElementType::Int8 && type != ElementType::Uint8) {
    node.refuse("input 2 (zero_point): expected int8 or uint8, found {}", to_string(type));
  }
  const std::int64_t axis = node.integer("axis", 1);
  const Quantization quantization = read_quantization(node, 1, type, node.shape(0), axis);
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
  const std::int64_t axis = node.integer("axis", 1);
  const Quantization quantization = read_quantization(node, 1, type, node.shape(0), axis);
  node.emit(Dequantize{}, {node.with_codes(0, quantization)}, {{.type = ElementType::Float32}});
}

}  // namespace workbench::importer
