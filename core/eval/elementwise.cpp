// Functions of one element and its channel (activations, batch normalisation, PRelu) and of two
// elements (Binary) with broadcasting.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "core/eval/fast_math.h"
#include "core/eval/kernels.h"
#include "core/math.h"
#include "core/parallel.h"
#include "core/units.h"

namespace workbench::eval {

namespace {

constexpr double kRootOfHalf = 0.70710678118654752440;
constexpr double kRootOfTwoPerPi = 0.79788456080286535588;

float slope_of(const Activation& activation, std::size_t channel) {
  return activation.slopes.size() == 1 ? activation.slopes[0] : activation.slopes.at(channel);
}

double upper_bound(const Activation& activation, std::size_t channel) {
  return static_cast<double>(activation.bounds.empty() ? activation.beta
                                                       : activation.bounds.at(channel));
}

void scale_negatives(std::span<float> values, float slope) {
  for (float& v : values) v = v < 0 ? slope * v : v;
}

bool per_channel(const Activation& activation) {
  return activation.slopes.size() > 1 || !activation.bounds.empty();
}

// Elements behind each index of axis 1.
std::int64_t channel_size(const Shape& shape) {
  std::int64_t count = 1;
  for (std::size_t i = 2; i < shape.size(); ++i) count *= shape[i];
  return count;
}

// Calls body(channel, begin, end) for each run of elements of one channel of x [N, C, ...].
void for_channels(const Shape& shape, const Context& context,
                  const std::function<void(std::int64_t, std::int64_t, std::int64_t)>& body) {
  const std::int64_t size = channel_size(shape);
  const std::int64_t runs = shape[0] * shape[1];
  const std::int64_t runs_per_task =
      std::max<std::int64_t>(1, kPiece / std::max<std::int64_t>(size, 1));
  parallel_for(ceil_div(runs, runs_per_task), context.threads, [&](std::int64_t task) {
    const std::int64_t last = std::min(runs, (task + 1) * runs_per_task);
    for (std::int64_t run = task * runs_per_task; run < last; ++run) {
      body(run % shape[1], run * size, (run + 1) * size);
    }
  });
}

template <typename T>
Tensor activate_numbers(const Activation& activation, Tensor x, const Context& context) {
  const std::span<T> values = x.mutable_values<T>();
  const std::int64_t channels = per_channel(activation) ? x.dim(1) : 1;
  const std::int64_t size = per_channel(activation) ? channel_size(x.shape()) : 1;
  for_pieces(x.size(), context, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto channel = static_cast<std::size_t>(i / size % channels);
      T& v = values[static_cast<std::size_t>(i)];
      v = static_cast<T>(activate(activation, static_cast<double>(v), channel));
    }
  });
  return x;
}

}  // namespace

void for_pieces(std::int64_t count, const Context& context,
                const std::function<void(std::int64_t, std::int64_t)>& body) {
  parallel_for(ceil_div(count, kPiece), context.threads, [&](std::int64_t piece) {
    body(piece * kPiece, std::min(count, (piece + 1) * kPiece));
  });
}

namespace {

double softplus(double x) { return std::max(x, 0.0) + math::log1p(math::exp(-std::abs(x))); }

// The functions of ONNX that no hardware here fuses.
double elementary(const Activation& activation, double x) {
  const auto alpha = static_cast<double>(activation.alpha);
  const auto beta = static_cast<double>(activation.beta);
  using Kind = Activation::Kind;
  switch (activation.kind) {
    case Kind::Abs:
      return std::abs(x);
    case Kind::Neg:
      return -x;
    case Kind::Sign:
      return x > 0 ? 1 : x < 0 ? -1 : x;
    case Kind::Ceil:
      return std::ceil(x);
    case Kind::Round:
      return std::nearbyint(x);
    case Kind::Sqrt:
      return std::sqrt(x);
    case Kind::Reciprocal:
      return 1 / x;
    case Kind::Log:
      return math::log(x);
    case Kind::Erf:
      return math::erf(x);
    case Kind::Sin:
      return math::sin(x);
    case Kind::Cos:
      return math::cos(x);
    case Kind::Tan:
      return math::tan(x);
    case Kind::Asin:
      return math::asin(x);
    case Kind::Acos:
      return math::acos(x);
    case Kind::Atan:
      return math::atan(x);
    case Kind::Sinh:
      return math::sinh(x);
    case Kind::Cosh:
      return math::cosh(x);
    case Kind::Asinh:
      return math::asinh(x);
    case Kind::Acosh:
      return math::acosh(x);
    case Kind::Atanh:
      return math::atanh(x);
    case Kind::Softplus:
      return softplus(x);
    case Kind::Softsign:
      return x / (1 + std::abs(x));
    case Kind::Elu:
      return x < 0 ? alpha * math::expm1(x) : x;
    case Kind::Selu:
      return beta * (x > 0 ? x : alpha * math::expm1(x));
    case Kind::Celu:
      return x < 0 ? alpha * math::expm1(x / alpha) : x;
    case Kind::ThresholdedRelu:
      return x > alpha ? x : 0;
    case Kind::Shrink:
      return x < -alpha ? x + beta : x > alpha ? x - beta : 0;
    case Kind::Gelu:
      return 0.5 * x * (1 + math::erf(x * kRootOfHalf));
    case Kind::GeluTanh:
      return 0.5 * x * (1 + math::tanh(kRootOfTwoPerPi * (x + 0.044715 * x * x * x)));
    case Kind::Mish:
      return x * math::tanh(softplus(x));
    default:
      CHECK(false, "activation {} of a number", activation.name());
  }
}

}  // namespace

