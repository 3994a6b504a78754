#include "core/tensor.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "core/memory.h"

namespace workbench {

std::int64_t element_count(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t dim : shape) count *= dim;
  return count;
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

std::int64_t element_bytes(ElementType type) {
  switch (type) {
    case ElementType::Int8:
    case ElementType::Uint8:
    case ElementType::Bool:
      return 1;
    case ElementType::Int16:
    case ElementType::Uint16:
      return 2;
    case ElementType::Float32:
    case ElementType::Int32:
    case ElementType::Uint32:
      return 4;
    case ElementType::Float64:
    case ElementType::Int64:
    case ElementType::Uint64:
      return 8;
  }
  CHECK(false, "element type {}", static_cast<int>(type));
}

std::string_view to_string(ElementType type) {
  switch (type) {
    case ElementType::Float32:
      return "float32";
    case ElementType::Float64:
      return "float64";
    case ElementType::Int8:
      return "int8";
    case ElementType::Uint8:
      return "uint8";
    case ElementType::Int16:
      return "int16";
    case ElementType::Uint16:
      return "uint16";
    case ElementType::Int32:
      return "int32";
    case ElementType::Uint32:
      return "uint32";
    case ElementType::Int64:
      return "int64";
    case ElementType::Uint64:
      return "uint64";
    case ElementType::Bool:
      return "bool";
  }
  CHECK(false, "element type {}", static_cast<int>(type));
}

namespace {

constexpr std::size_t kAlignment = 64;  // one cache line, one AVX-512 register

std::shared_ptr<std::byte[]> allocate(std::int64_t size_bytes) {
  const auto size = static_cast<std::size_t>(size_bytes == 0 ? 1 : size_bytes);
  take_tensor_memory(size_bytes);
  std::byte* raw = nullptr;
  try {
    raw = static_cast<std::byte*>(::operator new[](size, std::align_val_t{kAlignment}));
  } catch (const std::bad_alloc&) {
    return_tensor_memory(size_bytes);
    throw;
  }
  return {raw, [size_bytes](std::byte* p) {
            ::operator delete[](p, std::align_val_t{kAlignment});
            return_tensor_memory(size_bytes);
          }};
}

// Throws Error when the bytes of such a tensor are more than a number holds.
void require_size(const Shape& shape, ElementType type) {
  std::int64_t bytes = element_bytes(type);
  bool empty = false, beyond = false;
  for (const std::int64_t dim : shape) {
    CHECK(dim >= 0, "shape {}", to_string(shape));
    empty = empty || dim == 0;
    beyond = beyond || __builtin_mul_overflow(bytes, std::max<std::int64_t>(dim, 1), &bytes);
  }
  if (beyond && !empty) fail("a tensor {}: more elements than can be counted", to_string(shape));
}

}  // namespace

Tensor Tensor::uninitialized(ElementType type, Shape shape, Layout layout) {
  Tensor tensor;
  tensor.shape_ = std::move(shape);
  tensor.type_ = type;
  tensor.layout_ = layout;
  require_size(tensor.shape_, type);
  tensor.bytes_ = allocate(tensor.size_bytes());
  return tensor;
}

Tensor Tensor::zeros(ElementType type, Shape shape, Layout layout) {
  Tensor tensor = uninitialized(type, std::move(shape), layout);
  std::memset(tensor.bytes_.get(), 0, static_cast<std::size_t>(tensor.size_bytes()));
  return tensor;
}

Tensor Tensor::reshaped(Shape shape, Layout layout) const {
  CHECK(element_count(shape) == size(), "{} cannot become {}", to_string(shape_), to_string(shape));
  Tensor tensor = *this;
  tensor.shape_ = std::move(shape);
  tensor.layout_ = layout;
  return tensor;
}

std::byte* Tensor::mutable_data() {
  if (bytes_ && bytes_.use_count() > 1) {
    auto copy = allocate(size_bytes());
    std::memcpy(copy.get(), bytes_.get(), static_cast<std::size_t>(size_bytes()));
    bytes_ = std::move(copy);
  }
  return bytes_.get();
}

bool operator==(const Tensor& a, const Tensor& b) {
  return a.type() == b.type() && a.shape() == b.shape() &&
         (a.size() == 0 ||
          std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size_bytes())) == 0);
}

}  // namespace workbench
