// 1x1 convolutions that read the same tensor in the same way become one, whose result is split
// again by channels: one pass of the array over the tensor instead of several.
#include <algorithm>

#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace workbench {

namespace {

bool is_pointwise(const Graph& graph, const Node& node) {
  const auto* conv = std::get_if<Conv>(&node.op);
  if (conv == nullptr || conv->groups != 1 || conv->window.kernel.size() != 2) return false;
  const auto one = [](std::int64_t k) { return k == 1; };
  const auto zero = [](std::int64_t p) { return p == 0; };
  const Window& w = conv->window;
  return std::all_of(w.kernel.begin(), w.kernel.end(), one) &&
         std::all_of(w.pads_begin.begin(), w.pads_begin.end(), zero) &&
         std::all_of(w.pads_end.begin(), w.pads_end.end(), zero) &&
         conv->activation.slopes.empty() && float_constant(graph, node, 1) != nullptr &&
         (operand(node, 2) == kNoValue || float_constant(graph, node, 2) != nullptr);
}

// A reduce: everything that reads its result is a convolution with a larger window. Other parallel
// 1x1 convolutions go straight into a concat, where a split would only cost copies.
bool is_reduce(const Graph& graph, const Node& node) {
  if (!is_pointwise(graph, node) || is_graph_output(graph, node.outputs[0])) return false;
  bool read = false;
  for (const Node& reader : graph.nodes) {
    const auto& inputs = reader.inputs;
    if (std::find(inputs.begin(), inputs.end(), node.outputs[0]) == inputs.end()) continue;
    const auto* conv = std::get_if<Conv>(&reader.op);
    const bool larger = conv != nullptr && element_count(conv->window.kernel) > 1 &&
                        reader.inputs[0] == node.outputs[0];
    if (!larger) return false;
    read = true;
  }
  return read;
}

bool alike(const Graph& graph, const Node& a, const Node& b) {
  const auto& left = std::get<Conv>(a.op);
  const auto& right = std::get<Conv>(b.op);
  return a.inputs[0] == b.inputs[0] && left.window.strides == right.window.strides &&
         left.activation == right.activation &&
         graph.value(a.outputs[0]).shape.size() == graph.value(b.outputs[0]).shape.size();
}

// inception_3b/5x5_reduce and inception_3b/3x3_reduce: inception_3b/5x5_reduce_merged_3x3_reduce,
// the smaller first, as xfDNN names them.
std::string merged_name(const std::vector<Node>& nodes) {
  std::string name = nodes[0].name + "_merged";
  for (std::size_t i = 1; i < nodes.size(); ++i) {
    const std::size_t slash = nodes[i].name.rfind('/');
    name += "_" + (slash == std::string::npos ? nodes[i].name : nodes[i].name.substr(slash + 1));
  }
  return name;
}

Tensor stacked(const Graph& graph, const std::vector<Node>& nodes, std::size_t slot) {
  std::vector<float> values;
  Shape shape;
  for (const Node& node : nodes) {
    const std::int64_t channels = graph.value(node.outputs[0]).shape[1];
    if (const Tensor* tensor = float_constant(graph, node, slot)) {
      const Shape own = tensor->shape();
      const std::span<const float> part = tensor->values<float>();
      values.insert(values.end(), part.begin(), part.end());
      if (shape.empty()) {
        shape = own;
        continue;
      }
    } else {
      values.insert(values.end(), static_cast<std::size_t>(channels), 0.0F);  // no bias
      if (shape.empty()) {
        shape = {channels};
        continue;
      }
    }
    shape[0] += channels;
  }
  return Tensor::from(std::move(shape), values, slot == 1 ? Layout::Oihw : Layout::RowMajor);
}

bool merge(Graph& graph, std::size_t n) {
  const Node first = graph.nodes[n];
  if (!is_reduce(graph, first)) return false;
  std::vector<std::size_t> indices = {n};
  for (std::size_t other = n + 1; other < graph.nodes.size(); ++other) {
    const Node& node = graph.nodes[other];
    if (is_reduce(graph, node) && alike(graph, first, node)) indices.push_back(other);
  }
  if (indices.size() < 2) return false;
  std::vector<Node> nodes;
  for (const std::size_t i : indices) nodes.push_back(graph.nodes[i]);
  std::stable_sort(nodes.begin(), nodes.end(), [&](const Node& a, const Node& b) {
    return graph.value(a.outputs[0]).shape[1] < graph.value(b.outputs[0]).shape[1];
  });
  const std::string name = unique_node_name(graph, merged_name(nodes));
  Node joint{.name = name, .op = first.op, .inputs = {first.inputs[0]}};
  joint.inputs.push_back(
      graph.add_constant(unique_value_name(graph, name + "_weights"), stacked(graph, nodes, 1)));
  const bool biased = std::any_of(nodes.begin(), nodes.end(),
                                  [](const Node& node) { return operand(node, 2) != kNoValue; });
  if (biased) {
    joint.inputs.push_back(
        graph.add_constant(unique_value_name(graph, name + "_bias"), stacked(graph, nodes, 2)));
  }
  Value result = graph.value(first.outputs[0]);
  result.name = unique_value_name(graph, name);
  result.quantization.reset();
  result.shape[1] = graph.value(joint.inputs[1]).shape[0];
  joint.outputs = {graph.add_value(std::move(result))};
  for (const Node& node : nodes) record_merged(joint, node);
  for (auto i = indices.rbegin(); i != indices.rend(); ++i) erase_node(graph, *i);
  // Their operands are defined before node n, so all of them can move there.
  std::int64_t begin = 0;
  std::size_t at = n;
  insert_node(graph, at++, joint);
  for (const Node& node : nodes) {
    const std::int64_t end = begin + graph.value(node.outputs[0]).shape[1];
    insert_node(graph, at++,
                Node{.name = unique_node_name(graph, node.name + "_slice"),
                     .op = Slice{.starts = {begin}, .ends = {end}, .axes = {1}, .steps = {1}},
                     .inputs = {joint.outputs[0]},
                     .outputs = node.outputs});
    begin = end;
  }
  return true;
}

}  // namespace

bool merge_parallel_reduces(Graph& graph) { return sweep(graph, merge); }

}  // namespace workbench