double activate(const Activation& activation, double x, std::size_t channel) {
  const auto alpha = static_cast<double>(activation.alpha);
  const auto beta = static_cast<double>(activation.beta);
  switch (activation.kind) {
    case Activation::Kind::None:
      return x;
    case Activation::Kind::Relu:
      return x < 0 ? 0 : x;
    case Activation::Kind::Clip:
      return std::min(std::max(x, alpha), upper_bound(activation, channel));
    case Activation::Kind::LeakyRelu:
      return x < 0 ? alpha * x : x;
    case Activation::Kind::PRelu:
      return x < 0 ? static_cast<double>(slope_of(activation, channel)) * x : x;
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
    default:
      return elementary(activation, x);
  }
}

void activate_in_place(const Activation& activation, std::span<float> values, std::size_t channel,
                       Arithmetic arithmetic) {
  if (arithmetic == Arithmetic::Exact) {
    for (float& v : values) v = apply(activation, v, channel);
    return;
  }
  const float alpha = activation.alpha;
  const float beta = activation.beta;
  switch (activation.kind) {
    case Activation::Kind::None:
      return;
    case Activation::Kind::Relu:
      for (float& v : values) v = v < 0 ? 0 : v;
      return;
    case Activation::Kind::Clip: {
      const auto bound = static_cast<float>(upper_bound(activation, channel));
      for (float& v : values) v = std::min(std::max(v, alpha), bound);
      return;
    }
    case Activation::Kind::LeakyRelu:
      return scale_negatives(values, alpha);
    case Activation::Kind::PRelu:
      return scale_negatives(values, slope_of(activation, channel));
    case Activation::Kind::Sigmoid:
      return sigmoid_in_place(values);
    case Activation::Kind::Tanh:
      return tanh_in_place(values);
    case Activation::Kind::HardSigmoid:
      for (float& v : values) v = std::min(std::max(alpha * v + beta, 0.0F), 1.0F);
      return;
    case Activation::Kind::HardSwish:
      for (float& v : values) v *= std::min(std::max(v / 6 + 0.5F, 0.0F), 1.0F);
      return;
    case Activation::Kind::Exp:
      return exp_in_place(values);
    case Activation::Kind::Floor:
      for (float& v : values) v = std::floor(v);
      return;
    case Activation::Kind::Truncate:
      for (float& v : values) v = std::trunc(v);
      return;
    case Activation::Kind::Abs:
      for (float& v : values) v = std::abs(v);
      return;
    case Activation::Kind::Neg:
      for (float& v : values) v = -v;
      return;
    case Activation::Kind::Sqrt:
      for (float& v : values) v = std::sqrt(v);
      return;
    case Activation::Kind::Reciprocal:
      for (float& v : values) v = 1 / v;
      return;
    default:
      for (float& v : values) v = apply(activation, v, channel);
      return;
  }
}

