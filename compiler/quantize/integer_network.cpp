#include "compiler/quantize/integer_network.h"

#include <algorithm>
#include <cmath>

#include "compiler/passes/passes.h"
#include "compiler/quantize/chain_builder.h"

namespace workbench {

namespace {

// One node of the imported network; one overload per integer op.
class Step {
 public:
  Step(ChainBuilder& builder, const Node& node) : builder_(builder), node_(node) {}

  void run() {
    if (!std::visit([&](const auto& op) { return taken(op); }, node_.op)) builder_.add_host(node_);
  }

 private:
  bool taken(const Conv&) { return add_convolution(builder_, node_); }
  bool taken(const Gemm&) { return add_product(builder_, node_); }
  bool taken(const MatMul&) { return add_product(builder_, node_); }
  bool taken(const AveragePool&) { return add_average(builder_, node_); }
  bool taken(const Reduce&) { return add_reduce(builder_, node_); }
  bool taken(const Binary&) { return add_binary(builder_, node_); }
  bool taken(const Activate&) { return add_activation(builder_, node_); }
  bool taken(const Identity&) { return add_identity(builder_, node_); }
  bool taken(const Reshape&) { return add_reshape(builder_, node_); }
  bool taken(const MaxPool&) {
    return builder_.is_chain(node_.inputs[0]) && node_.outputs.size() == 1 && moved();
  }
  bool taken(const Pad& op) {
    if (!feeds_layer() || op.mode != Pad::Mode::Constant) return false;
    if (op.value == 0) return moved();
    if (!builder_.is_input(node_.inputs[0])) return false;
    builder_.add_bordered_input(node_);
    return true;
  }
  template <typename Other>
  bool taken(const Other&) {
    return Other::kTraits.moves_data && feeds_layer() && moved();
  }

  bool feeds_layer() const { return builder_.feeds_layer(node_.outputs[0]); }
  bool moved() {
    const auto is_chain = [&](ValueId id) { return id != kNoValue && builder_.is_chain(id); };
    if (!std::all_of(node_.inputs.begin(), node_.inputs.end(), is_chain)) return false;
    builder_.move(node_, node_.inputs);
    return true;
  }

  ChainBuilder& builder_;
  const Node& node_;
};

// Signed if the file or the caller says so, or else if any value of the sample is negative.
bool is_signed_input(const Value& value, const Tensor* sample,
                     const IntegerNetworkOptions& options) {
  for (const auto& [name, is_signed] : options.input_signed) {
    if (name == value.name) return is_signed;
  }
  if (value.type == ElementType::Uint8) return false;
  if (value.type == ElementType::Int8) return true;
  if (sample == nullptr) return false;
  const auto values = sample->values<float>();
  return std::any_of(values.begin(), values.end(), [](float v) { return v < 0; });
}

void check_sample(const Value& value, const Tensor& sample, bool is_signed) {
  const float low = is_signed ? -128 : 0, high = is_signed ? 127 : 255;
  for (const float v : sample.values<float>()) {
    if (v >= low && v <= high && v == std::floor(v)) continue;
    fail("input '{}': expected {} codes, whole numbers from {} to {}, found {}", value.name,
         is_signed ? "signed" : "unsigned", low, high, v);
  }
}

void add_inputs(ChainBuilder& builder, const std::vector<Tensor>& inputs,
                const IntegerNetworkOptions& options) {
  const Graph& graph = builder.imported();
  CHECK(inputs.empty() || inputs.size() == graph.inputs.size(), "{} inputs for '{}'", inputs.size(),
        graph.name);
  for (const auto& [name, is_signed] : options.input_signed) {
    const auto named = [&](ValueId id) { return graph.value(id).name == name; };
    if (std::none_of(graph.inputs.begin(), graph.inputs.end(), named)) {
      fail("input '{}': the network has no input of this name", name);
    }
  }
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    const Value& value = graph.value(graph.inputs[i]);
    const Tensor* sample = inputs.empty() ? nullptr : &inputs[i];
    const bool is_signed = is_signed_input(value, sample, options);
    if (sample != nullptr) check_sample(value, *sample, is_signed);
    builder.add_input(graph.inputs[i], is_signed);
  }
}

// Ops that only move codes. Networks of nothing but Resize or
// of moves between space and depth are of real numbers.
bool only_moves(const Node& node) {
  const bool rearranges = std::holds_alternative<Resize>(node.op) ||
                          std::holds_alternative<SpaceToDepth>(node.op) ||
                          std::holds_alternative<DepthToSpace>(node.op);
  return (traits(node.op).moves_data || traits(node.op).selects) && !rearranges && !node.affine;
}

// What only integer networks have: integer types, cuts of fractions, rescalings, clips to codes.
bool is_integer_mark(const Graph& graph, const Node& node) {
  const ElementType type = graph.value(node.outputs[0]).type;
  const bool counts = type == ElementType::Bool || std::holds_alternative<ArgReduce>(node.op) ||
                      std::holds_alternative<TopK>(node.op);  // of real numbers, too
  if (type != ElementType::Float32 && type != ElementType::Float64 && !counts) return true;
  const auto* activate = std::get_if<Activate>(&node.op);
  if (activate != nullptr && activate->activation.kind == Activation::Kind::Clip) {
    const auto low = static_cast<double>(activate->activation.alpha);
    const auto high = static_cast<double>(activate->activation.beta);
    return (low == 0 && (high == 255 || high == 15)) || (low == -128 && high == 127) ||
           (low == -8 && high == 7);
  }
  return is_layer(graph, node) && !traits(node.op).multiplies && !only_moves(node) &&
         !std::holds_alternative<AveragePool>(node.op);
}

}  // namespace

bool is_integer_network(const Graph& imported) {
  bool marked = false, moves = true;
  for (const Node& node : imported.nodes) {
    if (std::holds_alternative<Quantize>(node.op) || std::holds_alternative<Dequantize>(node.op)) {
      return false;  // real numbers in the ONNX form of codes
    }
    moves = moves && only_moves(node);
    marked = marked || is_integer_mark(imported, node);
    if (!traits(node.op).multiplies) continue;
    const auto& weights = imported.value(node.inputs[1]).constant;
    if (weights && !are_whole_numbers(*weights, -128, 127)) return false;
  }
  return marked || moves;
}

Graph integer_network(const Graph& imported, const std::vector<Tensor>& inputs,
                      const IntegerNetworkOptions& options) {
  ChainBuilder builder(imported);
  add_inputs(builder, inputs, options);
  for (const Node& node : imported.nodes) Step(builder, node).run();
  Graph graph = builder.finished();
  if (options.saturations != nullptr) *options.saturations = builder.saturations();
  for (bool changed = true; changed;) {
    changed = false;
    for (bool (*pass)(Graph&) : {drop_identities, canonicalize_padding, remove_dead, widen_1d}) {
      changed = pass(graph) || changed;
    }
  }
  const std::vector<Violation> violations = verify(graph);
  CHECK(violations.empty(), "after integer_network: {}", violations.front().message);
  return graph;
}

}  // namespace workbench
