// The ONNX nodes of one graph node, opset 13.
#pragma once

#include "compiler/import/export_node.h"

namespace workbench::importer {

// Appends the ONNX nodes that compute `node`: one, or two when an activation is fused or the
// operator is younger than opset 13. CHECKs that the node is a float one.
void write_node(ExportState& state, const Node& node);

}  // namespace workbench::importer
