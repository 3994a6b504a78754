// ONNX out: a float Graph as an ordinary model of opset 13, or of what its operators and codes
// need. import(export(g)) computes what g computes, and its codes have the bits that g's have.
#pragma once

#include <filesystem>
#include <string>

#include "core/graph.h"

namespace workbench {

// How operators between codes are written.
enum class CodesForm {
  Qdq,        // as they are: float operators between DequantizeLinear and QuantizeLinear
  QOperator,  // as QLinearConv and the like wherever qlinear.h finds one, else likewise; dead
              // constants are left out
};

// Serialized ModelProto; deterministic. Fused activations are written as nodes of their own.
std::string export_onnx_bytes(const Graph& graph, CodesForm form = CodesForm::Qdq);
void export_onnx(const Graph& graph, const std::filesystem::path& path,
                 CodesForm form = CodesForm::Qdq);

}  // namespace workbench