namespace {

Tensor activated(const Activation& activation, Tensor x, const Context& context) {
  if (x.type() != ElementType::Float32) {
    return for_number_type(x.type(), [&]<typename T>(std::type_identity<T>) {
      return activate_numbers<T>(activation, std::move(x), context);
    });
  }
  const std::span<float> values = x.mutable_values<float>();
  const auto run = [&](std::int64_t channel, std::int64_t begin, std::int64_t end) {
    activate_in_place(
        activation,
        values.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)),
        static_cast<std::size_t>(channel), context.arithmetic);
  };
  if (per_channel(activation)) {
    for_channels(x.shape(), context, run);
  } else {
    for_pieces(x.size(), context,
               [&](std::int64_t begin, std::int64_t end) { run(0, begin, end); });
  }
  return x;
}

// Truth of each element.
Tensor tested(Activation::Kind kind, const Tensor& x) {
  Tensor y = Tensor::uninitialized(ElementType::Bool, x.shape());
  const std::span<bool> to = y.mutable_values<bool>();
  if (kind == Activation::Kind::Not) {
    std::ranges::transform(x.values<bool>(), to.begin(), std::logical_not<>());
  } else {
    std::ranges::transform(x.values<float>(), to.begin(), [](float v) { return std::isnan(v); });
  }
  return y;
}

// Fractions go, what does not fit is the nearest that does, NaN is 0; integers lose high bits.
template <typename To, typename From>
To cast(From from) {
  if constexpr (std::is_same_v<To, bool>) {
    return from != From{};
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    constexpr auto kLow = static_cast<double>(std::numeric_limits<To>::min());
    constexpr auto kHigh = static_cast<double>(std::numeric_limits<To>::max());
    const auto x = static_cast<double>(from);
    if (std::isnan(x)) return To{};
    if (x <= kLow) return std::numeric_limits<To>::min();
    return x >= kHigh ? std::numeric_limits<To>::max() : static_cast<To>(x);
  } else {
    return static_cast<To>(from);
  }
}

template <typename From>
Tensor cast_from(const Tensor& x, ElementType type) {
  Tensor y = Tensor::uninitialized(type, x.shape(), x.layout());
  const auto to = [&]<typename To>(std::type_identity<To>) {
    std::ranges::transform(x.values<From>(), y.mutable_values<To>().begin(), cast<To, From>);
  };
  if (type == ElementType::Bool) {
    to(std::type_identity<bool>{});
  } else {
    for_number_type(type, to);
  }
  return y;
}

}  // namespace

Tensor as_type(Tensor x, ElementType type) {
  if (x.type() == type) return x;
  if (x.type() == ElementType::Bool) return cast_from<bool>(x, type);
  return for_number_type(x.type(),
                         [&]<typename T>(std::type_identity<T>) { return cast_from<T>(x, type); });
}

template <>
Tensors result_of(const Activate& op, Evaluation& at) {
  const ElementType type = at.graph.value(at.node.outputs[0]).type;
  if (gives_truth(op.activation.kind)) {
    at.expect_type(
        0, op.activation.kind == Activation::Kind::Not ? ElementType::Bool : ElementType::Float32);
    return one(tested(op.activation.kind, at.x()));
  }
  return one(as_type(activated(op.activation, std::move(at.operands[0]), at.context), type));
}

namespace {

// Exact: (x - mean) / sqrt(variance + epsilon) * scale + bias.
Tensor batch_norm(const BatchNorm& op, std::span<const Tensor> parameters, Tensor x,
                  const Context& context) {
  const auto parameter = [&](std::size_t i, std::int64_t channel) {
    return static_cast<double>(parameters[i].values<float>()[static_cast<std::size_t>(channel)]);
  };
  float* values = x.mutable_values<float>().data();
  for_channels(x.shape(), context, [&](std::int64_t c, std::int64_t begin, std::int64_t end) {
    const double scale = parameter(1, c);
    const double bias = parameter(2, c);
    const double mean = parameter(3, c);
    const double deviation = std::sqrt(parameter(4, c) + static_cast<double>(op.epsilon));
    if (context.exact()) {
      for (std::int64_t i = begin; i < end; ++i) {
        const double centred = static_cast<double>(values[i]) - mean;
        values[i] = static_cast<float>(centred / deviation * scale + bias);
      }
      return;
    }
    const auto factor = static_cast<float>(scale / deviation);
    const auto offset = static_cast<float>(bias - mean * scale / deviation);
    for (std::int64_t i = begin; i < end; ++i) values[i] = values[i] * factor + offset;
  });
  return x;
}

}  // namespace

