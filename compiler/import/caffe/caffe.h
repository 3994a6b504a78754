// The front end of Caffe: network and weights, as text or in binary form (docs/formats.md).
#pragma once

#include "compiler/import/front_end.h"

namespace workbench::importer {

extern const FrontEnd kCaffe;

}  // namespace workbench::importer
