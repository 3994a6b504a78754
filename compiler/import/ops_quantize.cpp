// Operators on codes: QuantizeLinear and DequantizeLinear, ONNX Runtime's QLinear operators, and
// the integer networks of Quantlab and Deeploy.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>

#include "compiler/import/node_reader.h"
#include "compiler/import/tensor_proto.h"
#include "core/shapes.h"

namespace workbench::importer {

namespace {

// QuantizeLinear and DequantizeLinear: the integer value between them carries its Quantization.
// ONNX rounds half to even (docs/facts/platform.md 4).

bool is_code_type(ElementType type) {
  return type == ElementType::Int8 || type == ElementType::Uint8 || type == ElementType::Int16 ||
         type == ElementType::Uint16 || type == ElementType::Int32;
}

// The numbers of a tensor of codes.
Integers code_values(const NodeReader& node, std::size_t i, const Tensor& tensor) {
  Integers values;
  const auto append = [&](const auto codes) { values.assign(codes.begin(), codes.end()); };
  switch (tensor.type()) {
    case ElementType::Int8:
      append(tensor.values<std::int8_t>());
      return values;
    case ElementType::Uint8:
      append(tensor.values<std::uint8_t>());
      return values;
    case ElementType::Int16:
      append(tensor.values<std::int16_t>());
      return values;
    case ElementType::Uint16:
      append(tensor.values<std::uint16_t>());
      return values;
    case ElementType::Int32:
      append(tensor.values<std::int32_t>());
      return values;
    default:
      node.refuse("input {}: expected int8, uint8, int16, uint16 or int32, found {}", i,
                  to_string(tensor.type()));
  }
}

Integers zero_points(const NodeReader& node, std::size_t i) {
  const Tensor& tensor = node.constant(i, "zero_point");
  if (!is_code_type(tensor.type())) {
    node.refuse("input {} (zero_point): expected int8, uint8, int16, uint16 or int32, found {}", i,
                to_string(tensor.type()));
  }
  return code_values(node, i, tensor);
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
                               const Shape& shape, std::optional<std::int64_t> axis, int bits) {
  Quantization quantization{.bits = bits > 0 ? bits : static_cast<int>(8 * element_bytes(type)),
                            .is_signed = type != ElementType::Uint8 && type != ElementType::Uint16,
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

namespace {

// The type of the codes and their bits: of the zero point, else of `output_dtype`, else uint8.
std::pair<ElementType, int> written_codes(NodeReader& node) {
  const std::int64_t declared = node.integer("output_dtype", 0);
  if (node.has_input(2)) return {node.constant(2, "zero_point").type(), node.code_bits(2)};
  if (declared == 0) return {ElementType::Uint8, 8};
  const std::string where =
      fmt::format("node '{}' ({}): attribute 'output_dtype'", node.name(), node.op());
  const auto number = static_cast<std::int32_t>(std::clamp<std::int64_t>(declared, 0, 1000));
  const ElementType type = element_type(number, where);
  const int narrow = narrow_bits(number);
  return {type, narrow != 0 ? narrow : static_cast<int>(8 * element_bytes(type))};
}

void import_quantize(NodeReader& node) {
  const auto [type, bits] = written_codes(node);
  if (!is_code_type(type) || type == ElementType::Int32) {
    node.refuse("input 2 (zero_point): expected codes of 4, 8 or 16 bits, found {}",
                to_string(type));
  }
  if (node.integer("block_size", 0) != 0) {
    node.refuse("attribute 'block_size': scales of blocks are not supported for activations");
  }
  node.ignore("saturate");   // of float8
  node.ignore("precision");  // of the division: here it is double
  const std::int64_t axis = node.integer("axis", 1);
  const Quantization quantization = read_quantization(node, 1, type, node.shape(0), axis, bits);
  node.emit(Quantize{}, {node.float_input(0)}, {{.type = type, .quantization = quantization}});
}

// Constant codes with a scale for every block of `block` along an axis, as the real numbers that
// they are: (code - zero point) * scale, in float.
void fold_blocks(NodeReader& node, std::int64_t block) {
  const Tensor& x = node.constant(0, "codes of blocks");
  const Shape& shape = x.shape();
  const std::size_t axis = node.axis(node.integer("axis", 1), shape.size());
  Shape blocks = shape;
  if (block < 1) node.refuse("attribute 'block_size': expected 1 or more, found {}", block);
  blocks[axis] = (shape[axis] + block - 1) / block;
  const std::vector<float> scales = node.constant_reals(1, "scale");
  const Integers zeros = node.has_input(2) ? zero_points(node, 2) : Integers(scales.size(), 0);
  if (node.shape(1) != blocks || zeros.size() != scales.size()) {
    node.refuse("input 1 (scale): expected shape {} for blocks of {}, found {}", to_string(blocks),
                block, to_string(node.shape(1)));
  }
  const Integers codes = code_values(node, 0, x);
  Tensor reals = Tensor::uninitialized(ElementType::Float32, shape);
  const auto at = shape.begin() + static_cast<std::ptrdiff_t>(axis);
  const std::int64_t inner = element_count(Shape(at + 1, shape.end()));
  auto out = reals.mutable_values<float>();
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::int64_t flat = static_cast<std::int64_t>(i);
    const std::int64_t outer = flat / (inner * shape[axis]);
    const std::int64_t in_axis = flat / inner % shape[axis] / block;
    const auto of_block =
        static_cast<std::size_t>((outer * blocks[axis] + in_axis) * inner + flat % inner);
    out[i] = static_cast<float>(codes[i] - zeros[of_block]) * scales[of_block];
  }
  node.bind_constant(0, reals);
}

void import_dequantize(NodeReader& node) {
  const ElementType type = node.value(0).type;
  if (type == ElementType::Float32 && node.constant_scalar(1, "scale") == 1) {
    node.integer("axis", 1);
    node.emit(Identity{}, {node.input(0)});  // dynamic quantization made static
    return;
  }
  if (!is_code_type(type)) {
    node.refuse("input 0: expected int8, uint8, int16, uint16 or int32, found {}", to_string(type));
  }
  if (node.has_input(2) && node.value(2).type != type) {
    node.refuse("input 2 (zero_point): expected {} like input 0, found {}", to_string(type),
                to_string(node.value(2).type));
  }
  node.ignore("output_dtype");  // a type of real numbers: here they are float32
  const std::int64_t block = node.integer("block_size", 0);
  if (block != 0) return fold_blocks(node, block);
  const std::int64_t axis = node.integer("axis", 1);
  const Quantization quantization =
      read_quantization(node, 1, type, node.shape(0), axis, node.code_bits(0));
  node.emit(Dequantize{}, {node.with_codes(0, quantization)}, {{.type = ElementType::Float32}});
}

// Operators in QOperator form (docs/facts/quantization.md 4), ONNX's and ONNX Runtime's: each
// becomes the same operator on real numbers between Dequantize and Quantize, so that the rest of
// the compiler knows the QDQ form alone.

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

// The quantization of operand `i`.
Result real_operand_result(const NodeReader& node, std::size_t i) {
  const Value& codes = node.value(i);
  return real_result(real_name(codes.name, codes.constant ? "" : "_dequantized"));
}

// The quantization of operand `i`; its scale and zero point are the operands after it.
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

// int32 in accumulator units: the scales of operands 1 and 4, multiplied in float32 as the file's
// producer did.
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

// Over maps [N, C, ...], or with channels last between two transpositions.
void emit_pool(NodeReader& node, AveragePool op, bool channels_last) {
  if (!channels_last) {
    emit_unary(node, std::move(op));
    return;
  }
  Transpose first, last;
  const auto rank = static_cast<std::int64_t>(node.shape(0).size());
  for (std::int64_t i = 0; i < rank; ++i) {
    first.permutation.push_back(i == 0 ? 0 : i == 1 ? rank - 1 : i - 1);
    last.permutation.push_back(i == 0 ? 0 : i == rank - 1 ? 1 : i + 1);
  }
  const ElementType type = node.value(0).type;
  const Result part{.output = kIntermediate, .type = ElementType::Float32};
  const ValueId maps = node.emit(first, {real_operand(node, 0)}, {part});
  const ValueId pooled = node.emit(std::move(op), {maps}, {part});
  emit_between_codes(node, last, {pooled}, 3, type);
}

void import_qlinear_average_pool(NodeReader& node) {
  const bool channels_last = node.flag("channels_last", false);
  const std::string padding = node.text("auto_pad", "NOTSET");
  if (channels_last && padding != "NOTSET" && padding != "VALID") {
    node.refuse("attribute 'auto_pad': expected NOTSET or VALID beside channels_last, found '{}'",
                padding);
  }
  emit_pool(node, average_pool_op(node), channels_last);
}

void import_qlinear_global_average_pool(NodeReader& node) {
  const bool channels_last = node.flag("channels_last", false);
  Window window = global_window(node);
  const Shape& x = node.shape(0);
  if (channels_last) window.kernel.assign(x.begin() + 1, x.end() - 1);
  emit_pool(node, AveragePool{.window = std::move(window)}, channels_last);
}

void import_qlinear_activation(NodeReader& node) {
  Activation activation{.kind = Activation::Kind::Sigmoid};
  if (node.op() == "QLinearLeakyRelu") {
    activation = {.kind = Activation::Kind::LeakyRelu, .alpha = node.real("alpha", 0.01F)};
  }
  emit_unary(node, Activate{activation});
}

void import_qlinear_reduce_mean(NodeReader& node) {
  Reduce op{.kind = Reduce::Kind::Mean, .keep_dims = node.flag("keepdims", true)};
  const std::size_t rank = node.shape(0).size();
  std::set<std::size_t> reduced;
  for (const std::int64_t axis : node.integers("axes").value_or(Integers())) {
    reduced.insert(node.axis(axis, rank));
  }
  op.axes.assign(reduced.begin(), reduced.end());
  if (op.axes.empty()) {
    op.axes.resize(rank);
    std::iota(op.axes.begin(), op.axes.end(), 0);
  }
  emit_unary(node, std::move(op));
}

// `opset` is that of the Softmax that it stands for: before 13 over all dimensions from `axis` on.
void import_qlinear_softmax(NodeReader& node) {
  const Shape x = node.shape(0);
  const bool flattens = node.required_integer("opset") < 13;
  const std::size_t axis = node.axis(node.integer("axis", flattens ? 1 : -1), x.size());
  const auto split = x.begin() + static_cast<std::ptrdiff_t>(axis);
  const Shape rows{element_count(Shape(x.begin(), split)), element_count(Shape(split, x.end()))};
  if (!flattens || rows[1] == x[axis]) {
    emit_unary(node, Softmax{.axis = static_cast<std::int64_t>(axis)});
    return;
  }
  const ElementType type = node.value(0).type;
  const Result part{.output = kIntermediate, .type = ElementType::Float32};
  const ValueId flat = node.emit(Reshape{rows}, {real_operand(node, 0)}, {part});
  const ValueId soft = node.emit(Softmax{.axis = 1}, {flat}, {part});
  emit_between_codes(node, Reshape{x}, {soft}, 3, type);
}

// Operands: the condition, then two tensors and the result, each with scale and zero point.
void import_qlinear_where(NodeReader& node) {
  if (node.value(0).type != ElementType::Bool) {
    node.refuse("input 0 (condition): expected bool, found {}", to_string(node.value(0).type));
  }
  std::vector<ValueId> inputs{node.input(0), real_operand(node, 1), real_operand(node, 4)};
  emit_between_codes(node, Where{}, std::move(inputs), 7, node.value(1).type);
}

// Operators of integer networks (docs/facts/pulp.md 3.1): ConvInteger and MatMulInteger, Deeploy's
// RequantShift, the attributes Quantlab puts on Add, and Floor, Cast and Gather of activations.

bool is_integer(ElementType type) {
  return type != ElementType::Float32 && type != ElementType::Float64 && type != ElementType::Bool;
}

template <typename Visit>
void for_values(const NodeReader& node, std::size_t i, const Tensor& tensor, Visit visit) {
  const auto all = [&]<typename T>(T) {
    for (const T v : tensor.values<T>()) visit(v);
  };
  switch (tensor.type()) {
    case ElementType::Float32:
      return all(float{});
    case ElementType::Int8:
      return all(std::int8_t{});
    case ElementType::Uint8:
      return all(std::uint8_t{});
    case ElementType::Int32:
      return all(std::int32_t{});
    case ElementType::Int64:
      return all(std::int64_t{});
    default:
      node.refuse("input {}: expected whole numbers, found {}", i, to_string(tensor.type()));
  }
}

constexpr double kMostExact = 9007199254740992;  // 2^53: a double holds every integer up to it

// As shapes broadcast, without making `data` larger.
bool broadcasts_to(const Shape& constant, const Shape& data) {
  return constant.size() <= data.size() &&
         std::equal(constant.rbegin(), constant.rend(), data.rbegin(),
                    [](std::int64_t one, std::int64_t all) { return one == 1 || one == all; });
}

// The whole numbers of constant operand `i`: one, or one per channel of operand 0, also as a plain
// list. One stands for many that are the same, whatever axis they are for.
Integers channel_integers(const NodeReader& node, std::size_t i, std::string_view meaning) {
  const Tensor& tensor = node.constant(i, meaning);
  const Shape& data = node.shape(0);
  Integers result;
  for_values(node, i, tensor, [&]<typename T>(T v) {
    if constexpr (std::is_floating_point_v<T>) {
      if (!(std::abs(v) < kMostExact) || v != std::floor(v)) {
        node.refuse("input {} ({}): expected whole numbers, found {}", i, meaning, v);
      }
    }
    result.push_back(static_cast<std::int64_t>(v));
  });
  const bool listed = data.size() > 1 && tensor.shape() == Shape{data[1]};
  if (listed || is_per_channel(tensor.shape(), data)) return result;
  const bool same =
      std::adjacent_find(result.begin(), result.end(), std::not_equal_to<>()) == result.end();
  if (!same || result.empty() || !broadcasts_to(tensor.shape(), data)) {
    node.refuse("input {} ({}): expected one number or one per channel of {}, found shape {}", i,
                meaning, to_string(data), to_string(tensor.shape()));
  }
  return {result[0]};
}

std::int64_t whole(const NodeReader& node, std::string_view attribute, double value) {
  if (!(std::abs(value) < kMostExact) || value != std::floor(value)) {
    node.refuse("attribute '{}': expected a whole number, found {}", attribute, value);
  }
  return static_cast<std::int64_t>(value);
}

std::int64_t whole_attribute(NodeReader& node, std::string_view attribute) {
  const auto value = node.number(attribute);
  if (!value) node.refuse("attribute '{}': expected a number, found none", attribute);
  return whole(node, attribute, *value);
}

// Codes of `levels` values.
void set_range(AffineRequantize& affine, std::int64_t levels, bool is_signed) {
  affine.low = is_signed ? -(levels / 2) : 0;
  affine.high = affine.low + levels - 1;
}

std::int64_t levels_attribute(NodeReader& node, std::string_view attribute) {
  const std::int64_t levels = whole_attribute(node, attribute);
  if (levels < 2 || levels > (std::int64_t{1} << 32)) {
    node.refuse("attribute '{}': expected 2 to 2^32, found {}", attribute, levels);
  }
  return levels;
}

// Zero points are operands 2 and 3 of both integer products.
void refuse_zero_points(const NodeReader& node) {
  for (const std::size_t i : {std::size_t{2}, std::size_t{3}}) {
    if (!node.has_input(i)) continue;
    for_values(node, i, node.constant(i, "zero_point"), [&](auto v) {
      if (v != 0) {
        node.refuse("input {} (zero_point): expected 0 or none, found {}", i,
                    static_cast<double>(v));
      }
    });
  }
}

ValueId code_input(const NodeReader& node, std::size_t i) {
  const ElementType type = node.value(i).type;
  if (type != ElementType::Int8 && type != ElementType::Uint8) {
    node.refuse("input {}: expected int8 or uint8, found {}", i, to_string(type));
  }
  return node.input(i);
}

// Quantlab: ((x * mul + add) >> shift) clipped to n_levels codes, of each operand of an Add and of
// their sum. Where the file does not say whether codes are signed, both ranges are kept together;
// which it is follows from the operands, and the recognition of chains finds out.
std::optional<AffineRequantize> quantlab_step(NodeReader& node, const std::string& prefix) {
  const auto attribute = [&](const char* name) { return prefix + name; };
  const std::int64_t used =
      node.has(attribute("_rq")) ? whole_attribute(node, attribute("_rq")) : 1;
  if (!node.has(attribute("_mul"))) return std::nullopt;
  AffineRequantize affine;
  affine.multiplier = {whole_attribute(node, attribute("_mul"))};
  affine.offset = {whole_attribute(node, attribute("_add"))};
  const std::int64_t shift = whole_attribute(node, attribute("_shift"));
  if (shift < 0 || shift > 62) {
    node.refuse("attribute '{}': expected 0 to 62, found {}", attribute("_shift"), shift);
  }
  affine.divisor = std::int64_t{1} << shift;
  const std::int64_t levels = levels_attribute(node, attribute("_n_levels"));
  if (const auto sign = node.number(attribute("_signed"))) {
    set_range(affine, levels, *sign != 0);
  } else {
    affine.low = -(levels / 2);
    affine.high = levels - 1;
  }
  return used == 0 ? std::nullopt : std::optional(affine);
}

// Dynamic quantization made static: what DynamicQuantizeLinear gives is its operand itself, with a
// scale of 1 and a zero point of 0, so that the network is one of real numbers with the file's
// weights, and is calibrated as any other. Its readers find real numbers where codes would be.
void import_dynamic_quantize(NodeReader& node) {
  node.note_made_static();
  node.emit(Identity{}, {node.float_input(0)});
  if (node.wants_output(1)) node.bind_constant(1, Tensor::scalar(1.0F));
  if (node.wants_output(2)) node.bind_constant(2, Tensor::scalar(std::uint8_t{0}));
}

bool is_real_operand(const NodeReader& node, std::size_t i) {
  return node.value(i).type == ElementType::Float32;
}

// Constant weights, (code - zero point) * scale; one of each, or one per index of `axis`.
ValueId real_weights(NodeReader& node, std::size_t i, std::size_t zero_point, std::size_t axis,
                     const std::vector<float>& scales = {1}) {
  const Tensor& codes = node.constant(i, "weights");
  check_code(node, i, " (weights)", codes.type());
  Integers points{0};
  if (node.has_input(zero_point)) points = zero_points(node, zero_point);
  const std::int64_t count = codes.dim(axis);
  for (const std::size_t size : {points.size(), scales.size()}) {
    if (size != 1 && static_cast<std::int64_t>(size) != count) {
      node.refuse("input {} (weights): expected 1 or {} scales and zero points, found {}", i, count,
                  size);
    }
  }
  const Tensor reals = cast_constant(codes, ElementType::Float32);
  Tensor weights = Tensor::uninitialized(ElementType::Float32, codes.shape());
  const auto from = reals.values<float>();
  const auto to = weights.mutable_values<float>();
  std::size_t inner = 1;
  for (std::size_t d = axis + 1; d < codes.rank(); ++d) {
    inner *= static_cast<std::size_t>(codes.dim(d));
  }
  for (std::size_t k = 0; k < from.size(); ++k) {
    const std::size_t index = k / inner % static_cast<std::size_t>(count);
    const auto point = static_cast<float>(points[points.size() == 1 ? 0 : index]);
    to[k] = (from[k] - point) * scales[scales.size() == 1 ? 0 : index];
  }
  return node.add_constant(std::move(weights));
}

std::size_t last_axis(const NodeReader& node, std::size_t i) {
  const std::size_t rank = node.shape(i).size();
  if (rank < 2) node.refuse("input {}: expected rank 2 or more, found {}", i, rank);
  return rank - 1;
}

// Microsoft's products of dynamically quantized data: a, b, scale of a (if its codes are given),
// scale of b, zero points, bias.
void import_dynamic_product(NodeReader& node) {
  const bool codes_given = node.op() == "MatMulIntegerToFloat";
  if (!codes_given) node.note_made_static();
  const std::size_t scale = codes_given ? 3 : 2, zero_point = codes_given ? 5 : 3;
  if (!is_real_operand(node, 0)) {
    node.refuse("input 0: expected the result of a DynamicQuantizeLinear, found {}",
                to_string(node.value(0).type));
  }
  const ValueId weights =
      real_weights(node, 1, zero_point, last_axis(node, 1), node.constant_reals(scale, "scale"));
  const std::size_t bias = zero_point + 1;
  const Result product{.output = node.has_input(bias) ? kIntermediate : 0};
  const ValueId sum = node.emit(MatMul{}, {node.input(0), weights}, {product});
  if (node.has_input(bias)) {
    node.emit(Binary{.kind = Binary::Kind::Add}, {sum, node.float_input(bias)});
  }
}

void import_conv_integer(NodeReader& node) {
  if (is_real_operand(node, 0)) {
    node.emit(conv_op(node), {node.input(0), real_weights(node, 1, 3, 0)});
    return;
  }
  refuse_zero_points(node);
  node.emit(conv_op(node), {code_input(node, 0), code_input(node, 1)},
            {{.type = ElementType::Int32}});
}

void import_matmul_integer(NodeReader& node) {
  if (is_real_operand(node, 0)) {
    node.emit(MatMul{}, {node.input(0), real_weights(node, 1, 3, last_axis(node, 1))});
    return;
  }
  refuse_zero_points(node);
  node.emit(MatMul{}, {code_input(node, 0), code_input(node, 1)}, {{.type = ElementType::Int32}});
}

void import_requant_shift(NodeReader& node) {
  AffineRequantize affine{.rounding = Rounding::HalfUp};
  affine.multiplier = channel_integers(node, 1, "mul");
  affine.offset = channel_integers(node, 2, "add");
  affine.divisor = whole_attribute(node, "div");
  if (affine.divisor < 1)
    node.refuse("attribute 'div': expected 1 or more, found {}", affine.divisor);
  const char* levels = node.has("n_levels") ? "n_levels" : "n_levels_out";
  const bool is_signed = whole_attribute(node, "signed") != 0;
  set_range(affine, levels_attribute(node, levels), is_signed);
  const ElementType type = node.value(0).type;
  node.emit_affine(affine, node.input(0), {.type = type});
}

}  // namespace

bool import_quantlab_add(NodeReader& node) {
  if (!node.has("in1_mul") && !node.has("in2_mul") && !node.has("out_mul")) return false;
  const std::optional<AffineRequantize> steps[] = {
      quantlab_step(node, "in1"), quantlab_step(node, "in2"), quantlab_step(node, "out")};
  std::vector<ValueId> operands{node.float_input(0), node.float_input(1)};
  for (std::size_t i = 0; i < 2; ++i) {
    if (steps[i]) operands[i] = node.emit_affine(*steps[i], operands[i], {.output = kIntermediate});
  }
  const Binary sum{.kind = Binary::Kind::Add};
  const int output = steps[2] ? kIntermediate : 0;
  const ValueId total = node.emit(sum, operands, {{.output = output}});
  node.take_name();
  if (steps[2]) node.emit_affine(*steps[2], total, {});
  return true;
}

void import_running_cast(NodeReader& node, ElementType type) {
  const ElementType from = node.value(0).type;
  if (is_integer(type) && from != ElementType::Bool && !is_integer(from)) {
    node.emit(Activate{{.kind = Activation::Kind::Truncate}}, {node.input(0)}, {{.type = type}});
  } else {
    node.emit(Identity{}, {node.input(0)}, {{.type = type}});
  }
}

void import_running_gather(NodeReader& node) {
  const Shape& x = node.shape(0);
  const std::size_t axis = node.axis(node.integer("axis", 0), x.size());
  const ElementType type = node.value(1).type;
  if (type != ElementType::Int64 && type != ElementType::Int32) {
    node.refuse("input 1 (indices): expected int64 or int32, found {}", to_string(type));
  }
  Integers places;
  if (node.value(1).constant) places = node.constant_integers(1, "indices");
  bool neighbours = !places.empty() && node.shape(1).size() <= 1;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (places[i] < -x[axis] || places[i] >= x[axis]) {
      node.refuse("input 1 (indices): expected values in [{}, {}), found {}", -x[axis], x[axis],
                  places[i]);
    }
    if (places[i] < 0) places[i] += x[axis];
    neighbours = neighbours && (i == 0 || places[i] == places[i - 1] + 1);
  }
  if (!neighbours) {
    node.emit(Gather{.axis = static_cast<std::int64_t>(axis)}, {node.input(0), node.input(1)});
    return;
  }
  const auto along = static_cast<std::int64_t>(axis);
  const Slice slice{{places.front()}, {places.back() + 1}, {along}, {1}};
  if (!node.shape(1).empty()) {
    node.emit(slice, {node.input(0)});
    return;
  }
  Shape shape = x;
  shape.erase(shape.begin() + along);
  const ValueId part = node.emit(slice, {node.input(0)}, {{.output = kIntermediate}});
  node.emit(Reshape{shape}, {part});
}

namespace {

// name, function, inputs, outputs, folds, note
constexpr ImportRule kRules[] = {
    {"ConvInteger", import_conv_integer, 4, 1, false,
     "zero points 0, or dynamic made static; becomes Conv"},
    {"DynamicQuantizeLinear", import_dynamic_quantize, 1, 3, false,
     "made static: its operand itself, to be calibrated"},
    {"DynamicQuantizeMatMul", import_dynamic_product, 5, 1, false,
     "made static: MatMul and Add; com.microsoft", kMicrosoft},
    {"MatMulIntegerToFloat", import_dynamic_product, 7, 1, false,
     "made static: MatMul and Add; com.microsoft", kMicrosoft},
    {"DequantizeLinear", import_dequantize, 3, 1, false, "constant scale, per tensor or axis"},
    {"MatMulInteger", import_matmul_integer, 4, 1, false,
     "zero points 0, or dynamic made static; becomes MatMul"},
    {"QGemm", import_qgemm, 9, 1, false, "becomes Gemm between codes; com.microsoft", kMicrosoft},
    {"QLinearAdd", import_qlinear_binary, 8, 1, false, "becomes Add between codes; com.microsoft",
     kMicrosoft},
    {"QLinearAveragePool", import_qlinear_average_pool, 5, 1, false,
     "becomes AveragePool between codes; com.microsoft", kMicrosoft},
    {"QLinearConcat", import_qlinear_concat, kAnyNumber, 1, false,
     "becomes Concat between codes; com.microsoft", kMicrosoft},
    {"QLinearConv", import_qlinear_conv, 9, 1, false, "becomes Conv between codes"},
    {"QLinearGlobalAveragePool", import_qlinear_global_average_pool, 5, 1, false,
     "becomes AveragePool between codes; com.microsoft", kMicrosoft},
    {"QLinearLeakyRelu", import_qlinear_activation, 5, 1, false,
     "becomes LeakyRelu between codes; com.microsoft", kMicrosoft},
    {"QLinearMatMul", import_qlinear_matmul, 8, 1, false, "becomes MatMul between codes"},
    {"QLinearMul", import_qlinear_binary, 8, 1, false, "becomes Mul between codes; com.microsoft",
     kMicrosoft},
    {"QLinearReduceMean", import_qlinear_reduce_mean, 5, 1, false,
     "becomes ReduceMean between codes; com.microsoft", kMicrosoft},
    {"QLinearSigmoid", import_qlinear_activation, 5, 1, false,
     "becomes Sigmoid between codes; com.microsoft", kMicrosoft},
    {"QLinearSoftmax", import_qlinear_softmax, 5, 1, false,
     "becomes Softmax between codes; com.microsoft", kMicrosoft},
    {"QLinearWhere", import_qlinear_where, 9, 1, false,
     "becomes Where between codes; com.microsoft", kMicrosoft},
    {"QuantizeLinear", import_quantize, 3, 1, true, "constant scale, per tensor or axis"},
    {"RequantShift", import_requant_shift, 3, 1, false, "Deeploy, of any domain", kAnyDomain},
};

}  // namespace

std::span<const ImportRule> code_rules() { return kRules; }

}  // namespace workbench::importer
