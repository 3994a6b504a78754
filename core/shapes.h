// Shape rules: one function per op, the same for import, builders, passes and verify().
#pragma once

#include <vector>

#include "core/graph.h"

namespace workbench {

// Output size of one dimension of a sliding window. ONNX formula; with `ceil_mode` windows that
// would start beyond the input and its leading padding are dropped (ONNX and Caffe agree on it).
std::int64_t window_output_size(std::int64_t input, std::int64_t kernel, std::int64_t stride,
                                std::int64_t dilation, std::int64_t pad_begin, std::int64_t pad_end,
                                bool ceil_mode);

// Shapes of all outputs of `node`, from its operands' shapes in `graph`. Throws Error naming node
// and operand when they do not fit together (a network is user input).
std::vector<Shape> output_shapes(const Graph& graph, const Node& node);

// Whether a constant of that shape, aligned with `data` as numpy aligns, is one number or one per
// channel (axis 1).
bool is_per_channel(const Shape& constant, const Shape& data);

}  // namespace workbench
