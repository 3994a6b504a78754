#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/math.h"
#include "sim/golden/operation.h"
#include "sim/golden/windows.h"

namespace workbench::golden {

namespace {

double combined(Binary::Kind kind, double a, double b) {
  switch (kind) {
    case Binary::Kind::Add:
      return a + b;
    case Binary::Kind::Sub:
      return a - b;
    case Binary::Kind::Mul:
      return a * b;
    case Binary::Kind::Div:
      return a / b;
  }
  CHECK(false, "binary {}", static_cast<int>(kind));
}

}  // namespace

double activated(const Activation& activation, double x, std::size_t channel) {
  const double alpha = activation.alpha, beta = activation.beta;
  switch (activation.kind) {
    case Activation::Kind::None:
      return x;
    case Activation::Kind::Relu:
      return std::max(x, 0.0);
    case Activation::Kind::Clip: {
      const bool one = activation.bounds.empty();
      return std::min(std::max(x, alpha), one ? beta : double{activation.bounds.at(channel)});
    }
    case Activation::Kind::LeakyRelu:
      return x < 0 ? alpha * x : x;
    case Activation::Kind::PRelu: {
      const auto& slopes = activation.slopes;
      const double slope = slopes.at(slopes.size() == 1 ? 0 : channel);
      return x < 0 ? slope * x : x;
    }
    case Activation::Kind::Sigmoid:
      return 1 / (1 + math::exp(-x));
    case Activation::Kind::Tanh:
      return math::tanh(x);
    case Activation::Kind::HardSigmoid:
      return std::min(std::max(alpha * x + beta, 0.0), 1.0);
    case Activation::Kind::HardSwish:
      return x * std::min(std::max(x / 6 + 0.5, 0.0), 1.0);
    case Activation::Kind::Exp:
      return math::exp(x);
    case Activation::Kind::Floor:
      return std::floor(x);
    case Activation::Kind::Truncate:
      return std::trunc(x);
  }
  CHECK(false, "activation {}", static_cast<int>(activation.kind));
}

Tensor float_activate(const Activate& op, const Operation& at) {
  const auto x = at.operand(0).values<float>();
  Tensor result = Tensor::uninitialized(ElementType::Float32, at.output_shape());
  const auto y = result.mutable_values<float>();
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t channel = channel_of(result.shape(), static_cast<std::int64_t>(i));
    y[i] = static_cast<float>(activated(op.activation, x[i], channel));
  }
  return result;
}

template <>
Tensor result_of(const PRelu&, const Operation& at) {
  const auto x = at.operand(0).values<float>();
  const auto slope = at.operand(1).values<float>();
  const auto slope_offsets = broadcast_offsets(at.operand(1).shape(), at.output_shape());
  Tensor result = Tensor::uninitialized(ElementType::Float32, at.output_shape());
  const auto y = result.mutable_values<float>();
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double s = slope[static_cast<std::size_t>(slope_offsets[i])];
    y[i] = x[i] < 0 ? static_cast<float>(s * x[i]) : x[i];
  }
  return result;
}

Tensor float_binary(const Binary& op, const Operation& at) {
  const auto a = at.operand(0).values<float>();
  const auto b = at.operand(1).values<float>();
  const auto a_offsets = broadcast_offsets(at.operand(0).shape(), at.output_shape());
  const auto b_offsets = broadcast_offsets(at.operand(1).shape(), at.output_shape());
  Tensor result = Tensor::uninitialized(ElementType::Float32, at.output_shape());
  const auto y = result.mutable_values<float>();
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double value = combined(op.kind, a[static_cast<std::size_t>(a_offsets[i])],
                                  b[static_cast<std::size_t>(b_offsets[i])]);
    const std::size_t channel = channel_of(result.shape(), static_cast<std::int64_t>(i));
    y[i] = static_cast<float>(activated(op.activation, value, channel));
  }
  return result;
}

// (x - mean) / sqrt(variance + epsilon) * scale + bias
template <>
Tensor result_of(const BatchNorm& op, const Operation& at) {
  const auto x = at.operand(0).values<float>();
  const auto scale = at.operand(1).values<float>(), bias = at.operand(2).values<float>();
  const auto mean = at.operand(3).values<float>(), variance = at.operand(4).values<float>();
  const double epsilon = op.epsilon;
  Tensor result = Tensor::uninitialized(ElementType::Float32, at.output_shape());
  const auto y = result.mutable_values<float>();
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = channel_of(result.shape(), static_cast<std::int64_t>(i));
    const double centred = static_cast<double>(x[i]) - mean[c];
    y[i] = static_cast<float>(centred / std::sqrt(variance[c] + epsilon) * scale[c] + bias[c]);
  }
  return result;
}

}  // namespace workbench::golden
