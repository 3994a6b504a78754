#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/math.h"
#include "sim/golden/numbers.h"
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
    case Binary::Kind::Max:
      return std::isnan(a) || a > b ? a : b;
    case Binary::Kind::Min:
      return std::isnan(a) || a < b ? a : b;
    case Binary::Kind::Pow:
      return math::signed_pow(a, b);
    case Binary::Kind::Fmod:
      return std::fmod(a, b);
    case Binary::Kind::Mod: {
      const double rest = std::fmod(a, b);
      const bool other_sign = rest != 0 && std::signbit(rest) != std::signbit(b);
      return other_sign ? rest + b : rest;
    }
    default:
      CHECK(false, "binary {} of numbers", static_cast<int>(kind));
  }
}

// Whole numbers: modulo 2^64, then cut to the type.
std::int64_t whole_power(std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) {
    if (base == 1) return 1;
    return base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0;
  }
  std::uint64_t result = 1;
  for (int bit = 62; bit >= 0; --bit) {  // from the highest bit: square, then multiply
    result *= result;
    if (((exponent >> bit) & 1) != 0) result *= static_cast<std::uint64_t>(base);
  }
  return static_cast<std::int64_t>(result);
}

std::int64_t combined_whole(Binary::Kind kind, std::int64_t a, std::int64_t b) {
  const auto ua = static_cast<std::uint64_t>(a), ub = static_cast<std::uint64_t>(b);
  const bool divides =
      kind == Binary::Kind::Div || kind == Binary::Kind::Mod || kind == Binary::Kind::Fmod;
  if (divides && b == 0) fail("expected an integer divisor other than 0, found 0");
  switch (kind) {
    case Binary::Kind::Add:
      return static_cast<std::int64_t>(ua + ub);
    case Binary::Kind::Sub:
      return static_cast<std::int64_t>(ua - ub);
    case Binary::Kind::Mul:
      return static_cast<std::int64_t>(ua * ub);
    case Binary::Kind::Div:
      return b == -1 ? static_cast<std::int64_t>(0 - ua) : a / b;
    case Binary::Kind::Max:
      return std::max(a, b);
    case Binary::Kind::Min:
      return std::min(a, b);
    case Binary::Kind::Pow:
      return whole_power(a, b);
    case Binary::Kind::Fmod:
      return b == -1 ? 0 : a % b;
    case Binary::Kind::Mod: {
      const std::int64_t rest = b == -1 ? 0 : a % b;
      return rest != 0 && (rest ^ b) < 0 ? rest + b : rest;
    }
    default:
      CHECK(false, "binary {} of whole numbers", static_cast<int>(kind));
  }
}

template <typename T>
bool holds(Binary::Kind kind, T a, T b) {
  switch (kind) {
    case Binary::Kind::Equal:
      return a == b;
    case Binary::Kind::Less:
      return a < b;
    case Binary::Kind::LessOrEqual:
      return a <= b;
    case Binary::Kind::Greater:
      return a > b;
    case Binary::Kind::GreaterOrEqual:
      return a >= b;
    case Binary::Kind::And:
      return a != 0 && b != 0;
    case Binary::Kind::Or:
      return a != 0 || b != 0;
    case Binary::Kind::Xor:
      return (a != 0) != (b != 0);
    default:
      CHECK(false, "binary {} has no truth", static_cast<int>(kind));
  }
}

double softplus(double x) { return std::max(x, 0.0) + math::log1p(math::exp(-std::fabs(x))); }

double gelu(double x) { return 0.5 * x * (1 + math::erf(x * std::sqrt(0.5))); }

double gelu_by_tanh(double x) {
  constexpr double kRootOfTwoPerPi = 0.79788456080286535588;
  return 0.5 * x * (1 + math::tanh(kRootOfTwoPerPi * (x + 0.044715 * x * x * x)));
}

