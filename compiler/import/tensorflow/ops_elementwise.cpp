// Operators that work on each element alone, and those that are another activation in disguise.
#include <algorithm>
#include <cmath>
#include <limits>

#include "compiler/import/tensor_proto.h"
#include "compiler/import/tensorflow/converter.h"
#include "compiler/import/tensorflow/slicing.h"

namespace workbench::importer::tensorflow {

namespace {

constexpr float kLowest = std::numeric_limits<float>::lowest();
constexpr float kHighest = std::numeric_limits<float>::max();

Shape padded(const Shape& shape, std::size_t rank) {
  Shape result(rank - shape.size(), 1);
  result.insert(result.end(), shape.begin(), shape.end());
  return result;
}

// A list along the flattened map that an operand is stored as: in the order of that map.
Constant flattened_constant(const Constant& constant, const Arrangement& arrangement) {
  const Arrangement map{.axes = arrangement.axes, .flattened = {}};
  const Shape shape = unflattened_shape(arrangement);
  return reshaped(transposed(reshaped(constant, shape), storing_order(map)),
                  {shape[0], constant.size() / shape[0]});
}

bool is_one_number(const Value& value) { return element_count(value.shape) == 1; }

// Whether `constant` has one value per index of the last of `rank` dimensions, or one for all.
bool is_per_channel(const Shape& shape, std::size_t rank) {
  const Shape all = padded(shape, std::max(rank, shape.size()));
  return std::ranges::all_of(all.begin(), all.end() - 1, [](std::int64_t v) { return v == 1; });
}

// A flattened map stays one only beside numbers and lists that can follow it.
Arrangement operand_arrangement(const Op& op, const Shape& shape) {
  Arrangement wanted = op.preferred(shape.size());
  if (wanted.flattened.empty()) return wanted;
  const Shape map = unflattened_shape(wanted);
  for (std::size_t i = 0; i < op.input_count(); ++i) {
    const Value& value = op.value(i);
    const bool follows = value.constant && !value.fake_quant && map[0] == 1 &&
                         element_count(value.shape) == element_count(map);
    const bool same = !value.constant && op.arrangement(i) == wanted && value.shape == shape;
    if (!is_one_number(value) && !follows && !same) return plain(shape.size());
  }
  return wanted;
}

void check_within_dilation(const Op& op, const Shape& shape) {
  bool dilated = false;
  for (std::size_t i = 0; i < op.input_count(); ++i) {
    if (!op.value(i).dilation) continue;
    dilated = true;
    if (op.shape(i) != shape) op.refuse("expected no broadcasting of what SpaceToBatchND wrote");
  }
  for (std::size_t i = 0; dilated && i < op.input_count(); ++i) {
    if (op.value(i).dilation || is_per_channel(op.shape(i), shape.size())) continue;
    op.refuse(
        "input {}: expected one number per channel between SpaceToBatchND and BatchToSpaceND, "
        "found {}",
        i, workbench::to_string(op.shape(i)));
  }
}

Shape result_shape(const Op& op) {
  Shape shape = op.shape(0);
  for (std::size_t i = 1; i < op.input_count(); ++i) {
    const auto both = broadcast(shape, op.shape(i));
    if (!both) {
      op.refuse("expected operands that broadcast, found {} and {}", workbench::to_string(shape),
                workbench::to_string(op.shape(i)));
    }
    shape = *both;
  }
  check_within_dilation(op, shape);
  return shape;
}

std::string operator_name(const Op& op) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"AddV2", "Add"},
      {"BiasAdd", "Add"},
      {"BiasAddV1", "Add"},
      {"RealDiv", "Div"},
      {"Maximum", "Max"},
      {"Minimum", "Min"},
      {"GreaterEqual", "GreaterOrEqual"},
      {"LessEqual", "LessOrEqual"},
      {"LogicalAnd", "And"},
      {"LogicalOr", "Or"},
      {"LogicalNot", "Not"},
      {"Rint", "Round"},
      {"Inv", "Reciprocal"}};
  for (const auto& [name, onnx] : kNames) {
    if (name == op.kind()) return std::string(onnx);
  }
  return op.kind();
}

void emit_binary(Op& op, const std::string& onnx_op) {
  const Shape shape = result_shape(op);
  const Arrangement arrangement = operand_arrangement(op, shape);
  std::vector<std::string> inputs;
  for (std::size_t i = 0; i < op.input_count(); ++i) {
    inputs.push_back(broadcast_operand(op, i, shape.size(), arrangement));
  }
  if (op.is_constant(0) && op.input_count() > 1) op.set_type(op.value(1).type);
  op.emit(onnx_op, inputs, shape, arrangement);
}

