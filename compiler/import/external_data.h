// Which other files an ONNX file consists of: tensors may lie beside it (onnx.proto,
// TensorProto.external_data).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace workbench {

// Locations as the model has them, relative to its folder; sorted, each once; empty for a model
// that is whole. Throws Error as import_onnx() does for a file that is no model.
std::vector<std::string> external_data_locations(const std::filesystem::path& model);

}  // namespace workbench
