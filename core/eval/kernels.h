// What the evaluation of ops is written in. Each family of ops is one file, which has a
// specialisation of result_of() for each of its ops. "Exact" there is Arithmetic::Exact: the order
// of terms it promises is written at each function.
#pragma once

#include <functional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/eval/evaluate.h"
#include "core/tensor.h"

namespace workbench::eval {

struct Context {
  Arithmetic arithmetic = Arithmetic::Fast;
  int threads = 0;
  bool exact() const { return arithmetic == Arithmetic::Exact; }
};

using Tensors = std::vector<Tensor>;

inline Tensors one(Tensor tensor) {  // not copied, as it would be by an initializer list
  Tensors result;
  result.push_back(std::move(tensor));
  return result;
}

// One node with its operands at hand, which may be overwritten where nothing else holds their
// bytes.
struct Evaluation {
  const Graph& graph;
  const Node& node;
  Tensors operands;
  Context context;

  bool has(std::size_t i) const { return i < node.inputs.size() && node.inputs[i] != kNoValue; }
  const Tensor& x() const { return operands[0]; }
  const Tensor* optional(std::size_t i) const { return has(i) ? &operands[i] : nullptr; }
  const Shape& out() const { return graph.value(node.outputs[0]).shape; }
  std::size_t axis(std::int64_t a) const {  // may count from the back
    return static_cast<std::size_t>(a < 0 ? a + static_cast<std::int64_t>(x().rank()) : a);
  }
  // Throw Error "node 'NAME' (OP): operand I: expected elements of type ..., found ...".
  void expect_type(std::size_t i, ElementType type) const;
  void expect_floats() const;  // of all operands
};

// The results of a node with operator `op`: a specialisation per op; a missing one does not link.
template <typename T>
Tensors result_of(const T& op, Evaluation& at);

// Elements of one piece of an elementwise loop: fixed, so that results do not depend on threads.
inline constexpr std::int64_t kPiece = 1 << 14;

// Calls body(begin, end) for [0, count) cut into pieces of kPiece.
void for_pieces(std::int64_t count, const Context& context,
                const std::function<void(std::int64_t, std::int64_t)>& body);

// y = f(x) in double; channel indexes the slopes of a PRelu and a Clip's bounds.
//   Relu: x < 0 ? 0 : x           Clip: min(max(x, alpha), beta)   LeakyRelu: x < 0 ? alpha*x : x
//   PRelu: x < 0 ? slope*x : x    Sigmoid: 1 / (1 + exp(-x))       Tanh, Exp: as in <cmath>
//   HardSigmoid: min(max(alpha*x + beta, 0), 1)   HardSwish: x * min(max(x/6 + 0.5, 0), 1)
//   Softplus: max(x, 0) + log1p(exp(-|x|))   Mish: x * tanh(softplus(x))
//   Elu, Celu: x < 0 ? alpha * expm1(x or x / alpha) : x
//   Gelu: x/2 * (1 + erf(x * sqrt(1/2)))   GeluTanh: x/2 * (1 + tanh(sqrt(2/pi) * (x + c*x*x*x)))
double activate(const Activation& activation, double x, std::size_t channel);
// Float32 in, float32 out, in place, over elements that share one channel.
void activate_in_place(const Activation& activation, std::span<float> values, std::size_t channel,
                       Arithmetic arithmetic);

// The elements as another type: to integers fractions go, what does not fit is the nearest that
// does, NaN is 0; integers lose high bits; what is not 0 is true.
Tensor as_type(Tensor x, ElementType type);

// Whole numbers rescaled as AffineRequantize says, exactly. Throws Error for operands that are not
// whole and for a range that the file leaves open.
Tensor rescaled(const Node& node, Tensor x, ElementType type);

// (code - zero_point) * step in double, rounded to float32.
Tensor dequantize(const Quantization& quantization, const Tensor& x, const Context& context);

// Calls f(std::type_identity<T>{}) with the C++ type of `type`. Throws Error for Bool.
template <typename F>
decltype(auto) for_number_type(ElementType type, F&& f) {
  switch (type) {
    case ElementType::Float32:
      return f(std::type_identity<float>{});
    case ElementType::Float64:
      return f(std::type_identity<double>{});
    case ElementType::Int8:
      return f(std::type_identity<std::int8_t>{});
    case ElementType::Uint8:
      return f(std::type_identity<std::uint8_t>{});
    case ElementType::Int16:
      return f(std::type_identity<std::int16_t>{});
    case ElementType::Uint16:
      return f(std::type_identity<std::uint16_t>{});
    case ElementType::Int32:
      return f(std::type_identity<std::int32_t>{});
    case ElementType::Uint32:
      return f(std::type_identity<std::uint32_t>{});
    case ElementType::Int64:
      return f(std::type_identity<std::int64_t>{});
    case ElementType::Uint64:
      return f(std::type_identity<std::uint64_t>{});
    case ElementType::Bool:
      fail("element type: expected a number, found bool");
  }
  CHECK(false, "element type {}", static_cast<int>(type));
}

// Calls f(std::type_identity<U>{}) with an unsigned type as wide as the elements.
template <typename F>
void for_width(ElementType type, F&& f) {
  switch (element_bytes(type)) {
    case 1:
      return f(std::type_identity<std::uint8_t>{});
    case 2:
      return f(std::type_identity<std::uint16_t>{});
    case 4:
      return f(std::type_identity<std::uint32_t>{});
    case 8:
      return f(std::type_identity<std::uint64_t>{});
  }
  CHECK(false, "{} bytes", element_bytes(type));
}

}  // namespace workbench::eval
