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

// Nodes that the host runs between layers of the cluster.
enum class HostBetween {
  Computed,  // the application has them in C for the fabric controller (fabric/turns.h)
  // Nothing is computed: whoever executes the application does it, at network_host_step()
  // (network/network.h).
  Watched
};

// Path in the application's folder -> contents, the same whatever emits it. `values`: tensors of
// the network by name, [1, C, H, W] codes: what the inputs are, and what outputs and layers must
// come to. Throws Error where there is no C for a node between the cluster's layers, and where an
// input has no value.
std::vector<std::pair<std::string, std::string>> emit_c(
    const Program& program, const Machine& machine, const std::map<std::string, Tensor>& values,
    HostBetween between = HostBetween::Computed);

}  // namespace workbench::pulp
