// The largest value under the window, of codes or of reals: no arithmetic. Padding never wins.
#pragma once

#include <vector>

#include "sim/golden/operation.h"

namespace workbench::golden {

// Codes or float32 [N,C,spatial]; outputs y and, when the node has a second one, int64 indices as
// ONNX counts them (of the first largest; storage_order 1 counts each plane column by column).
std::vector<Tensor> max_pool(const MaxPool& op, const Operation& at);

}  // namespace workbench::golden
