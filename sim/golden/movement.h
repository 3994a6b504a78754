// Ops that move elements and compute none, on tensors of any element type. Definitions: the ONNX
// operator of the same name.
#pragma once

#include "sim/golden/operation.h"

namespace workbench::golden {

Tensor concat(const Concat& op, const Operation& at);
Tensor reshape(const Operation& at);
Tensor transpose(const Transpose& op, const Operation& at);
// Negative pads crop. The constant is quantized where the output is.
Tensor pad(const Pad& op, const Operation& at);
Tensor resize(const Resize& op, const Operation& at);
Tensor space_to_depth(const SpaceToDepth& op, const Operation& at);
Tensor depth_to_space(const DepthToSpace& op, const Operation& at);
Tensor slice(const Slice& op, const Operation& at);

}  // namespace workbench::golden
