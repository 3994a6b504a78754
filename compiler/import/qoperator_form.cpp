#include "compiler/import/qoperator_form.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "compiler/import/names.h"

namespace workbench {

namespace {

bool is_clamp(const Activation& activation) {
  using Kind = Activation::Kind;
  return activation.kind == Kind::None || activation.kind == Kind::Relu ||
         (activation.kind == Kind::Clip && activation.bounds.empty());
}

bool has_form(const Op& op) {
  if (const auto* binary = std::get_if<Binary>(&op)) {
    return binary->kind == Binary::Kind::Add || binary->kind == Binary::Kind::Mul;
  }
  if (const auto* activate = std::get_if<Activate>(&op)) {
    return activate->activation.kind == Activation::Kind::LeakyRelu ||
           activate->activation.kind == Activation::Kind::Sigmoid;
  }
  if (const auto* pool = std::get_if<AveragePool>(&op)) {
    return std::ranges::all_of(pool->window.dilations, [](std::int64_t d) { return d == 1; });
  }
  return std::holds_alternative<Conv>(op) || std::holds_alternative<Gemm>(op) ||
         std::holds_alternative<MatMul>(op) || std::holds_alternative<Concat>(op);
}

// Input 1 of a layer with weights may have a scale per channel of its results: along this axis.
std::optional<int> weight_axis(const Op& op, const Shape& weights) {
  if (std::holds_alternative<Conv>(op)) return 0;
  if (const auto* gemm = std::get_if<Gemm>(&op)) return gemm->transpose_b ? 0 : 1;
  if (std::holds_alternative<MatMul>(op) && weights.size() == 2) return 1;
  return std::nullopt;
}

bool has_bias(const Node& node) {
  return (std::holds_alternative<Conv>(node.op) || std::holds_alternative<Gemm>(node.op)) &&
         node.inputs.size() > 2 && node.inputs[2] != kNoValue;
}

// The constant behind a Dequantize, as its codes.
const Value* constant_codes(const Graph& graph, const std::vector<std::ptrdiff_t>& producers,
                            ValueId real) {
  const std::ptrdiff_t writer = producers[static_cast<std::size_t>(real)];
  if (writer < 0) return nullptr;
  const Node& dequantize = graph.nodes[static_cast<std::size_t>(writer)];
  if (!std::holds_alternative<Dequantize>(dequantize.op)) return nullptr;
  const Value& codes = graph.value(dequantize.inputs[0]);
  return codes.constant && codes.quantization ? &codes : nullptr;
}

std::optional<std::vector<double>> constant_numbers(const Graph& graph,
                                                    const std::vector<std::ptrdiff_t>& producers,
                                                    ValueId id) {
  const Value& value = graph.value(id);
  std::vector<double> numbers;
  if (value.constant && value.type == ElementType::Float32) {
    for (const float number : value.constant->values<float>()) numbers.push_back(number);
    return numbers;
  }
  const Value* codes = constant_codes(graph, producers, id);
  if (codes == nullptr || codes->type != ElementType::Int32) return std::nullopt;
  const Quantization& meaning = *codes->quantization;
  const bool is_last = meaning.axis + 1 == static_cast<int>(codes->shape.size());
  if (meaning.thresholds.size() > 1 && !is_last) return std::nullopt;
  for (const std::int32_t code : codes->constant->values<std::int32_t>()) {
    numbers.push_back(code * meaning.step(numbers.size() % meaning.thresholds.size()));
  }
  return numbers;
}

// One node looked at.
class Match {
 public:
  Match(const Graph& graph, const Node& node, QLinearDemand demand,
        const std::vector<std::ptrdiff_t>& producers)
      : graph_(graph), node_(node), demand_(demand), producers_(producers) {}

  QLinear run(std::optional<ValueId> codes_of_result) {
    if (!has_form(node_.op)) return obstacle("no QLinear operator does this");
    const Activation* activation = fused_activation(node_.op);
    if (activation != nullptr && activation->kind != Activation::Kind::None &&
        (demand_ == QLinearDemand::All || !is_clamp(*activation))) {
      return obstacle(std::string(activation->name()) + " on the real result");
    }
    const std::size_t count = has_bias(node_) ? 2 : node_.inputs.size();
    for (std::size_t i = 0; i < count; ++i) {
      if (node_.inputs[i] == kNoValue) continue;  // Gemm's
      if (const std::string found = add_operand(i); !found.empty()) return obstacle(found);
    }
    if (const std::string found = set_result(codes_of_result); !found.empty()) {
      return obstacle(found);
    }
    if (has_bias(node_)) {
      if (const std::string found = add_bias(); !found.empty()) return obstacle(found);
    }
    return std::move(match_);
  }

 private:
  static QLinear obstacle(const std::string& text) { return {.obstacle = text, .operands = {}}; }

