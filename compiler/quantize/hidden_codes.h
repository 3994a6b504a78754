// Codes that a file has between a layer and its activation: passes fuse the two, and a target that
// computes them one after the other has the value between again, without them.
#pragma once

#include "core/graph.h"

namespace workbench {

// Gives the operands of activations in `prepared` that a pass had fused into the layer before, and
// that have no codes, those of the pair of Quantize and Dequantize before the same activation in
// `imported`.
void restore_hidden_codes(Graph& prepared, const Graph& imported);

}  // namespace workbench
