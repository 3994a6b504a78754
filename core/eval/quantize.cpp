// The two crossings between real numbers and codes, as the value's Quantization says. A network
// that is being calibrated crosses at every value, hundreds of times: the loops are straight lines
// of arithmetic over elements of one step, which become vector code.

#include <algorithm>

#include "core/eval/kernels.h"
#include "core/rounding.h"

namespace workbench::eval {

namespace {

// Which step and zero point an element has.
struct Steps {
  std::int64_t inner = 1;  // elements behind each index of the axis
  std::int64_t count = 1;  // indices of the axis; 1 when per tensor

  Steps(const Quantization& quantization, const Shape& shape) {
    if (quantization.thresholds.size() <= 1) {
      inner = std::max<std::int64_t>(element_count(shape), 1);
      return;
    }
    const auto rank = static_cast<std::int64_t>(shape.size());
    const int axis = quantization.axis;
    const auto along = static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
    count = shape[along];
    for (std::size_t i = along + 1; i < shape.size(); ++i) inner *= shape[i];
  }
};

// Calls body(from, to, index) for runs of elements of [begin, end) that share a step and zero
// point.
template <typename Body>
void for_runs(const Steps& steps, std::int64_t begin, std::int64_t end, Body&& body) {
  while (begin < end) {
    const std::int64_t row = begin / steps.inner;
    const std::int64_t stop = std::min(end, (row + 1) * steps.inner);
    body(begin, stop, static_cast<std::size_t>(row % steps.count));
    begin = stop;
  }
}

struct Range {
  double step, zero, low, high;
};

template <Rounding kRounding, typename T>
void quantize_run(const float* from, T* to, std::int64_t count, const Range& range) {
  // Narrow codes by way of int32, which has vector conversions from double.
  using Wide = std::conditional_t<(sizeof(T) < 4), std::int32_t, T>;
  const Range r = range;
  for (std::int64_t i = 0; i < count; ++i) {
    const double near =
        cut_beyond(static_cast<double>(from[i]) / r.step, r.low - r.zero, r.high - r.zero);
    const double code = rounded<kRounding>(near) + r.zero;
    to[i] = static_cast<T>(static_cast<Wide>(std::min(std::max(code, r.low), r.high)));
  }
}

// As ONNX means them (the published xfDNN arithmetic is in isa/xdnn/semantics):
// code = clamp(round(x / step) + zero_point), all in double; stored as `type`. NaN becomes low().
Tensor quantize(const Quantization& quantization, const Tensor& x, ElementType type,
                const Context& context) {
  Tensor codes = Tensor::uninitialized(type, x.shape(), x.layout());
  const Steps steps(quantization, x.shape());
  const float* from = x.values<float>().data();
  for_number_type(type, [&]<typename T>(std::type_identity<T>) {
    T* to = codes.mutable_values<T>().data();
    with_rounding(quantization.rounding, [&](auto rounding) {
      for_pieces(x.size(), context, [&](std::int64_t begin, std::int64_t end) {
        for_runs(steps, begin, end, [&](std::int64_t i, std::int64_t stop, std::size_t index) {
          const Range range{.step = quantization.step(index),
                            .zero = static_cast<double>(quantization.zero_point(index)),
                            .low = static_cast<double>(quantization.low()),
                            .high = static_cast<double>(quantization.high())};
          quantize_run<decltype(rounding)::value>(from + i, to + i, stop - i, range);
        });
      });
    });
  });
  return codes;
}

}  // namespace

template <>
Tensors result_of(const Quantize&, Evaluation& at) {
  at.expect_floats();
  const Value& value = at.graph.value(at.node.outputs[0]);
  CHECK(value.quantization, "value '{}'", value.name);
  return one(quantize(*value.quantization, at.x(), value.type, at.context));
}

Tensor dequantize(const Quantization& quantization, const Tensor& x, const Context& context) {
  Tensor reals = Tensor::uninitialized(ElementType::Float32, x.shape(), x.layout());
  const Steps steps(quantization, x.shape());
  float* to = reals.mutable_values<float>().data();
  for_number_type(x.type(), [&]<typename T>(std::type_identity<T>) {
    const T* from = x.values<T>().data();
    for_pieces(x.size(), context, [&](std::int64_t begin, std::int64_t end) {
      for_runs(steps, begin, end, [&](std::int64_t i, std::int64_t stop, std::size_t index) {
        const double step = quantization.step(index);
        const auto zero = static_cast<double>(quantization.zero_point(index));
        for (; i < stop; ++i) {
          to[i] = static_cast<float>((static_cast<double>(from[i]) - zero) * step);
        }
      });
    });
  });
  return reals;
}

template <>
Tensors result_of(const Dequantize&, Evaluation& at) {
  const Value& value = at.graph.value(at.node.inputs[0]);
  CHECK(value.quantization, "value '{}'", value.name);
  return one(dequantize(*value.quantization, at.x(), at.context));
}

}  // namespace workbench::eval
