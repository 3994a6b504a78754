// The arithmetic of xDNN on codes of 8 or 16 bits (int8 or int16, as the values say), one function
// per op, from xdnn.md 3.1 to 3.4: V3's, and V2's where a node's requantization has a prescale and
// adds the bias last. Whether the real accumulator wraps or saturates beyond 24 bits is unknown
// (3.3): here it is exact.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/golden/operation.h"

namespace workbench::golden {

// float32 -> codes as the output's quantization says (3.1): clamp to [-threshold, threshold],
// multiply by high/threshold, both in float32, then round as it says. NaN becomes 0.
Tensor quantize(const Operation& at);
std::int16_t quantize(float real, const Quantization& quantization);
// Codes -> float32 (3.1): code / high * threshold, in float32.
Tensor dequantize(const Operation& at);

// x [N,Ci,spatial], w, bias int32 [Co] in (shifted) accumulator units or output codes
// -> [N,Co,spatial]
Tensor integer_conv(const Conv& op, const Operation& at);
Tensor integer_conv(const ConvTranspose& op, const Operation& at);
// The window is summed; the node's scale holds the division.
Tensor integer_average_pool(const AveragePool& op, const Operation& at);
// Both operands share one threshold.
Tensor integer_add(const Binary& op, const Operation& at);
// Relu on codes.
Tensor integer_activate(const Activate& op, const Operation& at);

}  // namespace workbench::golden
