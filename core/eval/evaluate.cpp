#include "core/eval/evaluate.h"

#include <utility>

#include "core/eval/kernels.h"

namespace workbench {

namespace {

// One node with its operands at hand; one overload per op.
class NodeEvaluation {
 public:
  NodeEvaluation(const Graph& graph, const Node& node, std::vector<Tensor> operands,
                 const EvaluateOptions& options)
      : graph_(graph),
        node_(node),
        operands_(std::move(operands)),
        context_{options.arithmetic, options.threads} {
    CHECK(operands_.size() == node.inputs.size(), "node '{}'", node.name);
    for (std::size_t i = 0; i < operands_.size(); ++i) {
      CHECK(!has(i) || operands_[i].shape() == graph.value(node.inputs[i]).shape,
            "node '{}' operand {} has shape {}", node.name, i, to_string(operands_[i].shape()));
    }
  }

  std::vector<Tensor> operator()(const Conv& op) {
    floats();
    return one(eval::conv(op, x(), operands_[1], optional(2), out(), context_));
  }
  std::vector<Tensor> operator()(const ConvTranspose& op) {
    floats();
    return one(eval::conv_transpose(op, x(), operands_[1], optional(2), out(), context_));
  }
  std::vector<Tensor> operator()(const BatchNorm& op) {
    floats();
    Tensor data = std::move(operands_[0]);
    return one(eval::batch_norm(op, operands_, std::move(data), context_));
  }
  std::vector<Tensor> operator()(const Activate& op) {
    return one(eval::activate(op.activation, std::move(operands_[0]), context_));
  }
  std::vector<Tensor> operator()(const PRelu&) {
    floats();
    return one(eval::prelu(x(), operands_[1], context_));
  }
  std::vector<Tensor> operator()(const MaxPool& op) {
    return eval::max_pool(op, x(), out(), node_.outputs.size() > 1, context_);
  }
  std::vector<Tensor> operator()(const AveragePool& op) {
    floats();
    return one(eval::average_pool(op, x(), out(), context_));
  }
  std::vector<Tensor> operator()(const Binary& op) {
    if (x().type() != operands_[1].type()) wrong_type(1, to_string(x().type()));
    return one(eval::binary(op, std::move(operands_[0]), operands_[1], out(), context_));
  }
  std::vector<Tensor> operator()(const Concat& op) {
    for (std::size_t i = 1; i < operands_.size(); ++i) {
      if (operands_[i].type() != x().type()) wrong_type(i, to_string(x().type()));
    }
    return one(eval::concat(operands_, axis(op.axis), out()));
  }
  std::vector<Tensor> operator()(const Gemm& op) {
    floats();
    return one(eval::gemm(op, x(), operands_[1], optional(2), context_));
  }
  std::vector<Tensor> operator()(const MatMul&) {
    floats();
    return one(eval::matmul(x(), operands_[1], out(), context_));
  }
  std::vector<Tensor> operator()(const Reshape& op) {
    const bool image = op.shape.size() == 4;
    return one(x().reshaped(op.shape, image ? Layout::Nchw : Layout::RowMajor));
  }
  std::vector<Tensor> operator()(const Transpose& op) {
    return one(eval::transpose(x(), op.permutation, context_));
  }
  std::vector<Tensor> operator()(const Pad& op) { return one(eval::pad(op, x(), out(), context_)); }
  std::vector<Tensor> operator()(const Identity&) {
    if (node_.affine) {
      fail(
          "node '{}': expected arithmetic of real numbers, found a RequantShift, which rescales "
          "integers",
          node_.name);
    }
    return one(std::move(operands_[0]));
  }
  std::vector<Tensor> operator()(const Softmax& op) {
    floats();
    return one(eval::softmax(op, x(), context_));
  }
  std::vector<Tensor> operator()(const Lrn& op) {
    floats();
    return one(eval::lrn(op, x(), context_));
  }
  std::vector<Tensor> operator()(const Resize& op) { return one(eval::resize(op, x(), context_)); }
  std::vector<Tensor> operator()(const SpaceToDepth& op) {
    return one(eval::space_to_depth(op, x(), context_));
  }
  std::vector<Tensor> operator()(const DepthToSpace& op) {
    return one(eval::depth_to_space(op, x(), context_));
  }
  std::vector<Tensor> operator()(const Slice& op) {
    return one(eval::slice(op, x(), out(), context_));
  }
  std::vector<Tensor> operator()(const Reduce& op) {
    return one(eval::reduce(op, x(), out(), context_));
  }
  std::vector<Tensor> operator()(const Quantize&) {
    floats();
    const Value& value = graph_.value(node_.outputs[0]);
    CHECK(value.quantization, "value '{}'", value.name);
    return one(eval::quantize(*value.quantization, x(), value.type, context_));
  }
  std::vector<Tensor> operator()(const Dequantize&) {
    const Value& value = graph_.value(node_.inputs[0]);
    CHECK(value.quantization, "value '{}'", value.name);
    return one(eval::dequantize(*value.quantization, x(), context_));
  }

 private:
  bool has(std::size_t i) const { return i < node_.inputs.size() && node_.inputs[i] != kNoValue; }
  const Tensor& x() const { return operands_[0]; }
  const Tensor* optional(std::size_t i) const { return has(i) ? &operands_[i] : nullptr; }
  const Shape& out() const { return graph_.value(node_.outputs[0]).shape; }
  std::size_t axis(std::int64_t a) const {
    return static_cast<std::size_t>(a < 0 ? a + static_cast<std::int64_t>(x().rank()) : a);
  }
  static std::vector<Tensor> one(Tensor tensor) {
    std::vector<Tensor> result;
    result.push_back(std::move(tensor));
    return result;
  }
  [[noreturn]] void wrong_type(std::size_t i, std::string_view expected) const {
    fail("node '{}' ({}): operand {}: expected elements of type {}, found {}", node_.name,
         op_name(node_.op), i, expected, to_string(operands_[i].type()));
  }
  void floats() const {
    for (std::size_t i = 0; i < operands_.size(); ++i) {
      if (has(i) && operands_[i].type() != ElementType::Float32) wrong_type(i, "float32");
    }
  }

  const Graph& graph_;
  const Node& node_;
  std::vector<Tensor> operands_;
  eval::Context context_;
};

std::vector<Tensor> run(const Graph& graph, const Node& node, std::vector<Tensor> operands,
                        const EvaluateOptions& options) {
  NodeEvaluation evaluation(graph, node, std::move(operands), options);
  return std::visit(evaluation, node.op);
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
