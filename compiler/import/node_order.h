// The nodes of an ONNX graph, branch or function body: their names, the order in which they can be
// read, and which of them what is asked for depends on.
#pragma once

#include <onnx/onnx_pb.h>

#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "compiler/import/names.h"

namespace workbench::importer {

using Nodes = google::protobuf::RepeatedPtrField<onnx::NodeProto>;

std::string describe(const onnx::NodeProto& node);  // for errors

// The name in the file, or operator and first output, as text.
std::string title(const onnx::NodeProto& node);

// Gives every node a name of its own: its title, with a number behind it where two share one.
void name_nodes(Nodes& nodes, Names& taken);

// Calls `visit` with every name that a node reads, those from around its branches included.
void for_each_operand(const onnx::NodeProto& node,
                      const std::function<void(const std::string&)>& visit);

struct Reading {
  // Indices of the nodes that `wanted` depends on, operands before their readers, otherwise as in
  // the file.
  std::vector<int> order;
  std::unordered_set<std::string> names;  // read by those nodes, or wanted
};

using IsName = std::function<bool(const std::string&)>;

// `is_taken`: an input or initializer, whose name no node may write; `is_known`: those, and names
// from around. Throws Error on a name written twice, a name never written, and a cycle.
Reading reading_of(const Nodes& nodes, const std::vector<std::string>& wanted,
                   const IsName& is_taken, const IsName& is_known);

}  // namespace workbench::importer
