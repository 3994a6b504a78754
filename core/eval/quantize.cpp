// The two crossings between real numbers and codes, as the value's Quantization says.

#include <algorithm>
#include <cmath>

#include "core/eval/kernels.h"
#include "core/eval/types.h"

namespace workbench::eval {

namespace {

double round_as(Rounding rounding, double v) {
  const double floor = std::floor(v);
  const double above = v - floor;  // exact: in [0, 1)
  switch (rounding) {
    case Rounding::HalfUp:
      return above < 0.5 ? floor : floor + 1;
    case Rounding::HalfEven: {
      if (above != 0.5) return above < 0.5 ? floor : floor + 1;
      return std::fmod(floor, 2) == 0 ? floor : floor + 1;
    }
    case Rounding::HalfAwayFromZero:
      return std::round(v);
    case Rounding::Floor:
      return floor;
    case Rounding::TowardZero:
      return std::trunc(v);
  }
  CHECK(false, "rounding {}", static_cast<int>(rounding));
}

// Which step and zero point an element has.
struct Steps {
  std::int64_t inner = 1;  // elements behind each index of the axis
  std::int64_t count = 1;  // indices of the axis; 1 when per tensor

  Steps(const Quantization& quantization, const Shape& shape) {
    if (quantization.thresholds.size() <= 1) return;
    const auto rank = static_cast<std::int64_t>(shape.size());
    const int axis = quantization.axis;
    const auto along = static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
    count = shape[along];
    for (std::size_t i = along + 1; i < shape.size(); ++i) inner *= shape[i];
  }
  std::size_t at(std::int64_t element) const {
    return static_cast<std::size_t>(element / inner % count);
  }
};

}  // namespace

Tensor quantize(const Quantization& quantization, const Tensor& x, ElementType type,
                const Context& context) {
  Tensor codes = Tensor::uninitialized(type, x.shape(), x.layout());
  const Steps steps(quantization, x.shape());
  const auto low = static_cast<double>(quantization.low());
  const auto high = static_cast<double>(quantization.high());
  const float* from = x.values<float>().data();
  for_number_type(type, [&]<typename T>(std::type_identity<T>) {
    T* to = codes.mutable_values<T>().data();
    for_pieces(x.size(), context, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::size_t index = steps.at(i);
        const double scaled = static_cast<double>(from[i]) / quantization.step(index);
        const double code = round_as(quantization.rounding, scaled) +
                            static_cast<double>(quantization.zero_point(index));
        // written so that NaN, which compares false, becomes low
        to[i] = static_cast<T>(code >= low ? std::min(code, high) : low);
      }
    });
  });
  return codes;
}

Tensor dequantize(const Quantization& quantization, const Tensor& x, const Context& context) {
  Tensor reals = Tensor::uninitialized(ElementType::Float32, x.shape(), x.layout());
  const Steps steps(quantization, x.shape());
  float* to = reals.mutable_values<float>().data();
  for_number_type(x.type(), [&]<typename T>(std::type_identity<T>) {
    const T* from = x.values<T>().data();
    for_pieces(x.size(), context, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::size_t index = steps.at(i);
        const double code =
            static_cast<double>(from[i]) - static_cast<double>(quantization.zero_point(index));
        to[i] = static_cast<float>(code * quantization.step(index));
      }
    });
  });
  return reals;
}

}  // namespace workbench::eval
