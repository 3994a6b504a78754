// Operators that compute with single elements, reductions, normalisations, and conversions.
#include <algorithm>
#include <cmath>

#include "compiler/import/tensor_proto.h"
#include "compiler/import/tflite/converter.h"
#include "core/error.h"

namespace workbench::importer::tflite {

namespace {

// The ONNX operators of the same meaning.
struct Named {
  std::string_view tflite, onnx;
};

std::string onnx_name(const Step& step, std::span<const Named> table) {
  const auto found = std::ranges::find(table, step.op.name, &Named::tflite);
  CHECK(found != table.end(), "no name for {}", step.op.name);
  return std::string(found->onnx);
}

// The result has the shape and the view of operand 0; `compute` makes its value of the operand's.
template <typename Compute>
void element_wise(Step& step, Compute compute) {
  Converter& net = step.net;
  View view = net.view(step.in(0));
  const Shape shape = step.shape(0);
  view.value = compute(view.value);
  net.write(step.out(), shape, std::move(view), true);
}

void convert_unary(Step& step) {
  static constexpr Named kNames[] = {{"ABS", "Abs"},
                                     {"CEIL", "Ceil"},
                                     {"COS", "Cos"},
                                     {"ELU", "Elu"},
                                     {"EXP", "Exp"},
                                     {"FLOOR", "Floor"},
                                     {"HARD_SWISH", "HardSwish"},
                                     {"LOG", "Log"},
                                     {"LOGICAL_NOT", "Not"},
                                     {"LOGISTIC", "Sigmoid"},
                                     {"NEG", "Neg"},
                                     {"RELU", "Relu"},
                                     {"ROUND", "Round"},
                                     {"SIGN", "Sign"},
                                     {"SIN", "Sin"},
                                     {"SQRT", "Sqrt"},
                                     {"TANH", "Tanh"}};
  const std::string onnx = onnx_name(step, kNames);
  element_wise(step, [&](const std::string& x) { return step.emit(onnx, {x}); });
}

void convert_clip(Step& step) {
  const float low = step.op.name == "RELU_N1_TO_1" ? -1.0F : 0.0F;
  const float high = step.op.name == "RELU6" ? 6.0F : 1.0F;
  element_wise(step, [&](const std::string& x) {
    return step.emit("Clip", {x, step.scalar(low), step.scalar(high)});
  });
}

void convert_leaky_relu(Step& step) {
  const auto* options = options_of<wire::LeakyRelu>(step.op, wire::Options::LeakyRelu);
  element_wise(step, [&](const std::string& x) {
    const std::string y = step.emit("LeakyRelu", {x});
    step.set("alpha", options == nullptr ? 0.0F : options->alpha());
    return y;
  });
}

void convert_square(Step& step) {
  element_wise(step, [&](const std::string& x) { return step.emit("Mul", {x, x}); });
}

void convert_rsqrt(Step& step) {
  element_wise(step, [&](const std::string& x) {
    return step.emit("Div", {step.scalar(1), step.emit("Sqrt", {x})});
  });
}

// x/2 (1 + erf(x/sqrt 2)), or its approximation by tanh.
void convert_gelu(Step& step) {
  const auto* options = options_of<wire::Gelu>(step.op, wire::Options::Gelu);
  element_wise(step, [&](const std::string& x) {
    std::string inner;
    if (options != nullptr && options->approximate()) {
      const std::string cube = step.emit("Mul", {step.emit("Mul", {x, x}), x});
      const std::string bent =
          step.emit("Add", {x, step.emit("Mul", {cube, step.scalar(0.044715F)})});
      inner = step.emit("Tanh", {step.emit("Mul", {bent, step.scalar(0.7978845608F)})});
    } else {
      inner = step.emit("Erf", {step.emit("Mul", {x, step.scalar(0.70710678F)})});
    }
    const std::string gate = step.emit("Add", {inner, step.scalar(1)});
    return step.emit("Mul", {step.emit("Mul", {x, step.scalar(0.5F)}), gate});
  });
}

int activation_of(const Step& step) {
  for (const wire::Options kind :
       {wire::Options::Add, wire::Options::Mul, wire::Options::Sub, wire::Options::Div}) {
    if (const auto* options = options_of<wire::Arithmetic>(step.op, kind)) {
      return options->activation();
    }
  }
  return 0;
}

// Both operands in one order, with numpy's broadcasting; `compute` makes the result of their names.
template <typename Compute>
void broadcast(Step& step, std::size_t first, Compute compute) {
  Integers order = identity_order(0);
  Shape shape;
  order = step.common_order();
  for (std::size_t i = first; i < step.inputs(); ++i) shape = step.broadcast(shape, step.shape(i));
  std::vector<std::string> operands;
  for (std::size_t i = 0; i < step.inputs(); ++i) {
    operands.push_back(step.broadcast_value(i, order));
  }
  step.finish(compute(operands), shape, order);
}

void convert_binary(Step& step) {
  static constexpr Named kNames[] = {{"ADD", "Add"},
                                     {"DIV", "Div"},
                                     {"EQUAL", "Equal"},
                                     {"GREATER", "Greater"},
                                     {"GREATER_EQUAL", "GreaterOrEqual"},
                                     {"LESS", "Less"},
                                     {"LESS_EQUAL", "LessOrEqual"},
                                     {"LOGICAL_AND", "And"},
                                     {"LOGICAL_OR", "Or"},
                                     {"MUL", "Mul"},
                                     {"POW", "Pow"},
                                     {"SUB", "Sub"}};
  const std::string onnx = onnx_name(step, kNames);
  broadcast(step, 0, [&](const std::vector<std::string>& x) {
    return step.activated(step.emit(onnx, {x.at(0), x.at(1)}), activation_of(step));
  });
}

void convert_not_equal(Step& step) {
  broadcast(step, 0, [&](const std::vector<std::string>& x) {
    return step.emit("Not", {step.emit("Equal", {x.at(0), x.at(1)})});
  });
}

void convert_squared_difference(Step& step) {
  broadcast(step, 0, [&](const std::vector<std::string>& x) {
    const std::string difference = step.emit("Sub", {x.at(0), x.at(1)});
    return step.emit("Mul", {difference, difference});
  });
}

void convert_floor_div(Step& step) {
  broadcast(step, 0, [&](const std::vector<std::string>& x) {
    return step.emit("Floor", {step.emit("Div", {x.at(0), x.at(1)})});
  });
}

void convert_floor_mod(Step& step) {
  broadcast(step, 0, [&](const std::vector<std::string>& x) {
    const std::string whole = step.emit("Floor", {step.emit("Div", {x.at(0), x.at(1)})});
    return step.emit("Sub", {x.at(0), step.emit("Mul", {whole, x.at(1)})});
  });
}

// With one constant number it is a Clip.
void convert_extreme(Step& step) {
  const bool is_max = step.op.name == "MAXIMUM";
  for (const std::size_t i : {std::size_t{1}, std::size_t{0}}) {
    const auto bound = step.known_scalar(i);
    const std::size_t x = 1 - i;
    if (!bound || step.rank(i) > step.rank(x)) continue;
    const Integers order = step.order(x);
    std::vector<std::string> operands{step.value(x, order), step.scalar(*bound)};
    if (!is_max) operands.insert(operands.begin() + 1, "");
    const Shape shape = step.shape(x);
    step.finish(step.emit("Clip", operands), shape, order);
    return;
  }
  broadcast(step, 0, [&](const std::vector<std::string>& x) {
    return step.emit(is_max ? "Max" : "Min", {x.at(0), x.at(1)});
  });
}

void convert_prelu(Step& step) {
  broadcast(step, 0, [&](const std::vector<std::string>& x) {
    return step.emit("PRelu", {x.at(0), x.at(1)});
  });
}

// SELECT of an older file has one condition per row where the ranks differ.
void convert_select(Step& step) {
  if (step.op.name == "SELECT" && step.shape(0) != step.shape(1) && step.rank(0) > 0) {
    step.refuse("input 0: expected a condition of shape {}, found {}", to_string(step.shape(1)),
                to_string(step.shape(0)));
  }
  broadcast(step, 0, [&](const std::vector<std::string>& x) {
    return step.emit("Where", {x.at(0), x.at(1), x.at(2)});
  });
}

void convert_add_n(Step& step) {
  broadcast(step, 0, [&](const std::vector<std::string>& x) {
    std::string sum = x.at(0);
    for (std::size_t i = 1; i < x.size(); ++i) sum = step.emit("Add", {sum, x[i]});
    return x.size() == 1 ? step.emit("Identity", {sum}) : sum;
  });
}

// Softmax and its like, along the last dimension.
void convert_softmax(Step& step) {
  const bool log = step.op.name == "LOG_SOFTMAX";
  if (step.rank(0) == 0) step.refuse("input 0: expected a list, found a number");
  const Integers order = step.order(0);
  const Shape shape = step.shape(0);
  std::string x = step.value(0, order);
  const auto* options = options_of<wire::Softmax>(step.op, wire::Options::Softmax);
  if (!log && options != nullptr && options->beta() != 1) {
    x = step.emit("Mul", {x, step.scalar(options->beta())});
  }
  const std::string y = step.emit(log ? "LogSoftmax" : "Softmax", {x});
  step.set("axis", inverse(order).back());
  step.finish(y, shape, order);
}

// x / max(|x|, 1e-6) along the last dimension.
void convert_l2_normalization(Step& step) {
  if (step.rank(0) == 0) step.refuse("input 0: expected a list, found a number");
  const Integers order = step.order(0);
  const Shape shape = step.shape(0);
  const std::string x = step.value(0, order);
  const std::string sum = step.emit(
      "ReduceSum", {step.emit("Mul", {x, x}), step.list(Integers{inverse(order).back()})});
  step.set("keepdims", std::int64_t{1});
  const std::string length = step.emit("Clip", {step.emit("Sqrt", {sum}), step.scalar(1e-6F)});
  step.finish(step.emit("Div", {x, length}), shape, order);
}

// ONNX divides alpha by the size.
void convert_local_response(Step& step) {
  const auto* options = options_of<wire::LocalResponse>(step.op, wire::Options::LocalResponse);
  if (options == nullptr) step.refuse("expected builtin_options, found none");
  step.want_rank(0, 4);
  constexpr int kMostRadius = 1 << 16;
  if (options->radius() < 0 || options->radius() > kMostRadius) {
    step.refuse("radius: expected 0 to {}, found {}", kMostRadius, options->radius());
  }
  const std::int64_t size = 2 * std::int64_t{options->radius()} + 1;
  const Shape shape = step.shape(0);
  const std::string y = step.emit("LRN", {step.value(0, channels_first(4))});
  step.set("size", size);
  step.set("alpha", options->alpha() * static_cast<float>(size));
  step.set("beta", options->beta());
  step.set("bias", options->bias());
  step.finish(y, shape, channels_first(4));
}

void convert_reduce(Step& step) {
  static constexpr Named kNames[] = {{"MEAN", "ReduceMean"},
                                     {"REDUCE_MAX", "ReduceMax"},
                                     {"REDUCE_MIN", "ReduceMin"},
                                     {"REDUCE_PROD", "ReduceProd"},
                                     {"SUM", "ReduceSum"}};
  const auto* options = options_of<wire::Reducer>(step.op, wire::Options::Reducer);
  const bool keeps = options != nullptr && options->keep_dims();
  const Shape x = step.shape(0);
  const Integers order = step.order(0);
  std::set<std::size_t> reduced;
  for (const std::int64_t axis : step.integers(1, "axes")) {
    reduced.insert(step.axis(axis, x.size()));
  }
  if (reduced.empty())
    return element_wise(step, [&](const std::string& v) { return step.emit("Identity", {v}); });
  Integers axes;
  Shape kept = x;
  for (const std::size_t d : reduced) {
    axes.push_back(inverse(order)[d]);
    kept[d] = 1;
  }
  std::ranges::sort(axes);
  std::vector<std::string> operands{step.value(0, order)};
  const bool is_sum = step.op.name == "SUM";  // whose axes are an operand from opset 13 on
  if (is_sum) operands.push_back(step.list(axes));
  const std::string y = step.emit(onnx_name(step, kNames), operands);
  if (!is_sum) step.set("axes", axes);
  step.set("keepdims", std::int64_t{keeps});
  if (keeps) return step.finish(y, kept, order);
  const auto [shape, left] = without(kept, order, reduced);
  step.finish(y, shape, left);
}

ElementType result_type(const Step& step, Type type) {
  const auto found = number_type(type);
  if (!found) step.refuse("expected a result of numbers, found {}", type_name(type));
  return *found;
}

void convert_arg(Step& step) {
  const Integers axis = step.integers(1, "axis");
  if (axis.size() != 1) step.refuse("input 1 (axis): expected one, found {}", to_string(axis));
  const Shape x = step.shape(0);
  const std::size_t along = step.axis(axis[0], x.size());
  const Integers order = step.order(0);
  std::string y =
      step.emit(step.op.name == "ARG_MAX" ? "ArgMax" : "ArgMin", {step.value(0, order)});
  step.set("axis", inverse(order)[along]);
  step.set("keepdims", std::int64_t{0});
  if (step.net.info(step.out()).type == Type::Int32) {
    y = step.emit("Cast", {y});
    step.set("to", std::int64_t{onnx_type(ElementType::Int32)});
  }
  const auto [shape, left] = without(x, order, {along});
  step.finish(y, shape, left);
}

void convert_cast(Step& step) {
  const Converter& net = step.net;
  const ElementType to = result_type(step, net.info(step.out()).type);
  const bool from_real = net.info(step.in(0)).scales.has_value();
  const bool same = to == result_type(step, net.info(step.in(0)).type) ||
                    (from_real && to == ElementType::Float32);
  element_wise(step, [&](const std::string& x) {
    if (same) return step.emit("Identity", {x});
    std::string y = step.emit("Cast", {x});
    step.set("to", std::int64_t{onnx_type(to)});
    return y;
  });
}

// What is rounded is rounded where the result is written.
void convert_quantize(Step& step) {
  Converter& net = step.net;
  const View view = net.view(step.in(0));
  const Shape shape = step.shape(0);
  net.write(step.out(), shape, view, false);
}

void convert_dequantize(Step& step) {
  Converter& net = step.net;
  const int in = step.in(0);
  if (net.is_constant(in)) return net.set_constant(step.out(), net.real_constant(in));
  convert_quantize(step);
}

void convert_cumulative_sum(Step& step) {
  const auto* options = options_of<wire::CumulativeSum>(step.op, wire::Options::CumulativeSum);
  const Integers axis = step.integers(1, "axis");
  if (axis.size() != 1) step.refuse("input 1 (axis): expected one, found {}", to_string(axis));
  const Shape shape = step.shape(0);
  const Integers order = step.order(0);
  const std::size_t along = step.axis(axis[0], shape.size());
  const std::string place =
      step.net.model().constant(step.name + "_axis", Tensor::scalar(inverse(order)[along]));
  const std::string y = step.emit("CumSum", {step.value(0, order), place});
  step.set("exclusive", std::int64_t{options != nullptr && options->exclusive()});
  step.set("reverse", std::int64_t{options != nullptr && options->reverse()});
  step.finish(y, shape, order);
}

void convert_zeros_like(Step& step) {
  step.net.set_constant(
      step.out(), Tensor::zeros(result_type(step, step.net.info(step.out()).type), step.shape(0)));
}

// FILL, RANGE, RANK, SHAPE: known at import, or not at all (fold.cpp).
void convert_known(Step& step) {
  step.refuse("expected operands known before the network runs, found others");
}

constexpr Rule kRules[] = {
    {"ABS", convert_unary},
    {"ADD", convert_binary},
    {"ADD_N", convert_add_n},
    {"ARG_MAX", convert_arg},
    {"ARG_MIN", convert_arg},
    {"CAST", convert_cast},
    {"CEIL", convert_unary},
    {"COS", convert_unary},
    {"CUMSUM", convert_cumulative_sum},
    {"DEQUANTIZE", convert_dequantize},
    {"DIV", convert_binary},
    {"ELU", convert_unary},
    {"EQUAL", convert_binary},
    {"EXP", convert_unary},
    {"FILL", convert_known},
    {"FLOOR", convert_unary},
    {"FLOOR_DIV", convert_floor_div},
    {"FLOOR_MOD", convert_floor_mod},
    {"GELU", convert_gelu},
    {"GREATER", convert_binary},
    {"GREATER_EQUAL", convert_binary},
    {"HARD_SWISH", convert_unary},
    {"L2_NORMALIZATION", convert_l2_normalization},
    {"LEAKY_RELU", convert_leaky_relu},
    {"LESS", convert_binary},
    {"LESS_EQUAL", convert_binary},
    {"LOCAL_RESPONSE_NORMALIZATION", convert_local_response},
    {"LOG", convert_unary},
    {"LOGICAL_AND", convert_binary},
    {"LOGICAL_NOT", convert_unary},
    {"LOGICAL_OR", convert_binary},
    {"LOGISTIC", convert_unary},
    {"LOG_SOFTMAX", convert_softmax},
    {"MAXIMUM", convert_extreme},
    {"MEAN", convert_reduce},
    {"MINIMUM", convert_extreme},
    {"MUL", convert_binary},
    {"NEG", convert_unary},
    {"NOT_EQUAL", convert_not_equal},
    {"POW", convert_binary},
    {"PRELU", convert_prelu},
    {"QUANTIZE", convert_quantize},
    {"RANGE", convert_known},
    {"RANK", convert_known},
    {"REDUCE_MAX", convert_reduce},
    {"REDUCE_MIN", convert_reduce},
    {"REDUCE_PROD", convert_reduce},
    {"RELU", convert_unary},
    {"RELU6", convert_clip},
    {"RELU_0_TO_1", convert_clip},
    {"RELU_N1_TO_1", convert_clip},
    {"ROUND", convert_unary},
    {"RSQRT", convert_rsqrt},
    {"SELECT", convert_select},
    {"SELECT_V2", convert_select},
    {"SHAPE", convert_known},
    {"SIGN", convert_unary},
    {"SIN", convert_unary},
    {"SOFTMAX", convert_softmax},
    {"SQRT", convert_unary},
    {"SQUARE", convert_square},
    {"SQUARED_DIFFERENCE", convert_squared_difference},
    {"SUB", convert_binary},
    {"SUM", convert_reduce},
    {"TANH", convert_unary},
    {"ZEROS_LIKE", convert_zeros_like},
};

}  // namespace

std::span<const Rule> arithmetic_rules() { return kRules; }

}  // namespace workbench::importer::tflite
