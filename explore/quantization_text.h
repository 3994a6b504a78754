// What `workbench quantize` prints: the codes of each layer, what they share and why, what was done
// to the network, and whether lowering kept all of it. 118 columns at most.
#pragma once

#include <string>
#include <vector>

#include "compiler/quantize/image_set.h"
#include "explore/quantization.h"

namespace workbench {

std::string quantization_text(const QuantizedNetwork& network, const ImageSet& calibration,
                              const std::vector<LoweringDifference>& differences);

// What calibration saw nothing but zeros of, which leaves their scales to chance: a line, or none.
std::vector<std::string> dead_values(const QuantizedNetwork& network);

}  // namespace workbench
