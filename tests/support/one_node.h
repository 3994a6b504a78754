// Graphs of one node, for tests of what computes a Graph.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/graph.h"
#include "core/shapes.h"

namespace workbench {

struct OneNode {
  Op op;
  std::vector<Tensor> operands;  // the first is the graph's input; empty ones are absent
  ElementType result = ElementType::Float32;
  std::optional<Requantize> requantize = std::nullopt;
  std::optional<Quantization> operand_quantization = std::nullopt;
  std::optional<Quantization> result_quantization = std::nullopt;
  std::size_t outputs = 1;  // those after the first are int64, of a Recurrent float
  std::optional<AffineRequantize> affine = std::nullopt;
  std::vector<AffineRequantize> operand_affine = {};
};

inline Graph graph_of(const OneNode& one) {
  Graph graph{.name = "one_node"};
  Node node{.name = "node", .op = one.op};
  for (std::size_t i = 0; i < one.operands.size(); ++i) {
    const Tensor& operand = one.operands[i];
    if (operand.size() == 0) {
      node.inputs.push_back(kNoValue);
      continue;
    }
    const std::string name = "operand_" + std::to_string(i);
    if (i == 0) {
      graph.inputs.push_back(
          graph.add_value({.name = name, .shape = operand.shape(), .type = operand.type()}));
      graph.values.back().quantization = one.operand_quantization;
      node.inputs.push_back(graph.inputs[0]);
    } else {
      node.inputs.push_back(graph.add_constant(name, operand));
    }
  }
  node.requantize = one.requantize;
  node.affine = one.affine;
  node.operand_affine = one.operand_affine;
  const ElementType further =
      std::holds_alternative<Recurrent>(one.op) ? ElementType::Float32 : ElementType::Int64;
  for (std::size_t i = 0; i < one.outputs; ++i) {
    node.outputs.push_back(graph.add_value(
        {.name = "result_" + std::to_string(i), .type = i == 0 ? one.result : further}));
  }
  graph.value(node.outputs[0]).quantization = one.result_quantization;
  const std::vector<Shape> shapes = output_shapes(graph, node);
  for (std::size_t i = 0; i < one.outputs; ++i) graph.value(node.outputs[i]).shape = shapes.at(i);
  graph.outputs = node.outputs;
  graph.nodes.push_back(std::move(node));
  return graph;
}

}  // namespace workbench