  ValueId codes_of(ValueId real) const {
    const std::ptrdiff_t writer = producers_[static_cast<std::size_t>(real)];
    if (writer < 0) return kNoValue;
    const Node& dequantize = graph_.nodes[static_cast<std::size_t>(writer)];
    if (!std::holds_alternative<Dequantize>(dequantize.op)) return kNoValue;
    return dequantize.inputs[0];
  }

  static bool is_byte(const Value& codes) {
    return codes.quantization &&
           (codes.type == ElementType::Int8 || codes.type == ElementType::Uint8);
  }

  std::string add_operand(std::size_t i) {
    const ValueId id = codes_of(node_.inputs[i]);
    if (id == kNoValue || !is_byte(graph_.value(id))) {
      return fmt::format("operand '{}' is real", graph_.value(node_.inputs[i]).name);
    }
    const Value& codes = graph_.value(id);
    const std::optional<int> axis = i == 1 ? weight_axis(node_.op, codes.shape) : std::nullopt;
    const bool per_channel = codes.quantization->thresholds.size() > 1;
    if (per_channel && (axis != codes.quantization->axis || !codes.constant)) {
      return fmt::format("operand '{}' has scales along axis {}", codes.name,
                         codes.quantization->axis);
    }
    if (axis && codes.type == ElementType::Uint8 && first_type() == ElementType::Int8) {
      return fmt::format("weights '{}' are uint8, activations int8", codes.name);
    }
    if (!axis && codes.type != first_type().value_or(codes.type)) return mixed(codes);
    match_.operands.push_back(id);
    return {};
  }

  std::optional<ElementType> first_type() const {
    if (match_.operands.empty()) return std::nullopt;
    return graph_.value(match_.operands[0]).type;
  }

  std::string mixed(const Value& codes) const {
    const Value& first = graph_.value(match_.operands[0]);
    return fmt::format("'{}' is {}, '{}' is {}: QLinear operators have one type", first.name,
                       to_string(first.type), codes.name, to_string(codes.type));
  }

  std::string set_result(std::optional<ValueId> codes) {
    if (!codes) {
      const auto* gemm = std::get_if<Gemm>(&node_.op);
      const bool is_linear = gemm != nullptr && gemm->activation.kind == Activation::Kind::None;
      if (is_linear) return {};
      return fmt::format("result '{}' is real", graph_.value(node_.outputs[0]).name);
    }
    const Value& value = graph_.value(*codes);
    if (!is_byte(value) || value.quantization->thresholds.size() > 1) {
      return fmt::format("result '{}' has scales per channel", value.name);
    }
    if (value.type != *first_type()) return mixed(value);
    match_.result = *codes;
    return {};
  }

  std::string add_bias() {
    const Value& bias = graph_.value(node_.inputs[2]);
    const auto* gemm = std::get_if<Gemm>(&node_.op);
    if (gemm != nullptr && gemm->beta != 1) {
      return fmt::format("beta is {}, which QGemm has not", gemm->beta);
    }
    const Quantization& x = *graph_.value(match_.operands[0]).quantization;
    const Quantization& weights = *graph_.value(match_.operands[1]).quantization;
    if (weights.thresholds.size() > 1 &&
        (bias.shape.empty() ||
         bias.shape.back() != static_cast<std::int64_t>(weights.thresholds.size()))) {
      return fmt::format("bias '{}' is not one number per scale of the weights", bias.name);
    }
    const Quantization wanted =
        bias_quantization(x, weights, gemm != nullptr ? gemm->alpha : 1, bias.shape);
    for (const double threshold : wanted.thresholds) {
      if (!(threshold > 0) || !std::isfinite(threshold)) {
        return "the product of its steps is no float32";
      }
    }
    const ValueId id = codes_of(node_.inputs[2]);
    if (id != kNoValue && graph_.value(id).constant &&
        graph_.value(id).type == ElementType::Int32 && graph_.value(id).quantization == wanted) {
      match_.operands.push_back(id);
      return {};
    }
    const auto numbers = constant_numbers(graph_, producers_, node_.inputs[2]);
    if (demand_ == QLinearDemand::All || !numbers) {
      return fmt::format("bias '{}' has no codes in steps of the operands", bias.name);
    }
    for (std::size_t i = 0; i < numbers->size(); ++i) {  // int32 has to hold it
      const double code = (*numbers)[i] / wanted.step(i % wanted.thresholds.size());
      if (!(std::fabs(code) < static_cast<double>(wanted.high()))) {
        return fmt::format("bias '{}': {} takes more than 32 bits", bias.name, (*numbers)[i]);
      }
    }
    return {};
  }

