// Small float graphs for tests, one call per node; every value is [1, C, H, W].
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/graph.h"
#include "core/shapes.h"

namespace workbench {

class FloatGraph {
 public:
  explicit FloatGraph(std::string name) { graph_.name = std::move(name); }

  ValueId input(const std::string& name, Shape shape) {
    const ValueId id = graph_.add_value({.name = name, .shape = std::move(shape)});
    graph_.inputs.push_back(id);
    return id;
  }

  // A node and its result value share `name`.
  ValueId add(const std::string& name, Op op, std::vector<ValueId> inputs) {
    Node node{.name = name, .op = std::move(op), .inputs = std::move(inputs)};
    const ValueId out = graph_.add_value({.name = name});
    node.outputs = {out};
    graph_.value(out).shape = output_shapes(graph_, node)[0];
    graph_.nodes.push_back(std::move(node));
    return out;
  }

  // 1x1 convolution; `weights` are [channels, Ci], row-major.
  ValueId conv(const std::string& name, ValueId x, std::int64_t channels,
               const std::vector<float>& weights, const Activation& activation = {}) {
    const std::int64_t in_channels = graph_.value(x).shape[1];
    const ValueId w = graph_.add_constant(
        name + ".w", Tensor::from<float>({channels, in_channels, 1, 1}, weights, Layout::Oihw));
    return add(name, Conv{.window = window(1), .activation = activation}, {x, w});
  }

  static Window window(std::int64_t kernel, std::int64_t stride = 1) {
    return {.kernel = {kernel, kernel},
            .strides = {stride, stride},
            .dilations = {1, 1},
            .pads_begin = {0, 0},
            .pads_end = {0, 0}};
  }

  void output(ValueId id) { graph_.outputs.push_back(id); }
  Graph& graph() { return graph_; }

 private:
  Graph graph_;
};

}  // namespace workbench
