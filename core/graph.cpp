#include "core/graph.h"

#include <algorithm>
#include <set>
#include <utility>

#include "core/shapes.h"

namespace workbench {

namespace {

std::string_view activation_name(Activation::Kind kind) {
  switch (kind) {
    case Activation::Kind::None:
      return "Identity";
    case Activation::Kind::Relu:
      return "Relu";
    case Activation::Kind::Clip:
      return "Clip";
    case Activation::Kind::LeakyRelu:
      return "LeakyRelu";
    case Activation::Kind::PRelu:
      return "PRelu";
    case Activation::Kind::Sigmoid:
      return "Sigmoid";
    case Activation::Kind::Tanh:
      return "Tanh";
    case Activation::Kind::HardSigmoid:
      return "HardSigmoid";
    case Activation::Kind::HardSwish:
      return "HardSwish";
    case Activation::Kind::Exp:
      return "Exp";
    case Activation::Kind::Floor:
      return "Floor";
    case Activation::Kind::Truncate:
      return "Truncate";
  }
  CHECK(false, "activation {}", static_cast<int>(kind));
}

struct OpName {
  std::string operator()(const Conv&) const { return "Conv"; }
  std::string operator()(const ConvTranspose&) const { return "ConvTranspose"; }
  std::string operator()(const BatchNorm&) const { return "BatchNorm"; }
  std::string operator()(const Activate& op) const {
    return std::string(activation_name(op.activation.kind));
  }
  std::string operator()(const PRelu&) const { return "PRelu"; }
  std::string operator()(const MaxPool&) const { return "MaxPool"; }
  std::string operator()(const AveragePool&) const { return "AveragePool"; }
  std::string operator()(const Binary& op) const {
    switch (op.kind) {
      case Binary::Kind::Add:
        return "Add";
      case Binary::Kind::Sub:
        return "Sub";
      case Binary::Kind::Mul:
        return "Mul";
      case Binary::Kind::Div:
        return "Div";
    }
    CHECK(false, "binary {}", static_cast<int>(op.kind));
  }
  std::string operator()(const Concat&) const { return "Concat"; }
  std::string operator()(const Gemm&) const { return "Gemm"; }
  std::string operator()(const MatMul&) const { return "MatMul"; }
  std::string operator()(const Reshape&) const { return "Reshape"; }
  std::string operator()(const Transpose&) const { return "Transpose"; }
  std::string operator()(const Pad&) const { return "Pad"; }
  std::string operator()(const Identity&) const { return "Identity"; }
  std::string operator()(const Softmax& op) const { return op.log ? "LogSoftmax" : "Softmax"; }
  std::string operator()(const Lrn&) const { return "LRN"; }
  std::string operator()(const Resize&) const { return "Resize"; }
  std::string operator()(const SpaceToDepth&) const { return "SpaceToDepth"; }
  std::string operator()(const DepthToSpace&) const { return "DepthToSpace"; }
  std::string operator()(const Slice&) const { return "Slice"; }
  std::string operator()(const Reduce& op) const {
    switch (op.kind) {
      case Reduce::Kind::Mean:
        return "ReduceMean";
      case Reduce::Kind::Sum:
        return "ReduceSum";
      case Reduce::Kind::Max:
        return "ReduceMax";
    }
    CHECK(false, "reduce {}", static_cast<int>(op.kind));
  }
  std::string operator()(const Quantize&) const { return "Quantize"; }
  std::string operator()(const Dequantize&) const { return "Dequantize"; }
};

}  // namespace

std::string op_name(const Op& op) { return std::visit(OpName{}, op); }

ValueId Graph::add_value(Value value) {
  values.push_back(std::move(value));
  return static_cast<ValueId>(values.size() - 1);
}

ValueId Graph::add_constant(std::string value_name, Tensor tensor) {
  Value value{.name = std::move(value_name), .shape = tensor.shape(), .type = tensor.type()};
  value.constant = std::move(tensor);
  return add_value(std::move(value));
}

std::vector<std::vector<std::size_t>> consumers(const Graph& graph) {
  std::vector<std::vector<std::size_t>> readers(graph.values.size());
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const ValueId id : graph.nodes[n].inputs) {
      if (id == kNoValue) continue;
      auto& list = readers.at(static_cast<std::size_t>(id));
      if (list.empty() || list.back() != n) list.push_back(n);
    }
  }
  return readers;
}

