// Functions of one element, and those of ONNX and its old drafts that are a few of them.
#include <cmath>
#include <limits>

#include "compiler/import/node_reader.h"

namespace workbench::importer {

namespace {

using Kind = Activation::Kind;

constexpr std::pair<std::string_view, Kind> kKinds[] = {
    {"Abs", Kind::Abs},
    {"Acos", Kind::Acos},
    {"Acosh", Kind::Acosh},
    {"Asin", Kind::Asin},
    {"Asinh", Kind::Asinh},
    {"Atan", Kind::Atan},
    {"Atanh", Kind::Atanh},
    {"Ceil", Kind::Ceil},
    {"Celu", Kind::Celu},
    {"Cos", Kind::Cos},
    {"Cosh", Kind::Cosh},
    {"Elu", Kind::Elu},
    {"Erf", Kind::Erf},
    {"IsNaN", Kind::IsNaN},
    {"Log", Kind::Log},
    {"Mish", Kind::Mish},
    {"Neg", Kind::Neg},
    {"Not", Kind::Not},
    {"Reciprocal", Kind::Reciprocal},
    {"Round", Kind::Round},
    {"Selu", Kind::Selu},
    {"Shrink", Kind::Shrink},
    {"Sign", Kind::Sign},
    {"Sin", Kind::Sin},
    {"Sinh", Kind::Sinh},
    {"Softplus", Kind::Softplus},
    {"Softsign", Kind::Softsign},
    {"Sqrt", Kind::Sqrt},
    {"Tan", Kind::Tan},
    {"ThresholdedRelu", Kind::ThresholdedRelu},
};

constexpr Result kPart{.output = kIntermediate};

void read_parameters(NodeReader& node, Activation& activation) {
  switch (activation.kind) {
    case Kind::Elu:
    case Kind::Celu:
    case Kind::ThresholdedRelu:
      activation.alpha = node.real("alpha", 1);
      break;
    case Kind::Selu:
      activation.alpha = node.real("alpha", 1.67326319217681884765625F);
      activation.beta = node.real("gamma", 1.05070102214813232421875F);
      break;
    case Kind::Shrink:
      activation.alpha = node.real("lambd", 0.5F);
      activation.beta = node.real("bias", 0);
      break;
    default:
      break;
  }
  if (activation.kind == Kind::Celu && activation.alpha == 0) {
    node.refuse("attribute 'alpha': expected a number other than 0, found 0");
  }
}

void import_elementary(NodeReader& node) {
  Activation activation;
  for (const auto& [name, kind] : kKinds) {
    if (name == node.op()) activation.kind = kind;
  }
  read_parameters(node, activation);
  if (activation.kind == Kind::Not) {
    if (node.value(0).type != ElementType::Bool) {
      node.refuse("input 0: expected bool, found {}", to_string(node.value(0).type));
    }
    node.emit(Activate{activation}, {node.input(0)});
    return;
  }
  const bool of_integers =
      activation.kind == Kind::Abs || activation.kind == Kind::Neg || activation.kind == Kind::Sign;
  const ValueId x = of_integers ? node.number_input(0) : node.float_input(0);
  Result result;
  if (gives_truth(activation.kind)) result.type = ElementType::Bool;
  node.emit(Activate{activation}, {x}, {result});
}

Kind gelu_kind(NodeReader& node) {
  const std::string approximate = node.text("approximate", "none");
  if (approximate == "none") return Kind::Gelu;
  if (approximate == "tanh") return Kind::GeluTanh;
  node.refuse("attribute 'approximate': expected none or tanh, found '{}'", approximate);
}

// With a bias as operand 1: BiasGelu, FastGelu.
void import_gelu(NodeReader& node) {
  const Kind kind = node.op() == "FastGelu" ? Kind::GeluTanh : gelu_kind(node);
  ValueId x = node.float_input(0);
  if (node.has_input(1)) {
    x = node.emit(Binary{.kind = Binary::Kind::Add}, {x, node.float_input(1)}, {kPart});
  }
  node.emit(Activate{{.kind = kind}}, {x});
}

ValueId scaled(NodeReader& node, ValueId x, float factor, const Result& result) {
  return node.emit(Binary{.kind = Binary::Kind::Mul},
                   {x, node.add_constant(Tensor::scalar(factor))}, {result});
}

// x * sigmoid(alpha * x)
void import_swish(NodeReader& node) {
  const float alpha = node.real("alpha", node.op() == "QuickGelu" ? 1.702F : 1.0F);
  const ValueId x = node.float_input(0);
  const ValueId inner = alpha == 1 ? x : scaled(node, x, alpha, kPart);
  const ValueId gate = node.emit(Activate{{.kind = Kind::Sigmoid}}, {inner}, {kPart});
  node.emit(Binary{.kind = Binary::Kind::Mul}, {x, gate});
}

// alpha * f(beta * x)
void import_scaled_function(NodeReader& node) {
  const Kind kind = node.op() == "ScaledTanh" ? Kind::Tanh : Kind::Softplus;
  const float alpha = node.real("alpha", 1), beta = node.real("beta", 1);
  const ValueId inner = scaled(node, node.float_input(0), beta, kPart);
  scaled(node, node.emit(Activate{{.kind = kind}}, {inner}, {kPart}), alpha, {});
}

// alpha * x + beta
void import_affine(NodeReader& node) {
  const float alpha = node.real("alpha", 1), beta = node.real("beta", 0);
  const ValueId product = scaled(node, node.float_input(0), alpha, kPart);
  node.emit(Binary{.kind = Binary::Kind::Add}, {product, node.add_constant(Tensor::scalar(beta))});
}

// scale * x + bias[channel]
void import_image_scaler(NodeReader& node) {
  const Shape& x = node.shape(0);
  const std::vector<float> bias = node.reals("bias").value_or(std::vector<float>());
  const float scale = node.real("scale", 1);
  if (x.size() < 2 || static_cast<std::int64_t>(bias.size()) != x[1]) {
    node.refuse("attribute 'bias': expected one number per channel of {}, found {}", to_string(x),
                bias.size());
  }
  Shape per_channel(x.size() - 1, 1);
  per_channel[0] = x[1];
  const ValueId product = scaled(node, node.float_input(0), scale, kPart);
  node.emit(Binary{.kind = Binary::Kind::Add},
            {product, node.add_constant(Tensor::from<float>(per_channel, bias))});
}

// name, function, inputs, outputs, folds, note
constexpr ImportRule kRules[] = {
    {"Abs", import_elementary, 1, 1, true, ""},
    {"Acos", import_elementary, 1, 1, true, ""},
    {"Acosh", import_elementary, 1, 1, true, ""},
    {"Affine", import_affine, 1, 1, false, "of old drafts; becomes Mul and Add"},
    {"Asin", import_elementary, 1, 1, true, ""},
    {"Asinh", import_elementary, 1, 1, true, ""},
    {"Atan", import_elementary, 1, 1, true, ""},
    {"Atanh", import_elementary, 1, 1, true, ""},
    {"BiasGelu", import_gelu, 2, 1, false, "becomes Add and Gelu; com.microsoft", kMicrosoft},
    {"Ceil", import_elementary, 1, 1, true, ""},
    {"Celu", import_elementary, 1, 1, true, ""},
    {"Cos", import_elementary, 1, 1, true, ""},
    {"Cosh", import_elementary, 1, 1, true, ""},
    {"Elu", import_elementary, 1, 1, true, ""},
    {"Erf", import_elementary, 1, 1, true, ""},
    {"FastGelu", import_gelu, 2, 1, false, "becomes Add and Gelu; com.microsoft", kMicrosoft},
    {"Gelu", import_gelu, 1, 1, true, "exact and by tanh; also com.microsoft", kAnyDomain},
    {"ImageScaler", import_image_scaler, 1, 1, false, "of old drafts; becomes Mul and Add"},
    {"IsNaN", import_elementary, 1, 1, true, ""},
    {"Log", import_elementary, 1, 1, true, ""},
    {"Mish", import_elementary, 1, 1, true, ""},
    {"Neg", import_elementary, 1, 1, true, ""},
    {"Not", import_elementary, 1, 1, true, ""},
    {"ParametricSoftplus", import_scaled_function, 1, 1, false,
     "of old drafts; becomes Mul, Softplus and Mul"},
    {"QuickGelu", import_swish, 1, 1, false, "becomes Mul, Sigmoid and Mul; com.microsoft",
     kMicrosoft},
    {"Reciprocal", import_elementary, 1, 1, true, ""},
    {"Round", import_elementary, 1, 1, true, ""},
    {"ScaledTanh", import_scaled_function, 1, 1, false, "of old drafts; becomes Mul, Tanh and Mul"},
    {"Selu", import_elementary, 1, 1, true, ""},
    {"Shrink", import_elementary, 1, 1, true, ""},
    {"Sign", import_elementary, 1, 1, true, ""},
    {"Sin", import_elementary, 1, 1, true, ""},
    {"Sinh", import_elementary, 1, 1, true, ""},
    {"Softplus", import_elementary, 1, 1, true, ""},
    {"Softsign", import_elementary, 1, 1, true, ""},
    {"Sqrt", import_elementary, 1, 1, true, ""},
    {"Swish", import_swish, 1, 1, false, "becomes Sigmoid and Mul"},
    {"Tan", import_elementary, 1, 1, true, ""},
    {"ThresholdedRelu", import_elementary, 1, 1, true, ""},
};

}  // namespace

std::span<const ImportRule> elementary_rules() { return kRules; }

}  // namespace workbench::importer