  const Graph& graph_;
  const Node& node_;
  QLinearDemand demand_;
  const std::vector<std::ptrdiff_t>& producers_;
  QLinear match_;
};

}  // namespace

QLinearFinder::QLinearFinder(const Graph& graph)
    : graph_(graph), producers_(workbench::producers(graph)), consumers_(consumers(graph)) {}

QLinear QLinearFinder::find(std::size_t node, QLinearDemand demand) const {
  const Node& found = graph_.nodes[node];
  const ValueId real = found.outputs[0];
  const auto& readers = consumers_[static_cast<std::size_t>(real)];
  const bool is_output = std::ranges::find(graph_.outputs, real) != graph_.outputs.end();
  std::optional<ValueId> codes;
  if (!is_output && readers.size() == 1) {
    const Node& reader = graph_.nodes[readers[0]];
    if (std::holds_alternative<Quantize>(reader.op)) codes = reader.outputs[0];
  }
  return Match(graph_, found, demand, producers_).run(codes);
}

std::optional<std::vector<double>> QLinearFinder::bias(std::size_t node) const {
  return constant_numbers(graph_, producers_, graph_.nodes[node].inputs[2]);
}

std::size_t QLinearFinder::quantizer(std::size_t node) const {
  return consumers_[static_cast<std::size_t>(graph_.nodes[node].outputs[0])].at(0);
}

bool QLinearFinder::touches_codes(std::size_t node) const {
  const Node& looked_at = graph_.nodes[node];
  const auto crosses = [](const Node& other) {
    return std::holds_alternative<Quantize>(other.op) ||
           std::holds_alternative<Dequantize>(other.op);
  };
  if (crosses(looked_at)) return false;
  for (const ValueId id : looked_at.inputs) {
    if (id == kNoValue) continue;
    const std::ptrdiff_t writer = producers_[static_cast<std::size_t>(id)];
    if (writer >= 0 && crosses(graph_.nodes[static_cast<std::size_t>(writer)])) return true;
  }
  return std::ranges::any_of(looked_at.outputs, [&](ValueId id) {
    return id != kNoValue &&
           std::ranges::any_of(consumers_[static_cast<std::size_t>(id)],
                               [&](std::size_t reader) { return crosses(graph_.nodes[reader]); });
  });
}

Quantization bias_quantization(const Quantization& x, const Quantization& weights, float factor,
                               const Shape& bias) {
  Quantization codes{.bits = 32, .thresholds = {}, .rounding = Rounding::HalfEven};
  const auto x_step = static_cast<float>(x.step());
  for (std::size_t i = 0; i < weights.thresholds.size(); ++i) {
    const float step = x_step * static_cast<float>(weights.step(i)) * factor;
    codes.thresholds.push_back(static_cast<double>(step) * static_cast<double>(codes.high()));
  }
  if (codes.thresholds.size() > 1) codes.axis = static_cast<int>(bias.size()) - 1;
  return codes;
}

namespace {

bool cuts(const Quantization& codes) {
  return codes.rounding == Rounding::Floor || codes.rounding == Rounding::TowardZero;
}

// Whether saturation implements the activation: no code lies below `low` or above `high`.
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

// The same numbers as codes with a zero point 128 higher.
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
    for (const Value& value : graph.values) names_.reserve(value.name);
    for (const Node& node : graph.nodes) node_names_.reserve(node.name);
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
    const Activation* activation = fused_activation(node.op);
    if (activation == nullptr || activation->kind == Activation::Kind::None) return true;
    const Quantization& codes = *graph_.value(form.result).quantization;
    return !cuts(codes) || saturation_says(*activation, codes);
  }

  void add(std::size_t n, const QLinear& form) {
    Node node = source_.nodes[n];
    if (node.inputs.size() > 2 && form.operands.size() == 2 && node.inputs[2] != kNoValue) {
      node.inputs[2] = integer_bias(node, form, *finder_.bias(n));
    }
    Activation* activation = fused_activation(node.op);
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
    Value code{.name = names_.take(bias.name + "_int32"), .shape = bias.shape};
    code.type = ElementType::Int32;
    code.constant = bias_codes(numbers, bias.shape, codes);
    code.quantization = codes;
    const ValueId from = graph_.add_value(std::move(code));
    const ValueId to =
        graph_.add_value({.name = names_.take(bias.name + "_quantized"), .shape = bias.shape});
    add_node(Dequantize{}, bias.name + "_dequantize", from, to);
    return to;
  }

  ValueId add_value(const std::string& name, ValueId like) {
    return graph_.add_value({.name = names_.take(name), .shape = graph_.value(like).shape});
  }
  void add_node(Op op, const std::string& name, ValueId from, ValueId to) {
    graph_.nodes.push_back(
        {.name = node_names_.take(name), .op = std::move(op), .inputs = {from}, .outputs = {to}});
  }

  const Graph& source_;
  Graph graph_;
  QLinearFinder finder_;
  importer::Names names_, node_names_;
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
    // The structural obstacle if there is one, else the missing bias or activation form.
    const QLinear cause = finder.find(n, QLinearDemand::AllButBiasAndActivation);
    const Node& node = form.nodes[n];
    lines.push_back(fmt::format("{} ({}): {}", node.name, op_name(node.op),
                                cause.obstacle.empty() ? found.obstacle : cause.obstacle));
  }
  return lines;
}

}  // namespace workbench
