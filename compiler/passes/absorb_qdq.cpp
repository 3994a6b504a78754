// An imported Quantize -> Dequantize pair gives the range its author chose for a value. The pair is
// removed, the codes stay as a hint (Value::quantization of a float value) for our own quantizer.
// A target without zero points takes the symmetric range around a hint (magnitude());
// requantized_codes() (compiler/quantize/quantize_target.h) reports what that costs.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace workbench {

namespace {

// Codes with one scale that a target may have as they are: of 8 bits those with a zero point that
// does more than shift the codes of a symmetric range; of fewer, unsigned ones without.
bool is_asymmetric(const Quantization& codes) {
  if (codes.bits > 8 || codes.thresholds.size() != 1) return false;
  if (codes.bits < 8) return !codes.is_signed && codes.zero_point() == 0;
  return codes.zero_point() != (codes.is_signed ? 0 : codes.high() / 2 + 1);
}

// The symmetric range that covers what `codes` can stand for. Zero points that only shift the
// codes of a symmetric range (0, and 128 of uint8) keep its step exactly.
Quantization symmetric_hint(const Quantization& codes) {
  Quantization hint{
      .bits = codes.bits, .is_signed = true, .thresholds = {}, .rounding = codes.rounding};
  double widest = 0;
  for (std::size_t i = 0; i < codes.thresholds.size(); ++i) {
    const std::int64_t zero = codes.zero_point(i);
    const bool is_centre = !codes.is_signed && zero == hint.high() + 1;
    const std::int64_t steps = zero == 0   ? codes.high()
                               : is_centre ? hint.high()
                                           : std::max(codes.high() - zero, zero - codes.low());
    widest = std::max(widest, codes.step(i) * static_cast<double>(steps));
  }
  hint.thresholds = {widest};
  return hint;
}

bool starts_at_zero(const Quantization& codes) {
  for (std::size_t i = 0; i < codes.thresholds.size(); ++i) {
    if (codes.zero_point(i) != codes.low()) return false;
  }
  return true;
}

bool cuts_negative(const Activation& activation) {
  using Kind = Activation::Kind;
  const Kind kind = activation.kind;
  return kind == Kind::Relu || kind == Kind::Sigmoid || kind == Kind::HardSigmoid ||
         kind == Kind::Exp || (kind == Kind::Clip && activation.alpha >= 0);
}

// Whether no result is negative where no operand is.
bool keeps_sign(const Op& op) {
  if (const auto* binary = std::get_if<Binary>(&op)) {
    return binary->kind != Binary::Kind::Sub && binary->activation.kind == Activation::Kind::None;
  }
  if (const auto* activate = std::get_if<Activate>(&op)) {
    const Activation& activation = activate->activation;
    const Activation::Kind kind = activation.kind;
    if (kind == Activation::Kind::Clip) {
      const bool one = activation.bounds.empty();
      return one ? activation.beta >= 0
                 : std::ranges::all_of(activation.bounds, [](float bound) { return bound >= 0; });
    }
    return kind == Activation::Kind::LeakyRelu || kind == Activation::Kind::HardSwish ||
           kind == Activation::Kind::Tanh;
  }
  if (!(fill_value(op).value_or(0) >= 0)) return false;
  return traits(op).keeps_sign || std::holds_alternative<Quantize>(op) ||
         std::holds_alternative<Dequantize>(op);
}

// Graph inputs are taken to be what their codes say.
bool may_be_negative(const Graph& graph, ValueId id) {
  const auto writer = writer_of(graph, id);
  if (!writer) return is_constant(graph, id);
  const Node& node = graph.nodes[*writer];
  if (cuts_negative(activation_of(node.op))) return false;
  if (const auto* softmax = std::get_if<Softmax>(&node.op)) return softmax->log;
  if (!keeps_sign(node.op)) return true;
  return std::any_of(node.inputs.begin(), node.inputs.end(),
                     [&](ValueId operand) { return may_be_negative(graph, operand); });
}

// Quantizers drop a Relu before codes that start at 0, whose saturation does the same. Symmetric
// codes need it again: before the Quantize of node n, which reads the value's name from then on.
void restore_relu(Graph& graph, std::size_t n) {
  const ValueId real = graph.nodes[n].inputs[0];
  Value cut{.name = unique_value_name(graph, graph.value(real).name + "_relu")};
  cut.shape = graph.value(real).shape;
  const ValueId written = graph.add_value(std::move(cut));
  if (!is_graph_output(graph, real)) {
    std::swap(graph.value(real).name, graph.value(written).name);
  }
  graph.nodes[n].inputs[0] = written;
  insert_node(graph, n,
              Node{.name = unique_node_name(graph, graph.nodes[n].name + "_relu"),
                   .op = Activate{{.kind = Activation::Kind::Relu}},
                   .inputs = {real},
                   .outputs = {written}});
}

// Whether the op gives numbers in another order where it gives codes so: none is filled in.
bool only_moves(const Node& node) {
  const OpTraits& of = traits(node.op);
  const bool moves = of.moves_data || std::holds_alternative<MaxPool>(node.op);
  return moves && node.outputs.size() == 1 && !fill_value(node.op);
}

// The codes that QuantizeLinear makes of a number, by one scale.
const Quantization* made_codes(const Graph& graph, ValueId id) {
  const auto writer = writer_of(graph, id);
  if (!writer || !std::holds_alternative<Quantize>(graph.nodes[*writer].op)) return nullptr;
  const auto& codes = graph.value(id).quantization;
  return codes && codes->thresholds.size() == 1 ? &*codes : nullptr;
}

// Quantizers move codes, as a Flatten between two layers of QOperator form does: the real numbers
// are moved instead and rounded behind, so that a DequantizeLinear there makes a pair.
bool move_before_quantizing(Graph& graph, std::size_t n) {
  if (!only_moves(graph.nodes[n])) return false;
  const ValueId out = graph.nodes[n].outputs[0];
  const ElementType type = graph.value(out).type;
  const auto is_data = [&](ValueId id) { return id != kNoValue && graph.value(id).type == type; };
  std::vector<ValueId> inputs = graph.nodes[n].inputs;
  const auto data = std::ranges::find_if(inputs, is_data);
  const Quantization* made = data == inputs.end() ? nullptr : made_codes(graph, *data);
  if (made == nullptr) return false;
  const Quantization codes = *made;
  for (ValueId& id : inputs) {
    if (!is_data(id)) continue;
    const Quantization* own = made_codes(graph, id);
    if (own == nullptr || *own != codes) return false;
    id = graph.nodes[*writer_of(graph, id)].inputs[0];
  }
  if (graph.value(out).quantization && *graph.value(out).quantization != codes) return false;
  const std::string name = graph.value(out).name + "_float";
  Shape shape = graph.value(out).shape;
  const ValueId real =
      graph.add_value({.name = unique_value_name(graph, name), .shape = std::move(shape)});
  graph.value(out).quantization = codes;
  graph.nodes[n].inputs = std::move(inputs);
  graph.nodes[n].outputs = {real};
  insert_node(graph, n + 1,
              Node{.name = unique_node_name(graph, graph.nodes[n].name + "_codes"),
                   .op = Quantize{},
                   .inputs = {real},
                   .outputs = {out}});
  return true;
}

bool absorb(Graph& graph, std::size_t n) {
  if (move_before_quantizing(graph, n)) return true;
  Node& dequantize = graph.nodes[n];
  if (!std::holds_alternative<Dequantize>(dequantize.op)) return false;
  const auto before = writer_of(graph, dequantize.inputs[0]);
  if (!before || !std::holds_alternative<Quantize>(graph.nodes[*before].op)) return false;
  const ValueId real = graph.nodes[*before].inputs[0];
  const auto& codes = graph.value(dequantize.inputs[0]).quantization;
  if (!codes || codes->thresholds.empty()) return false;
  if (starts_at_zero(*codes) && may_be_negative(graph, real)) {
    restore_relu(graph, *before);
    return true;
  }
  const Quantization hint = is_asymmetric(*codes) ? *codes : symmetric_hint(*codes);
  if (!graph.value(real).quantization) graph.value(real).quantization = hint;
  graph.value(dequantize.outputs[0]).quantization = hint;
  dequantize.op = Identity{};
  dequantize.inputs = {real};
  bypass(graph, n);  // where it cannot, both ends are the user's and the Identity stays
  return true;
}

}  // namespace

bool absorb_qdq(Graph& graph) { return sweep(graph, absorb); }

}  // namespace workbench
