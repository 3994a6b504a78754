#include "compiler/quantize/sample_walk.h"

#include <algorithm>
#include <utility>

#include "compiler/passes/rewrite.h"
#include "compiler/quantize/weighted_layers.h"
#include "core/eval/evaluate.h"

namespace workbench {

namespace {

bool is_known(const Graph& graph, ValueId id) { return id == kNoValue || is_constant(graph, id); }

// Per value the index of the last node that reads it; past the end for results of the network.
std::vector<std::size_t> last_readers(const Graph& graph) {
  std::vector<std::size_t> last(graph.values.size(), 0);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const ValueId id : graph.nodes[n].inputs) {
      if (id != kNoValue) last[static_cast<std::size_t>(id)] = n;
    }
  }
  for (const ValueId id : graph.outputs) last[static_cast<std::size_t>(id)] = graph.nodes.size();
  return last;
}

}  // namespace

Node linear_part(Node node) {
  if (Activation* activation = fused_activation(node.op)) *activation = {};
  return node;
}

std::int64_t live_bytes(const Graph& graph) {
  const std::vector<std::size_t> last = last_readers(graph);
  const auto bytes = [&](ValueId id) {
    if (is_known(graph, id)) return std::int64_t{0};
    return element_count(graph.value(id).shape) * element_bytes(graph.value(id).type);
  };
  std::int64_t live = 0, most = 0;
  for (const ValueId id : graph.inputs) live += bytes(id);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    std::vector<ValueId> read = graph.nodes[n].inputs;
    std::sort(read.begin(), read.end());
    read.erase(std::unique(read.begin(), read.end()), read.end());
    for (const ValueId id : graph.nodes[n].outputs) live += bytes(id);
    most = std::max(most, live);
    for (const ValueId id : read) {
      if (id != kNoValue && last[static_cast<std::size_t>(id)] == n) live -= bytes(id);
    }
  }
  return most;
}

SampleWalk::SampleWalk(Graph graph, const SampleSource& samples, std::size_t count)
    : graph_(std::move(graph)),
      last_(last_readers(graph_)),
      values_(graph_.values.size()),
      count_(count) {
  for (std::size_t s = 0; s < count; ++s) {
    const std::vector<Tensor> inputs = samples.at(s);
    for (std::size_t i = 0; i < inputs.size(); ++i) of(graph_.inputs[i]).push_back(inputs[i]);
  }
}

void SampleWalk::run(std::size_t n, const Node& as) {
  const Node& node = graph_.nodes[n];
  for (std::size_t s = 0; s < count_; ++s) {
    std::vector<Tensor> operands;
    for (const ValueId id : node.inputs) {
      if (id == kNoValue) {
        operands.emplace_back();
      } else {
        operands.push_back(is_constant(graph_, id) ? *graph_.value(id).constant : of(id)[s]);
      }
    }
    std::vector<Tensor> results = evaluate_node(graph_, as, operands);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] != kNoValue) of(node.outputs[i]).push_back(std::move(results[i]));
    }
  }
}

void SampleWalk::activate(std::size_t n) {
  const Node& node = graph_.nodes[n];
  const Node after{.name = node.name,
                   .op = Activate{fused(node)},
                   .inputs = {node.outputs[0]},
                   .outputs = node.outputs};
  for (Tensor& tensor : of(node.outputs[0])) {
    tensor = evaluate_node(graph_, after, std::vector<Tensor>{std::move(tensor)})[0];
  }
}

void SampleWalk::leave(std::size_t n) {
  const Node& node = graph_.nodes[n];
  const auto let_go = [&](ValueId id) {
    if (!is_known(graph_, id) && last_[static_cast<std::size_t>(id)] <= n) of(id).clear();
  };
  for (const ValueId id : node.inputs) let_go(id);
  for (const ValueId id : node.outputs) let_go(id);
}

}  // namespace workbench
