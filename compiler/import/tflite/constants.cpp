#include "compiler/import/tflite/constants.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/error.h"

namespace workbench::importer::tflite {

namespace {

constexpr std::int64_t kMostIntegral = std::int64_t{1} << 16;

// binary16 as float32, exactly.
float from_half(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t{half & 0x8000U} << 16U;
  const std::uint32_t exponent = (half >> 10U) & 0x1FU, fraction = half & 0x3FFU;
  if (exponent == 0) {  // zero, or below the smallest normal number
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t wide = exponent == 0x1F ? 0xFFU : exponent + 112U;
  return std::bit_cast<float>(sign | wide << 23U | fraction << 13U);
}

float from_bfloat(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16U); }

template <typename T>
Tensor copied(const TensorInfo& info) {
  Tensor tensor = Tensor::uninitialized(element_type_of<T>(), info.shape);
  std::memcpy(tensor.mutable_data(), info.data->data(),
              static_cast<std::size_t>(tensor.size_bytes()));
  return tensor;
}

template <typename Convert>
Tensor widened(const TensorInfo& info, Convert convert) {
  Tensor tensor = Tensor::uninitialized(ElementType::Float32, info.shape);
  const char* from = info.data->data();
  for (float& x : tensor.mutable_values<float>()) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, from, sizeof bits);
    from += sizeof bits;
    x = convert(bits);
  }
  return tensor;
}

// Two to a byte, the low half first.
Tensor unpacked(const TensorInfo& info) {
  Tensor tensor = Tensor::uninitialized(ElementType::Int8, info.shape);
  std::size_t i = 0;
  for (std::int8_t& x : tensor.mutable_values<std::int8_t>()) {
    const auto byte = static_cast<std::uint8_t>((*info.data)[i / 2]);
    const int half = i % 2 == 0 ? byte & 0xF : byte >> 4;
    x = static_cast<std::int8_t>(half >= 8 ? half - 16 : half);
    ++i;
  }
  return tensor;
}

template <typename T>
Tensor dequantized(const Tensor& codes, const Scales& scales) {
  Tensor result = Tensor::uninitialized(ElementType::Float32, codes.shape());
  std::int64_t inner = 1;
  for (std::size_t d = scales.axis + 1; d < codes.rank(); ++d) inner *= codes.dim(d);
  const std::size_t count = scales.scales.size();
  const auto from = codes.values<T>();
  auto to = result.mutable_values<float>();
  for (std::size_t i = 0; i < from.size(); ++i) {
    const std::size_t c = count == 1 ? 0 : i / static_cast<std::size_t>(inner) % count;
    const auto code = static_cast<double>(from[i]) - static_cast<double>(scales.zero_points[c]);
    to[i] = static_cast<float>(code * static_cast<double>(scales.scales[c]));
  }
  return result;
}

}  // namespace

Tensor decode(const TensorInfo& info) {
  CHECK(info.data.has_value(), "tensor '{}' is no constant", info.name);
  if (info.is_sparse) {
    fail("constant '{}': expected dense elements, found sparse ones (TensorInfo.sparsity)",
         info.name);
  }
  switch (info.type) {
    case Type::Float32:
      return copied<float>(info);
    case Type::Float64:
      return copied<double>(info);
    case Type::Float16:
      return widened(info, from_half);
    case Type::Bfloat16:
      return widened(info, from_bfloat);
    case Type::Int4:
      return unpacked(info);
    case Type::Int8:
      return copied<std::int8_t>(info);
    case Type::Uint8:
      return copied<std::uint8_t>(info);
    case Type::Int16:
      return copied<std::int16_t>(info);
    case Type::Uint16:
      return copied<std::uint16_t>(info);
    case Type::Int32:
      return copied<std::int32_t>(info);
    case Type::Uint32:
      return copied<std::uint32_t>(info);
    case Type::Int64:
      return copied<std::int64_t>(info);
    case Type::Uint64:
      return copied<std::uint64_t>(info);
    case Type::Bool: {
      Tensor tensor = Tensor::uninitialized(ElementType::Bool, info.shape);
      std::ranges::transform(*info.data, tensor.mutable_values<bool>().begin(),
                             [](char byte) { return byte != 0; });
      return tensor;
    }
    case Type::String:
    case Type::Complex64:
    case Type::Complex128:
    case Type::Resource:
    case Type::Variant:
      break;
  }
  fail("constant '{}': expected numbers, found {}", info.name, type_name(info.type));
}

