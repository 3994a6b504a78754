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

// Nodes that the host runs.
enum class HostNodes {
  // The application has them in C for the fabric controller (fabric/turns.h), but for those before
  // and behind the layers that it leaves out (fabric/ends.h).
  Computed,
  // Nothing is computed: whoever executes the application does what comes between layers, at
  // network_host_step() (network/network.h), and all the rest.
  Watched
};

struct CApplication {
  // Path in the application's folder and contents, the same whatever emits it.
  std::vector<std::pair<std::string, std::string>> files;
  std::vector<std::string> warnings;  // a line each
};

// `values`: tensors of the network by name, what the inputs are, and what outputs and layers must
// come to. Throws Error where there is no C for a node between the cluster's layers, and where an
// input has no value.
CApplication emit_c(const Program& program, const Machine& machine,
                    const std::map<std::string, Tensor>& values,
                    HostNodes nodes = HostNodes::Computed);

}  // namespace workbench::pulp
