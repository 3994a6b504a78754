// What `workbench accuracy` prints: the classes, the layers, what costs most and what to try. 118
// columns at most.
#pragma once

#include <string>

#include "explore/accuracy_run.h"
#include "explore/text.h"

namespace workbench {

std::string accuracy_text(const AccuracyReport& report, const TextOptions& options = {});

}  // namespace workbench
