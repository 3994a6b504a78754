// Operators of QONNX's domain for channels last: ONNX's, with maps (and the weights of Conv) as
// [N, ..., C] (QONNX, src/qonnx/custom_op/channels_last).
#pragma once

#include <onnx/onnx_pb.h>

#include <vector>

#include "compiler/import/node_reader.h"

namespace workbench::importer {

bool is_channels_last(const onnx::NodeProto& proto);

// The node as nodes of the standard: transpositions and the operator between them. The tensors
// between them get names that the file does not have. Throws Error for operators that the domain
// lacks and operands of other ranks.
std::vector<onnx::NodeProto> with_channels_first(NodeReader& node);

}  // namespace workbench::importer
