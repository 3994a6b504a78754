// From a run-time element type to a C++ type.
#pragma once

#include <type_traits>

#include "core/tensor.h"

namespace workbench::eval {

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
