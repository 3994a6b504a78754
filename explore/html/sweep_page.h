// `workbench sweep --html`: what --json has, to be looked at.
#pragma once

#include <string>

#include "explore/sweep/sweep_report.h"

namespace workbench {

// Its main chart, for --png, is the section "front".
std::string sweep_html(const SweepReport& report);

}  // namespace workbench
