// ONNX element types and tensors as ours. Everything is checked against the bytes that are really
// there before anything is allocated.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "core/tensor.h"

namespace workbench::importer {

// Values above this are no network; it keeps products of dimensions inside 64 bits.
inline constexpr std::int64_t kMaxElements = std::int64_t{1} << 31;

// float16, bfloat16 and double become float32. Throws Error "WHERE: ..." for strings, complex
// numbers and unknown types.
ElementType element_type(std::int32_t onnx_type, std::string_view where);
std::int32_t onnx_type(ElementType type);

// Throws Error when a dimension is negative or the product exceeds kMaxElements.
void check_shape(const Shape& shape, std::string_view where);

// Moves the elements out of `proto`, so that weights are never held twice.
Tensor take_tensor(onnx::TensorProto& proto, std::string_view where);

// Throws Error at the first NaN, or infinity in a tensor of rank 1 or more (a scalar infinity is an
// ordinary Clip bound).
void check_finite(const Tensor& tensor, std::string_view where);

}  // namespace workbench::importer
