// What evaluate.cpp calls for each op: tensors in, tensors out, no graph. Float ops take and give
// float32 (the caller has checked); "any type" means the bytes are moved, not computed with.
// "Exact" below is Arithmetic::Exact: the order of terms it promises is written at each function.
// Operands whose bytes nobody else holds may be overwritten: pass by value means that.
#pragma once

#include <span>
#include <type_traits>
#include <vector>

#include "core/eval/evaluate.h"
#include "core/tensor.h"

namespace workbench::eval {

struct Context {
  Arithmetic arithmetic = Arithmetic::Fast;
  int threads = 0;
  bool exact() const { return arithmetic == Arithmetic::Exact; }
};

// Elements of one piece of an elementwise loop: fixed, so that results do not depend on threads.
inline constexpr std::int64_t kPiece = 1 << 14;

// Calls body(begin, end) for [0, count) cut into pieces of kPiece.
void for_pieces(std::int64_t count, const Context& context,
                const std::function<void(std::int64_t, std::int64_t)>& body);

// y = f(x) in double; channel indexes the slopes of a PRelu and a Clip's bounds.
//   Relu: x < 0 ? 0 : x           Clip: min(max(x, alpha), beta)   LeakyRelu: x < 0 ? alpha*x : x
//   PRelu: x < 0 ? slope*x : x    Sigmoid: 1 / (1 + exp(-x))       Tanh, Exp: as in <cmath>
//   HardSigmoid: max(0, min(1, alpha*x + beta))   HardSwish: x * max(0, min(1, x/6 + 0.5))
double activate(const Activation& activation, double x, std::size_t channel);
// Float32 in, float32 out, in place, over elements that share one channel.
void activate_in_place(const Activation& activation, std::span<float> values, std::size_t channel,
                       Arithmetic arithmetic);
Tensor activate(const Activation& activation, Tensor x, const Context& context);

// Exact: (x - mean) / sqrt(variance + epsilon) * scale + bias.
Tensor batch_norm(const BatchNorm& op, std::span<const Tensor> parameters, Tensor x,
                  const Context& context);
Tensor prelu(const Tensor& x, const Tensor& slope, const Context& context);
// Any number type, both the same; integers wrap around, division by zero throws Error.
Tensor binary(const Binary& op, Tensor a, const Tensor& b, const Shape& out,
              const Context& context);

// Exact: sum over (input channel of the group, kernel indices in order), cells in the padding left
// out, then + bias, then the activation. `bias` is null or [Co].
Tensor conv(const Conv& op, const Tensor& x, const Tensor& w, const Tensor* bias, const Shape& out,
            const Context& context);
// Exact: the same order, over the (input channel, kernel index) pairs that reach the output cell.
Tensor conv_transpose(const ConvTranspose& op, const Tensor& x, const Tensor& w, const Tensor* bias,
                      const Shape& out, const Context& context);

// Any number type; of equal elements the first one's index counts. `with_indices`: second result.
std::vector<Tensor> max_pool(const MaxPool& op, const Tensor& x, const Shape& out,
                             bool with_indices, const Context& context);
// Exact: sum over the window's cells inside the input in row-major order, divided by their number
// (count_include_pad: by the number of cells inside the padded input).
Tensor average_pool(const AveragePool& op, const Tensor& x, const Shape& out,
                    const Context& context);

// Exact: alpha * (sum over k) + beta * c, then the activation (channel = column).
Tensor gemm(const Gemm& op, const Tensor& a, const Tensor& b, const Tensor* c,
            const Context& context);
// Exact: sum over k.
Tensor matmul(const Tensor& a, const Tensor& b, const Shape& out, const Context& context);

// Mean, Sum: terms in row-major order, Mean divides the sum by their number. Any number type.
Tensor reduce(const Reduce& op, const Tensor& x, const Shape& out, const Context& context);
// m = max, e = exp(x - m), s = sum of e in order: e / s, or (x - m) - log(s).
Tensor softmax(const Softmax& op, const Tensor& x, const Context& context);
// x / pow(bias + alpha / size * s, beta), s = sum of squares over channels
// [c - (size-1)/2, c + size/2], ascending, those that exist.
Tensor lrn(const Lrn& op, const Tensor& x, const Context& context);

// Any type.
Tensor concat(std::span<const Tensor> parts, std::size_t axis, const Shape& out);
Tensor transpose(const Tensor& x, const std::vector<std::int64_t>& permutation,
                 const Context& context);
Tensor pad(const Pad& op, const Tensor& x, const Shape& out, const Context& context);
Tensor slice(const Slice& op, const Tensor& x, const Shape& out, const Context& context);
Tensor resize(const Resize& op, const Tensor& x, const Context& context);
Tensor space_to_depth(const SpaceToDepth& op, const Tensor& x, const Context& context);
Tensor depth_to_space(const DepthToSpace& op, const Tensor& x, const Context& context);

// As ONNX means them (the published xfDNN arithmetic is in isa/xdnn/semantics):
// code = clamp(round(x / step) + zero_point), all in double; stored as `type`. NaN becomes low().
Tensor quantize(const Quantization& quantization, const Tensor& x, ElementType type,
                const Context& context);
// (code - zero_point) * step in double, rounded to float32.
Tensor dequantize(const Quantization& quantization, const Tensor& x, const Context& context);

// From a run-time element type to a C++ type.

// Calls f(std::type_identity<T>{}) with the C++ type of `type`. Throws Error for Bool: no op of
// ours computes with truth values.
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

}  // namespace workbench::eval