std::vector<std::ptrdiff_t> producers(const Graph& graph) {
  std::vector<std::ptrdiff_t> writer(graph.values.size(), -1);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const ValueId id : graph.nodes[n].outputs) {
      if (id != kNoValue) writer.at(static_cast<std::size_t>(id)) = static_cast<std::ptrdiff_t>(n);
    }
  }
  return writer;
}

std::map<std::string, ValueId> values_by_name(const Graph& graph) {
  std::map<std::string, ValueId> ids;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    ids.emplace(graph.values[i].name, static_cast<ValueId>(i));
  }
  return ids;
}

namespace {

// Collects violations of one graph; the checks are in the order a reader would make them.
class Verifier {
 public:
  explicit Verifier(const Graph& graph) : graph_(graph), known_(graph.values.size(), false) {}

  std::vector<Violation> run() {
    names();
    for (std::size_t i = 0; i < graph_.values.size(); ++i) {
      known_[i] = graph_.values[i].constant.has_value();
    }
    for (const ValueId id : graph_.inputs) {
      if (!in_range(id)) return bad("graph input {} is no value", id);
      known_[static_cast<std::size_t>(id)] = true;
    }
    for (const Node& node : graph_.nodes) {
      if (!operands(node)) return std::move(violations_);
      results(node);
    }
    for (const ValueId id : graph_.outputs) {
      if (!in_range(id)) return bad("graph output {} is no value", id);
      if (!known_[static_cast<std::size_t>(id)]) {
        bad("graph output '{}' is never written", graph_.value(id).name);
      }
    }
    return std::move(violations_);
  }

 private:
  template <typename... Args>
  std::vector<Violation> bad(fmt::format_string<Args...> format, Args&&... args) {
    violations_.push_back({fmt::format(format, std::forward<Args>(args)...)});
    return violations_;
  }
  bool in_range(ValueId id) const {
    return id >= 0 && static_cast<std::size_t>(id) < graph_.values.size();
  }
  void names() {
    std::set<std::string_view> value_names, node_names;
    for (const Value& value : graph_.values) {
      if (!value_names.insert(value.name).second) bad("two values are named '{}'", value.name);
    }
    for (const Node& node : graph_.nodes) {
      if (node.name.empty()) bad("a {} node has no name", op_name(node.op));
      if (!node_names.insert(node.name).second) bad("two nodes are named '{}'", node.name);
    }
  }
  bool operands(const Node& node) {
    for (const ValueId id : node.inputs) {
      if (id == kNoValue) continue;
      if (!in_range(id)) {
        bad("node '{}' reads value {}, which does not exist", node.name, id);
        return false;
      }
      if (!known_[static_cast<std::size_t>(id)]) {
        bad("node '{}' reads '{}' before it is written", node.name, graph_.value(id).name);
      }
    }
    return true;
  }
  // Empty when the operands do not fit together.
  std::vector<Shape> shapes_of(const Node& node) {
    try {
      return output_shapes(graph_, node);
    } catch (const Error& error) {
      bad("{}", error.what());
      return {};
    }
  }
  void results(const Node& node) {
    if (node.outputs.empty()) {
      bad("node '{}' writes nothing", node.name);
      return;
    }
    const std::vector<Shape> shapes = shapes_of(node);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      const ValueId id = node.outputs[i];
      if (id == kNoValue) continue;
      if (!in_range(id)) {
        bad("node '{}' writes value {}, which does not exist", node.name, id);
        continue;
      }
      auto slot = known_[static_cast<std::size_t>(id)];
      if (slot) bad("value '{}' is written twice", graph_.value(id).name);
      known_[static_cast<std::size_t>(id)] = true;
      if (i < shapes.size() && graph_.value(id).shape != shapes[i]) {
        bad("node '{}' gives '{}' the shape {}, its value says {}", node.name,
            graph_.value(id).name, to_string(shapes[i]), to_string(graph_.value(id).shape));
      }
    }
  }

