// Removes what no graph output depends on: nodes, trailing optional results, values.
#include <vector>

#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace workbench {

namespace {

// Marks what each node reads, from the back; erases nodes that write nothing marked.
bool remove_nodes(Graph& graph, std::vector<bool>& used) {
  bool changed = false;
  const auto is_used = [&](ValueId id) {
    return id != kNoValue && used[static_cast<std::size_t>(id)];
  };
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    Node& node = graph.nodes[n];
    while (!node.outputs.empty() && !is_used(node.outputs.back())) {
      if (node.outputs.size() == 1) break;
      node.outputs.pop_back();
      changed = true;
    }
    if (node.outputs.size() == 1 && !is_used(node.outputs[0])) {
      erase_node(graph, n);
      changed = true;
      continue;
    }
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) used[static_cast<std::size_t>(id)] = true;
    }
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) used[static_cast<std::size_t>(id)] = true;
    }
  }
  return changed;
}

void renumber(std::vector<ValueId>& ids, const std::vector<ValueId>& moved) {
  for (ValueId& id : ids) {
    if (id != kNoValue) id = moved[static_cast<std::size_t>(id)];
  }
}

bool remove_values(Graph& graph, const std::vector<bool>& used) {
  std::vector<ValueId> moved(graph.values.size(), kNoValue);
  std::vector<Value> kept;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    if (!used[i]) continue;
    moved[i] = static_cast<ValueId>(kept.size());
    kept.push_back(std::move(graph.values[i]));
  }
  const bool changed = kept.size() < graph.values.size();
  graph.values = std::move(kept);
  for (Node& node : graph.nodes) {
    renumber(node.inputs, moved);
    renumber(node.outputs, moved);
  }
  renumber(graph.inputs, moved);
  renumber(graph.outputs, moved);
  return changed;
}

}  // namespace

bool remove_dead(Graph& graph) {
  std::vector<bool> used(graph.values.size(), false);
  for (const ValueId id : graph.outputs) used[static_cast<std::size_t>(id)] = true;
  const bool fewer_nodes = remove_nodes(graph, used);
  for (const ValueId id : graph.inputs) used[static_cast<std::size_t>(id)] = true;
  const bool fewer_values = remove_values(graph, used);
  return fewer_nodes || fewer_values;
}

}  // namespace workbench
