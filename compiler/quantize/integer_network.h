// Networks that come as integers: NEMO's, Quantlab's and Deeploy's ONNX conventions
// (docs/facts/pulp.md 3.1), recognised by their arithmetic. Chains of Mul, Add, Sub, Div, Floor,
// Cast, Clip by constants become one AffineRequantize, whatever their order and spelling; Pad goes
// into the window behind it; the result is the integer Graph that golden model and PULP compiler
// read.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/graph.h"

namespace workbench {

// Whether `imported` computes with integers: its constant weights are whole numbers of 8 bits, and
// something only integer networks have is in it (integer types, a fraction that is cut, a
// RequantShift, a Clip to codes); or it only moves codes. Whether all of it makes sense is
// integer_network()'s to say.
bool is_integer_network(const Graph& imported);

struct IntegerNetworkOptions {
  // Codes of each graph input, signed or not, by name; else by the type in the file, or by
  // `inputs`.
  std::vector<std::pair<std::string, bool>> input_signed;
  // Takes a line for each result that nothing clips and whose codes may not hold it; null: nobody
  // asks.
  std::vector<std::string>* saturations = nullptr;
};

// Every Conv, Gemm, AveragePool, Add and rescaling Identity carries `affine` (accumulators that
// leave as they are: multiplier 1, divisor 1, range of int32); MaxPool, Concat, Reshape, Pad, ...
// move codes. MatMul becomes Gemm; weights of Gemm are [out, in] (transpose_b). Values: Uint8, Int8
// or Int32 with `quantization` {bits, is_signed, threshold high(): one step is 1}. Inputs stay
// float, followed by a Quantize (step 1) to NAME_int8. Outputs stay float under their own name
// behind a Dequantize; float nodes at the end (Sigmoid, LogSoftmax, slices of int32, ...) are host
// nodes. `inputs`: one sample per graph input or none at all, to tell signed from unsigned where
// the file does not say (float inputs): any negative value means signed. Average pools sum: the
// division is in `affine`. Names: the last value of a chain names its layer's result, and its first
// node the layer. 1-D networks come out 2-D, of height 1.
//
// An Add or AveragePool without a Clip that a layer reads saturates at 8 bits, as the kernels of
// this flow do (docs/facts/pulp.md 2.2); anything else that is read as codes needs a Clip or must
// fit.
//
// `imported` is as import_model() gives it. Throws Error "node 'NAME' (OP): ..." for a chain that
// is no rescaling of integers (a fraction that is never cut, a Clip range that is no range of
// codes,
// ...), and "input 'NAME': ..." for a sample that is no codes.
Graph integer_network(const Graph& imported, const std::vector<Tensor>& inputs,
                      const IntegerNetworkOptions& options = {});

}  // namespace workbench
