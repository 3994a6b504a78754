// Random nodes of every operator that a host computes, one node to a graph.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/one_node.h"

namespace workbench {

struct HostNodes {
  std::string name;               // of the operators: "conv", "reduce", ...
  std::function<OneNode()> make;  // another one each time
};

// By operators; their nodes follow from the seed and from what was made before.
std::vector<HostNodes> host_nodes(std::uint64_t seed);

}  // namespace workbench
