// What an ONNX graph says of its inputs (input_sizes.h): declared sizes, and the weights behind.
#pragma once

#include <onnx/onnx_pb.h>

#include <vector>

#include "compiler/import/import.h"
#include "compiler/import/input_sizes.h"

namespace workbench::importer {

InputSizes input_sizes_of(const onnx::GraphProto& graph, const ImportOptions& options);

}  // namespace workbench::importer