void check_operands(const Op& op, std::size_t count) {
  if (op.input_count() != count) {
    op.refuse("expected {} inputs, found {}", count, op.input_count());
  }
}

void convert_binary(Op& op) {
  check_operands(op, 2);
  emit_binary(op, operator_name(op));
}

void convert_comparison(Op& op) {
  check_operands(op, 2);
  op.set_type(DataType::Bool);
  const Shape shape = result_shape(op);
  const Arrangement arrangement = operand_arrangement(op, shape);
  op.emit(operator_name(op),
          {broadcast_operand(op, 0, shape.size(), arrangement),
           broadcast_operand(op, 1, shape.size(), arrangement)},
          shape, arrangement);
}

void convert_not_equal(Op& op) {
  check_operands(op, 2);
  op.set_type(DataType::Bool);
  const Shape shape = result_shape(op);
  const Arrangement arrangement = operand_arrangement(op, shape);
  const std::string equal = op.step("Equal", {broadcast_operand(op, 0, shape.size(), arrangement),
                                              broadcast_operand(op, 1, shape.size(), arrangement)});
  op.emit("Not", {equal}, shape, arrangement);
}

void convert_bias_add(Op& op) {
  check_operands(op, 2);
  if (op.shape(1).size() != 1) {
    op.refuse("input 1 (bias): expected a list, found {}", workbench::to_string(op.shape(1)));
  }
  const Shape& x = op.shape(0);
  if (op.channels_last() || x.size() < 3) return emit_binary(op, "Add");
  if (x[1] != op.shape(1)[0]) {
    op.refuse("input 1 (bias): expected {} values, found {}", x[1], op.shape(1)[0]);
  }
  Shape shape(x.size(), 1);
  shape[1] = x[1];
  op.emit("Add", {op.plain(0), op.initializer("bias", reshaped(op.constant(1, "bias"), shape))}, x,
          plain(x.size()));
}

void convert_div_no_nan(Op& op) {
  check_operands(op, 2);
  for (const float v : op.constant(1, "y").reals()) {
    if (v == 0) op.refuse("input 1 (y): expected values other than 0, found 0");
  }
  emit_binary(op, "Div");
}

void convert_squared_difference(Op& op) {
  check_operands(op, 2);
  const Shape shape = result_shape(op);
  const Arrangement arrangement = operand_arrangement(op, shape);
  const std::string difference =
      op.step("Sub", {broadcast_operand(op, 0, shape.size(), arrangement),
                      broadcast_operand(op, 1, shape.size(), arrangement)});
  op.emit("Mul", {difference, difference}, shape, arrangement);
}

void convert_floor_div(Op& op) {
  check_operands(op, 2);
  if (!is_real(op.value(0).type)) op.refuse("expected real numbers");
  const Shape shape = result_shape(op);
  const Arrangement arrangement = operand_arrangement(op, shape);
  const std::string quotient =
      op.step("Div", {broadcast_operand(op, 0, shape.size(), arrangement),
                      broadcast_operand(op, 1, shape.size(), arrangement)});
  op.emit("Floor", {quotient}, shape, arrangement);
}

void convert_add_n(Op& op) { emit_binary(op, op.input_count() == 1 ? "Identity" : "Sum"); }

void convert_select(Op& op) {
  check_operands(op, 3);
  const bool same = op.shape(0) == op.shape(1) || is_one_number(op.value(0));
  if (op.kind() == "Select" && !same) {
    op.refuse("input 0 (condition): expected the shape of the others, found {}",
              workbench::to_string(op.shape(0)));
  }
  op.set_type(op.value(1).type);
  const Shape shape = result_shape(op);
  const Arrangement arrangement = operand_arrangement(op, shape);
  std::vector<std::string> inputs;
  for (std::size_t i = 0; i < 3; ++i) {
    inputs.push_back(broadcast_operand(op, i, shape.size(), arrangement));
  }
  op.emit("Where", inputs, shape, arrangement);
}

// Cutting off. Minimum, Maximum, Relu and Relu6 behind each other are one Clip.

