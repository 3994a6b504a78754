// Concats of concats.
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace workbench {

// A Concat that only feeds a Concat along the same axis hands its parts over.

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

// xfDNN's bridges (its option -B): the alternative to flatten_concat.

namespace {

// An identity scale between a concat and the concat that reads it, so that each has a volume of its
// own.
bool insert_bridge(Graph& graph, std::size_t n) {
  const auto* outer = std::get_if<Concat>(&graph.nodes[n].op);
  if (outer == nullptr) return false;
  for (std::size_t slot = 0; slot < graph.nodes[n].inputs.size(); ++slot) {
    const ValueId joined = graph.nodes[n].inputs[slot];
    const auto writer = writer_of(graph, joined);
    const Shape shape = graph.value(joined).shape;
    if (!writer || shape.size() != 4) continue;
    const auto* inner = std::get_if<Concat>(&graph.nodes[*writer].op);
    if (inner == nullptr || normalized_axis(inner->axis, 4) != normalized_axis(outer->axis, 4)) {
      continue;
    }
    const std::string name = graph.nodes[*writer].name + "_bridge";
    const std::vector<float> ones(static_cast<std::size_t>(shape[1]), 1.0F);
    const ValueId weights =
        graph.add_constant(unique_value_name(graph, name + "_scale"),
                           Tensor::from<float>({shape[1], 1, 1, 1}, ones, Layout::Oihw));
    const ValueId bridged =
        graph.add_value({.name = unique_value_name(graph, name), .shape = shape});
    graph.nodes[n].inputs[slot] = bridged;
    insert_node(graph, n,
                Node{.name = unique_node_name(graph, name),
                     .op = Conv{.window = {.kernel = {1, 1},
                                           .strides = {1, 1},
                                           .dilations = {1, 1},
                                           .pads_begin = {0, 0},
                                           .pads_end = {0, 0}},
                                .groups = shape[1]},
                     .inputs = {joined, weights},
                     .outputs = {bridged}});
    return true;
  }
  return false;
}

}  // namespace

bool bridge_concat(Graph& graph) { return sweep(graph, insert_bridge); }

}  // namespace workbench
