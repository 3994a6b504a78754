// ONNX out: a float Graph as an ordinary opset-13 model. import(export(g)) computes what g
// computes.
#pragma once

#include <filesystem>
#include <string>

#include "core/graph.h"

namespace workbench {

// Serialized ModelProto; deterministic. Fused activations are written as nodes of their own.
std::string export_onnx_bytes(const Graph& graph);
void export_onnx(const Graph& graph, const std::filesystem::path& path);

}  // namespace workbench
