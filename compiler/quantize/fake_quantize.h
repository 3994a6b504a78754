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
Graph fake_quantized(const Graph& annotated);

}  // namespace workbench
