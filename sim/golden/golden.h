// The golden model: what a quantized Graph means, one readable function per op, slow and obvious.
// It shares no arithmetic with compiler, semantics or simulators: rounding, clamping and
// requantization are written here again, from docs/facts/xdnn.md 3 (nodes with `requantize`) and
// docs/facts/pulp.md 3.1 (nodes with `affine`). Includes core alone, and nothing of core that
// computes on tensor values (no core/eval).
//
// Host ops (float nodes between Dequantize and Quantize): float32 operands, double inside, terms in
// ascending index order, one rounding to float32 at the end.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "core/graph.h"

namespace workbench::golden {

// One tensor per value of `quantized` (constants included), indexed by ValueId. `inputs` as in
// Graph::inputs. Batch must be 1.
std::vector<Tensor> run(const Graph& quantized, std::span<const Tensor> inputs);
// The same for networks whose values do not fit in memory together: calls `observe` once for each
// value that is no constant, as soon as it is known; values die after their last use.
void run(const Graph& quantized, std::span<const Tensor> inputs,
         const std::function<void(ValueId, const Tensor&)>& observe);

// The accumulator of a node with `affine`, before rescaling: int64, of its output's shape. `values`
// as run() gives them.
Tensor accumulator(const Graph& quantized, const Node& node, std::span<const Tensor> values);
// Operand `i` of an integer Add after its operand_affine: int64, of the operand's shape.
Tensor rescaled_operand(const Graph& quantized, const Node& node, std::size_t i,
                        std::span<const Tensor> values);

}  // namespace workbench::golden
