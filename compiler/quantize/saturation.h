// What the codes of an imported QuantizeLinear can stand for: the pair with its DequantizeLinear
// cuts what lies beyond. Passes make thresholds of the pairs (absorb_qdq); codes of a target
// saturate at those, float networks and layers on the host need the cut as a Clip.
#pragma once

#include <map>
#include <string>

#include "core/graph.h"

namespace workbench {

struct RealRange {
  double low = 0, high = 0;
  double step = 0;  // from code to code
};

// By value, under its name before the pair and behind it. Codes of one scale only.
using RealRanges = std::map<std::string, RealRange>;
RealRanges ranges_of_pairs(const Graph& imported);

// Cuts float elements.
void saturate(Tensor& tensor, const RealRange& range);

// Puts a Clip behind each value of that name, which takes the name over: NAME_unsaturated is what
// its node writes now. None where the node cannot leave the range, but for less than a step.
Graph with_saturation(Graph graph, const RealRanges& ranges);

// Of `ranges`, those of values that no code saturates: without codes in `annotated`, and no
// accumulators. `weighted`: by node, whether its weights have codes.
RealRanges ranges_without_codes(const RealRanges& ranges, const Graph& annotated,
                                const std::vector<bool>& weighted);

}  // namespace workbench
