// Where integer networks begin: real numbers that the host makes codes of.
#include <algorithm>
#include <cmath>

#include "compiler/quantize/chain_builder.h"

namespace workbench {

void ChainBuilder::add_input(ValueId id, bool is_signed) {
  Value real{.name = value(id).name, .shape = value(id).shape};
  reals_[index(id)] = graph_.add_value(std::move(real));
  graph_.inputs.push_back(reals_[index(id)]);
  const CodeRange range{.bits = 8, .is_signed = is_signed};
  Value code{.name = unique(value(id).name + "_int8"),
             .shape = value(id).shape,
             .type = element_type(range)};
  code.quantization = unit_quantization(range);
  const ValueId codes = graph_.add_value(std::move(code));
  emit({.name = unique_node(value(id).name + "_quantize"),
        .op = Quantize{},
        .inputs = {reals_[index(id)]},
        .outputs = {codes}},
       kNoValue);
  const Interval whole = is_signed ? Interval{-128, 127} : Interval{0, 255};
  chains_[index(id)] = Chain{.source = add_codes(codes, id, {whole}), .last = id};
}

bool ChainBuilder::is_input(ValueId id) const {
  return std::ranges::find(imported_.inputs, id) != imported_.inputs.end();
}

void ChainBuilder::add_bordered_input(const Node& original) {
  const ValueId x = original.inputs[0], out = original.outputs[0];
  const Value codes = graph_.value(source(chain(x)).codes);
  const Quantization& range = *codes.quantization;
  const auto fill = static_cast<double>(std::get<Pad>(original.op).value);
  const auto low = static_cast<double>(range.low()), high = static_cast<double>(range.high());
  if (fill < low || fill > high || fill != std::floor(fill)) {
    refuse(original, "pads with {}: expected a code, a whole number from {} to {}", fill, low,
           high);
  }
  const std::string& name = value(out).name;
  reals_[index(out)] =
      graph_.add_value({.name = unique(name + "_float"), .shape = value(out).shape});
  emit({.name = original.name,
        .op = original.op,
        .inputs = {reals_[index(x)]},
        .outputs = {reals_[index(out)]}},
       writer_order(out));
  Value result{.name = is_output(out) ? unique(name + "_int8") : name,
               .shape = value(out).shape,
               .type = codes.type};
  result.quantization = codes.quantization;
  const ValueId written = graph_.add_value(std::move(result));
  emit({.name = unique_node(original.name + "_quantize"),
        .op = Quantize{},
        .inputs = {reals_[index(out)]},
        .outputs = {written}},
       writer_order(out));
  set_chain(out, Chain{.source = add_codes(written, out, {Interval{range.low(), range.high()}}),
                       .last = out});
}

}  // namespace workbench
