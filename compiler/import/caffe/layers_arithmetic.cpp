// Layers that compute value by value, along channels, or over whole maps.
#include <algorithm>
#include <cmath>
#include <limits>

#include "compiler/import/caffe/layer.h"
#include "compiler/import/export_ops.h"

namespace workbench::importer::caffe_format {

namespace {

using Fill = Weights::Fill;

Shape product_from(const Shape& shape, std::size_t axis) {
  return {element_count({shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(axis)}),
          element_count({shape.begin() + static_cast<std::ptrdiff_t>(axis), shape.end()})};
}

void inner_product(LayerReader& layer) {
  const caffe::InnerProductParameter& p = layer.layer().inner_product_param();
  layer.expect_bottoms(1, 1);
  const Shape& x = layer.shape();
  const std::size_t axis = layer.axis(p.axis(), x.size());
  const std::int64_t outputs = p.num_output();
  if (outputs < 1 || outputs > kMost) {
    layer.refuse("num_output: expected values in [1, {}], found {}", kMost, outputs);
  }
  const Shape flat = product_from(x, axis);
  std::string value = layer.value();
  if (x.size() != 2 || axis != 1) {
    value = layer.step("flatten", "Flatten", {value});
    attribute(layer.last(), "axis", static_cast<std::int64_t>(axis));
  }
  const Shape weights = p.transpose() ? Shape{flat[1], outputs} : Shape{outputs, flat[1]};
  std::vector<std::string> operands{
      value, layer.constant("weight",
                            layer.blob(0, weights, Fill::Factors, static_cast<double>(flat[1])))};
  if (p.bias_term()) {
    operands.push_back(layer.constant("bias", layer.blob(1, {outputs}, Fill::Offsets)));
  }
  Shape y(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(axis));
  y.push_back(outputs);
  const auto gemm = [&](onnx::NodeProto& node) {
    attribute(node, "transB", std::int64_t{p.transpose() ? 0 : 1});
  };
  if (axis == 1) return gemm(layer.top("Gemm", operands, y));
  const std::string rows = layer.step("rows", "Gemm", operands);
  gemm(layer.last());
  layer.top("Reshape", {rows, layer.list("shape", y)}, y);
}

// Mean and variance are stored as sums, with the weight by which they were summed.
Tensor divided(Tensor sums, float weight) {
  const float factor = weight == 0 ? 0 : 1 / weight;
  for (float& value : sums.mutable_values<float>()) value *= factor;
  return sums;
}

void batch_norm(LayerReader& layer) {
  const caffe::BatchNormParameter& p = layer.layer().batch_norm_param();
  layer.expect_bottoms(1, 1);
  if (!p.use_global_stats()) {
    layer.refuse("use_global_stats: expected true, found false: statistics of the batch");
  }
  constexpr std::size_t kBlobs = 3;
  if (p.scale_bias() || layer.blob_count() > kBlobs) {
    layer.refuse(
        "expected mean, variance and their factor, found a fork's layer with scale and "
        "shift inside ({} blobs)",
        layer.blob_count());
  }
  layer.expect_rank(2);
  const std::int64_t channels = layer.shape()[1];
  Tensor mean = layer.blob(0, {channels}, Fill::Offsets);
  Tensor variance = layer.blob(1, {channels}, Fill::Ones);
  if (!layer.weights_are_made_up()) {
    const float weight = layer.blob(2, {1}, Fill::Ones).values<float>()[0];
    mean = divided(std::move(mean), weight);
    variance = divided(std::move(variance), weight);
  }
  const std::vector<float> ones(static_cast<std::size_t>(channels), 1),
      zeros(static_cast<std::size_t>(channels), 0);
  onnx::NodeProto& node =
      layer.top("BatchNormalization",
                {layer.value(), layer.constant("scale", Tensor::from<float>({channels}, ones)),
                 layer.constant("bias", Tensor::from<float>({channels}, zeros)),
                 layer.constant("mean", mean), layer.constant("variance", variance)},
                layer.shape());
  attribute(node, "epsilon", p.eps());
}

// The shape in which a tensor for dimensions [axis, axis + count) of bottom 0 meets all of it.
struct Span {
  Shape own, broadcast;
};
Span span_of(const LayerReader& layer, std::int64_t first, const Shape& own) {
  const Shape& x = layer.shape();
  const std::size_t axis = layer.axis(first, x.size(), true);
  if (axis + own.size() > x.size() ||
      !std::equal(own.begin(), own.end(), x.begin() + static_cast<std::ptrdiff_t>(axis))) {
    layer.refuse("expected factors for the dimensions of {} from {} on, found {}", to_string(x),
                 axis, to_string(own));
  }
  Shape broadcast = own;
  broadcast.resize(x.size() - axis, 1);
  return {own, broadcast};
}

// What the layer's own parameter covers: `count` dimensions from `first` on, -1: all.
Span own_span(const LayerReader& layer, std::int64_t first, std::int64_t count) {
  const Shape& x = layer.shape();
  const std::size_t axis = layer.axis(first, x.size(), true);
  const auto rest = static_cast<std::int64_t>(x.size() - axis);
  if (count > rest || count < -1) {
    layer.refuse("num_axes: expected -1 to {} behind axis {}, found {}", rest, axis, count);
  }
  const auto begin = x.begin() + static_cast<std::ptrdiff_t>(axis);
  return span_of(layer, static_cast<std::int64_t>(axis),
                 {begin, begin + (count < 0 ? rest : count)});
}

// Bottom 1 in the shape in which it meets bottom 0.
std::string second_operand(LayerReader& layer, std::int64_t first) {
  const Span span = span_of(layer, first, layer.shape(1));
  if (span.broadcast == layer.shape(1)) return layer.value(1);
  return layer.step("factors", "Reshape", {layer.value(1), layer.list("shape", span.broadcast)});
}

std::string own_constant(LayerReader& layer, const std::string& suffix, std::size_t index,
                         const Span& span, Fill fill) {
  return layer.constant(suffix, layer.blob(index, span.own, fill).reshaped(span.broadcast));
}

// A factor and an offset for each channel are what BatchNormalization has beside its statistics.
void scale_channels(LayerReader& layer, bool has_bias) {
  const Shape own{layer.shape()[1]};
  const Tensor zeros = Tensor::zeros(ElementType::Float32, own);
  const Tensor ones =
      Tensor::from<float>(own, std::vector<float>(static_cast<std::size_t>(own[0]), 1));
  onnx::NodeProto& node =
      layer.top("BatchNormalization",
                {layer.value(), layer.constant("scale", layer.blob(0, own, Fill::Ones)),
                 layer.constant("bias", has_bias ? layer.blob(1, own, Fill::Offsets) : zeros),
                 layer.constant("mean", zeros), layer.constant("variance", ones)},
                layer.shape());
  attribute(node, "epsilon", 0.0F);
}

void scale(LayerReader& layer) {
  const caffe::ScaleParameter& p = layer.layer().scale_param();
  layer.expect_bottoms(1, 2);
  const Shape& x = layer.shape();
  if (layer.bottom_count() == 1 && x.size() >= 3 && p.num_axes() == 1 &&
      layer.axis(p.axis(), x.size()) == 1) {
    return scale_channels(layer, p.bias_term());
  }
  std::string factors;
  Span span;
  if (layer.bottom_count() == 2) {
    factors = second_operand(layer, p.axis());
    span = span_of(layer, p.axis(), layer.shape(1));
  } else {
    span = own_span(layer, p.axis(), p.num_axes());
    factors = own_constant(layer, "scale", 0, span, Fill::Ones);
  }
  if (!p.bias_term()) {
    layer.top("Mul", {layer.value(), factors}, x);
    return;
  }
  const std::string product = layer.step("product", "Mul", {layer.value(), factors});
  const std::size_t index = layer.bottom_count() == 2 ? 0 : 1;
  layer.top("Add", {product, own_constant(layer, "bias", index, span, Fill::Offsets)}, x);
}

void bias(LayerReader& layer) {
  const caffe::BiasParameter& p = layer.layer().bias_param();
  layer.expect_bottoms(1, 2);
  const std::string offsets =
      layer.bottom_count() == 2
          ? second_operand(layer, p.axis())
          : own_constant(layer, "bias", 0, own_span(layer, p.axis(), p.num_axes()), Fill::Offsets);
  layer.top("Add", {layer.value(), offsets}, layer.shape());
}

void expect_same_shapes(const LayerReader& layer) {
  for (std::size_t i = 1; i < layer.bottom_count(); ++i) {
    if (layer.shape(i) != layer.shape()) {
      layer.refuse("bottom {}: expected {} like bottom 0, found {}", i, to_string(layer.shape()),
                   to_string(layer.shape(i)));
    }
  }
}

void chain(LayerReader& layer, const std::string& op, const std::vector<std::string>& values) {
  std::string sum = values[0];
  for (std::size_t i = 1; i + 1 < values.size(); ++i) {
    sum = layer.step(fmt::format("{}", i), op, {sum, values[i]});
  }
  layer.top(op, {sum, values.back()}, layer.shape());
}

void eltwise(LayerReader& layer) {
  using Parameter = caffe::EltwiseParameter;
  const Parameter& p = layer.layer().eltwise_param();
  layer.expect_bottoms(2, kMost);
  expect_same_shapes(layer);
  std::vector<std::string> values;
  for (std::size_t i = 0; i < layer.bottom_count(); ++i) values.push_back(layer.value(i));
  const bool sums = p.operation() == Parameter::SUM;
  if (p.coeff_size() > 0 && (!sums || p.coeff_size() != static_cast<int>(values.size()))) {
    layer.refuse("coeff: expected one for each of {} bottoms of a SUM, found {}", values.size(),
                 p.coeff_size());
  }
  if (sums && p.coeff_size() == 2 && p.coeff(0) == 1 && p.coeff(1) == -1) {
    layer.top("Sub", values, layer.shape());
    return;
  }
  for (std::size_t i = 0; i < values.size() && p.coeff_size() > 0; ++i) {
    const float factor = p.coeff(static_cast<int>(i));
    if (factor == 1) continue;
    values[i] = layer.step(fmt::format("term{}", i), "Mul",
                           {values[i], layer.scalar(fmt::format("coeff{}", i), factor)});
  }
  if (sums && values.size() > 2) {
    layer.top("Sum", values, layer.shape());
  } else if (p.operation() == Parameter::MAX) {
    layer.top("Max", values, layer.shape());
  } else {
    chain(layer, sums ? "Add" : "Mul", values);
  }
}

// SENet's: a factor for each map of bottom 1, plus bottom 2.
void axpy(LayerReader& layer) {
  layer.expect_bottoms(3, 3);
  const Shape& x = layer.shape(1);
  Shape factors = x;
  std::fill(factors.begin() + std::min<std::ptrdiff_t>(2, static_cast<std::ptrdiff_t>(x.size())),
            factors.end(), 1);
  if (layer.shape(0) != factors || layer.shape(2) != x) {
    layer.refuse("expected factors {} and maps {} twice, found {}, {} and {}", to_string(factors),
                 to_string(x), to_string(layer.shape(0)), to_string(x), to_string(layer.shape(2)));
  }
  const std::string product = layer.step("product", "Mul", {layer.value(1), layer.value(0)});
  layer.top("Add", {product, layer.value(2)}, x);
}

// One operand, one operator, the same shape.
onnx::NodeProto& simple(LayerReader& layer, const std::string& op) {
  layer.expect_bottoms(1, 1);
  return layer.top(op, {layer.value()}, layer.shape());
}

void relu(LayerReader& layer) {
  const float slope = layer.layer().relu_param().negative_slope();
  if (slope == 0) {
    simple(layer, "Relu");
  } else {
    attribute(simple(layer, "LeakyRelu"), "alpha", slope);
  }
}

void clipped(LayerReader& layer, float low, float high) {
  layer.expect_bottoms(1, 1);
  const auto bound = [&](const std::string& suffix, float number) {
    return layer.constant(suffix, Tensor::scalar(number));
  };
  layer.top("Clip", {layer.value(), bound("min", low), bound("max", high)}, layer.shape());
}

void clip(LayerReader& layer) {
  const caffe::ClipParameter& p = layer.layer().clip_param();
  clipped(layer, p.min(), p.max());
}

void relu6(LayerReader& layer) { clipped(layer, 0, layer.layer().relu6_param().threshold()); }

void prelu(LayerReader& layer) {
  layer.expect_bottoms(1, 1);
  layer.expect_rank(2);
  const bool shared = layer.layer().prelu_param().channel_shared();
  const Shape own{shared ? 1 : layer.shape()[1]};
  Shape broadcast = own;
  broadcast.resize(layer.shape().size() - 1, 1);
  const Tensor slopes = layer.blob(0, own, Fill::Offsets).reshaped(broadcast);
  layer.top("PRelu", {layer.value(), layer.constant("slope", slopes)}, layer.shape());
}

void elu(LayerReader& layer) {
  attribute(simple(layer, "Elu"), "alpha", layer.layer().elu_param().alpha());
}

void sigmoid(LayerReader& layer) { simple(layer, "Sigmoid"); }
void tanh_layer(LayerReader& layer) { simple(layer, "Tanh"); }
void absolute(LayerReader& layer) { simple(layer, "Abs"); }
void bnll(LayerReader& layer) { simple(layer, "Softplus"); }

void swish(LayerReader& layer) {
  layer.expect_bottoms(1, 1);
  const float beta = layer.layer().swish_param().beta();
  const std::string scaled =
      beta == 1 ? layer.value()
                : layer.step("scaled", "Mul", {layer.value(), layer.scalar("beta", beta)});
  const std::string gate = layer.step("gate", "Sigmoid", {scaled});
  layer.top("Mul", {layer.value(), gate}, layer.shape());
}

void mish(LayerReader& layer) {
  layer.expect_bottoms(1, 1);
  const std::string gate =
      layer.step("gate", "Tanh", {layer.step("softplus", "Softplus", {layer.value()})});
  layer.top("Mul", {layer.value(), gate}, layer.shape());
}

void softmax(LayerReader& layer) {
  layer.expect_bottoms(1, 2);  // a loss layer has labels, too
  const std::size_t axis = layer.axis(layer.layer().softmax_param().axis(), layer.shape().size());
  attribute(layer.top("Softmax", {layer.value()}, layer.shape()), "axis",
            static_cast<std::int64_t>(axis));
}

void sigmoid_loss(LayerReader& layer) {
  layer.expect_bottoms(1, 2);
  layer.top("Sigmoid", {layer.value()}, layer.shape());
}

// value * scale + shift, without what changes nothing; empty `last`: a step, else it writes the
// top.
std::string affine(LayerReader& layer, float scale, float shift) {
  std::string value = layer.value();
  if (scale != 1) value = layer.step("scaled", "Mul", {value, layer.scalar("scale", scale)});
  if (shift != 0) value = layer.step("shifted", "Add", {value, layer.scalar("shift", shift)});
  return value;
}

void power(LayerReader& layer) {
  const caffe::PowerParameter& p = layer.layer().power_param();
  layer.expect_bottoms(1, 1);
  const Shape& shape = layer.shape();
  if (p.power() != 1) {
    const std::string value = affine(layer, p.scale(), p.shift());
    if (p.power() == 2) {
      layer.top("Mul", {value, value}, shape);
    } else if (p.power() == 0.5F) {
      layer.top("Sqrt", {value}, shape);
    } else {
      layer.top("Pow", {value, layer.scalar("power", p.power())}, shape);
    }
  } else if (p.shift() != 0) {
    const std::string value = affine(layer, p.scale(), 0);
    layer.top("Add", {value, layer.scalar("shift", p.shift())}, shape);
  } else {
    layer.top("Mul", {layer.value(), layer.scalar("scale", p.scale())}, shape);
  }
}

// The natural logarithm of a base; -1 stands for e.
float log_of(const LayerReader& layer, float base) {
  if (base == -1) return 1;
  if (!(base > 0)) layer.refuse("base: expected -1, for e, or a number above 0, found {}", base);
  return std::log(base);
}

void exponential(LayerReader& layer) {
  const caffe::ExpParameter& p = layer.layer().exp_param();
  layer.expect_bottoms(1, 1);
  const float base = log_of(layer, p.base());
  layer.top("Exp", {affine(layer, p.scale() * base, p.shift() * base)}, layer.shape());
}

void logarithm(LayerReader& layer) {
  const caffe::LogParameter& p = layer.layer().log_param();
  layer.expect_bottoms(1, 1);
  const float base = log_of(layer, p.base());
  const std::string value = affine(layer, p.scale(), p.shift());
  if (base == 1) {
    layer.top("Log", {value}, layer.shape());
  } else {
    layer.top("Div", {layer.step("log", "Log", {value}), layer.scalar("base", base)},
              layer.shape());
  }
}

void threshold(LayerReader& layer) {
  layer.expect_bottoms(1, 1);
  const std::string limit = layer.scalar("threshold", layer.layer().threshold_param().threshold());
  const std::string above = layer.step("above", "Greater", {layer.value(), limit});
  attribute(layer.top("Cast", {above}, layer.shape()), "to",
            std::int64_t{onnx::TensorProto::FLOAT});
}

void dropout(LayerReader& layer) {
  const caffe::DropoutParameter& p = layer.layer().dropout_param();
  layer.expect_bottoms(1, 1);
  if (p.scale_train()) {
    layer.top("Dropout", {layer.value()}, layer.shape());
  } else {  // a fork's: what was not scaled in training is scaled afterwards
    layer.top("Mul", {layer.value(), layer.scalar("kept", 1 - p.dropout_ratio())}, layer.shape());
  }
}

// x / (1 + alpha * mean of squares)^beta in windows of each map; Caffe ignores k here.
void normalize_within(LayerReader& layer, const caffe::LRNParameter& p) {
  if (layer.shape().size() != 4) {
    layer.refuse("expected a bottom [N, C, H, W], found {}", to_string(layer.shape()));
  }
  const std::string squares = layer.step("squares", "Mul", {layer.value(), layer.value()});
  const std::string mean = local_average(layer, squares, p.local_size());
  const std::string scaled = layer.step("scaled", "Mul", {mean, layer.scalar("alpha", p.alpha())});
  const std::string base = layer.step("base", "Add", {scaled, layer.scalar("one", 1)});
  const std::string factor =
      layer.step("factor", "Pow", {base, layer.scalar("exponent", -p.beta())});
  layer.top("Mul", {layer.value(), factor}, layer.shape());
}

void lrn(LayerReader& layer) {
  const caffe::LRNParameter& p = layer.layer().lrn_param();
  layer.expect_bottoms(1, 1);
  layer.expect_rank(2);
  if (p.local_size() % 2 == 0 || p.local_size() > kMost) {
    layer.refuse("local_size: expected an odd number, found {}", p.local_size());
  }
  if (p.norm_region() == caffe::LRNParameter::WITHIN_CHANNEL) return normalize_within(layer, p);
  onnx::NodeProto& node = layer.top("LRN", {layer.value()}, layer.shape());
  attribute(node, "size", std::int64_t{p.local_size()});
  attribute(node, "alpha", p.alpha());
  attribute(node, "beta", p.beta());
  attribute(node, "bias", p.k());
}

std::string mean_over(LayerReader& layer, const std::string& suffix, const std::string& value,
                      const Integers& axes) {
  const std::string mean = layer.step(suffix, "ReduceMean", {value});
  attribute(layer.last(), "axes", axes);
  return mean;
}

void mean_variance(LayerReader& layer) {
  const caffe::MVNParameter& p = layer.layer().mvn_param();
  layer.expect_bottoms(1, 1);
  layer.expect_rank(3);
  Integers axes;
  for (std::size_t i = p.across_channels() ? 1 : 2; i < layer.shape().size(); ++i) {
    axes.push_back(static_cast<std::int64_t>(i));
  }
  const std::string mean = mean_over(layer, "mean", layer.value(), axes);
  if (!p.normalize_variance()) {
    layer.top("Sub", {layer.value(), mean}, layer.shape());
    return;
  }
  const std::string centred = layer.step("centred", "Sub", {layer.value(), mean});
  const std::string squares = layer.step("squares", "Mul", {centred, centred});
  const std::string variance = mean_over(layer, "variance", squares, axes);
  const std::string deviation = layer.step("deviation", "Sqrt", {variance});
  const std::string divisor =
      layer.step("divisor", "Add", {deviation, layer.scalar("eps", p.eps())});
  layer.top("Div", {centred, divisor}, layer.shape());
}

void reduction(LayerReader& layer) {
  using Parameter = caffe::ReductionParameter;
  const Parameter& p = layer.layer().reduction_param();
  layer.expect_bottoms(1, 1);
  const Shape& x = layer.shape();
  const std::size_t first = layer.axis(p.axis(), x.size());
  Integers axes;
  for (std::size_t i = first; i < x.size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
  std::string value = layer.value();
  if (p.operation() == Parameter::ASUM) value = layer.step("absolute", "Abs", {value});
  if (p.operation() == Parameter::SUMSQ) value = layer.step("squares", "Mul", {value, value});
  const bool is_mean = p.operation() == Parameter::MEAN;
  const Shape y(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(first));
  const std::string op = is_mean ? "ReduceMean" : "ReduceSum";
  const std::vector<std::string> operands =
      is_mean ? std::vector{value} : std::vector{value, layer.list("axes", axes)};
  const auto set = [&](onnx::NodeProto& node) {
    if (is_mean) attribute(node, "axes", axes);
    attribute(node, "keepdims", std::int64_t{0});
  };
  if (p.coeff() == 1) return set(layer.top(op, operands, y));
  const std::string sum = layer.step("sum", op, operands);
  set(layer.last());
  layer.top("Mul", {sum, layer.scalar("coeff", p.coeff())}, y);
}

constexpr LayerRule kRules[] = {
    {"AbsVal", absolute, "Abs"},
    {"Axpy", axpy, "Mul, Add"},
    {"BNLL", bnll, "Softplus"},
    {"BatchNorm", batch_norm, "BatchNormalization"},
    {"Bias", bias, "Add"},
    {"Clip", clip, "Clip"},
    {"Dropout", dropout, "Dropout"},
    {"ELU", elu, "Elu"},
    {"Eltwise", eltwise, "Add, Sum, Sub, Mul, Max"},
    {"Exp", exponential, "Exp"},
    {"InnerProduct", inner_product, "Flatten, Gemm"},
    {"LRN", lrn, "LRN; within channels AveragePool, Pow, Mul"},
    {"Log", logarithm, "Log"},
    {"MVN", mean_variance, "ReduceMean, Sub, Mul, Sqrt, Div"},
    {"Mish", mish, "Softplus, Tanh, Mul"},
    {"PReLU", prelu, "PRelu"},
    {"Power", power, "Mul, Add, Sqrt, Pow"},
    {"ReLU", relu, "Relu, LeakyRelu"},
    {"ReLU6", relu6, "Clip"},
    {"Reduction", reduction, "ReduceSum, ReduceMean"},
    {"Scale", scale, "BatchNormalization, or Mul, Add"},
    {"Sigmoid", sigmoid, "Sigmoid"},
    {"SigmoidCrossEntropyLoss", sigmoid_loss, "Sigmoid"},
    {"Softmax", softmax, "Softmax"},
    {"SoftmaxWithLoss", softmax, "Softmax"},
    {"Swish", swish, "Sigmoid, Mul"},
    {"TanH", tanh_layer, "Tanh"},
    {"Threshold", threshold, "Greater, Cast"},
};

}  // namespace

std::span<const LayerRule> arithmetic_layers() { return kRules; }

}  // namespace workbench::importer::caffe_format
