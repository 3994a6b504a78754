// Float evaluation of a Graph: the reference every quantized result is measured against, the
// source of calibration data, and the arithmetic of host steps. Not the golden model.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "core/graph.h"

namespace workbench {

enum class Arithmetic {
  // float32, im2col + GEMM; threads used, result independent of their number.
  Fast,
  // Float32 operands, double inside, terms in ascending index order, one rounding to float32 at
  // the end: what a host step computes, reproducible by an independent implementation to the bit.
  Exact,
};

struct EvaluateOptions {
  Arithmetic arithmetic = Arithmetic::Fast;
  int threads = 0;  // 0: as many as the machine has
  // Called once for each value as soon as it is known (inputs included, constants not).
  std::function<void(ValueId, const Tensor&)> observe;
};

// Outputs of `graph` for one tensor per graph input (shapes CHECKed). Values die after their last
// use. Works on quantized graphs only where Quantize/Dequantize are the sole integer nodes.
std::vector<Tensor> evaluate(const Graph& graph, std::span<const Tensor> inputs,
                             const EvaluateOptions& options = {});

// Outputs of one node, given all its operands in order (an empty Tensor for an absent one).
std::vector<Tensor> evaluate_node(const Graph& graph, const Node& node,
                                  std::span<const Tensor> operands,
                                  const EvaluateOptions& options = {});

// y = f(x), elementwise, in double, rounded once.
float apply(const Activation& activation, float x, std::size_t channel);

}  // namespace workbench
