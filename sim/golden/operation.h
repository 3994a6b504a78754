// The functions of the golden model, one per op and number system, and what each is given: one node
// of the graph with the tensors it reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/graph.h"

namespace workbench::golden {

struct Operation {
  const Graph& graph;
  const Node& node;
  std::span<const Tensor> values;  // by ValueId; those the node reads are known
  bool affine_system = false;      // the codes are PULP's, not xDNN's

  bool has(std::size_t i) const { return i < node.inputs.size() && node.inputs[i] != kNoValue; }
  const Tensor& operand(std::size_t i) const {
    CHECK(has(i), "node '{}' has no operand {}", node.name, i);
    return values[static_cast<std::size_t>(node.inputs[i])];
  }
  const Value& operand_value(std::size_t i) const { return graph.value(node.inputs.at(i)); }
  const Value& output() const { return graph.value(node.outputs.at(0)); }
  const Shape& output_shape() const { return output().shape; }
};

// The result of a node with operator `op`: a specialisation per op in the file of its family; a
// missing one does not link. Ops with several results have functions of their own: max_pool(),
// top_k(), recurrent().
template <typename T>
Tensor result_of(const T& op, const Operation& at);

// What the integer networks of NEMO, DORY and Deeploy mean (docs/facts/pulp.md 3.1): an
// accumulator, exact, then one rescaling per channel. Nodes with Node::affine are these; each has a
// function that gives its accumulator, and all share the rescaling. The compiler ensures that 32
// bits do not wrap on a cluster.

// clamp(round((in * multiplier[c] + offset[c]) / divisor), low, high), exactly.
std::int64_t rescaled(std::int64_t in, const AffineRequantize& how, std::size_t channel);

// Whether the graph's codes are of this number system: it has nodes with `affine`, unsigned or
// 32 bit codes, or codes that were not truncated as xDNN's host does (docs/facts/xdnn.md 3.1); or
// it is a float network whose codes stand between QuantizeLinear and DequantizeLinear alone.
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

// Host steps: float32 operands, double inside, terms in ascending index order, one rounding to
// float32 at the end, after a fused activation. Definitions: the ONNX operator of the same name.

// Sum over (input channel, kernel row, kernel column), then + bias.
Tensor float_conv(const Conv& op, const Operation& at);
Tensor float_conv(const ConvTranspose& op, const Operation& at);
// Row-major sum / count; padding counts where count_include_pad says so, what ceil mode adds
// beyond it never does.
Tensor float_average_pool(const AveragePool& op, const Operation& at);

Tensor float_activate(const Activate& op, const Operation& at);
Tensor float_binary(const Binary& op, const Operation& at);

// `channel` selects a PRelu slope or a Clip's bound.
double activated(const Activation& activation, double x, std::size_t channel);

// The arithmetic of xDNN on codes of 8 or 16 bits (int8 or int16, as the values say), one function
// per op, from docs/facts/xdnn.md 3.1 to 3.4: V3's, and V2's where a node's requantization has a
// prescale and adds the bias last. Whether the real accumulator wraps or saturates beyond 24 bits
// is unknown (3.3): here it is exact.

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

// The largest value under the window, of codes or of reals: no arithmetic. Padding never wins.

// Codes or float32 [N,C,spatial]; outputs y and, when the node has a second one, int64 indices as
// ONNX counts them (of the first largest; storage_order 1 counts each plane column by column).
std::vector<Tensor> max_pool(const MaxPool& op, const Operation& at);

// The greatest or least elements along an axis, best first, and their int64 indices; of equal ones
// the lower index first.
std::vector<Tensor> top_k(const TopK& op, const Operation& at);

// y, last h, last c of ONNX's RNN, GRU and LSTM: all states in double, each result rounded once.
std::vector<Tensor> recurrent(const Recurrent& op, const Operation& at);

// Position in the input of element `index` of a resized dimension d (ONNX Resize-19, in double).
double resized_coordinate(const Resize& op, std::size_t d, std::int64_t index, std::int64_t in,
                          std::int64_t out);

}  // namespace workbench::golden
