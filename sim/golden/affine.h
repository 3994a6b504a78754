// What the integer networks of NEMO, DORY and Deeploy mean (pulp.md 3.1): an accumulator, exact,
// then one rescaling per channel. Nodes with Node::affine are these; each has a function that gives
// its accumulator, and all share the rescaling. Whether 32 bits would have wrapped on a cluster is
// the compiler's business.
#pragma once

#include <cstdint>

#include "sim/golden/operation.h"

namespace workbench::golden {

// clamp(round((in * multiplier[c] + offset[c]) / divisor), low, high), exactly.
std::int64_t rescaled(std::int64_t in, const AffineRequantize& how, std::size_t channel);

// Whether the graph's codes are of this number system: it has nodes with `affine`, unsigned or
// 32 bit codes, or codes that were not truncated as xDNN's host does (xdnn.md 3.1); or it is a
// float network whose codes stand between QuantizeLinear and DequantizeLinear alone.
bool is_affine_system(const Graph& graph);

// float32 -> codes: real / step, rounded as the output's quantization says, plus the zero point,
// saturated at low and high; NaN becomes low. In double: a step of 1 is exact for every float.
// Steps and zero points are per tensor or along an axis.
Tensor affine_quantize(const Operation& at);
// codes -> float32: (code - zero point) * step in double, then the nearest float. With a step of 1
// (32 bits: threshold 2^31 - 1) every code that a float can hold comes out as itself.
Tensor affine_dequantize(const Operation& at);

// Before rescaling, int64, of the output's shape. Operands are codes of any integer type.
// x [N,Ci,spatial], w [Co,Ci/groups,kernel], bias [Co]; padding is code 0.
Tensor accumulator(const Conv& op, const Operation& at);
// a [M,K], b [K,N], each transposed if the op says so, c broadcast to [M,N]
Tensor accumulator(const Gemm& op, const Operation& at);
// a [...,K], b [K,N]
Tensor accumulator(const MatMul& op, const Operation& at);
// The sum of the window; padding counts 0.
Tensor accumulator(const AveragePool& op, const Operation& at);
// The sum of both operands, each rescaled by its operand_affine, with numpy broadcasting.
Tensor accumulator(const Binary& op, const Operation& at);
// The operand itself.
Tensor accumulator(const Identity& op, const Operation& at);

// Operand `i` of an Add after its operand_affine; int64, of the operand's shape.
Tensor rescaled_operand(const Operation& at, std::size_t i);

// The accumulator of any of the above; CHECKs that the node is one.
Tensor accumulator(const Operation& at);
// The result of the node: its accumulator rescaled by `affine`.
Tensor affine(const Operation& at);

}  // namespace workbench::golden
