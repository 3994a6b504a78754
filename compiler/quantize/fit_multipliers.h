// Scales of weights for the sake of the fields that hold a layer's multipliers (docs/facts/xdnn.md
// 3.2, 3.3, 3.6): eight bits of V2's scales and of V3's two for a PReLU say a multiplier to 1 in
// 256 only, which is all the noise there is at 16 bits.
#pragma once

#include "compiler/quantize/quantize.h"
#include "core/graph.h"

namespace workbench {

// Raises the thresholds of annotated weights, by less than a factor of 2, to those whose multiplier
// costs the result the least noise: that of coarser weights, of what the scales are rounded by, and
// of what a prescale drops. Layers whose scales have more bits keep theirs. Where those of sums
// have not, the threshold of a sum's operands, with all that shares their scale, is first raised by
// up to 1 in 32 to one whose multiplier the field holds; that of its result where the operands'
// is a Clip's bound.
void fit_multipliers(Graph& annotated, const QuantizeOptions& options);

}  // namespace workbench
