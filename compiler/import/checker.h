// ONNX's own checker, with the operators of other domains that the importer knows registered.
#pragma once

#include <filesystem>

namespace workbench {

// Throws Error "FILE: ..." with what the checker objects to. Quantlab's attributes on standard
// operators are an objection; the importer takes them.
void check_onnx(const std::filesystem::path& path);

}  // namespace workbench