template <>
Tensors result_of(const BatchNorm& op, Evaluation& at) {
  at.expect_floats();
  Tensor data = std::move(at.operands[0]);
  return one(batch_norm(op, at.operands, std::move(data), at.context));
}

// Functions of two elements with numpy broadcasting: those of Binary, and PRelu, whose slope is a
// tensor of its own.

namespace {

// Both operands walked in the row-major order of the result. Neighbouring dimensions that both
// operands step through alike are one dimension here, so that the inner loop is long.
class Broadcast {
 public:
  Broadcast(const Shape& a, const Shape& b, const Shape& out) {
    std::int64_t step_a = 1;
    std::int64_t step_b = 1;
    for (std::size_t i = 0; i < out.size(); ++i) {  // from the innermost dimension outwards
      const std::int64_t size = out[out.size() - 1 - i];
      if (size == 1) continue;
      const bool moves_a = i < a.size() && a[a.size() - 1 - i] != 1;
      const bool moves_b = i < b.size() && b[b.size() - 1 - i] != 1;
      add({size, moves_a ? step_a : 0, moves_b ? step_b : 0});
      if (moves_a) step_a *= size;
      if (moves_b) step_b *= size;
    }
    if (dims_.empty()) dims_.push_back({1, 0, 0});
  }

  // Calls row(out, a, b, count, step_a, step_b) with element indices for the runs that cover
  // [begin, end) of the result; the steps are 0 or 1.
  template <typename Row>
  void rows(std::int64_t begin, std::int64_t end, Row&& row) const {
    const Dim& inner = dims_.front();
    while (begin < end) {
      const std::int64_t column = begin % inner.size;
      const std::int64_t count = std::min(end - begin, inner.size - column);
      std::int64_t a = column * inner.a;
      std::int64_t b = column * inner.b;
      std::int64_t rest = begin / inner.size;
      for (std::size_t d = 1; d < dims_.size(); ++d) {
        a += rest % dims_[d].size * dims_[d].a;
        b += rest % dims_[d].size * dims_[d].b;
        rest /= dims_[d].size;
      }
      row(begin, a, b, count, inner.a, inner.b);
      begin += count;
    }
  }

 private:
  struct Dim {
    std::int64_t size, a, b;  // elements, steps of the operands
  };
  void add(Dim dim) {
    if (!dims_.empty()) {
      Dim& last = dims_.back();
      if (dim.a == last.a * last.size && dim.b == last.b * last.size) {
        last.size *= dim.size;
        return;
      }
    }
    dims_.push_back(dim);
  }

  std::vector<Dim> dims_;  // innermost first
};

template <typename T, typename R, typename F>
void combine(const Broadcast& broadcast, const T* a, const T* b, R* out, std::int64_t begin,
             std::int64_t end, F f) {
  broadcast.rows(begin, end,
                 [&](std::int64_t o, std::int64_t ia, std::int64_t ib, std::int64_t count,
                     std::int64_t step_a, std::int64_t step_b) {
                   const T* left = a + ia;
                   const T* right = b + ib;
                   R* to = out + o;
                   if (step_a == 1 && step_b == 1) {
                     for (std::int64_t i = 0; i < count; ++i) to[i] = f(left[i], right[i]);
                   } else if (step_a == 1) {
                     for (std::int64_t i = 0; i < count; ++i) to[i] = f(left[i], *right);
                   } else {
                     for (std::int64_t i = 0; i < count; ++i) to[i] = f(*left, right[i * step_b]);
                   }
                 });
}

// Integers wrap around: the unsigned type of the same width does.
template <typename T>
struct Ring {
  using Type = std::make_unsigned_t<T>;
};
template <typename T>
requires std::is_floating_point_v<T>
struct Ring<T> {
  using Type = T;
};

template <typename T>
T divide(T x, T y) {
  if constexpr (std::is_integral_v<T>) {
    if (y == 0) fail("Div: expected an integer divisor other than 0, found 0");
    if constexpr (std::is_signed_v<T>) {
      if (y == -1)
        return static_cast<T>(typename Ring<T>::Type{0} - static_cast<typename Ring<T>::Type>(x));
    }
  }
  return static_cast<T>(x / y);
}

// NaN of either is the result.
template <typename T>
T greater_of(T x, T y) {
  return x > y || x != x ? x : y;
}
template <typename T>
T lesser_of(T x, T y) {
  return x < y || x != x ? x : y;
}

template <typename T>
T power(T x, T y) {
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(math::signed_pow(static_cast<double>(x), static_cast<double>(y)));
  } else {
    if (y < 0) return x == 1 ? T{1} : x == T(-1) ? static_cast<T>(y % 2 == 0 ? 1 : -1) : T{0};
    std::uint64_t result = 1, square = static_cast<std::uint64_t>(x);
    for (auto rest = static_cast<std::uint64_t>(y); rest > 0; rest >>= 1, square *= square) {
      if ((rest & 1) != 0) result *= square;
    }
    return static_cast<T>(result);
  }
}

