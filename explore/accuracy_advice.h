// What to try for a layer, from what was measured of it (quantization.md 5.3, last paragraph).
#pragma once

#include <vector>

#include "explore/accuracy_run.h"

namespace workbench {

struct AdviceContext {
  bool is_last = false;             // of the layers with weights
  bool weights_per_channel = true;  // scales of its weights
  bool has_16_bits = false;         // the target could give the layer 16 bit codes
  int accumulator_bits = 0;         // of the hardware; 0: no hardware
};

std::vector<Advice> advice_for(const LayerAccuracy& layer, const AdviceContext& context);

}  // namespace workbench
