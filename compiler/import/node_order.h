// The nodes of an ONNX graph: their names and the order in which they can be read.
#pragma once

#include <onnx/onnx_pb.h>

#include <set>
#include <string>
#include <vector>

namespace workbench::importer {

// Indices of the nodes, operands before their readers, otherwise as in the file. `known`: names of
// graph inputs and initializers. Throws Error on a name written twice, a name nobody writes, and a
// cycle.
std::vector<int> node_order(const onnx::GraphProto& graph, const std::set<std::string>& known);

// Gives every node a name of its own: the file's, with a number behind it where two nodes share
// one, or operator and first output.
void name_nodes(onnx::GraphProto& graph, std::set<std::string>& taken);

std::string describe(const onnx::NodeProto& node);  // for errors

}  // namespace workbench::importer
