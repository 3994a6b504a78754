// Thresholds by what they do to the network's results (quantization.md 5.3, item 5): the few
// candidates around those that each activation's own statistics gave.
#pragma once

#include <string>
#include <vector>

#include "compiler/quantize/quantize_target.h"
#include "compiler/quantize/sample_source.h"
#include "core/graph.h"

namespace workbench {

// Coordinate descent over the activations' scales in graph order, those that share one together: a
// quarter of an octave at a time, an octave where all steps are powers of two, as long as the
// squared error of the network's results (before a softmax) against `reference`, the float network
// of the same values, falls by half a percent. Over at most 16 samples. The target decides what
// becomes of a candidate (a Clip's bound is not exceeded). Weights stay as they are.
void search_thresholds(Graph& annotated, const Graph& reference, const SampleSource& samples,
                       const QuantizeTarget& target, std::vector<std::string>& notes,
                       const StageProgress& progress = {});

}  // namespace workbench
