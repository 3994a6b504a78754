// ONNX element types and tensors as ours. All sizes are checked against the bytes present before
// any allocation.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <set>
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

// Names in a file end up in reports, JSON and error lines, so they must be text.

// Throws Error when `name` is empty, too long, not UTF-8 or holds control characters; `kind` is for
// the message.
void check_name(std::string_view name, std::string_view kind);

// Control characters, and bytes beyond ASCII that are not UTF-8, replaced by '?'; at most 500
// bytes.
std::string one_line(std::string_view text);

// `wanted`, or `wanted` with the first free number behind it; takes it.
std::string unique_name(std::set<std::string>& taken, const std::string& wanted);

}  // namespace workbench::importer
