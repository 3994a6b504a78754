// Thresholds in topological order (quantization.md 1.3): node after node, every sample at each, so
// that a quantizer sees what the ones before it have really made of the data.
#pragma once

#include "compiler/quantize/graffitist_form.h"

namespace workbench::graffitist {

// Gives every place its threshold, in topological order on quantized inputs (1.3).
void calibrate(Form& form, const SampleSource& samples, const StageProgress& progress);

}  // namespace workbench::graffitist
