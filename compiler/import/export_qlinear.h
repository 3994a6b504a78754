// The QLinear operators of ONNX and of ONNX Runtime (domain com.microsoft).
#pragma once

#include "compiler/import/export_node.h"
#include "compiler/import/qlinear.h"

namespace workbench::importer {

// Appends `node` as the operator on codes that `form` (without an obstacle) says it is.
void write_qlinear(ExportState& state, const Node& node, const QLinear& form);

}  // namespace workbench::importer
