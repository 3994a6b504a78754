// An annotated float graph with every annotated value really rounded, in explicit nodes: NEMO's
// FakeQuantized network, ONNX's QDQ form, the reference that a lowering is compared with.
#pragma once

#include "core/graph.h"

namespace workbench {

// For each value X with `quantization`: its readers read X_quantized, Quantize then Dequantize of
// X with codes X_int8 (whatever their width) between; a constant X becomes the codes X_int8, of the
// same shape, with a Dequantize. Biases without quantization stay real. Graph outputs keep their
// name and are rounded, too, if annotated. Fused activations stay fused. The result runs in
// core/eval and in the golden model, and export_onnx writes it as QDQ.
//
// Values keep their ids: that of an activation is the real value its node writes, or, for a graph
// output, the rounded one, and its node writes X_unrounded; that of a constant is X_quantized. An
// input that is an output, too, leaves as it came. Signed constants are symmetric: their lowest
// code is not used, as in both lowerings.
Graph fake_quantized(const Graph& annotated);

// The same numbers, to be evaluated often: annotated constants are replaced by what they are
// rounded to, under their own ids and names, and cost nothing; activations as above.
Graph rounded(const Graph& annotated);

// With narrower constants in codes of 8 bits, under the same steps. They become what they are
// rounded to: training leaves some beyond the ends of narrow codes, where wide ones go on.
Graph with_byte_weights(Graph annotated);

// Float32 `constant` as codes of `quantization`, and as the real numbers that those stand for.
Tensor constant_codes(const Tensor& constant, const Quantization& quantization);
Tensor rounded_constant(const Tensor& constant, const Quantization& quantization);

}  // namespace workbench
