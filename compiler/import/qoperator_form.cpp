#include "compiler/import/qoperator_form.h"

#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "compiler/import/qlinear.h"
#include "compiler/import/text.h"

namespace workbench {

namespace {

Activation* fused(Op& op) {
  if (auto* conv = std::get_if<Conv>(&op)) return &conv->activation;
  if (auto* gemm = std::get_if<Gemm>(&op)) return &gemm->activation;
  if (auto* binary = std::get_if<Binary>(&op)) return &binary->activation;
  return nullptr;
}

bool cuts(const Quantization& codes) {
  return codes.rounding == Rounding::Floor || codes.rounding == Rounding::TowardZero;
}

// Whether codes end where the activation does: nothing below `low` and nothing above `high` has a
// code of its own.
bool saturation_says(const Activation& activation, const Quantization& codes) {
  const bool is_clip = activation.kind == Activation::Kind::Clip;
  const double low = is_clip ? static_cast<double>(activation.alpha) : 0;
  const double high =
      is_clip ? static_cast<double>(activation.beta) : std::numeric_limits<double>::infinity();
  const auto position = [&](double real) {
    return real / codes.step() + static_cast<double>(codes.zero_point());
  };
  constexpr double kReach = 0.499;  // of the last code, where ties count for neither side
  const double reach = cuts(codes) ? 0 : kReach;
  return position(low) <= static_cast<double>(codes.low()) + reach &&
         position(high) >= static_cast<double>(codes.high()) - reach;
}

Tensor bias_codes(const std::vector<double>& bias, const Shape& shape, const Quantization& codes) {
  std::vector<std::int32_t> values;
  for (const double number : bias) {
    const double step = codes.step(values.size() % codes.thresholds.size());
    values.push_back(static_cast<std::int32_t>(std::nearbyint(number / step)));
  }
  return Tensor::from<std::int32_t>(shape, values);
}

bool has_weights(const Op& op) {
  return std::holds_alternative<Conv>(op) || std::holds_alternative<Gemm>(op) ||
         std::holds_alternative<MatMul>(op);
}

// Codes that stand for the same numbers, 128 above what they were.
void make_unsigned(Value& value) {
  const double step = value.quantization->step();
  value.quantization->is_signed = false;
  value.quantization->thresholds = {step * 255};
  value.quantization->zero_points = {128};
  value.type = ElementType::Uint8;
  if (!value.constant) return;
  std::vector<std::uint8_t> codes;
  for (const std::int8_t code : value.constant->values<std::int8_t>()) {
    codes.push_back(static_cast<std::uint8_t>(code + 128));
  }
  value.constant = Tensor::from<std::uint8_t>(value.shape, codes);
}

// A network whose activations have codes of both signs: signed ones become unsigned, since the
// operators of ONNX Runtime have one type. Weights stay signed.
Graph with_one_type(Graph graph) {
  std::vector<bool> is_activation(graph.values.size());
  for (const Node& node : graph.nodes) {
    if (std::holds_alternative<Quantize>(node.op)) {
      is_activation[static_cast<std::size_t>(node.outputs[0])] = true;
    }
  }
  const auto writers = producers(graph);
  for (const Node& node : graph.nodes) {  // constants that are operands like any other
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == kNoValue || (has_weights(node.op) && i > 0)) continue;
      const std::ptrdiff_t writer = writers[static_cast<std::size_t>(node.inputs[i])];
      if (writer < 0) continue;
      const Node& dequantize = graph.nodes[static_cast<std::size_t>(writer)];
      if (!std::holds_alternative<Dequantize>(dequantize.op)) continue;
      is_activation[static_cast<std::size_t>(dequantize.inputs[0])] = true;
    }
  }
  for (const ValueId id : graph.outputs) is_activation[static_cast<std::size_t>(id)] = false;
  std::vector<Value*> signed_ones;
  bool has_unsigned = false;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    Value& value = graph.values[i];
    if (!is_activation[i] || !value.quantization) continue;
    has_unsigned = has_unsigned || value.type == ElementType::Uint8;
    const bool symmetric =
        value.quantization->zero_points.empty() && value.quantization->thresholds.size() == 1;
    if (value.type == ElementType::Int8 && symmetric) signed_ones.push_back(&value);
  }
  if (!has_unsigned) return graph;
  for (Value* value : signed_ones) make_unsigned(*value);
  return graph;
}

class Former {
 public:
  explicit Former(const Graph& graph) : source_(graph), graph_(graph), finder_(graph) {
    for (const Value& value : graph.values) names_.insert(value.name);
    for (const Node& node : graph.nodes) node_names_.insert(node.name);
  }

