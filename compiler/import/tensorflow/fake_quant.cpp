// FakeQuant: a range that a network was trained with, as the pair QuantizeLinear, DequantizeLinear
// that the rest of the importer knows. docs/facts/tensorflow.md 2.
#include <algorithm>
#include <cmath>

#include "compiler/import/tensorflow/converter.h"

namespace workbench::importer::tensorflow {

namespace {

// The range with 0 on a code of its own.
struct Nudged {
  Reals step, low, high;
  Integers zero_point;
};

Nudged nudge(const FakeQuant& range) {
  const float lowest = range.narrow ? 1 : 0;
  const auto highest = static_cast<float>((1 << range.bits) - 1);
  Nudged nudged;
  for (std::size_t i = 0; i < range.low.size(); ++i) {
    const float low = range.low[i];
    const float high = range.high[i];
    if (!(low < high) || !std::isfinite(low) || !std::isfinite(high)) {
      fail("expected a range of numbers, found [{}, {}]", low, high);
    }
    const float step = (high - low) / (highest - lowest);
    if (!(step > 0) || !std::isfinite(step)) {
      fail("expected a range that codes can have steps in, found [{}, {}]", low, high);
    }
    const float zero = std::clamp(std::round(lowest - low / step), lowest, highest);
    nudged.step.push_back(step);
    nudged.zero_point.push_back(static_cast<std::int64_t>(zero));
    nudged.low.push_back((lowest - zero) * step);
    nudged.high.push_back((highest - zero) * step);
  }
  return nudged;
}

FakeQuant read_range(const Op& op) {
  FakeQuant range{.low = {op.real("min", -6)}, .high = {op.real("max", 6)}};
  if (op.kind() != "FakeQuantWithMinMaxArgs") {
    if (op.input_count() != 3) op.refuse("expected 3 inputs, found {}", op.input_count());
    const Constant& low = op.constant(1, "min");
    const Constant& high = op.constant(2, "max");
    if (!low.holds_reals() || !high.holds_reals() || low.size() != high.size()) {
      op.refuse("expected real numbers as min and max");
    }
    range.low = low.reals();
    range.high = high.reals();
  }
  const bool per_channel = op.kind() == "FakeQuantWithMinMaxVarsPerChannel";
  if (!per_channel && range.low.size() != 1) op.refuse("expected one range");
  const Shape& x = op.shape(0);
  if (per_channel && (x.empty() || x.back() != static_cast<std::int64_t>(range.low.size()))) {
    op.refuse("expected a range per channel of {}, found {}", workbench::to_string(x),
              range.low.size());
  }
  const std::int64_t bits = op.integer("num_bits", 8);
  if (bits < 2 || bits > 16) op.refuse("attribute 'num_bits': expected 2 to 16, found {}", bits);
  range.bits = static_cast<int>(bits);
  range.narrow = op.flag("narrow_range", false);
  return range;
}

void convert_fake_quant(Op& op) {
  const FakeQuant range = read_range(op);
  const Nudged nudged = nudge(range);
  if (op.is_constant(0) && op.constant(0, "x").holds_reals()) {
    Constant cut = op.constant(0, "x");
    auto& values = std::get<Reals>(cut.values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t k = i % nudged.low.size();
      values[i] = std::clamp(values[i], nudged.low[k], nudged.high[k]);
    }
    op.bind_constant(0, std::move(cut));
    if (range.bits <= 8) op.result().fake_quant = range;
    return;
  }
  if (range.low.size() != 1) op.refuse("expected one range for a computed tensor, found several");
  const Arrangement arrangement = op.arrangement(0);
  std::string x = op.stored(0, arrangement);
  const auto clip = [&] {
    return std::vector<std::string>{x, op.initializer("min", scalar(nudged.low[0])),
                                    op.initializer("max", scalar(nudged.high[0]))};
  };
  if (range.bits > 8) {  // finer than any target: the range alone
    op.emit("Clip", clip(), op.shape(0), arrangement);
    return;
  }
  if (range.bits < 8 || range.narrow) x = op.step("Clip", clip());
  const std::string step = op.initializer("scale", scalar(nudged.step[0]));
  const std::string zero =
      op.initializer("zero_point", reshaped(integer_list(nudged.zero_point, DataType::Uint8), {}));
  const std::string codes = op.step("QuantizeLinear", {x, step, zero});
  op.emit("DequantizeLinear", {codes, step, zero}, op.shape(0), arrangement);
}

constexpr Rule kRules[] = {
    {"FakeQuantWithMinMaxArgs", convert_fake_quant, true},
    {"FakeQuantWithMinMaxVars", convert_fake_quant, true},
    {"FakeQuantWithMinMaxVarsPerChannel", convert_fake_quant, true},
};

}  // namespace

std::string Converter::write_codes(const Value& value, const std::string& name,
                                   const Arrangement& arrangement) {
  const Nudged nudged = nudge(*value.fake_quant);
  const auto count = static_cast<std::int64_t>(nudged.step.size());
  const Shape shape = count == 1 ? Shape{} : Shape{count};
  const Constant steps{.type = DataType::Float, .shape = shape, .values = nudged.step};
  const Constant zeros{.type = DataType::Uint8, .shape = shape, .values = nudged.zero_point};
  const std::string step = builder_.constant(name + "/scale", to_tensor(steps));
  const std::string zero = builder_.constant(name + "/zero_point", to_tensor(zeros));
  const auto axis =
      static_cast<std::int64_t>(arrangement.axes.empty() ? 0 : arrangement.axes.back());
  const std::string codes = builder_.value("QuantizeLinear", name + "/codes", {name, step, zero});
  attribute(builder_.last(), "axis", axis);
  std::string reals = builder_.value("DequantizeLinear", name + "/quantized", {codes, step, zero});
  attribute(builder_.last(), "axis", axis);
  return reals;
}

std::span<const Rule> quantize_rules() { return kRules; }

}  // namespace workbench::importer::tensorflow
