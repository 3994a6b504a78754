// A Program as an application in C that is built and runs by itself: one table per layer, the
// runtime that runs them, kernels, constants, input and expected outputs as files, Makefiles.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/tensor.h"
#include "isa/pulp/machine.h"
#include "isa/pulp/program.h"

namespace workbench::pulp {

// Nodes that the host runs between layers of the cluster: the application has no code for them.
enum class HostBetween {
  Refused,
  // The layers are in parts, between which network_host_step() is called (network/network.h):
  // whoever executes the application computes the nodes there.
  Watched
};

// Path in the application's folder -> contents, the same whatever emits it. `values`: tensors of
// the network by name, [1, C, H, W] codes: what the inputs are, and what outputs and layers must
// come to. Throws Error where there are nodes for the host between the cluster's layers that are
// refused, and where an input has no value.
std::vector<std::pair<std::string, std::string>> emit_c(const Program& program,
                                                        const Machine& machine,
                                                        const std::map<std::string, Tensor>& values,
                                                        HostBetween between = HostBetween::Refused);

}  // namespace workbench::pulp