  Graph run() {
    graph_.nodes.clear();
    for (std::size_t n = 0; n < source_.nodes.size(); ++n) {
      const QLinear form = finder_.find(n, QLinearDemand::AllButBiasAndActivation);
      if (form.obstacle.empty() && can_part(source_.nodes[n], form)) {
        add(n, form);
      } else {
        graph_.nodes.push_back(source_.nodes[n]);
      }
    }
    const std::vector<Violation> violations = verify(graph_);
    CHECK(violations.empty(), "after qoperator_form: {}", violations[0].message);
    return std::move(graph_);
  }

 private:
  // Rounded once more, codes that cut off fractions might lose one.
  bool can_part(Node node, const QLinear& form) const {
    const Activation* activation = fused(node.op);
    if (activation == nullptr || activation->kind == Activation::Kind::None) return true;
    const Quantization& codes = *graph_.value(form.result).quantization;
    return !cuts(codes) || saturation_says(*activation, codes);
  }

  void add(std::size_t n, const QLinear& form) {
    Node node = source_.nodes[n];
    if (node.inputs.size() > 2 && form.operands.size() == 2 && node.inputs[2] != kNoValue) {
      node.inputs[2] = integer_bias(node, form, *finder_.bias(n));
    }
    Activation* activation = fused(node.op);
    if (activation == nullptr || activation->kind == Activation::Kind::None) {
      graph_.nodes.push_back(std::move(node));
      return;
    }
    const Activation parted = std::exchange(*activation, {});
    const Quantization codes = *graph_.value(form.result).quantization;
    if (saturation_says(parted, codes)) {
      graph_.nodes.push_back(std::move(node));
      return;
    }
    part(std::move(node), parted, codes);
  }

  // y = activation(op(...)) as: y_linear = op(...), its codes, their reals, y = activation of
  // these.
  void part(Node node, const Activation& activation, const Quantization& codes) {
    const ValueId written = node.outputs[0];
    const std::string name = graph_.value(written).name, node_name = node.name;
    const ValueId linear = add_value(name + "_linear", written);
    node.outputs[0] = linear;
    graph_.nodes.push_back(std::move(node));
    const ValueId code = add_value(name + "_linear_int8", written);
    graph_.value(code).type = storage_type(codes);
    graph_.value(code).quantization = codes;
    const ValueId rounded = add_value(name + "_linear_quantized", written);
    add_node(Quantize{}, node_name + "_linear_quantize", linear, code);
    add_node(Dequantize{}, node_name + "_linear_dequantize", code, rounded);
    add_node(Activate{activation}, node_name + "_activation", rounded, written);
  }

  ValueId integer_bias(const Node& node, const QLinear& form, const std::vector<double>& numbers) {
    const Value bias = graph_.value(node.inputs[2]);
    const auto* gemm = std::get_if<Gemm>(&node.op);
    const Quantization codes = bias_quantization(*graph_.value(form.operands[0]).quantization,
                                                 *graph_.value(form.operands[1]).quantization,
                                                 gemm != nullptr ? gemm->alpha : 1, bias.shape);
    Value code{.name = unique(names_, bias.name + "_int32"), .shape = bias.shape};
    code.type = ElementType::Int32;
    code.constant = bias_codes(numbers, bias.shape, codes);
    code.quantization = codes;
    const ValueId from = graph_.add_value(std::move(code));
    const ValueId to =
        graph_.add_value({.name = unique(names_, bias.name + "_quantized"), .shape = bias.shape});
    add_node(Dequantize{}, bias.name + "_dequantize", from, to);
    return to;
  }

  ValueId add_value(const std::string& name, ValueId like) {
    return graph_.add_value({.name = unique(names_, name), .shape = graph_.value(like).shape});
  }
  void add_node(Op op, const std::string& name, ValueId from, ValueId to) {
    graph_.nodes.push_back({.name = unique(node_names_, name),
                            .op = std::move(op),
                            .inputs = {from},
                            .outputs = {to}});
  }
  static std::string unique(std::set<std::string>& taken, const std::string& name) {
    return importer::unique_name(taken, name);
  }

  const Graph& source_;
  Graph graph_;
  QLinearFinder finder_;
  std::set<std::string> names_, node_names_;
};

}  // namespace

Graph qoperator_form(const Graph& graph) {
  const Graph source = with_one_type(graph);
  return Former(source).run();
}

std::vector<std::string> without_qlinear_form(const Graph& form) {
  const QLinearFinder finder(form);
  std::vector<std::string> lines;
  for (std::size_t n = 0; n < form.nodes.size(); ++n) {
    if (!finder.touches_codes(n)) continue;
    const QLinear found = finder.find(n, QLinearDemand::All);
    if (found.obstacle.empty()) continue;
    // What nothing could be done about, rather than what was left undone for it.
    const QLinear cause = finder.find(n, QLinearDemand::AllButBiasAndActivation);
    const Node& node = form.nodes[n];
    lines.push_back(fmt::format("{} ({}): {}", node.name, op_name(node.op),
                                cause.obstacle.empty() ? found.obstacle : cause.obstacle));
  }
  return lines;
}

}  // namespace workbench
