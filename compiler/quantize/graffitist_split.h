// conv_split_list (quantization.md 1.7): what a convolution loses where the hardware sums in parts.
#pragma once

#include <string>
#include <vector>

#include "compiler/quantize/graffitist_form.h"

namespace workbench::graffitist {

// Lines "LAYER, INPUT_CHANNELS, SPLIT_CHANNELS". Throws Error naming the line that is none.
std::vector<DepthSplit> read_split_list(const std::string& path);

// In the calibrated form: each of these convolutions as one per SPLIT_CHANNELS of its input (the
// rest in the last), the first part and every partial sum rounded to the format of its layer_quant;
// the last sum goes to layer_quant itself. Splits that are no smaller than the input change
// nothing. Throws Error for what is no convolution, one of groups, or has another number of
// channels.
void split_in_depth(Form& form, const std::vector<DepthSplit>& splits);

}  // namespace workbench::graffitist
