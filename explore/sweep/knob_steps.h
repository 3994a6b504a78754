// What would make a network faster on a machine like this one: its knobs one step up and down, by
// the analytic tier.
#pragma once

#include <vector>

#include "explore/flow/request.h"
#include "explore/options.h"
#include "explore/report/advice.h"

namespace workbench {

// Every step that gives a machine and a program for it; what does not is left out. The request's
// files and names are as compile_network() takes them. Throws Error as that does.
std::vector<KnobStep> knob_steps(const CompileRequest& request, const Progress& progress = {});

}  // namespace workbench