std::optional<ElementType> number_type(Type type) {
  switch (type) {
    case Type::Float32:
    case Type::Float16:
    case Type::Bfloat16:
    case Type::Float64:
      return ElementType::Float32;
    case Type::Int8:
      return ElementType::Int8;
    case Type::Uint8:
      return ElementType::Uint8;
    case Type::Int16:
      return ElementType::Int16;
    case Type::Int32:
      return ElementType::Int32;
    case Type::Int64:
      return ElementType::Int64;
    case Type::Bool:
      return ElementType::Bool;
    case Type::Int4:
    case Type::Uint16:
    case Type::Uint32:
    case Type::Uint64:
    case Type::String:
    case Type::Complex64:
    case Type::Complex128:
    case Type::Resource:
    case Type::Variant:
      break;
  }
  return std::nullopt;
}

Tensor real_numbers(const Tensor& codes, const std::optional<Scales>& scales) {
  if (!scales) return codes;
  switch (codes.type()) {
    case ElementType::Int8:
      return dequantized<std::int8_t>(codes, *scales);
    case ElementType::Uint8:
      return dequantized<std::uint8_t>(codes, *scales);
    case ElementType::Int16:
      return dequantized<std::int16_t>(codes, *scales);
    case ElementType::Int32:
      return dequantized<std::int32_t>(codes, *scales);
    case ElementType::Int64:
      return dequantized<std::int64_t>(codes, *scales);
    default:
      return codes;
  }
}

Tensor transposed(const Tensor& tensor, const Integers& permutation) {
  const std::size_t rank = tensor.rank();
  CHECK(permutation.size() == rank, "{} dimensions by {}", rank, permutation.size());
  Integers from_strides(rank, 1), strides(rank);
  for (std::size_t d = rank; d-- > 1;) from_strides[d - 1] = from_strides[d] * tensor.dim(d);
  Shape shape(rank);
  for (std::size_t d = 0; d < rank; ++d) {
    const auto from = static_cast<std::size_t>(permutation[d]);
    shape[d] = tensor.dim(from);
    strides[d] = from_strides[from];
  }
  Tensor result = Tensor::uninitialized(tensor.type(), shape);
  const auto bytes = static_cast<std::size_t>(element_bytes(tensor.type()));
  std::byte* to = result.mutable_data();
  Integers index(rank, 0);
  std::int64_t at = 0;
  for (std::int64_t i = 0; i < result.size(); ++i) {
    to = std::copy_n(tensor.data() + static_cast<std::size_t>(at) * bytes, bytes, to);
    for (std::size_t d = rank; d-- > 0;) {
      at += strides[d];
      if (++index[d] < shape[d]) break;
      at -= strides[d] * shape[d];
      index[d] = 0;
    }
  }
  return result;
}

std::optional<Integral> integral(const Tensor& tensor) {
  if (tensor.size() > kMostIntegral) return std::nullopt;
  Integral result{.shape = tensor.shape(), .values = {}};
  const auto append = [&](const auto values) {
    result.values.assign(values.begin(), values.end());
  };
  if (tensor.type() == ElementType::Int32) {
    append(tensor.values<std::int32_t>());
  } else if (tensor.type() == ElementType::Int64) {
    append(tensor.values<std::int64_t>());
  } else {
    return std::nullopt;
  }
  return result;
}

}  // namespace workbench::importer::tflite
