#include "compiler/quantize/nemo_stages_steps.h"

#include "compiler/passes/rewrite.h"

namespace workbench {

namespace {

void set_step(Value& value, const NemoStep& step) {
  Quantization& codes = *value.quantization;
  codes.thresholds = {step.eps * static_cast<double>(codes.high())};
  if (step.zero != 0) codes.zero_points = {step.zero};
}

// What the host pads, before it becomes codes.
void pad_with_zero(Graph& integers, ValueId id) {
  const auto writer = writer_of(integers, id);
  auto* pad = writer ? std::get_if<Pad>(&integers.nodes[*writer].op) : nullptr;
  if (pad != nullptr) pad->value = 0;
}

}  // namespace

std::optional<NemoStep> NemoSteps::of(const std::string& name) const {
  auto found = steps_.find(name);
  const std::size_t suffix = name.rfind("_int8");
  if (found == steps_.end() && suffix != std::string::npos) {
    found = steps_.find(name.substr(0, suffix));
  }
  return found == steps_.end() ? std::nullopt : std::optional(found->second);
}

Graph NemoSteps::applied(Graph integers) const {
  for (Value& value : integers.values) {
    const auto step = value.constant ? of(value.name) : std::nullopt;
    if (value.quantization && step) set_step(value, *step);
  }
  for (const Node& node : integers.nodes) {
    Value& out = integers.value(node.outputs[0]);
    if (!out.quantization) continue;
    const auto step = of(out.name);
    const Value& in = integers.value(node.inputs[0]);
    CHECK(step || in.quantization, "no eps for '{}'", out.name);
    set_step(out, step ? *step : NemoStep{in.quantization->step(), in.quantization->zero_point()});
    if (std::holds_alternative<Quantize>(node.op)) pad_with_zero(integers, node.inputs[0]);
  }
  return integers;
}

Graph NemoSteps::annotated(Graph form, const Graph& integers) const {
  const auto names = values_by_name(integers);
  for (Value& value : form.values) {
    auto found = names.find(value.name + "_int8");
    if (found == names.end()) found = names.find(value.name);
    if (found == names.end()) continue;
    const auto& codes = integers.value(found->second).quantization;
    if (!codes || codes->bits > 8) continue;
    value.quantization = codes;
    if (!value.constant) value.quantization->rounding = Rounding::Floor;
  }
  for (const ValueId id : form.inputs) {
    Value& input = form.value(id);
    const auto step = of(input.name);
    if (input.quantization) {
      input.quantization->rounding = Quantization().rounding;
    } else if (step && step->zero != 0) {  // read with a border only: no codes without it
      input.quantization = Quantization{.bits = 8, .is_signed = false, .thresholds = {}};
      set_step(input, *step);
    }
  }
  return form;
}

}  // namespace workbench
