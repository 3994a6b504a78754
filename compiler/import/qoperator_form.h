// A network in QDQ form as the QOperator form of ONNX can say it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "core/graph.h"

namespace workbench {

// `graph` (fake_quantized(), compiler/quantize) with one type of codes for activations, which ONNX
// Runtime's operators want: where some are unsigned, signed ones become so, too, 128 above what
// they were, and stand for the same numbers. And, wherever a QLinear operator can take the node:
// its bias as int32 codes, in steps of its operands multiplied, rounded half to even; its Relu or
// Clip left out where codes saturate there anyway, else, on the same codes, a node of its own
// between Dequantize and Quantize, which computes the same codes. Everything else is unchanged.
Graph qoperator_form(const Graph& graph);

// The nodes of qoperator_form() that read or write codes and yet are no QLinear operators: each as
// "NAME (OP): why".
std::vector<std::string> without_qlinear_form(const Graph& form);

// QOperator form (docs/facts/quantization.md 4): an operator, the Dequantize nodes before it and
// the Quantize behind it as one node on codes.

// How much of a network in QDQ form has to be as a QLinear operator wants it.
enum class QLinearDemand {
  All,
  // A bias that is real or has other codes, and a Relu or Clip that is fused, are no obstacle:
  // qoperator_form() sees to them.
  AllButBiasAndActivation,
};

// A node as a QLinear operator.
struct QLinear {
  std::string obstacle;           // why it is none; empty: it is one
  std::vector<ValueId> operands;  // codes of the node's inputs; kNoValue where there is none
  ValueId result = kNoValue;      // codes; kNoValue: real, which QGemm's may be
};

class QLinearFinder {
 public:
  // `graph`: in QDQ form. Outlives the finder.
  explicit QLinearFinder(const Graph& graph);

  // Operators that ONNX or ONNX Runtime has in this form and whose activations have one type, as
  // ONNX Runtime wants it (docs/facts/platform.md 4): Conv, Gemm, MatMul, Add, Mul, Concat,
  // AveragePool, LeakyRelu, Sigmoid.
  QLinear find(std::size_t node, QLinearDemand demand) const;

  // The numbers of input 2 of a node, whose codes may be others than a QLinear operator wants;
  // nothing unless they are constant.
  std::optional<std::vector<double>> bias(std::size_t node) const;

  // The node that reads the result of a QLinear operator: its Quantize.
  std::size_t quantizer(std::size_t node) const;
  // Whether a node reads or writes codes by way of Dequantize or Quantize, and is neither.
  bool touches_codes(std::size_t node) const;

 private:
  const Graph& graph_;
  std::vector<std::ptrdiff_t> producers_;
  std::vector<std::vector<std::size_t>> consumers_;
};

// The scale of a bias: the operands' scales, multiplied in float32 as an ONNX runtime does.
// `factor`: Gemm's alpha.
Quantization bias_quantization(const Quantization& x, const Quantization& weights, float factor,
                               const Shape& bias);

}  // namespace workbench