void emit_clip(Op& op, int value_id, float low, float high) {
  const Value& value = op.converter().value(value_id);
  if (value.clipped && value.clipped->low == low && value.clipped->high == high) {
    return op.bind(0, value_id);
  }
  const Clipped clipped{
      .value_id = value.clipped ? value.clipped->value_id : value_id, .low = low, .high = high};
  const Value& source = op.converter().value(clipped.value_id);
  const Shape shape = source.shape;
  const Arrangement arrangement =
      source.constant ? plain(shape.size()) : source.forms.front().arrangement;
  const std::string x = op.converter().stored(clipped.value_id, arrangement);
  if (low == 0 && high == kHighest) {
    op.emit("Relu", {x}, shape, arrangement);
  } else {
    const auto bound = [&](const std::string& name, float v, float none) {
      return v == none ? std::string() : op.initializer(name, scalar(v));
    };
    op.emit("Clip", {x, bound("min", low, kLowest), bound("max", high, kHighest)}, shape,
            arrangement);
  }
  op.result().clipped = clipped;
}

// The bounds of operand `i` so far.
std::pair<float, float> bounds(const Op& op, std::size_t i) {
  const auto& clipped = op.value(i).clipped;
  return clipped ? std::pair(clipped->low, clipped->high) : std::pair(kLowest, kHighest);
}

void convert_relu(Op& op) {
  check_operands(op, 1);
  const float top = op.kind() == "Relu6" ? 6.0F : kHighest;
  const auto [low, high] = bounds(op, 0);
  emit_clip(op, op.value_id(0), std::min(std::max(low, 0.0F), top),
            std::min(std::max(high, 0.0F), top));
}

// max(x, a * x) with a in [0, 1].
bool convert_leaky_maximum(Op& op) {
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
    if (op.is_constant(i) || op.value(i).dilation) continue;
    const Op product = op.writer(i);
    if (product.kind() != "Mul" || product.input_count() != 2) continue;
    for (const std::size_t k : {std::size_t{0}, std::size_t{1}}) {
      if (!product.is_constant(k) || !is_one_number(product.value(k))) continue;
      const Constant& factor = product.constant(k, "factor");
      if (!factor.holds_reals() || product.peek(1 - k) != op.value_id(1 - i)) continue;
      const float alpha = factor.reals()[0];
      if (!(alpha >= 0 && alpha <= 1)) continue;
      const Arrangement arrangement = op.arrangement(1 - i);
      attribute(op.emit("LeakyRelu", {op.stored(1 - i, arrangement)}, op.shape(1 - i), arrangement),
                "alpha", alpha);
      return true;
    }
  }
  return false;
}

void convert_extremum(Op& op) {
  check_operands(op, 2);
  const bool maximum = op.kind() == "Maximum";
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
    const Value& bound = op.value(i);
    if (!bound.constant || !bound.constant->holds_reals() || !is_one_number(bound)) continue;
    if (op.is_constant(1 - i) || bound.shape.size() > op.shape(1 - i).size()) continue;
    const float v = bound.constant->reals()[0];
    const auto [low, high] = bounds(op, 1 - i);
    if (std::isnan(v)) op.refuse("input {}: expected a number, found nan", i);
    return emit_clip(op, op.value_id(1 - i), maximum ? std::max(low, v) : std::min(low, v),
                     maximum ? std::max(high, v) : std::min(high, v));
  }
  if (maximum && convert_leaky_maximum(op)) return;
  emit_binary(op, operator_name(op));
}

// A product of constant factors and something, as spelled by Mul and Neg.
struct Scaled {
  Op source;
  Constant factor;
};

std::optional<Constant> product(const Constant& a, const Constant& b) {
  if (!a.holds_reals() || !b.holds_reals()) return std::nullopt;
  const bool left = a.size() >= b.size();
  Constant result = left ? a : b;
  const Reals& other = left ? b.reals() : a.reals();
  if (other.size() != 1 && other.size() != result.reals().size()) return std::nullopt;
  auto& values = std::get<Reals>(result.values);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] *= other[other.size() == 1 ? 0 : i];
  return result;
}

Scaled peel_factors(const Op& op) {
  Scaled scaled{op, scalar(1)};
  for (int depth = 0; depth < 4; ++depth) {
    const Op at = scaled.source;
    if (at.kind() == "Neg" && at.input_count() == 1 && !at.is_constant(0)) {
      scaled = {at.writer(0), *product(scaled.factor, scalar(-1))};
      continue;
    }
    if (at.kind() != "Mul" || at.input_count() != 2) break;
    const std::size_t k = at.is_constant(0) ? 0 : 1;
    if (!at.is_constant(k) || at.is_constant(1 - k)) break;
    const auto factor = product(scaled.factor, at.constant(k, "factor"));
    if (!factor) break;
    scaled = {at.writer(1 - k), *factor};
  }
  return scaled;
}

