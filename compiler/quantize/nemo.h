// A float network made integer as NEMO does after training (quantization.md, pulp.md 3.1): uint8
// activations (int8 where a value can be negative: linear bottlenecks, inputs), int8 weights,
// multiplier, offset and shift per channel.
#pragma once

#include "compiler/quantize/calibrate.h"
#include "core/graph.h"

namespace workbench {

struct NemoOptions {
  int activation_bits = 8, weight_bits = 8;
  bool per_channel = true;  // weight scales
};

// `graph` is float, after the passes; `thresholds` per value name. Integer nodes as in
// integer_network.h, with real steps in `quantization`; the rest is float between Dequantize and
// Quantize. Throws Error as quantize() does.
Graph quantize_nemo(const Graph& graph, const Thresholds& thresholds, const NemoOptions& options);

}  // namespace workbench
