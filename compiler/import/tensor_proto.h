// ONNX element types and tensors as ours. All sizes are checked against the bytes present before
// any allocation.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "compiler/import/external_data.h"
#include "core/tensor.h"

namespace workbench::importer {

// Values above this are no network; it keeps products of dimensions inside 64 bits.
inline constexpr std::int64_t kMaxElements = std::int64_t{1} << 31;

// float16, bfloat16 and double become float32; int4 and uint4 become int8 and uint8 (bits_of()
// tells them apart). Throws Error "WHERE: ..." for strings, complex numbers and unknown types.
ElementType element_type(std::int32_t onnx_type, std::string_view where);
std::int32_t onnx_type(ElementType type);
// int4 or uint4.
std::int32_t onnx_type_of_4_bits(bool is_signed);
// Width of the codes of an ONNX type that is narrower than what stores it: 4; 0 for all others.
int narrow_bits(std::int32_t onnx_type);

// Throws Error when a dimension is negative or the product exceeds kMaxElements.
void check_shape(const Shape& shape, std::string_view where);

// The tensors of one model. Each is moved out of its message when it is first asked for, so that
// weights are never held twice; whoever asks again gets the same bytes.
class TensorSource {
 public:
  // `folder`: of the model's file, where external data may lie; none: no such file.
  explicit TensorSource(std::optional<std::filesystem::path> folder)
      : external_(std::move(folder)) {}

  Tensor take(onnx::TensorProto& proto, std::string_view where);
  // As a dense tensor.
  Tensor take(onnx::SparseTensorProto& proto, std::string_view where);
  // check_finite() of a tensor that was taken; once, however often it is asked for.
  void expect_finite(const Tensor& tensor, std::string_view where);

 private:
  ExternalData external_;
  std::unordered_set<const void*> finite_;         // by bytes
  std::unordered_map<const void*, Tensor> taken_;  // by message
};

// Throws Error at the first NaN, or infinity in a tensor of rank 1 or more (a scalar infinity is an
// ordinary Clip bound).
void check_finite(const Tensor& tensor, std::string_view where);

}  // namespace workbench::importer
