// Networks that come as integers: NEMO's, Quantlab's and Deeploy's ONNX conventions (pulp.md 3.1),
// recognised by what the arithmetic means. Chains of Mul, Add, Div, Floor, Cast, Clip by constants
// become one AffineRequantize, whatever their order and spelling; Pad goes into the window behind
// it; the result is the integer Graph that golden model and PULP compiler read.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/graph.h"

namespace workbench {

// Whether `imported` computes with integers throughout: its weights are whole numbers that fit 8
// bits, and what follows them is brought back to codes by a chain as above (or is the last layer).
bool is_integer_network(const Graph& imported);

struct IntegerNetworkOptions {
  // Codes of each graph input, signed or not, by name; what is absent is told by `inputs`.
  std::vector<std::pair<std::string, bool>> input_signed;
};

// Every Conv, Gemm, AveragePool, Add and rescaling Identity carries `affine` (accumulators that
// leave as they are: multiplier 1, divisor 1, range of int32); MaxPool, Concat, Reshape, Identity
// move codes. Values: Uint8, Int8 or Int32 with `quantization` {bits, is_signed, threshold high():
// one step is 1}. Inputs stay float, followed by a Quantize (step 1). Outputs stay float under
// their own name behind a Dequantize; float nodes at the end (Sigmoid, LogSoftmax, ...) are host
// nodes. `inputs`: one sample per graph input, to tell signed from unsigned where the file does not
// say (float inputs): any negative value means signed. Average pools sum: the division is in
// `affine`. Names: the last value of a chain names its layer's result. Throws Error "node 'NAME':
// ..." for a chain that is no rescaling of integers (a fraction that is never cut, a Clip range
// that is no range of codes, ...).
Graph integer_network(const Graph& imported, const std::vector<Tensor>& inputs,
                      const IntegerNetworkOptions& options = {});

}  // namespace workbench