  const Graph& graph_;
  std::vector<bool> known_;
  std::vector<Violation> violations_;
};

std::int64_t spatial_elements(const Shape& shape) {
  std::int64_t count = 1;
  for (std::size_t i = 2; i < shape.size(); ++i) count *= shape[i];
  return count;
}

std::int64_t window_elements(const Window& window) {
  std::int64_t count = 1;
  for (const std::int64_t k : window.kernel) count *= k;
  return count;
}

}  // namespace

std::vector<Violation> verify(const Graph& graph) { return Verifier(graph).run(); }

std::int64_t macs(const Graph& graph, const Node& node) {
  const auto shape = [&](std::size_t operand) -> const Shape& {
    return graph.value(node.inputs[operand]).shape;
  };
  const Shape& out = graph.value(node.outputs[0]).shape;
  if (std::holds_alternative<Conv>(node.op)) {  // each output: one dot product with its filter
    return element_count(out) * (element_count(shape(1)) / shape(1)[0]);
  }
  if (std::holds_alternative<ConvTranspose>(node.op)) {  // each input is spread over its filters
    return element_count(shape(0)) * (element_count(shape(1)) / shape(1)[0]);
  }
  if (const auto* gemm = std::get_if<Gemm>(&node.op)) {
    return element_count(out) * shape(0)[gemm->transpose_a ? 0 : 1];
  }
  if (std::holds_alternative<MatMul>(node.op)) return element_count(out) * shape(0).back();
  return 0;
}

std::int64_t xfdnn_ops(const Graph& graph, const Node& node) {
  const Shape& out = graph.value(node.outputs[0]).shape;
  if (std::holds_alternative<Conv>(node.op)) return 2 * macs(graph, node);
  if (std::holds_alternative<ConvTranspose>(node.op)) {  // counted on the output side, as a conv
    const Shape& w = graph.value(node.inputs[1]).shape;
    return 2 * out[0] * spatial_elements(out) * element_count(w);
  }
  const Window* window = nullptr;
  if (const auto* pool = std::get_if<MaxPool>(&node.op)) window = &pool->window;
  if (const auto* pool = std::get_if<AveragePool>(&node.op)) window = &pool->window;
  if (window != nullptr) return element_count(out) * window_elements(*window);
  if (const auto* reduce = std::get_if<Reduce>(&node.op)) {  // global pool in other words
    const Shape& in = graph.value(node.inputs[0]).shape;
    const bool over_space = in.size() == 4 && reduce->axes == std::vector<std::int64_t>{2, 3};
    return over_space && reduce->kind != Reduce::Kind::Sum ? element_count(in) : 0;
  }
  const bool eltwise = std::holds_alternative<Binary>(node.op) && out.size() == 4 &&
                       graph.value(node.inputs[0]).shape == graph.value(node.inputs[1]).shape;
  return eltwise ? element_count(out) : 0;
}

std::int64_t parameters(const Graph& graph) {
  std::set<ValueId> weights;  // a shared weight counts once
  const std::vector<std::ptrdiff_t> writers = producers(graph);
  for (const Node& node : graph.nodes) {
    const bool weighted =
        std::holds_alternative<Conv>(node.op) || std::holds_alternative<ConvTranspose>(node.op) ||
        std::holds_alternative<Gemm>(node.op) || std::holds_alternative<MatMul>(node.op) ||
        std::holds_alternative<BatchNorm>(node.op) || std::holds_alternative<PRelu>(node.op);
    if (!weighted) continue;
    for (ValueId id : node.inputs) {
      if (id == kNoValue) continue;
      const std::ptrdiff_t writer = writers[static_cast<std::size_t>(id)];
      if (writer >= 0) {  // codes of weights are weights
        const Node& dequantize = graph.nodes[static_cast<std::size_t>(writer)];
        if (std::holds_alternative<Dequantize>(dequantize.op)) id = dequantize.inputs[0];
      }
      if (graph.value(id).constant) weights.insert(id);
    }
  }
  std::int64_t count = 0;
  for (const ValueId id : weights) count += element_count(graph.value(id).shape);
  return count;
}

}  // namespace workbench
