// What quantize and accuracy do alike: from options to requests.
#pragma once

#include "app/commands.h"
#include "app/network.h"
#include "compiler/quantize/image_set.h"
#include "explore/flow/quantization.h"

namespace workbench::app {

QuantizationRequest quantization_request(const QuantizationOptions& options);
ImageRequest calibration_request(const QuantizationOptions& options);

}  // namespace workbench::app