// The remainder with the sign of the dividend, or (floored) of the divisor.
template <typename T>
T remainder(T x, T y, bool floored) {
  T rest = 0;
  if constexpr (std::is_floating_point_v<T>) {
    rest = std::fmod(x, y);
  } else {
    if (y == 0) fail("Mod: expected an integer divisor other than 0, found 0");
    if (y != T(-1) || !std::is_signed_v<T>) rest = static_cast<T>(x % y);
  }
  return floored && rest != 0 && (rest < 0) != (y < 0) ? static_cast<T>(rest + y) : rest;
}

// Calls use(f) with f(x, y) of the operator. One rounding: for two floats the result of the float
// operator is that of the double one, rounded.
template <typename T, typename Use>
void with_operator(Binary::Kind kind, Use&& use) {
  using U = typename Ring<T>::Type;
  switch (kind) {
    case Binary::Kind::Add:
      return use([](T x, T y) { return static_cast<T>(static_cast<U>(x) + static_cast<U>(y)); });
    case Binary::Kind::Sub:
      return use([](T x, T y) { return static_cast<T>(static_cast<U>(x) - static_cast<U>(y)); });
    case Binary::Kind::Mul:
      return use([](T x, T y) {
        // 64 bits: two uint16 would be multiplied as int, which cannot hold 65535 * 65535
        if constexpr (std::is_integral_v<T>) {
          return static_cast<T>(static_cast<std::uint64_t>(x) * static_cast<std::uint64_t>(y));
        } else {
          return x * y;
        }
      });
    case Binary::Kind::Div:
      return use([](T x, T y) { return divide(x, y); });
    case Binary::Kind::Max:
      return use([](T x, T y) { return greater_of(x, y); });
    case Binary::Kind::Min:
      return use([](T x, T y) { return lesser_of(x, y); });
    case Binary::Kind::Pow:
      return use([](T x, T y) { return power(x, y); });
    case Binary::Kind::Mod:
      return use([](T x, T y) { return remainder(x, y, true); });
    case Binary::Kind::Fmod:
      return use([](T x, T y) { return remainder(x, y, false); });
    default:
      CHECK(false, "binary {} of numbers", static_cast<int>(kind));
  }
}

// The same for what has a truth: comparisons of any type, And, Or, Xor of truths.
template <typename T, typename Use>
void with_test(Binary::Kind kind, Use&& use) {
  switch (kind) {
    case Binary::Kind::Equal:
      return use([](T x, T y) { return x == y; });
    case Binary::Kind::Less:
      return use([](T x, T y) { return x < y; });
    case Binary::Kind::LessOrEqual:
      return use([](T x, T y) { return x <= y; });
    case Binary::Kind::Greater:
      return use([](T x, T y) { return x > y; });
    case Binary::Kind::GreaterOrEqual:
      return use([](T x, T y) { return x >= y; });
    case Binary::Kind::And:
      return use([](T x, T y) { return x != T{} && y != T{}; });
    case Binary::Kind::Or:
      return use([](T x, T y) { return x != T{} || y != T{}; });
    case Binary::Kind::Xor:
      return use([](T x, T y) { return (x != T{}) != (y != T{}); });
    default:
      CHECK(false, "binary {} has no truth", static_cast<int>(kind));
  }
}

template <typename T>
Tensor test_all(Binary::Kind kind, const Tensor& a, const Tensor& b, const Shape& shape,
                const Context& context) {
  const Broadcast broadcast(a.shape(), b.shape(), shape);
  Tensor result = Tensor::uninitialized(ElementType::Bool, shape);
  bool* out = result.mutable_values<bool>().data();
  const T* left = a.values<T>().data();
  const T* right = b.values<T>().data();
  for_pieces(result.size(), context, [&](std::int64_t begin, std::int64_t end) {
    with_test<T>(kind, [&](auto f) { combine(broadcast, left, right, out, begin, end, f); });
  });
  return result;
}

