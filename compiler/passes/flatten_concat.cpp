// A Concat that only feeds a Concat along the same axis hands its parts over.
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace workbench {

namespace {

bool flatten(Graph& graph, std::size_t n) {
  const auto* inner = std::get_if<Concat>(&graph.nodes[n].op);
  if (!inner) return false;
  const ValueId joined = graph.nodes[n].outputs[0];
  const auto behind = sole_reader(graph, joined);
  if (!behind) return false;
  Node& reader = graph.nodes[*behind];
  const auto* outer = std::get_if<Concat>(&reader.op);
  const std::size_t rank = graph.value(joined).shape.size();
  if (!outer || normalized_axis(outer->axis, rank) != normalized_axis(inner->axis, rank)) {
    return false;
  }
  std::vector<ValueId> parts;
  for (const ValueId id : reader.inputs) {
    if (id != joined) {
      parts.push_back(id);
    } else {
      parts.insert(parts.end(), graph.nodes[n].inputs.begin(), graph.nodes[n].inputs.end());
    }
  }
  reader.inputs = std::move(parts);
  record_merged(reader, graph.nodes[n]);
  erase_node(graph, n);
  return true;
}

}  // namespace

bool flatten_concat(Graph& graph) { return sweep(graph, flatten); }

}  // namespace workbench
