// Thresholds in topological order (docs/facts/quantization.md 1.3): node after node, all samples at
// each, so that a quantizer sees operands that are already quantized.
#pragma once

#include "compiler/quantize/graffitist_form.h"

namespace workbench::graffitist {

// Gives every place its threshold, in topological order on quantized inputs (1.3).
void calibrate(Form& form, const SampleSource& samples, const StageProgress& progress);

}  // namespace workbench::graffitist
