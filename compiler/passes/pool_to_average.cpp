// Mean and maximum over spatial dimensions as pools over the whole map.
#include <algorithm>

#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace workbench {

namespace {

// A window as large as the map in the reduced dimensions; nothing if others are reduced too.
std::optional<Window> whole_map(const Shape& shape, const std::vector<std::int64_t>& axes) {
  if (shape.size() < 3 || axes.empty()) return std::nullopt;
  const std::size_t spatial = shape.size() - 2;
  const std::vector<std::int64_t> ones(spatial, 1), zeros(spatial, 0);
  Window window{
      .kernel = ones, .strides = ones, .dilations = ones, .pads_begin = zeros, .pads_end = zeros};
  for (const std::int64_t axis : axes) {
    const std::int64_t dimension = normalized_axis(axis, shape.size());
    if (dimension < 2) return std::nullopt;
    window.kernel[static_cast<std::size_t>(dimension - 2)] =
        shape[static_cast<std::size_t>(dimension)];
  }
  return window;
}

bool become_pool(Graph& graph, std::size_t n) {
  const auto* reduce = std::get_if<Reduce>(&graph.nodes[n].op);
  if (!reduce || reduce->kind == Reduce::Kind::Sum) return false;
  const Shape shape = graph.value(graph.nodes[n].inputs[0]).shape;
  const auto window = whole_map(shape, reduce->axes);
  if (!window) return false;
  const bool keeps_dims = reduce->keep_dims;
  if (reduce->kind == Reduce::Kind::Mean) {
    graph.nodes[n].op = AveragePool{.window = *window};
  } else {
    graph.nodes[n].op = MaxPool{.window = *window};
  }
  if (keeps_dims) return true;
  const ValueId result = graph.nodes[n].outputs[0];
  Value pooled = graph.value(result);
  pooled.name = unique_value_name(graph, pooled.name + "_pooled");
  pooled.shape = shape;
  for (std::size_t i = 0; i < window->kernel.size(); ++i) pooled.shape[i + 2] /= window->kernel[i];
  graph.nodes[n].outputs[0] = graph.add_value(std::move(pooled));
  insert_node(graph, n + 1,
              Node{.name = unique_node_name(graph, graph.nodes[n].name + "_squeeze"),
                   .op = Reshape{graph.value(result).shape},
                   .inputs = {graph.nodes[n].outputs[0]},
                   .outputs = {result}});
  return true;
}

}  // namespace

bool pool_to_average(Graph& graph) { return sweep(graph, become_pool); }

}  // namespace workbench
