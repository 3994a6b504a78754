// The ONNX nodes of one graph node, opset 13.
#pragma once

#include <onnx/onnx_pb.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/graph.h"

namespace workbench::importer {

// The model being written and the names taken in it.
struct ExportState {
  const Graph& source;
  onnx::ModelProto model;
  std::set<std::string> value_names, node_names;
};

// Appends `tensor` as an initializer named `name`.
void write_initializer(onnx::GraphProto& graph, const std::string& name, const Tensor& tensor);

// Appends the ONNX nodes that compute `node`: one, or two when an activation is fused or the
// operator is younger than opset 13. CHECKs that the node is a float one.
void write_node(ExportState& state, const Node& node);

}  // namespace workbench::importer
