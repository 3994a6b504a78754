// Operators that are functions: the model's own, and those whose bodies ONNX's library has. A call
// becomes the nodes of the body.
#pragma once

#include <onnx/onnx_pb.h>

#include <string_view>

#include "compiler/import/node_reader.h"

namespace workbench::importer {

// Makes the functions of the model known. Throws Error for one that is there twice.
void index_functions(Source& source);

// The body for the node's operator, nullptr: there is none. The model's own comes first.
onnx::FunctionProto* find_function(NodeReader& node);

// Reads the body with the node's operands, attributes and results. Throws Error where the call does
// not fit.
void call(onnx::FunctionProto& function, NodeReader& node);

// Reads a branch, whose nodes see the names around; its results become the node's.
void read_branch(onnx::GraphProto& branch, NodeReader& node);

}  // namespace workbench::importer
