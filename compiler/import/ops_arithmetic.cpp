// Operators that compute: elementwise, normalisations, matrix products, reductions.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "compiler/import/code_clips.h"
#include "compiler/import/node_reader.h"

namespace workbench::importer {

namespace {

Activation::Kind activation_kind(const NodeReader& node) {
  using Kind = Activation::Kind;
  constexpr std::pair<std::string_view, Kind> kKinds[] = {{"Relu", Kind::Relu},
                                                          {"LeakyRelu", Kind::LeakyRelu},
                                                          {"Sigmoid", Kind::Sigmoid},
                                                          {"Tanh", Kind::Tanh},
                                                          {"Exp", Kind::Exp},
                                                          {"HardSigmoid", Kind::HardSigmoid},
                                                          {"HardSwish", Kind::HardSwish}};
  for (const auto& [name, kind] : kKinds) {
    if (name == node.op()) return kind;
  }
  CHECK(false, "{} is no activation", node.op());
}

Binary::Kind binary_kind(const NodeReader& node) {
  if (node.op() == "Add") return Binary::Kind::Add;
  if (node.op() == "Sub") return Binary::Kind::Sub;
  if (node.op() == "Mul") return Binary::Kind::Mul;
  CHECK(node.op() == "Div", "{} is no binary operator", node.op());
  return Binary::Kind::Div;
}

// Bounds as ONNX defaults them: everything finite passes.
constexpr float kLowest = std::numeric_limits<float>::lowest();
constexpr float kHighest = std::numeric_limits<float>::max();

// A bound of the type of what it bounds. All integers that are codes are exact as float; the limits
// of the wide types become bounds without effect.
float clip_bound(const NodeReader& node, std::size_t i, std::string_view meaning) {
  const Tensor& bound = node.constant(i, meaning);
  const ElementType type = node.value(0).type;
  if (bound.type() != type || type == ElementType::Float32 || bound.size() != 1) {
    return node.constant_scalar(i, meaning);
  }
  switch (type) {
    case ElementType::Int8:
      return bound.values<std::int8_t>()[0];
    case ElementType::Uint8:
      return bound.values<std::uint8_t>()[0];
    case ElementType::Int32:
      return static_cast<float>(bound.values<std::int32_t>()[0]);
    case ElementType::Int64:
      return static_cast<float>(bound.values<std::int64_t>()[0]);
    default:
      node.refuse("input 0: expected float, int8, uint8, int32 or int64, found {}",
                  to_string(type));
  }
}

void import_batch_normalization(NodeReader& node) {
  BatchNorm op{.epsilon = node.real("epsilon", 1e-5F)};
  node.real("momentum", 0.9F);  // of the training form, which is refused below
  node.only_integer("spatial", 1);
  if (node.opset() < 7) node.flag("is_test", false);  // one output is the inference form
  node.only_integer("training_mode", 0);
  for (std::size_t i = 1; i < node.output_count(); ++i) {
    if (node.wants_output(i)) node.refuse("output {}: expected the inference form, one output", i);
  }
  std::vector<ValueId> inputs;
  for (std::size_t i = 0; i < 5; ++i) inputs.push_back(node.float_input(i));
  node.emit(op, inputs);
}

void import_activation(NodeReader& node) {
  Activation activation{.kind = activation_kind(node)};
  if (activation.kind == Activation::Kind::LeakyRelu) {
    activation.alpha = node.real("alpha", 0.01F);
  } else if (activation.kind == Activation::Kind::HardSigmoid) {
    activation.alpha = node.real("alpha", 0.2F);
    activation.beta = node.real("beta", 0.5F);
  }
  const bool of_integers = activation.kind == Activation::Kind::Relu;  // from opset 14
  node.emit(Activate{activation}, {of_integers ? node.number_input(0) : node.float_input(0)});
}

// Of constant codes it says how many bits they have, too.
void import_clip(NodeReader& node) {
  float low = kLowest;
  float high = kHighest;
  if (node.opset() < 11) {
    if (node.input_count() > 1) node.refuse("input 1: expected 'min' as an attribute before 11");
    low = node.real("min", low);
    high = node.real("max", high);
  } else {
    if (node.has_input(1)) low = clip_bound(node, 1, "min");
    if (node.has_input(2)) high = clip_bound(node, 2, "max");
  }
  Activation activation{.kind = Activation::Kind::Clip, .alpha = low, .beta = high};
  if (low == 0 && high >= kHighest) activation = {.kind = Activation::Kind::Relu};
  const ValueId result = node.emit(Activate{activation}, {node.number_input(0)});
  const Value& x = node.value(0);
  const bool is_signed = x.type == ElementType::Int8;
  if (!x.constant || !(is_signed || x.type == ElementType::Uint8)) return;
  const Quantization all{.is_signed = is_signed};
  const auto whole = [&](float bound) {
    return static_cast<std::int64_t>(
        std::clamp(bound, static_cast<float>(all.low()), static_cast<float>(all.high())));
  };
  if (whole(low) <= whole(high)) {
    node.set_code_bits(result, bits_of_range(whole(low), whole(high), is_signed));
  }
}

// Before opset 7 the slopes are one, or one per channel.
void import_prelu(NodeReader& node) {
  ValueId slopes = node.float_input(1);
  const Shape& shape = node.shape(1);
  if (node.opset() < 7 && shape.size() == 1 && node.shape(0).size() > 2) {
    Shape per_channel(node.shape(0).size() - 1, 1);
    per_channel[0] = shape[0];
    slopes = node.reshaped(slopes, per_channel);
  }
  node.emit(PRelu{}, {node.float_input(0), slopes});
}

// Before opset 7 operand 1 is stretched where `broadcast` says so, and its dimensions begin at
// `axis` of operand 0; without an axis they end where those of operand 0 end, as ever since.
ValueId second_operand(NodeReader& node) {
  if (node.opset() >= 7) return node.input(1);
  node.flag("broadcast", false);
  if (!node.has("axis")) return node.input(1);
  const std::size_t rank = node.shape(0).size();
  const std::size_t axis = node.axis(node.integer("axis", 0), rank);
  Shape shape = node.shape(1);
  if (shape.size() > rank - axis) {
    node.refuse("attribute 'axis': expected at most {} for {} on {}", rank - axis, to_string(shape),
                to_string(node.shape(0)));
  }
  shape.resize(rank - axis, 1);
  return node.reshaped(node.input(1), shape);
}

void import_binary(NodeReader& node) {
  const Binary::Kind kind = binary_kind(node);
  if (node.value(0).type != ElementType::Float32 && node.all_constant()) {
    fold_integer_binary(node, kind);
    return;
  }
  if (import_quantlab_add(node)) return;
  if (node.value(0).type == ElementType::Float32) {
    node.float_input(1);
    node.emit(Binary{.kind = kind}, {node.float_input(0), second_operand(node)});
    return;
  }
  if (node.value(1).type != node.value(0).type) {
    node.refuse("input 1 '{}': expected {}, found {}", node.value(1).name,
                to_string(node.value(0).type), to_string(node.value(1).type));
  }
  Binary op{.kind = kind};
  if (kind == Binary::Kind::Div) op.activation.kind = Activation::Kind::Truncate;
  node.number_input(1);
  node.emit(op, {node.number_input(0), second_operand(node)});
}

void import_sum(NodeReader& node) {
  ValueId sum = node.float_input(0);
  if (node.input_count() == 1) node.emit(Identity{}, {sum});
  for (std::size_t i = 1; i < node.input_count(); ++i) {
    const bool last = i + 1 == node.input_count();
    sum = node.emit(Binary{.kind = Binary::Kind::Add}, {sum, node.float_input(i)},
                    {{.output = last ? 0 : kIntermediate}});
  }
}

void import_gemm(NodeReader& node) {
  Gemm op;
  op.transpose_a = node.flag("transA", false);
  op.transpose_b = node.flag("transB", false);
  op.alpha = node.real("alpha", 1);
  op.beta = node.real("beta", 1);
  if (node.opset() < 7) node.flag("broadcast", false);
  std::vector<ValueId> inputs{node.float_input(0), node.float_input(1)};
  if (node.has_input(2)) inputs.push_back(node.float_input(2));
  node.emit(op, inputs);
}

void import_matmul(NodeReader& node) {
  node.emit(MatMul{}, {node.float_input(0), node.float_input(1)});
}

void import_softmax(NodeReader& node) {
  const Shape x = node.shape(0);
  const bool log = node.op() == "LogSoftmax";
  const bool flattens = node.opset() < 13;  // then over all dimensions from `axis` on
  const std::size_t axis = node.axis(node.integer("axis", flattens ? 1 : -1), x.size());
  const auto split = x.begin() + static_cast<std::ptrdiff_t>(axis);
  const auto product = [](auto begin, auto end) {
    return std::accumulate(begin, end, std::int64_t{1}, std::multiplies<>());
  };
  if (!flattens || product(split + 1, x.end()) == 1) {
    node.emit(Softmax{.axis = static_cast<std::int64_t>(axis), .log = log}, {node.float_input(0)});
    return;
  }
  const Shape rows{product(x.begin(), split), product(split, x.end())};
  const Result part{.output = kIntermediate};
  const ValueId flat = node.emit(Reshape{rows}, {node.float_input(0)}, {part});
  const ValueId soft = node.emit(Softmax{.axis = 1, .log = log}, {flat}, {part});
  node.emit(Reshape{x}, {soft});
}

void import_lrn(NodeReader& node) {
  Lrn op{.size = node.required_integer("size")};
  op.alpha = node.real("alpha", 1e-4F);
  op.beta = node.real("beta", 0.75F);
  op.bias = node.real("bias", 1);
  node.emit(op, {node.float_input(0)});
}

void import_instance_normalization(NodeReader& node) {
  const InstanceNorm op{.epsilon = node.real("epsilon", 1e-5F)};
  node.emit(op, {node.float_input(0), node.float_input(1), node.float_input(2)});
}

// name, function, inputs, outputs, folds, note
constexpr ImportRule kRules[] = {
    {"Add", import_binary, 2, 1, true, "numpy broadcasting"},
    {"BatchNormalization", import_batch_normalization, 5, 5, false, "inference form"},
    {"Clip", import_clip, 3, 1, true, "constant bounds"},
    {"Div", import_binary, 2, 1, true, "numpy broadcasting"},
    {"Exp", import_activation, 1, 1, true, ""},
    {"Gemm", import_gemm, 3, 1, false, ""},
    {"HardSigmoid", import_activation, 1, 1, true, ""},
    {"HardSwish", import_activation, 1, 1, true, ""},
    {"InstanceNormalization", import_instance_normalization, 3, 1, false, ""},
    {"LRN", import_lrn, 1, 1, false, "across channels"},
    {"LeakyRelu", import_activation, 1, 1, true, ""},
    {"LogSoftmax", import_softmax, 1, 1, false, ""},
    {"MatMul", import_matmul, 2, 1, false, "numpy matmul"},
    {"Mul", import_binary, 2, 1, true, "numpy broadcasting"},
    {"PRelu", import_prelu, 2, 1, false, ""},
    {"Relu", import_activation, 1, 1, true, ""},
    {"Sigmoid", import_activation, 1, 1, true, ""},
    {"Softmax", import_softmax, 1, 1, false, ""},
    {"Sub", import_binary, 2, 1, true, "numpy broadcasting"},
    {"Sum", import_sum, kAnyNumber, 1, false, "becomes a chain of Add"},
    {"Tanh", import_activation, 1, 1, true, ""},
};

}  // namespace

std::span<const ImportRule> arithmetic_rules() { return kRules; }

}  // namespace workbench::importer
