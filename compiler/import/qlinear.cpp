#include "compiler/import/qlinear.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace workbench {

namespace {

bool is_clamp(const Activation& activation) {
  using Kind = Activation::Kind;
  return activation.kind == Kind::None || activation.kind == Kind::Relu ||
         (activation.kind == Kind::Clip && activation.bounds.empty());
}

const Activation* fused(const Op& op) {
  if (const auto* conv = std::get_if<Conv>(&op)) return &conv->activation;
  if (const auto* gemm = std::get_if<Gemm>(&op)) return &gemm->activation;
  if (const auto* binary = std::get_if<Binary>(&op)) return &binary->activation;
  return nullptr;
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
    const Activation* activation = fused(node_.op);
    if (activation != nullptr && activation->kind != Activation::Kind::None &&
        (demand_ == QLinearDemand::All || !is_clamp(*activation))) {
      return obstacle(op_name(Activate{*activation}) + " on the real result");
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

}  // namespace workbench
