// int8 networks as TensorFlow Lite Micro's reference kernels compute them, code by code
// (docs/facts/tflite.md 3): what an importer and a quantizer are held to. It shares the reading of
// files with the importer, and no arithmetic.
#pragma once

#include <vector>

#include "compiler/import/tflite/file.h"
#include "compiler/import/tflite/fixed_point.h"
#include "core/tensor.h"

namespace workbench::importer::tflite {

// Outputs of the network for one tensor per input, both in the file's types, order and shapes.
// Throws Error for operators and types that have no reference here.
std::vector<Tensor> evaluate_reference(const File& file, const std::vector<Tensor>& inputs,
                                       Rescaling how = Rescaling::RoundsTwice);

}  // namespace workbench::importer::tflite