// The slope below zero where the other summand of relu(x) is slope * min(x, 0): spelled
// a * (x - |x|) / 2, or -a * relu(-x).
std::optional<Constant> slope_of(const Op& summand, int x) {
  const Scaled scaled = peel_factors(summand);
  const Op& core = scaled.source;
  if (core.kind() == "Sub" && core.input_count() == 2 && !core.is_constant(0) &&
      !core.is_constant(1)) {
    const Op absolute = core.writer(1);
    if (absolute.kind() != "Abs" || absolute.peek(0) != x || core.peek(0) != x) {
      return std::nullopt;
    }
    return product(scaled.factor, scalar(2));
  }
  if (core.kind() == "Relu" && core.input_count() == 1 && !core.is_constant(0)) {
    const Op negative = core.writer(0);
    if (negative.kind() != "Neg" || negative.peek(0) != x) return std::nullopt;
    return product(scaled.factor, scalar(-1));
  }
  return std::nullopt;
}

bool convert_prelu(Op& op) {
  if (op.is_constant(0) || op.is_constant(1)) return false;
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
    const Op relu = op.writer(i);
    if (relu.kind() != "Relu" || relu.input_count() != 1) continue;
    const int x = relu.peek(0);
    if (x < 0) continue;
    const auto slope = slope_of(op.writer(1 - i), x);
    const Value source = op.converter().value(x);
    if (!slope || source.constant || source.dilation) continue;
    if (broadcast(source.shape, slope->shape) != source.shape) continue;
    const Arrangement arrangement = source.forms.front().arrangement;
    if (!arrangement.flattened.empty()) continue;
    const std::string stored = op.converter().stored(x, arrangement);
    if (slope->size() == 1) {
      attribute(op.emit("LeakyRelu", {stored}, source.shape, arrangement), "alpha",
                slope->reals()[0]);
      return true;
    }
    const Shape wide = padded(slope->shape, source.shape.size());
    const Constant turned = transposed(reshaped(*slope, wide), storing_order(arrangement));
    op.emit("PRelu", {stored, op.initializer("slope", turned)}, source.shape, arrangement);
    return true;
  }
  return false;
}

void convert_add(Op& op) {
  check_operands(op, 2);
  if (!convert_prelu(op)) emit_binary(op, "Add");
}

void convert_unary(Op& op) {
  check_operands(op, 1);
  emit_unary(op, operator_name(op));
}

void convert_leaky_relu(Op& op) {
  check_operands(op, 1);
  attribute(emit_unary(op, "LeakyRelu"), "alpha", op.real("alpha", 0.2F));
}

void convert_negative(Op& op) {
  check_operands(op, 1);
  const float minus = -1;
  if (!is_real(op.value(0).type)) op.refuse("expected real numbers");
  emit_unary(op, "Mul", {op.initializer("minus", scalar(minus))});
}

void convert_square(Op& op) {
  check_operands(op, 1);
  const Arrangement arrangement = op.preferred(op.shape(0).size());
  const std::string x =
      op.stored(0, arrangement.flattened.empty() ? arrangement : op.arrangement(0));
  op.emit("Mul", {x, x}, op.shape(0),
          arrangement.flattened.empty() ? arrangement : op.arrangement(0));
}

void convert_rsqrt(Op& op) {
  check_operands(op, 1);
  const Arrangement arrangement = op.arrangement(0);
  const std::string root = op.step("Sqrt", {op.stored(0, arrangement)});
  op.emit("Div", {op.initializer("one", scalar(1)), root}, op.shape(0), arrangement);
}

void convert_cast(Op& op) {
  check_operands(op, 1);
  const DataType type = op.type("DstT", DataType::Float);
  if (!is_real(type) && !is_integer(type)) {
    op.refuse("attribute 'DstT': expected numbers, found {}", to_string(type));
  }
  if (is_real(type) && is_real(op.value(0).type)) return op.bind(0, op.value_id(0));
  op.set_type(type);
  attribute(emit_unary(op, "Cast"), "to", std::int64_t{onnx_type(tensorflow::element_type(type))});
}

