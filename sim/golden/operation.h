// One node of the graph with the tensors it reads: what each op function is given.
#pragma once

#include <cstddef>
#include <span>

#include "core/graph.h"

namespace workbench::golden {

struct Operation {
  const Graph& graph;
  const Node& node;
  std::span<const Tensor> values;  // by ValueId; those the node reads are known

  bool has(std::size_t i) const { return i < node.inputs.size() && node.inputs[i] != kNoValue; }
  const Tensor& operand(std::size_t i) const {
    CHECK(has(i), "node '{}' has no operand {}", node.name, i);
    return values[static_cast<std::size_t>(node.inputs[i])];
  }
  const Value& operand_value(std::size_t i) const { return graph.value(node.inputs.at(i)); }
  const Value& output() const { return graph.value(node.outputs.at(0)); }
  const Shape& output_shape() const { return output().shape; }
};

}  // namespace workbench::golden
