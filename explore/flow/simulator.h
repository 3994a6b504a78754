// run_network() by another simulator than the target's own: another tier.
#pragma once

#include <functional>

#include "explore/flow/pipeline.h"

namespace workbench {

using Simulator = std::function<Simulated(const Compiled&)>;

SimulatedNetwork run_network(const Compiled& compiled, const RunRequest& request,
                             const Simulator& simulator, const Progress& progress);

}  // namespace workbench
