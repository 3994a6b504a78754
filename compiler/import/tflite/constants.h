// Constants of a TensorFlow Lite file as tensors, and what can be computed with them at import.
#pragma once

#include <optional>

#include "compiler/import/tflite/file.h"
#include "core/tensor.h"

namespace workbench::importer::tflite {

// The elements of a constant: float16 and bfloat16 as float32, int4 as int8. Throws Error for other
// types without a number of ours (strings, complex numbers, resources) and for sparse constants.
Tensor decode(const TensorInfo& info);

// What elements of a type are in the model where they are no codes: float32 for all real numbers;
// none for types without a number of ours.
std::optional<ElementType> number_type(Type type);

// scale * (code - zero point) in float32; a tensor of real numbers is what it is.
Tensor real_numbers(const Tensor& codes, const std::optional<Scales>& scales);

// Dimension i of the result is dimension permutation[i] of `tensor`.
Tensor transposed(const Tensor& tensor, const Integers& permutation);

// Whole numbers known at import: shapes and what is computed with them.
struct Integral {
  Shape shape;
  Integers values;
};
// Nothing for other types than int32 and int64, and for more than 2^16 numbers.
std::optional<Integral> integral(const Tensor& tensor);

}  // namespace workbench::importer::tflite
