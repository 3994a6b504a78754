// Rewrites of a float Graph that bring onto the machine what its limits would leave to the host:
// filters that are too large, kernels, strides, dilations and pools beyond the maximum, activations
// and ops the overlay does not have. They run after the float pipeline and before calibration, and
// are switched by name as the passes are.
#pragma once

#include <string_view>
#include <vector>

#include "compiler/passes/passes.h"
#include "core/graph.h"
#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

// Replaces each node that host_reasons() (support.h) refuses by nodes it accepts, where the
// rewrites can; the others stay as they are. Results are unchanged up to the order of sums. The
// value a node wrote keeps its name; values that are new are called NODE_part0, NODE_part1 ... True
// if anything changed.
bool fit_limits(Graph& graph, const Machine& machine, const PassSwitches& switches = {});

std::vector<PassDescription> describe_limit_rewrites();

}  // namespace workbench::xdnn
