#include "sim/golden/numbers.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "core/error.h"

namespace workbench::golden {

namespace {

template <typename Use>
decltype(auto) with_type(ElementType type, Use&& use) {
  switch (type) {
    case ElementType::Float32:
      return use(float{});
    case ElementType::Float64:
      return use(double{});
    case ElementType::Int8:
      return use(std::int8_t{});
    case ElementType::Uint8:
      return use(std::uint8_t{});
    case ElementType::Int16:
      return use(std::int16_t{});
    case ElementType::Uint16:
      return use(std::uint16_t{});
    case ElementType::Int32:
      return use(std::int32_t{});
    case ElementType::Uint32:
      return use(std::uint32_t{});
    case ElementType::Int64:
      return use(std::int64_t{});
    case ElementType::Uint64:
      return use(std::uint64_t{});
    case ElementType::Bool:
      return use(bool{});
  }
  CHECK(false, "element type {}", static_cast<int>(type));
}

// 2^exponent is exact in double, the greatest int64 is not.
template <typename T>
std::int64_t saturated(double value) {
  if (std::isnan(value)) return 0;
  constexpr int kBits = std::numeric_limits<T>::digits;
  const double above = std::ldexp(1.0, kBits), below = std::is_signed_v<T> ? -above : 0;
  if (value >= above) return static_cast<std::int64_t>(std::numeric_limits<T>::max());
  if (value <= below) return static_cast<std::int64_t>(std::numeric_limits<T>::min());
  return static_cast<std::int64_t>(static_cast<T>(std::trunc(value)));
}

}  // namespace

bool is_whole(ElementType type) {
  return type != ElementType::Float32 && type != ElementType::Float64;
}

double real_at(const Tensor& tensor, std::size_t i) {
  return with_type(tensor.type(), [&]<typename T>(T) -> double {
    return static_cast<double>(tensor.values<T>()[i]);
  });
}

std::int64_t whole_at(const Tensor& tensor, std::size_t i) {
  return with_type(tensor.type(), [&]<typename T>(T) -> std::int64_t {
    return static_cast<std::int64_t>(tensor.values<T>()[i]);
  });
}

void put_real(Tensor& tensor, std::size_t i, double value) {
  with_type(tensor.type(), [&]<typename T>(T) {
    if constexpr (std::is_floating_point_v<T>) {
      tensor.mutable_values<T>()[i] = static_cast<T>(value);
    } else if constexpr (std::is_same_v<T, bool>) {
      tensor.mutable_values<T>()[i] = value != 0;
    } else {
      tensor.mutable_values<T>()[i] = static_cast<T>(saturated<T>(value));
    }
  });
}

void put_whole(Tensor& tensor, std::size_t i, std::int64_t value) {
  with_type(tensor.type(), [&]<typename T>(T) {
    if constexpr (std::is_same_v<T, bool>) {
      tensor.mutable_values<T>()[i] = value != 0;
    } else {
      tensor.mutable_values<T>()[i] = static_cast<T>(value);
    }
  });
}

Tensor cast(const Tensor& tensor, ElementType type) {
  if (tensor.type() == type) return tensor;
  Tensor result = Tensor::uninitialized(type, tensor.shape(), tensor.layout());
  for (std::size_t i = 0; i < static_cast<std::size_t>(tensor.size()); ++i) {
    if (is_whole(tensor.type())) {
      put_whole(result, i, whole_at(tensor, i));
    } else {
      put_real(result, i, real_at(tensor, i));
    }
  }
  return result;
}

}  // namespace workbench::golden
