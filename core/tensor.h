// A tensor is a value: shape, element type, layout and bytes. Copies share their bytes until one of
// them is written to (weights travel through every stage of the compiler unchanged; activations
// are written once), so passing tensors and graphs by value costs nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace workbench {

using Shape = std::vector<std::int64_t>;

// Product of the dimensions; 1 for a scalar (empty shape). Dimensions are >= 0.
std::int64_t element_count(const Shape& shape);
std::string to_string(const Shape& shape);  // "[1, 3, 224, 224]"

enum class ElementType {
  Float32,
  Float64,
  Int8,
  Uint8,
  Int16,
  Uint16,
  Int32,
  Uint32,
  Int64,
  Uint64,
  Bool
};

std::int64_t element_bytes(ElementType type);
std::string_view to_string(ElementType type);

// How the dimensions of `shape` are to be read. Elements are always stored row-major in the order
// of the shape; hardware layouts exist only inside modelled memories.
enum class Layout {
  RowMajor,  // no spatial meaning
  Nchw,      // activations: batch, channel, row, column
  Oihw,      // convolution weights: output channel, input channel of the group, row, column
};

template <typename T>
constexpr ElementType element_type_of();
template <>
constexpr ElementType element_type_of<float>() {
  return ElementType::Float32;
}
template <>
constexpr ElementType element_type_of<double>() {
  return ElementType::Float64;
}
template <>
constexpr ElementType element_type_of<std::int8_t>() {
  return ElementType::Int8;
}
template <>
constexpr ElementType element_type_of<std::uint8_t>() {
  return ElementType::Uint8;
}
template <>
constexpr ElementType element_type_of<std::int16_t>() {
  return ElementType::Int16;
}
template <>
constexpr ElementType element_type_of<std::uint16_t>() {
  return ElementType::Uint16;
}
template <>
constexpr ElementType element_type_of<std::int32_t>() {
  return ElementType::Int32;
}
template <>
constexpr ElementType element_type_of<std::uint32_t>() {
  return ElementType::Uint32;
}
template <>
constexpr ElementType element_type_of<std::int64_t>() {
  return ElementType::Int64;
}
template <>
constexpr ElementType element_type_of<std::uint64_t>() {
  return ElementType::Uint64;
}
template <>
constexpr ElementType element_type_of<bool>() {
  return ElementType::Bool;
}

class Tensor {
 public:
  Tensor() = default;  // float32 of shape [0]: no element

  // Contents undefined: the caller writes every element.
  static Tensor uninitialized(ElementType type, Shape shape, Layout layout = Layout::RowMajor);
  static Tensor zeros(ElementType type, Shape shape, Layout layout = Layout::RowMajor);
  // `values.size()` must be element_count(shape).
  template <typename T>
  static Tensor from(Shape shape, std::span<const T> values, Layout layout = Layout::RowMajor);
  template <typename T>
  static Tensor from(Shape shape, const std::vector<T>& values, Layout layout = Layout::RowMajor) {
    return from<T>(std::move(shape), std::span<const T>(values), layout);
  }
  template <typename T>
  static Tensor scalar(T value) {
    return from<T>(Shape{}, std::span<const T>(&value, 1));
  }

  const Shape& shape() const { return shape_; }
  std::int64_t dim(std::size_t axis) const { return shape_.at(axis); }
  std::size_t rank() const { return shape_.size(); }
  ElementType type() const { return type_; }
  Layout layout() const { return layout_; }
  std::int64_t size() const { return element_count(shape_); }
  std::int64_t size_bytes() const { return size() * element_bytes(type_); }

  // The same elements under another shape of equal element count (CHECKed); shares the bytes.
  Tensor reshaped(Shape shape, Layout layout = Layout::RowMajor) const;

  // Row-major elements. T must be the element type (CHECKed).
  template <typename T>
  std::span<const T> values() const {
    CHECK(element_type_of<T>() == type_, "tensor holds {}", to_string(type_));
    return {reinterpret_cast<const T*>(data()), static_cast<std::size_t>(size())};
  }
  // As values(), for writing; first takes a private copy of the bytes if they are shared.
  template <typename T>
  std::span<T> mutable_values() {
    CHECK(element_type_of<T>() == type_, "tensor holds {}", to_string(type_));
    return {reinterpret_cast<T*>(mutable_data()), static_cast<std::size_t>(size())};
  }
  const std::byte* data() const { return bytes_.get(); }
  std::byte* mutable_data();

 private:
  Shape shape_{0};
  ElementType type_ = ElementType::Float32;
  Layout layout_ = Layout::RowMajor;
  std::shared_ptr<std::byte[]> bytes_;  // shared_ptr: copy-on-write, see the top of this file
};

// Equal type, shape and bytes.
bool operator==(const Tensor& a, const Tensor& b);

template <typename T>
Tensor Tensor::from(Shape shape, std::span<const T> values, Layout layout) {
  Tensor tensor = uninitialized(element_type_of<T>(), std::move(shape), layout);
  CHECK(static_cast<std::int64_t>(values.size()) == tensor.size(), "{} values for shape {}",
        values.size(), to_string(tensor.shape()));
  std::copy(values.begin(), values.end(), tensor.mutable_values<T>().begin());
  return tensor;
}

}  // namespace workbench
