// TensorFlow Lite (.tflite) as a format that networks come in (docs/formats.md).
#pragma once

#include "compiler/import/front_end.h"

namespace workbench::importer {

extern const FrontEnd kTensorFlowLite;

}  // namespace workbench::importer
