#include "core/graph.h"

#include <algorithm>
#include <concepts>
#include <set>
#include <utility>

#include "core/shapes.h"

namespace workbench {

std::string_view Activation::name() const {
  switch (kind) {
    case Kind::None:
      return "Identity";
    case Kind::Relu:
      return "Relu";
    case Kind::Clip:
      return "Clip";
    case Kind::LeakyRelu:
      return "LeakyRelu";
    case Kind::PRelu:
      return "PRelu";
    case Kind::Sigmoid:
      return "Sigmoid";
    case Kind::Tanh:
      return "Tanh";
    case Kind::HardSigmoid:
      return "HardSigmoid";
    case Kind::HardSwish:
      return "HardSwish";
    case Kind::Exp:
      return "Exp";
    case Kind::Floor:
      return "Floor";
    case Kind::Truncate:
      return "Truncate";
    case Kind::Abs:
      return "Abs";
    case Kind::Neg:
      return "Neg";
    case Kind::Sign:
      return "Sign";
    case Kind::Ceil:
      return "Ceil";
    case Kind::Round:
      return "Round";
    case Kind::Sqrt:
      return "Sqrt";
    case Kind::Reciprocal:
      return "Reciprocal";
    case Kind::Log:
      return "Log";
    case Kind::Erf:
      return "Erf";
    case Kind::Sin:
      return "Sin";
    case Kind::Cos:
      return "Cos";
    case Kind::Tan:
      return "Tan";
    case Kind::Asin:
      return "Asin";
    case Kind::Acos:
      return "Acos";
    case Kind::Atan:
      return "Atan";
    case Kind::Sinh:
      return "Sinh";
    case Kind::Cosh:
      return "Cosh";
    case Kind::Asinh:
      return "Asinh";
    case Kind::Acosh:
      return "Acosh";
    case Kind::Atanh:
      return "Atanh";
    case Kind::Softplus:
      return "Softplus";
    case Kind::Softsign:
      return "Softsign";
    case Kind::Elu:
      return "Elu";
    case Kind::Selu:
      return "Selu";
    case Kind::Celu:
      return "Celu";
    case Kind::ThresholdedRelu:
      return "ThresholdedRelu";
    case Kind::Shrink:
      return "Shrink";
    case Kind::Gelu:
      return "Gelu";
    case Kind::GeluTanh:
      return "Gelu";
    case Kind::Mish:
      return "Mish";
    case Kind::Not:
      return "Not";
    case Kind::IsNaN:
      return "IsNaN";
  }
  CHECK(false, "activation {}", static_cast<int>(kind));
}

std::string_view Binary::name() const {
  switch (kind) {
    case Kind::Add:
      return "Add";
    case Kind::Sub:
      return "Sub";
    case Kind::Mul:
      return "Mul";
    case Kind::Div:
      return "Div";
    case Kind::Max:
      return "Max";
    case Kind::Min:
      return "Min";
    case Kind::Pow:
      return "Pow";
    case Kind::Mod:
      return "Mod";
    case Kind::Fmod:
      return "Mod";
    case Kind::Equal:
      return "Equal";
    case Kind::Less:
      return "Less";
    case Kind::LessOrEqual:
      return "LessOrEqual";
    case Kind::Greater:
      return "Greater";
    case Kind::GreaterOrEqual:
      return "GreaterOrEqual";
    case Kind::And:
      return "And";
    case Kind::Or:
      return "Or";
    case Kind::Xor:
      return "Xor";
  }
  CHECK(false, "binary {}", static_cast<int>(kind));
}

std::string_view Reduce::name() const {
  switch (kind) {
    case Kind::Mean:
      return "ReduceMean";
    case Kind::Sum:
      return "ReduceSum";
    case Kind::Max:
      return "ReduceMax";
    case Kind::Min:
      return "ReduceMin";
    case Kind::Prod:
      return "ReduceProd";
    case Kind::L1:
      return "ReduceL1";
    case Kind::L2:
      return "ReduceL2";
    case Kind::LogSum:
      return "ReduceLogSum";
    case Kind::LogSumExp:
      return "ReduceLogSumExp";
    case Kind::SumSquare:
      return "ReduceSumSquare";
  }
  CHECK(false, "reduce {}", static_cast<int>(kind));
}

bool gives_truth(Binary::Kind kind) { return kind >= Binary::Kind::Equal; }

bool gives_truth(Activation::Kind kind) {
  return kind == Activation::Kind::Not || kind == Activation::Kind::IsNaN;
}

std::string op_name(const Op& op) {
  return std::visit(
      []<typename T>(const T& known) {
        if constexpr (requires { known.name(); }) {
          return std::string(known.name());
        } else {
          return std::string(T::kName);
        }
      },
      op);
}

const OpTraits& traits(const Op& op) {
  return std::visit([]<typename T>(const T&) -> const OpTraits& { return T::kTraits; }, op);
}

const Activation& activation_of(const Op& op) {
  static const Activation none;
  return std::visit(
      [](const auto& known) -> const Activation& {
        if constexpr (requires { known.activation; }) {
          return known.activation;
        } else {
          return none;
        }
      },
      op);
}

const Activation* fused_activation(const Op& op) {
  return std::visit(
      []<typename T>(const T& known) -> const Activation* {
        if constexpr (requires { known.activation; } && !std::same_as<T, Activate>) {
          return &known.activation;
        } else {
          return nullptr;
        }
      },
      op);
}

Activation* fused_activation(Op& op) {
  return const_cast<Activation*>(fused_activation(std::as_const(op)));
}

Window* window_of(Op& op) {
  return std::visit(
      [](auto& known) -> Window* {
        if constexpr (requires { known.window; }) {
          return &known.window;
        } else {
          return nullptr;
        }
      },
      op);
}

std::optional<float> fill_value(const Op& op) {
  if (const auto* pad = std::get_if<Pad>(&op)) {
    return pad->mode == Pad::Mode::Constant ? std::optional(pad->value) : std::nullopt;
  }
  if (const auto* resize = std::get_if<Resize>(&op)) {
    const bool crops = resize->coordinates == Resize::Coordinates::TfCropAndResize;
    return crops ? std::optional(resize->extrapolation_value) : std::nullopt;
  }
  return std::nullopt;
}

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
  if (std::holds_alternative<Recurrent>(node.op)) {  // each step and image: all of both matrices
    return shape(0)[0] * shape(0)[1] * (element_count(shape(1)) + element_count(shape(2)));
  }
  return 0;
}

std::int64_t layer_ops(const Graph& graph, const Node& node) {
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
    const bool pools = reduce->kind == Reduce::Kind::Mean || reduce->kind == Reduce::Kind::Max;
    return over_space && pools ? element_count(in) : 0;
  }
  const bool eltwise = std::holds_alternative<Binary>(node.op) && out.size() == 4 &&
                       graph.value(node.inputs[0]).shape == graph.value(node.inputs[1]).shape;
  return eltwise ? element_count(out) : 0;
}

std::int64_t parameters(const Graph& graph) {
  std::set<ValueId> weights;  // a shared weight counts once
  const std::vector<std::ptrdiff_t> writers = producers(graph);
  for (const Node& node : graph.nodes) {
    if (!traits(node.op).has_weights) continue;
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
