// The part of a quantized graph that the host runs: conversions at the edges, float tails, and
// steps between layers. Works on a Network, whose host_nodes are in the graph's order.
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/pulp/layer.h"
#include "core/graph.h"

namespace workbench::pulp {

// Host nodes that run together, all engines idle, before layer `before` (or behind the last).
struct HostTurn {
  std::int32_t before = 0;
  std::vector<std::size_t> nodes;  // of the quantized graph, in order
};
// As late as possible: a node runs when a layer wants what it makes, or at the end.
std::vector<HostTurn> host_turns(const Graph& graph, const Network& network);

// Activations that host nodes write, and those they read (the network's outputs among them), with
// the turn. Sorted by turn; an activation may be read in several.
struct HostUse {
  std::int32_t activation = -1;
  ValueId value = kNoValue;
  std::size_t turn = 0;
};
struct HostUses {
  std::vector<HostUse> writes, reads;
};
HostUses host_uses(const Graph& graph, const Network& network, const std::vector<HostTurn>& turns);

// The host's nodes as a graph of their own, inputs and outputs those of `graph`; `nodes`: for each
// node of the turns, in order, its index there.
struct HostGraph {
  Graph graph;
  std::vector<std::vector<std::size_t>> turn_nodes;  // per turn
};
HostGraph host_graph(const Graph& graph, const std::vector<HostTurn>& turns);

}  // namespace workbench::pulp
