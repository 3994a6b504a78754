// Operators in QOperator form (quantization.md 4), ONNX's and ONNX Runtime's: each becomes the same
// operator on real numbers between Dequantize and Quantize, so that the QDQ form is the only one
// anybody else knows.
#include <cmath>

#include "compiler/import/op_table.h"

namespace workbench::importer {

namespace {

void check_code(const NodeReader& node, std::size_t i, std::string_view meaning, ElementType type) {
  if (type != ElementType::Int8 && type != ElementType::Uint8) {
    node.refuse("input {}{}: expected int8 or uint8, found {}", i, meaning, to_string(type));
  }
}

// Quantizers name the codes of X X_int8 (we) or X_quantized (ONNX Runtime's): what X was is X
// again.
std::string real_name(const std::string& code_name, std::string_view suffix) {
  for (const std::string_view known : {"_int8", "_int32", "_quantized"}) {
    if (code_name.size() <= known.size() || !code_name.ends_with(known)) continue;
    return code_name.substr(0, code_name.size() - known.size()) + std::string(suffix);
  }
  return code_name + "_float";
}

Result real_result(const std::string& name) {
  return {.output = kIntermediate, .type = ElementType::Float32, .quantization = {}, .name = name};
}

// What the codes of operand `i` stand for.
Result real_operand_result(const NodeReader& node, std::size_t i) {
  const Value& codes = node.value(i);
  return real_result(real_name(codes.name, codes.constant ? "" : "_dequantized"));
}

// What the codes of operand `i` stand for; their scale and zero point are the operands behind it.
ValueId real_operand(NodeReader& node, std::size_t i, std::optional<std::int64_t> axis = {}) {
  const ElementType type = node.value(i).type;
  check_code(node, i, "", type);
  if (node.has_input(i + 2) && node.value(i + 2).type != type) {
    node.refuse("input {} (zero_point): expected {} like input {}, found {}", i + 2,
                to_string(type), i, to_string(node.value(i + 2).type));
  }
  const Quantization codes = read_quantization(node, i + 1, type, node.shape(i), axis);
  const ValueId id = node.with_codes(i, codes);
  return node.emit(Dequantize{}, {id}, {real_operand_result(node, i)});
}

// int32 in accumulator units: the scales of operands 1 and 4, multiplied as float32 as whoever
// wrote the file did.
Quantization bias_codes(const NodeReader& node, const Shape& shape, float factor) {
  Quantization codes{.bits = 32, .thresholds = {}, .rounding = Rounding::HalfEven};
  const float x_scale = node.constant_scalar(1, "scale");
  for (const float w_scale : node.constant_reals(4, "scale")) {
    const float step = x_scale * w_scale * factor;
    if (!(step > 0) || !std::isfinite(step)) {
      node.refuse("bias: expected a scale that is finite and above 0, found {}", step);
    }
    codes.thresholds.push_back(static_cast<double>(step) * static_cast<double>(codes.high()));
  }
  const auto count = static_cast<std::int64_t>(codes.thresholds.size());
  if (count == 1) return codes;
  if (shape.empty() || shape.back() != count) {
    node.refuse("bias: expected {} entries, one per scale of the weights, found shape {}", count,
                to_string(shape));
  }
  codes.axis = static_cast<int>(shape.size()) - 1;
  return codes;
}

ValueId real_bias(NodeReader& node, std::size_t i, float factor = 1) {
  if (node.value(i).type != ElementType::Int32) {
    node.refuse("input {} (bias): expected int32, found {}", i, to_string(node.value(i).type));
  }
  const ValueId id = node.with_codes(i, bias_codes(node, node.shape(i), factor));
  return node.emit(Dequantize{}, {id}, {real_operand_result(node, i)});
}

// The operator itself; output 0 are the codes of its result, whose scale is operand `scale`.
// Without a zero point they are of `type`.
void emit_between_codes(NodeReader& node, Op op, std::vector<ValueId> inputs, std::size_t scale,
                        ElementType type) {
  const std::size_t zero_point = scale + 1;
  if (node.has_input(zero_point)) type = node.constant(zero_point, "zero_point").type();
  check_code(node, zero_point, " (zero_point)", type);
  const Quantization codes = read_quantization(node, scale, type, {}, {});
  const ValueId real = node.emit(std::move(op), std::move(inputs),
                                 {real_result(real_name(node.output_name(0), ""))});
  node.take_name();
  node.emit(Quantize{}, {real}, {{.type = type, .quantization = codes}});
}

// One operand; scale and zero point of the result are operands 3 and 4.
void emit_unary(NodeReader& node, Op op) {
  const ElementType type = node.value(0).type;
  emit_between_codes(node, std::move(op), {real_operand(node, 0)}, 3, type);
}

}  // namespace

void import_qlinear_conv(NodeReader& node) {
  Conv op = conv_op(node, 3);
  std::vector<ValueId> inputs{real_operand(node, 0), real_operand(node, 3, 0)};
  if (node.has_input(8)) inputs.push_back(real_bias(node, 8));
  emit_between_codes(node, std::move(op), std::move(inputs), 6, node.value(0).type);
}

// The scale of the second operand may be one per column.
void import_qlinear_matmul(NodeReader& node) {
  std::vector<ValueId> inputs{real_operand(node, 0), real_operand(node, 3, -1)};
  emit_between_codes(node, MatMul{}, std::move(inputs), 6, node.value(0).type);
}

// Without a scale of the result that is real.
void import_qgemm(NodeReader& node) {
  Gemm op;
  op.transpose_a = node.flag("transA", false);
  op.transpose_b = node.flag("transB", false);
  op.alpha = node.real("alpha", 1);
  std::vector<ValueId> inputs{real_operand(node, 0), real_operand(node, 3, op.transpose_b ? 0 : 1)};
  if (node.has_input(6)) inputs.push_back(real_bias(node, 6, op.alpha));
  if (node.has_input(7)) {
    emit_between_codes(node, op, std::move(inputs), 7, node.value(0).type);
  } else {
    node.emit(op, std::move(inputs), {{.type = ElementType::Float32}});
    node.take_name();
  }
}

void import_qlinear_binary(NodeReader& node) {
  const bool sum = node.op() == "QLinearAdd";
  const Binary op{.kind = sum ? Binary::Kind::Add : Binary::Kind::Mul};
  std::vector<ValueId> inputs{real_operand(node, 0), real_operand(node, 3)};
  emit_between_codes(node, op, std::move(inputs), 6, node.value(0).type);
}

// Operands: scale and zero point of the result, then each tensor with its own.
void import_qlinear_concat(NodeReader& node) {
  const std::size_t count = node.input_count();
  if (count < 5 || count % 3 != 2) {
    node.refuse("expected a scale, a zero point and then 3 inputs a tensor, found {} inputs",
                count);
  }
  const std::size_t axis = node.axis(node.required_integer("axis"), node.shape(2).size());
  std::vector<ValueId> inputs;
  for (std::size_t i = 2; i < count; i += 3) inputs.push_back(real_operand(node, i));
  emit_between_codes(node, Concat{.axis = static_cast<std::int64_t>(axis)}, std::move(inputs), 0,
                     node.value(2).type);
}

void import_qlinear_average_pool(NodeReader& node) {
  node.only_integer("channels_last", 0);
  emit_unary(node, average_pool_op(node));
}

void import_qlinear_global_average_pool(NodeReader& node) {
  node.only_integer("channels_last", 0);
  emit_unary(node, AveragePool{.window = global_window(node)});
}

void import_qlinear_activation(NodeReader& node) {
  Activation activation{.kind = Activation::Kind::Sigmoid};
  if (node.op() == "QLinearLeakyRelu") {
    activation = {.kind = Activation::Kind::LeakyRelu, .alpha = node.real("alpha", 0.01F)};
  }
  emit_unary(node, Activate{activation});
}

}  // namespace workbench::importer
