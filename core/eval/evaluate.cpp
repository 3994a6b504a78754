#include "core/eval/evaluate.h"

#include <utility>

#include "core/eval/kernels.h"

namespace workbench {

void eval::Evaluation::expect_type(std::size_t i, ElementType type) const {
  if (operands[i].type() == type) return;
  fail("node '{}' ({}): operand {}: expected elements of type {}, found {}", node.name,
       op_name(node.op), i, to_string(type), to_string(operands[i].type()));
}

void eval::Evaluation::expect_floats() const {
  for (std::size_t i = 0; i < operands.size(); ++i) {
    if (has(i)) expect_type(i, ElementType::Float32);
  }
}

namespace {

eval::Tensors run(const Graph& graph, const Node& node, eval::Tensors operands,
                  const EvaluateOptions& options) {
  CHECK(operands.size() == node.inputs.size(), "node '{}'", node.name);
  eval::Evaluation at{.graph = graph,
                      .node = node,
                      .operands = std::move(operands),
                      .context = {options.arithmetic, options.threads}};
  for (std::size_t i = 0; i < at.operands.size(); ++i) {
    CHECK(!at.has(i) || at.operands[i].shape() == graph.value(node.inputs[i]).shape,
          "node '{}' operand {} has shape {}", node.name, i, to_string(at.operands[i].shape()));
  }
  return std::visit([&](const auto& op) { return eval::result_of(op, at); }, node.op);
}

// The values of one evaluation, each kept until its last reader has taken it.
class LiveValues {
 public:
  explicit LiveValues(const Graph& graph)
      : graph_(graph), tensors_(graph.values.size()), readers_(graph.values.size(), 0) {
    for (const Node& node : graph.nodes) {
      for (const ValueId id : node.inputs) count(id);
    }
    for (const ValueId id : graph.outputs) count(id);
  }

  void set(ValueId id, Tensor tensor) {
    if (id != kNoValue && readers_[index(id)] > 0) tensors_[index(id)] = std::move(tensor);
  }
  Tensor take(ValueId id) {
    if (id == kNoValue) return {};
    if (graph_.value(id).constant) return *graph_.value(id).constant;
    const bool last = --readers_[index(id)] == 0;
    return last ? std::exchange(tensors_[index(id)], Tensor{}) : tensors_[index(id)];
  }

 private:
  static std::size_t index(ValueId id) { return static_cast<std::size_t>(id); }
  void count(ValueId id) {
    if (id != kNoValue) ++readers_[index(id)];
  }

  const Graph& graph_;
  std::vector<Tensor> tensors_;
  std::vector<std::int64_t> readers_;
};

}  // namespace

std::vector<Tensor> evaluate_node(const Graph& graph, const Node& node,
                                  std::span<const Tensor> operands,
                                  const EvaluateOptions& options) {
  return run(graph, node, {operands.begin(), operands.end()}, options);
}

std::vector<Tensor> evaluate(const Graph& graph, std::span<const Tensor> inputs,
                             const EvaluateOptions& options) {
  CHECK(inputs.size() == graph.inputs.size(), "{} inputs for '{}'", inputs.size(), graph.name);
  LiveValues values(graph);
  const auto know = [&](ValueId id, Tensor tensor) {
    if (id == kNoValue) return;
    if (options.observe) options.observe(id, tensor);
    values.set(id, std::move(tensor));
  };
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Value& value = graph.value(graph.inputs[i]);
    CHECK(inputs[i].shape() == value.shape, "input '{}' has shape {}", value.name,
          to_string(inputs[i].shape()));
    know(graph.inputs[i], inputs[i]);
  }
  for (const Node& node : graph.nodes) {
    std::vector<Tensor> operands;
    for (const ValueId id : node.inputs) operands.push_back(values.take(id));
    std::vector<Tensor> results = run(graph, node, std::move(operands), options);
    CHECK(results.size() >= node.outputs.size(), "node '{}'", node.name);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      know(node.outputs[i], std::move(results[i]));
    }
  }
  std::vector<Tensor> outputs;
  for (const ValueId id : graph.outputs) outputs.push_back(values.take(id));
  return outputs;
}

float apply(const Activation& activation, float x, std::size_t channel) {
  return static_cast<float>(eval::activate(activation, static_cast<double>(x), channel));
}

}  // namespace workbench