double shrunk(double x, double limit, double bias) {
  if (x < -limit) return x + bias;
  return x > limit ? x - bias : 0;
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
    case Activation::Kind::Abs:
      return std::fabs(x);
    case Activation::Kind::Neg:
      return -x;
    case Activation::Kind::Sign:
      return x == 0 || std::isnan(x) ? x : std::copysign(1.0, x);
    case Activation::Kind::Ceil:
      return std::ceil(x);
    case Activation::Kind::Round:
      return std::rint(x);
    case Activation::Kind::Sqrt:
      return std::sqrt(x);
    case Activation::Kind::Reciprocal:
      return 1 / x;
    case Activation::Kind::Log:
      return math::log(x);
    case Activation::Kind::Erf:
      return math::erf(x);
    case Activation::Kind::Sin:
      return math::sin(x);
    case Activation::Kind::Cos:
      return math::cos(x);
    case Activation::Kind::Tan:
      return math::tan(x);
    case Activation::Kind::Asin:
      return math::asin(x);
    case Activation::Kind::Acos:
      return math::acos(x);
    case Activation::Kind::Atan:
      return math::atan(x);
    case Activation::Kind::Sinh:
      return math::sinh(x);
    case Activation::Kind::Cosh:
      return math::cosh(x);
    case Activation::Kind::Asinh:
      return math::asinh(x);
    case Activation::Kind::Acosh:
      return math::acosh(x);
    case Activation::Kind::Atanh:
      return math::atanh(x);
    case Activation::Kind::Softplus:
      return softplus(x);
    case Activation::Kind::Softsign:
      return x / (1 + std::fabs(x));
    case Activation::Kind::Elu:
      return x < 0 ? alpha * math::expm1(x) : x;
    case Activation::Kind::Selu:
      return x > 0 ? beta * x : beta * (alpha * math::expm1(x));
    case Activation::Kind::Celu:
      return x < 0 ? alpha * math::expm1(x / alpha) : x;
    case Activation::Kind::ThresholdedRelu:
      return x > alpha ? x : 0;
    case Activation::Kind::Shrink:
      return shrunk(x, alpha, beta);
    case Activation::Kind::Gelu:
      return gelu(x);
    case Activation::Kind::GeluTanh:
      return gelu_by_tanh(x);
    case Activation::Kind::Mish:
      return x * math::tanh(softplus(x));
    case Activation::Kind::Not:
      return x == 0 ? 1 : 0;
    case Activation::Kind::IsNaN:
      return std::isnan(x) ? 1 : 0;
  }
  CHECK(false, "activation {}", static_cast<int>(activation.kind));
}

Tensor float_activate(const Activate& op, const Operation& at) {
  const Tensor& x = at.operand(0);
  Tensor result = Tensor::uninitialized(at.output().type, at.output_shape());
  for (std::size_t i = 0; i < static_cast<std::size_t>(x.size()); ++i) {
    const std::size_t channel = channel_of(result.shape(), static_cast<std::int64_t>(i));
    put_real(result, i, activated(op.activation, real_at(x, i), channel));
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

// Whole numbers stay whole, and a fused activation has nothing to do there but to bound them.
Tensor float_binary(const Binary& op, const Operation& at) {
  const Tensor& a = at.operand(0);
  const Tensor& b = at.operand(1);
  const auto a_offsets = broadcast_offsets(a.shape(), at.output_shape());
  const auto b_offsets = broadcast_offsets(b.shape(), at.output_shape());
  const bool whole = is_whole(a.type()), truth = gives_truth(op.kind);
  Tensor result = Tensor::uninitialized(truth ? ElementType::Bool : a.type(), at.output_shape());
  for (std::size_t i = 0; i < a_offsets.size(); ++i) {
    const auto left = static_cast<std::size_t>(a_offsets[i]);
    const auto right = static_cast<std::size_t>(b_offsets[i]);
    if (truth) {
      put_whole(result, i,
                whole ? holds(op.kind, whole_at(a, left), whole_at(b, right))
                      : holds(op.kind, real_at(a, left), real_at(b, right)));
    } else if (whole) {
      put_whole(result, i, combined_whole(op.kind, whole_at(a, left), whole_at(b, right)));
    } else {
      const std::size_t channel = channel_of(result.shape(), static_cast<std::int64_t>(i));
      const double value = combined(op.kind, real_at(a, left), real_at(b, right));
      put_real(result, i, activated(op.activation, value, channel));
    }
  }
  const Activation::Kind then = op.activation.kind;
  if (!whole || truth || then == Activation::Kind::None || then == Activation::Kind::Truncate) {
    return result;
  }
  for (std::size_t i = 0; i < a_offsets.size(); ++i) {
    const std::size_t channel = channel_of(result.shape(), static_cast<std::int64_t>(i));
    put_real(result, i, activated(op.activation, real_at(result, i), channel));
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
