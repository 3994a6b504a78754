#include "compiler/passes/rewrite.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace workbench {

namespace {

void replace_reads(Graph& graph, ValueId from, ValueId to) {
  for (Node& node : graph.nodes) std::replace(node.inputs.begin(), node.inputs.end(), from, to);
}

template <typename Named>
std::string unique_name(const std::vector<Named>& taken, const std::string& base) {
  const auto is_taken = [&](const std::string& name) {
    return std::any_of(taken.begin(), taken.end(), [&](const Named& n) { return n.name == name; });
  };
  std::string name = base;
  for (int suffix = 2; is_taken(name); ++suffix) name = fmt::format("{}_{}", base, suffix);
  return name;
}

}  // namespace

std::optional<std::size_t> writer_of(const Graph& graph, ValueId id) {
  if (id == kNoValue) return std::nullopt;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const std::vector<ValueId>& outputs = graph.nodes[n].outputs;
    if (std::find(outputs.begin(), outputs.end(), id) != outputs.end()) return n;
  }
  return std::nullopt;
}

std::optional<std::size_t> sole_reader(const Graph& graph, ValueId id) {
  if (is_graph_output(graph, id)) return std::nullopt;
  std::optional<std::size_t> reader;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const std::vector<ValueId>& inputs = graph.nodes[n].inputs;
    const auto reads = std::count(inputs.begin(), inputs.end(), id);
    if (reads == 0) continue;
    if (reads > 1 || reader) return std::nullopt;
    reader = n;
  }
  return reader;
}

bool is_graph_output(const Graph& graph, ValueId id) {
  return std::find(graph.outputs.begin(), graph.outputs.end(), id) != graph.outputs.end();
}

bool is_constant(const Graph& graph, ValueId id) {
  return id != kNoValue && graph.value(id).constant.has_value();
}

std::string unique_value_name(const Graph& graph, const std::string& base) {
  return unique_name(graph.values, base);
}

std::string unique_node_name(const Graph& graph, const std::string& base) {
  return unique_name(graph.nodes, base);
}

ValueId operand(const Node& node, std::size_t slot) {
  return slot < node.inputs.size() ? node.inputs[slot] : kNoValue;
}

const Tensor* float_constant(const Graph& graph, const Node& node, std::size_t slot) {
  const ValueId id = operand(node, slot);
  if (!is_constant(graph, id)) return nullptr;
  const Tensor& tensor = *graph.value(id).constant;
  return tensor.type() == ElementType::Float32 ? &tensor : nullptr;
}

void set_constant(Graph& graph, std::size_t n, std::size_t slot, Tensor tensor,
                  const std::string& base) {
  const ValueId old = operand(graph.nodes[n], slot);
  if (is_constant(graph, old) && sole_reader(graph, old) == n) {
    Value& value = graph.value(old);
    value.shape = tensor.shape();
    value.type = tensor.type();
    value.constant = std::move(tensor);
    value.quantization.reset();  // it described the old numbers
    return;
  }
  const ValueId id = graph.add_constant(unique_value_name(graph, base), std::move(tensor));
  std::vector<ValueId>& inputs = graph.nodes[n].inputs;
  if (inputs.size() <= slot) inputs.resize(slot + 1, kNoValue);
  inputs[slot] = id;
}

void record_merged(Node& into, const Node& from) {
  into.merged.push_back(from.name);
  into.merged.insert(into.merged.end(), from.merged.begin(), from.merged.end());
}

void fuse_behind(Graph& graph, std::size_t first, std::size_t second) {
  record_merged(graph.nodes[first], graph.nodes[second]);
  graph.nodes[first].outputs[0] = graph.nodes[second].outputs[0];
  erase_node(graph, second);
}

bool bypass(Graph& graph, std::size_t n) {
  const ValueId from = graph.nodes[n].inputs[0];
  const ValueId to = graph.nodes[n].outputs[0];
  const std::optional<std::size_t> writer = writer_of(graph, from);
  const bool keep_result = is_graph_output(graph, to);
  if (keep_result && (!writer || is_graph_output(graph, from))) return false;
  const ValueId kept = keep_result ? to : from;
  const ValueId gone = keep_result ? from : to;
  if (keep_result) {
    std::vector<ValueId>& outputs = graph.nodes[*writer].outputs;
    std::replace(outputs.begin(), outputs.end(), from, to);
  }
  replace_reads(graph, gone, kept);
  if (!graph.value(kept).quantization && !is_constant(graph, kept)) {
    graph.value(kept).quantization = graph.value(gone).quantization;
  }
  if (writer) record_merged(graph.nodes[*writer], graph.nodes[n]);
  erase_node(graph, n);
  return true;
}

void insert_node(Graph& graph, std::size_t before, Node node) {
  graph.nodes.insert(graph.nodes.begin() + static_cast<std::ptrdiff_t>(before), std::move(node));
}

void erase_node(Graph& graph, std::size_t n) {
  graph.nodes.erase(graph.nodes.begin() + static_cast<std::ptrdiff_t>(n));
}

Activation* fused_activation(Op& op) {
  if (auto* conv = std::get_if<Conv>(&op)) return &conv->activation;
  if (auto* conv = std::get_if<ConvTranspose>(&op)) return &conv->activation;
  if (auto* binary = std::get_if<Binary>(&op)) return &binary->activation;
  if (auto* gemm = std::get_if<Gemm>(&op)) return &gemm->activation;
  return nullptr;
}

Window* window_of(Op& op) {
  if (auto* conv = std::get_if<Conv>(&op)) return &conv->window;
  if (auto* conv = std::get_if<ConvTranspose>(&op)) return &conv->window;
  if (auto* pool = std::get_if<MaxPool>(&op)) return &pool->window;
  if (auto* pool = std::get_if<AveragePool>(&op)) return &pool->window;
  return nullptr;
}

std::int64_t normalized_axis(std::int64_t axis, std::size_t rank) {
  return axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis;
}

}  // namespace workbench
