// A file of any format (front_end.h) to ModelProto, unvalidated; see import.cpp.
#pragma once

#include <onnx/onnx_pb.h>

#include <filesystem>
#include <optional>
#include <string_view>

#include "compiler/import/import.h"

namespace workbench::importer {

// Throws Error "PATH: cannot read: REASON" or "PATH: expected an ONNX model, found ...". The file
// is mapped, so that a large one is in memory once, as messages.
onnx::ModelProto read_model(const std::filesystem::path& path, const ImportOptions& options = {});
// The same, and what it was.
struct AnyModel {
  std::string_view format;  // FrontEnd::format
  onnx::ModelProto proto;
};
AnyModel read_any(const std::filesystem::path& path, const ImportOptions& options);
// The same of ONNX alone; none for a file of another format.
std::optional<onnx::ModelProto> read_onnx(const std::filesystem::path& path);
// Of ONNX bytes.
onnx::ModelProto parse_model(std::string_view bytes, std::string_view name);

}  // namespace workbench::importer
