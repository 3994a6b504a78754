// Integer networks in NEMO's ONNX convention, which DORY reads (quantization.md 2.2): whole numbers
// in float32 tensors, Conv -> Mul kappa -> Add lambda -> Mul m -> Div D -> Floor -> Clip.
#pragma once

#include "core/graph.h"

namespace workbench {

// `integers`: as integer_network.h and nemo.h give it. The result is a float graph for export_onnx:
// its inputs are codes, what leaves are the integers that the host reads; what the host does behind
// them (Softmax, ...) is not part of it. integer_network() makes of it a network of the same
// values. An offset that float32 does not hold goes into the bias of its layer as far as it is a
// multiple of kappa. Throws Error "node 'NAME' (OP): ..." for what the convention cannot express.
Graph nemo_onnx_form(const Graph& integers);

}  // namespace workbench
