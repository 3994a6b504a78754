// What the cluster cannot compute of a float network although a kernel exists: a layer of which not
// even one result's operands fit L2, or, where kernels have no partial sums, L1.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/graph.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

// Why the host computes a node of a float graph (NemoOptions::host_reason).
std::function<std::optional<std::string>(const Graph&, const Node&)> host_reasons(
    const Machine& machine);

}  // namespace workbench::pulp
