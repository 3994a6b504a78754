// A network in QDQ form as the QOperator form of ONNX can say it.
#pragma once

#include <string>
#include <vector>

#include "core/graph.h"

namespace workbench {

// `graph` (fake_quantized(), compiler/quantize) with one type of codes for activations, which ONNX
// Runtime's operators want: where some are unsigned, signed ones become so, too, 128 above what
// they were, and stand for the same numbers. And, wherever a QLinear operator can take the node:
// its bias as int32 codes, in steps of its operands multiplied, rounded half to even; its Relu or
// Clip left out where codes saturate there anyway, else, on the same codes, a node of its own
// between Dequantize and Quantize, which computes the same codes. All else stays as it was.
Graph qoperator_form(const Graph& graph);

// The nodes of qoperator_form() that read or write codes and yet are no QLinear operators: each as
// "NAME (OP): why".
std::vector<std::string> without_qlinear_form(const Graph& form);

}  // namespace workbench
