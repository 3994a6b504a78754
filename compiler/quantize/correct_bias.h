// Empirical bias correction (quantization.md 5.2): rounding shifts the mean of a layer's results,
// channel by channel, and layers behind add such shifts up. The shift is measured and taken off.
#pragma once

#include <string>
#include <vector>

#include "compiler/quantize/sample_source.h"
#include "core/graph.h"

namespace workbench {

// Layer by layer in graph order, on operands as the rounded and already corrected network gives
// them: bias -= mean(result of `annotated`, rounded) - mean(result of `reference`), per channel,
// before the activation, over as many of the first samples as fit (one value of every kind that is
// alive at once, at most 256 MiB for all samples together). `reference`: the float network with
// the same nodes. Layers without a bias get one; a bias that is no constant per channel stays.
void correct_bias(Graph& annotated, const Graph& reference, const SampleSource& samples,
                  std::vector<std::string>& notes, const StageProgress& progress = {});

}  // namespace workbench