Tensor tested(Binary::Kind kind, const Tensor& a, const Tensor& b, const Shape& shape,
              const Context& context) {
  if (a.type() == ElementType::Bool) return test_all<bool>(kind, a, b, shape, context);
  return for_number_type(a.type(), [&]<typename T>(std::type_identity<T>) {
    return test_all<T>(kind, a, b, shape, context);
  });
}

// The activation is applied before the one rounding.
void combine_exactly(const Binary& op, const Broadcast& broadcast, const float* a, const float* b,
                     float* out, const Shape& shape, std::int64_t begin, std::int64_t end) {
  std::int64_t inner = 1;
  for (std::size_t i = 2; i < shape.size(); ++i) inner *= shape[i];
  const std::int64_t channels = shape.size() > 1 ? shape[1] : 1;
  broadcast.rows(begin, end,
                 [&](std::int64_t o, std::int64_t ia, std::int64_t ib, std::int64_t count,
                     std::int64_t step_a, std::int64_t step_b) {
                   with_operator<double>(op.kind, [&](auto f) {
                     for (std::int64_t i = 0; i < count; ++i) {
                       const auto channel = static_cast<std::size_t>((o + i) / inner % channels);
                       const double result = f(static_cast<double>(a[ia + i * step_a]),
                                               static_cast<double>(b[ib + i * step_b]));
                       out[o + i] = static_cast<float>(activate(op.activation, result, channel));
                     }
                   });
                 });
}

template <typename T>
Tensor combine_all(const Binary& op, Tensor a, const Tensor& b, const Shape& shape,
                   const Context& context) {
  const Broadcast broadcast(a.shape(), b.shape(), shape);
  const bool in_place = a.shape() == shape;  // each element of a is read once, then overwritten
  Tensor result = in_place ? std::move(a) : Tensor::uninitialized(b.type(), shape);
  T* out = result.mutable_values<T>().data();
  const T* left = in_place ? out : a.values<T>().data();
  const T* right = b.values<T>().data();
  for_pieces(result.size(), context, [&](std::int64_t begin, std::int64_t end) {
    if constexpr (std::is_same_v<T, float>) {
      if (context.exact() && op.activation.kind != Activation::Kind::None) {
        return combine_exactly(op, broadcast, left, right, out, shape, begin, end);
      }
    }
    with_operator<T>(op.kind, [&](auto f) { combine(broadcast, left, right, out, begin, end, f); });
  });
  return result;
}

// Any number type, both the same; integers wrap around, division by zero throws Error.
Tensor binary(const Binary& op, Tensor a, const Tensor& b, const Shape& out,
              const Context& context) {
  const ElementType type = a.type();
  Tensor result = for_number_type(type, [&]<typename T>(std::type_identity<T>) {
    return combine_all<T>(op, std::move(a), b, out, context);
  });
  const bool done = context.exact() && type == ElementType::Float32;
  if (done || op.activation.kind == Activation::Kind::None) return result;
  return activated(op.activation, std::move(result), context);
}

}  // namespace

template <>
Tensors result_of(const Binary& op, Evaluation& at) {
  at.expect_type(1, at.x().type());
  if (gives_truth(op.kind)) {
    return one(tested(op.kind, at.x(), at.operands[1], at.out(), at.context));
  }
  return one(binary(op, std::move(at.operands[0]), at.operands[1], at.out(), at.context));
}

namespace {

Tensor prelu(const Tensor& x, const Tensor& slope, const Context& context) {
  const Broadcast broadcast(x.shape(), slope.shape(), x.shape());
  Tensor y = Tensor::uninitialized(ElementType::Float32, x.shape(), x.layout());
  const float* left = x.values<float>().data();
  const float* right = slope.values<float>().data();
  float* out = y.mutable_values<float>().data();
  for_pieces(x.size(), context, [&](std::int64_t begin, std::int64_t end) {
    // float is exact here: one product, rounded once
    combine(broadcast, left, right, out, begin, end,
            [](float v, float s) { return v < 0 ? s * v : v; });
  });
  return y;
}

}  // namespace

template <>
Tensors result_of(const PRelu&, Evaluation& at) {
  at.expect_floats();
  return one(prelu(at.x(), at.operands[1], at.context));
}

}  // namespace workbench::eval
