// TensorFlow Lite files in the integers of TensorFlow Lite Micro's reference kernels
// (docs/facts/tflite.md 3): the codes that the file's own runtime computes.
#pragma once

#include <filesystem>
#include <vector>

#include "core/graph.h"

namespace workbench {

// Inputs and outputs of the file, in its order, types and shapes; no nodes. Throws Error for files
// of other formats.
Graph tflite_interface(const std::filesystem::path& model);

// Results of one tensor per input, in the file's types and shapes; real numbers for an input of
// codes are rounded to them. `rounds_twice`: the high half of a product, then the shift, as
// TensorFlow Lite Micro does; else the exact product once (TFLITE_SINGLE_ROUNDING, XNNPACK). Throws
// Error for operators and types without a reference.
std::vector<Tensor> evaluate_tflite(const std::filesystem::path& model,
                                    const std::vector<Tensor>& inputs, bool rounds_twice);

}  // namespace workbench
