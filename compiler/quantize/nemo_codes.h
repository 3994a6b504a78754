// Which nodes NEMO's integers can express, and the codes of every value they read or write.
#pragma once

#include <vector>

#include "compiler/quantize/integer_nodes.h"
#include "compiler/quantize/nemo.h"
#include "compiler/quantize/thresholds.h"

namespace workbench {

// Conv and Gemm are Weighted; an AveragePool is Average where all its windows count the same; an
// Add of two activations of one shape is Sum, a Relu on its own Rescale, a concat of channels
// Concat; MaxPool and flattening Move.
Roles nemo_roles(const Graph& graph, const NemoOptions& options);

// Codes with a zero point that came with the network where kept_codes() has them. Others are
// unsigned where the value's producer excludes negative numbers. Values tied by Move share
// the largest of their thresholds (of those that came with the file, if any did), and so do those
// tied by a Concat whose signs and Clips agree; a Clip caps a calibrated threshold, so that
// saturation is the Clip. Throws Error for a value without a threshold.
Codes nemo_codes(const Graph& graph, const Roles& roles, const Thresholds& calibrated,
                 const NemoOptions& options);

}  // namespace workbench
