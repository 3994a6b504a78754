// Host steps: float32 operands, double inside, terms in ascending index order, one rounding to
// float32 at the end, after a fused activation. Definitions: the ONNX operator of the same name.
#pragma once

#include "sim/golden/operation.h"

namespace workbench::golden {

// Sum over (input channel, kernel row, kernel column), then + bias.
Tensor float_conv(const Conv& op, const Operation& at);
Tensor float_conv(const ConvTranspose& op, const Operation& at);
// Row-major sum / count; padding counts where count_include_pad says so, what ceil mode adds
// beyond it never does.
Tensor float_average_pool(const AveragePool& op, const Operation& at);
// alpha * sum over k + beta * c
Tensor gemm(const Gemm& op, const Operation& at);
Tensor mat_mul(const Operation& at);

// (x - mean) / sqrt(variance + epsilon) * scale + bias
Tensor batch_norm(const BatchNorm& op, const Operation& at);
Tensor float_activate(const Activate& op, const Operation& at);
Tensor prelu(const Operation& at);
Tensor float_binary(const Binary& op, const Operation& at);

// exp(x - max) / sum, or x - max - log(sum); the sum in axis order.
Tensor softmax(const Softmax& op, const Operation& at);
// x / (bias + alpha / size * sum of squares over the channel window, ascending)^beta
Tensor lrn(const Lrn& op, const Operation& at);
// Row-major over the reduced axes.
Tensor reduce(const Reduce& op, const Operation& at);

// `channel` selects a PRelu slope or a Clip's bound.
double activated(const Activation& activation, double x, std::size_t channel);

}  // namespace workbench::golden
