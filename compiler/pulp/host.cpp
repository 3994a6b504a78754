#include "compiler/pulp/host.h"

#include <algorithm>
#include <set>

#include "core/error.h"

namespace workbench::pulp {
namespace {

// Roots of the activations a node reads or writes.
std::set<std::int32_t> roots(const Network& network, const std::vector<ValueId>& values) {
  std::set<std::int32_t> found;
  for (const ValueId id : values) {
    const std::int32_t activation = id == kNoValue ? -1 : activation_of(network, id);
    if (activation >= 0) found.insert(root_of(network, activation));
  }
  return found;
}

}  // namespace

std::vector<HostTurn> host_turns(const Graph& graph, const Network& network) {
  std::vector<HostTurn> turns;
  std::vector<std::size_t> pending;
  std::set<std::int32_t> awaited;  // what the pending nodes will write
  std::size_t next = 0;            // into network.host_nodes
  const auto take_until = [&](std::size_t node) {
    for (; next < network.host_nodes.size() && network.host_nodes[next] < node; ++next) {
      pending.push_back(network.host_nodes[next]);
      awaited.merge(roots(network, graph.nodes[pending.back()].outputs));
    }
  };
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const Layer& layer = network.layers[i];
    take_until(layer.node);
    const bool wanted = awaited.contains(root_of(network, layer.in)) ||
                        (layer.in2 >= 0 && awaited.contains(root_of(network, layer.in2)));
    if (!wanted) continue;
    turns.push_back({static_cast<std::int32_t>(i), std::move(pending)});
    pending.clear();
    awaited.clear();
  }
  take_until(graph.nodes.size());
  if (!pending.empty()) {
    turns.push_back({static_cast<std::int32_t>(network.layers.size()), std::move(pending)});
  }
  return turns;
}

HostUses host_uses(const Graph& graph, const Network& network, const std::vector<HostTurn>& turns) {
  HostUses uses;
  for (std::size_t t = 0; t < turns.size(); ++t) {
    for (const std::size_t n : turns[t].nodes) {
      for (const ValueId id : graph.nodes[n].outputs) {
        const std::int32_t a = id == kNoValue ? -1 : activation_of(network, id);
        if (a >= 0) uses.writes.push_back({a, id, t});
      }
      for (const ValueId id : graph.nodes[n].inputs) {
        const std::int32_t a = id == kNoValue ? -1 : activation_of(network, id);
        if (a >= 0) uses.reads.push_back({a, id, t});
      }
    }
  }
  return uses;
}

HostGraph host_graph(const Graph& graph, const std::vector<HostTurn>& turns) {
  HostGraph host;
  host.graph.name = graph.name;
  std::vector<ValueId> known(graph.values.size(), kNoValue);
  const auto value = [&](ValueId id) {
    if (id == kNoValue) return kNoValue;
    ValueId& to = known[static_cast<std::size_t>(id)];
    if (to == kNoValue) to = host.graph.add_value(graph.value(id));
    return to;
  };
  for (const ValueId id : graph.inputs) host.graph.inputs.push_back(value(id));
  for (const HostTurn& turn : turns) {
    std::vector<std::size_t>& nodes = host.turn_nodes.emplace_back();
    for (const std::size_t n : turn.nodes) {
      Node node = graph.nodes[n];
      for (ValueId& id : node.inputs) id = value(id);
      for (ValueId& id : node.outputs) id = value(id);
      nodes.push_back(host.graph.nodes.size());
      host.graph.nodes.push_back(std::move(node));
    }
  }
  for (const ValueId id : graph.outputs) host.graph.outputs.push_back(value(id));
  return host;
}

}  // namespace workbench::pulp
