// The front end of TensorFlow: frozen graphs and SavedModels without variables (docs/formats.md).
#pragma once

#include "compiler/import/front_end.h"

namespace workbench::importer {

extern const FrontEnd kTensorFlow;

}  // namespace workbench::importer
