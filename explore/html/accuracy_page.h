// `workbench accuracy --html`: what --json has, to be looked at.
#pragma once

#include <string>

#include "explore/flow/accuracy.h"

namespace workbench {

std::string accuracy_html(const AccuracyReport& report);

}  // namespace workbench
