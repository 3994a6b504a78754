// An imported Quantize -> Dequantize pair says which range its author gave a value. The pair goes,
// the range stays as a hint (Value::quantization of a float value) for our own quantizer.
#include <algorithm>
#include <cmath>

#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace workbench {

namespace {

// The symmetric range that covers what `codes` can stand for. Zero points that only shift the
// codes of a symmetric range (0, and 128 of uint8) keep its step exactly.
Quantization symmetric_hint(const Quantization& codes) {
  Quantization hint{.bits = codes.bits, .is_signed = true, .thresholds = {}};
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

bool absorb(Graph& graph, std::size_t n) {
  Node& dequantize = graph.nodes[n];
  if (!std::holds_alternative<Dequantize>(dequantize.op)) return false;
  const auto before = writer_of(graph, dequantize.inputs[0]);
  if (!before || !std::holds_alternative<Quantize>(graph.nodes[*before].op)) return false;
  const ValueId real = graph.nodes[*before].inputs[0];
  const auto& codes = graph.value(dequantize.inputs[0]).quantization;
  if (!codes || codes->thresholds.empty()) return false;
  const Quantization hint = symmetric_hint(*codes);
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