constexpr Rule kRules[] = {
    {"Abs", convert_unary, true},
    {"Add", convert_add, true},
    {"AddN", convert_add_n, true},
    {"AddV2", convert_add, true},
    {"BiasAdd", convert_bias_add, true},
    {"BiasAddV1", convert_bias_add, true},
    {"Cast", convert_cast, true},
    {"Ceil", convert_unary, true},
    {"Cos", convert_unary, true},
    {"Div", convert_binary, true},
    {"DivNoNan", convert_div_no_nan, true},
    {"Elu", convert_unary, true},
    {"Equal", convert_comparison, true},
    {"Erf", convert_unary, true},
    {"Exp", convert_unary, true},
    {"Floor", convert_unary, true},
    {"FloorDiv", convert_floor_div, true},
    {"Greater", convert_comparison, true},
    {"GreaterEqual", convert_comparison, true},
    {"Inv", convert_unary, true},
    {"LeakyRelu", convert_leaky_relu, true},
    {"Less", convert_comparison, true},
    {"LessEqual", convert_comparison, true},
    {"Log", convert_unary, true},
    {"LogicalAnd", convert_comparison, true},
    {"LogicalNot", convert_unary, true},
    {"LogicalOr", convert_comparison, true},
    {"Maximum", convert_extremum, true},
    {"Minimum", convert_extremum, true},
    {"Mul", convert_binary, true},
    {"Neg", convert_negative, true},
    {"NotEqual", convert_not_equal, true},
    {"Pow", convert_binary, true},
    {"RealDiv", convert_binary, true},
    {"Reciprocal", convert_unary, true},
    {"Relu", convert_relu, true},
    {"Relu6", convert_relu, true},
    {"Rint", convert_unary, true},
    {"Round", convert_unary, true},
    {"Rsqrt", convert_rsqrt, true},
    {"Select", convert_select, true},
    {"SelectV2", convert_select, true},
    {"Selu", convert_unary, true},
    {"Sigmoid", convert_unary, true},
    {"Sign", convert_unary, true},
    {"Sin", convert_unary, true},
    {"Softplus", convert_unary, true},
    {"Softsign", convert_unary, true},
    {"Sqrt", convert_unary, true},
    {"Square", convert_square, true},
    {"SquaredDifference", convert_squared_difference, true},
    {"Sub", convert_binary, true},
    {"Tanh", convert_unary, true},
};

}  // namespace

std::string broadcast_operand(Op& op, std::size_t i, std::size_t rank,
                              const Arrangement& arrangement) {
  const Value& value = op.value(i);
  const Shape shape = value.shape;
  if (element_count(shape) == 1 && shape.size() <= rank && value.constant) return op.plain(i);
  if (!arrangement.flattened.empty()) {
    if (!value.constant) {
      return op.arrangement(i) == arrangement ? op.stored(i, arrangement) : op.plain(i);
    }
    return op.initializer("operand", flattened_constant(*value.constant, arrangement));
  }
  if (shape.size() == rank) return op.stored(i, arrangement);
  const Shape wide = padded(shape, rank);
  if (value.constant && !value.fake_quant) {
    return op.converter().initializer(
        value.name, transposed(reshaped(*value.constant, wide), storing_order(arrangement)));
  }
  const auto reshaped_to = [&](const Shape& wanted) {
    const std::string sizes = op.builder().list(op.name() + "/shape", wanted);
    return op.step("Reshape", {op.plain(i), sizes});
  };
  if (same_memory(wide, plain(rank), arrangement)) {
    return reshaped_to(stored_shape(wide, arrangement));
  }
  std::string turned = op.step("Transpose", {reshaped_to(wide)});
  attribute(op.builder().last(), "perm", transposition(plain(rank), arrangement));
  return turned;
}

onnx::NodeProto& emit_unary(Op& op, const std::string& onnx_op,
                            const std::vector<std::string>& more) {
  const bool flattened = !op.arrangement(0).flattened.empty();
  const Arrangement arrangement = flattened ? op.arrangement(0) : op.preferred(op.shape(0).size());
  std::vector<std::string> inputs{op.stored(0, arrangement)};
  inputs.insert(inputs.end(), more.begin(), more.end());
  return op.emit(onnx_op, inputs, op.shape(0), arrangement);
}

std::span<const Rule> elementwise_rules() { return kRules; }

}  // namespace workbench::importer::tensorflow
