// QONNX: quantization of any width as an operator on real numbers (Pappalardo et al., QONNX:
// Representing Arbitrary-Precision Quantized Neural Networks, arXiv 2206.07527), and FINN's
// thresholds. Weights of up to 8 bits are constants with codes, activations those of QuantizeLinear
// and DequantizeLinear, which evenly spaced thresholds are, too; others are what defines them.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "compiler/import/node_reader.h"

namespace workbench::importer {

namespace {

constexpr Result kPart{.output = kIntermediate};

// To whole numbers, from x or, with a sign, from its magnitude: floor(|x| + 0.5) for HalfUp.
struct RoundingMode {
  std::string_view name;
  Activation::Kind how;
  bool of_magnitude = false;
  float offset = 0;
};

constexpr RoundingMode kRoundingModes[] = {
    {"ROUND", Activation::Kind::Round},
    {"HALF_EVEN", Activation::Kind::Round},
    {"FLOOR", Activation::Kind::Floor},
    {"CEIL", Activation::Kind::Ceil},
    {"ROUND_TO_ZERO", Activation::Kind::Truncate},
    {"DOWN", Activation::Kind::Truncate},
    {"UP", Activation::Kind::Ceil, true},
    {"HALF_UP", Activation::Kind::Floor, true, 0.5F},
    {"HALF_DOWN", Activation::Kind::Ceil, true, -0.5F},
};

struct QuantParameters {
  std::int64_t bits = 8;
  bool is_signed = true, narrow = false;
  RoundingMode rounding = kRoundingModes[0];

  double high() const {
    const int magnitude_bits = static_cast<int>(bits) - (is_signed ? 1 : 0);
    return std::ldexp(1.0, magnitude_bits) - (narrow && !is_signed ? 2 : 1);
  }
  double low() const {
    if (!is_signed) return 0;
    return -std::ldexp(1.0, static_cast<int>(bits) - 1) + (narrow ? 1 : 0);
  }
};

RoundingMode rounding(NodeReader& node) {
  const std::string found = node.text("rounding_mode", "ROUND");
  std::string mode = found;
  std::ranges::transform(mode, mode.begin(), [](unsigned char c) { return std::toupper(c); });
  const auto* known = std::ranges::find(kRoundingModes, mode, &RoundingMode::name);
  if (known != std::end(kRoundingModes)) return *known;
  std::vector<std::string_view> names;
  for (const RoundingMode& row : kRoundingModes) names.push_back(row.name);
  node.refuse("attribute 'rounding_mode': expected one of {}, found '{}'", fmt::join(names, ", "),
              found);
}

std::int64_t bit_width(const NodeReader& node, std::size_t i) {
  const float bits = node.constant_scalar(i, "bit_width");
  if (!(bits >= 1 && bits <= 32) || bits != std::floor(bits)) {
    node.refuse("input {} (bit_width): expected a whole number in [1, 32], found {}", i, bits);
  }
  return static_cast<std::int64_t>(bits);
}

// Rounding that codes of an activation may have. What machines compute rounds half up; ties that
// the file rounds otherwise are theirs. Floor is that of x - step / 2, exactly.
std::optional<Rounding> code_rounding(const QuantParameters& codes) {
  if (codes.rounding.how == Activation::Kind::Round) return Rounding::HalfEven;
  if (codes.rounding.of_magnitude && codes.rounding.how == Activation::Kind::Floor)
    return Rounding::HalfAwayFromZero;
  const bool cuts = codes.rounding.how == Activation::Kind::Floor ||
                    (codes.rounding.how == Activation::Kind::Truncate && !codes.is_signed);
  return cuts ? std::optional(Rounding::HalfUp) : std::nullopt;
}

// Says once of each reason why codes of an activation become numbers on the host.
void note_host(NodeReader& node, std::string_view reason) {
  const std::string note =
      fmt::format("codes of {} are computed on the host: {}", node.op(), reason);
  std::vector<std::string>& notes = node.state().notes;
  const bool known =
      std::ranges::any_of(notes, [&](const std::string& line) { return line.starts_with(note); });
  if (!known) notes.push_back(fmt::format("{} (first '{}')", note, node.name()));
}

ValueId binary(NodeReader& node, Binary::Kind kind, ValueId a, ValueId b, const Result& result) {
  return node.emit(Binary{.kind = kind}, {a, b}, {result});
}

ValueId activate(NodeReader& node, Activation::Kind kind, ValueId x) {
  return node.emit(Activate{{.kind = kind}}, {x}, {kPart});
}

ValueId emit_rounded(NodeReader& node, const RoundingMode& mode, ValueId x) {
  if (!mode.of_magnitude) return activate(node, mode.how, x);
  const ValueId sign = activate(node, Activation::Kind::Sign, x);
  ValueId size = activate(node, Activation::Kind::Abs, x);
  if (mode.offset != 0) {
    const ValueId offset = node.add_constant(Tensor::scalar(mode.offset));
    size = binary(node, Binary::Kind::Add, size, offset, kPart);
  }
  return binary(node, Binary::Kind::Mul, activate(node, mode.how, size), sign, kPart);
}

// (clip(round(x / scale + zero_point)) - zero_point) * scale
void emit_definition(NodeReader& node, const QuantParameters& codes) {
  const ValueId scale = node.float_input(1), zero_point = node.float_input(2);
  ValueId x = binary(node, Binary::Kind::Div, node.float_input(0), scale, kPart);
  x = binary(node, Binary::Kind::Add, x, zero_point, kPart);
  x = emit_rounded(node, codes.rounding, x);
  const Activation clip{.kind = Activation::Kind::Clip,
                        .alpha = static_cast<float>(codes.low()),
                        .beta = static_cast<float>(codes.high())};
  x = node.emit(Activate{clip}, {x}, {kPart});
  x = binary(node, Binary::Kind::Sub, x, zero_point, kPart);
  binary(node, Binary::Kind::Mul, x, scale, {});
}

// Why an activation cannot have such codes; empty where it can.
std::string_view why_no_codes(const QuantParameters& codes, const std::vector<float>& scale,
                              const std::vector<float>& zero_point) {
  if (codes.bits < 2 || codes.bits > 8) return "of 2 to 8 bits alone there are codes";
  if (!code_rounding(codes)) return "no target rounds so";
  if (scale.size() != 1 || zero_point.size() != 1) return "no target has a scale per channel";
  if (!(scale[0] > 0) || !std::isfinite(scale[0])) return "their scale is not above 0";
  const float point = zero_point[0];
  const bool is_code =
      point == std::floor(point) && double{point} >= codes.low() && double{point} <= codes.high();
  return is_code ? "" : "their zero point is no code";
}

// What QuantizeLinear says of such codes, if it can: one positive scale, a whole zero point, up to
// 8 bits. A narrow range needs a Clip before it.
std::optional<Quantization> linear_codes(NodeReader& node, const QuantParameters& codes) {
  const std::vector<float> scale = node.constant_reals(1, "scale");
  const std::vector<float> zero_point = node.constant_reals(2, "zero_point");
  const std::string_view reason = why_no_codes(codes, scale, zero_point);
  if (!reason.empty()) {
    note_host(node, reason);
    return std::nullopt;
  }
  const float point = zero_point[0];
  Quantization result{.bits = static_cast<int>(codes.bits),
                      .is_signed = codes.is_signed,
                      .thresholds = {},
                      .rounding = *code_rounding(codes)};
  result.thresholds = {static_cast<double>(scale[0]) * static_cast<double>(result.high())};
  if (point != 0) result.zero_points = {static_cast<std::int64_t>(point)};
  return result;
}

void emit_codes(NodeReader& node, const Quantization& codes, ValueId x) {
  const ValueId code =
      node.emit(Quantize{}, {x},
                {{.output = kIntermediate, .type = storage_type(codes), .quantization = codes}});
  node.emit(Dequantize{}, {code}, {{.type = ElementType::Float32}});
}

// What `relu` reads, where it is a Relu: codes from 0 on cut as it does.
ValueId before_relu(const Graph& graph, ValueId relu) {
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    if (node->outputs.empty() || node->outputs[0] != relu) continue;
    const auto* activate = std::get_if<Activate>(&node->op);
    const bool is_relu = activate && activate->activation.kind == Activation::Kind::Relu;
    return is_relu ? node->inputs[0] : relu;
  }
  return relu;
}

// x - step / 2, of which half up is the floor of x. In front of a Relu that codes imply, a layer's
// bias takes the shift.
ValueId emit_half_step_down(NodeReader& node, const Quantization& codes, ValueId x) {
  const bool implies_relu = !codes.is_signed && codes.zero_point() == 0;
  if (implies_relu) x = before_relu(node.state().graph, x);
  const ValueId half = node.add_constant(Tensor::scalar(static_cast<float>(-codes.step() / 2)));
  return binary(node, Binary::Kind::Add, x, half, kPart);
}

// Scales of a constant of at least two dimensions, such as weights: one, or one for each index
// along an axis, the only dimension of the scales with more than one.
struct WeightScales {
  std::vector<float> steps;
  int axis = 0;
  std::size_t inner = 1;  // elements side by side that share a scale
  std::size_t of(std::size_t element) const {
    return steps.size() == 1 ? 0 : element / inner % steps.size();
  }
};

std::optional<WeightScales> weight_scales(const NodeReader& node) {
  const Shape &shape = node.shape(0), &scales = node.shape(1);
  if (shape.size() < 2 || scales.size() > shape.size()) return std::nullopt;
  WeightScales result{.steps = node.constant_reals(1, "scale")};
  for (const float step : result.steps) {
    if (!(step > 0) || !std::isfinite(step)) return std::nullopt;
  }
  if (result.steps.empty()) return std::nullopt;
  if (result.steps.size() == 1) return result;
  const auto many = std::ranges::find_if(scales, [](std::int64_t size) { return size > 1; });
  const std::size_t axis =
      shape.size() - scales.size() + static_cast<std::size_t>(many - scales.begin());
  if (static_cast<std::int64_t>(result.steps.size()) != *many || shape[axis] != *many) {
    return std::nullopt;
  }
  result.axis = static_cast<int>(axis);
  for (std::size_t d = axis + 1; d < shape.size(); ++d) {
    result.inner *= static_cast<std::size_t>(shape[d]);
  }
  return result;
}

// In single precision, as the definition is.
template <typename Code>
Tensor codes_of(const Tensor& reals, const std::function<float(std::size_t, float)>& code) {
  std::vector<Code> codes;
  for (const float real : reals.values<float>()) {
    codes.push_back(static_cast<Code>(code(codes.size(), real)));
  }
  return Tensor::from<Code>(reals.shape(), codes);
}

// The constant operand 0 with codes `bits` wide; `code` of an element and its number.
void emit_weights(NodeReader& node, const WeightScales& scales, Quantization codes,
                  const std::function<float(std::size_t, float)>& code) {
  for (const float step : scales.steps) {
    codes.thresholds.push_back(static_cast<double>(step) * static_cast<double>(codes.high()));
  }
  codes.axis = scales.axis;
  node.float_input(0);
  const Tensor& reals = node.constant(0, "weights");
  const ValueId id = node.add_constant(codes.is_signed ? codes_of<std::int8_t>(reals, code)
                                                       : codes_of<std::uint8_t>(reals, code));
  node.state().graph.value(id).quantization = codes;
  node.emit(Dequantize{}, {id}, {{.type = ElementType::Float32}});
}

float rounded(float x, const RoundingMode& mode) {
  const float from = mode.of_magnitude ? std::abs(x) + mode.offset : x;
  const auto whole = [&] {
    switch (mode.how) {
      case Activation::Kind::Floor:
        return std::floor(from);
      case Activation::Kind::Ceil:
        return std::ceil(from);
      case Activation::Kind::Truncate:
        return std::trunc(from);
      default:
        return std::nearbyint(from);
    }
  };
  return mode.of_magnitude ? std::copysign(whole(), x) : whole();
}

// Whether the constant has become one with codes. Others are widths and zero points that no target
// has for weights, and numbers that are not weights.
bool import_weights(NodeReader& node, const QuantParameters& codes) {
  const std::vector<float> points = node.constant_reals(2, "zero_point");
  const bool centred = std::ranges::all_of(points, [](float point) { return point == 0; });
  const auto scales = weight_scales(node);
  if (!scales || !centred || codes.bits < 2 || codes.bits > 8) return false;
  for (const float real : node.constant_reals(0, "weights")) {
    if (!std::isfinite(real)) return false;
  }
  emit_weights(
      node, *scales,
      {.bits = static_cast<int>(codes.bits),
       .is_signed = codes.is_signed,
       .thresholds = {},
       .rounding = Rounding::HalfEven},
      [&](std::size_t element, float real) {
        const float code = rounded(real / scales->steps[scales->of(element)], codes.rounding);
        return std::clamp(code, static_cast<float>(codes.low()), static_cast<float>(codes.high()));
      });
  return true;
}

// scale where x >= 0, else -scale
void import_bipolar_quant(NodeReader& node) {
  const bool has_constants = node.value(0).constant && node.value(1).constant;
  if (const auto scales = has_constants ? weight_scales(node) : std::nullopt) {
    emit_weights(node, *scales, {.bits = 2, .thresholds = {}, .rounding = Rounding::HalfEven},
                 [](std::size_t, float real) { return real >= 0 ? 1.0F : -1.0F; });
    return;
  }
  const ValueId x = node.float_input(0), scale = node.float_input(1);
  const ValueId zero = node.add_constant(Tensor::scalar(0.0F));
  const ValueId positive = node.emit(Binary{.kind = Binary::Kind::GreaterOrEqual}, {x, zero},
                                     {{.output = kIntermediate, .type = ElementType::Bool}});
  const ValueId negated = node.emit(Activate{{.kind = Activation::Kind::Neg}}, {scale}, {kPart});
  node.emit(Where{}, {positive, scale, negated}, {{.type = ElementType::Float32}});
}

void import_quant(NodeReader& node) {
  QuantParameters codes{.bits = bit_width(node, 3)};
  codes.is_signed = node.flag("signed", true);
  codes.narrow = node.flag("narrow", false);
  codes.rounding = rounding(node);
  if (codes.is_signed && codes.bits == 1) {  // +1 and -1, not 0 and -1
    for (const float point : node.constant_reals(2, "zero_point")) {
      if (point != 0)
        node.refuse("input 2 (zero_point) of one signed bit: expected 0, found {}", point);
    }
    import_bipolar_quant(node);
    return;
  }
  if (node.value(0).constant) {
    if (!import_weights(node, codes)) emit_definition(node, codes);
    return;
  }
  const auto linear = linear_codes(node, codes);
  if (!linear) {
    emit_definition(node, codes);
    return;
  }
  ValueId x = node.float_input(0);
  if (linear->rounding == Rounding::HalfUp) x = emit_half_step_down(node, *linear, x);
  if (codes.narrow) {
    const auto bound = [&](double code) {
      return static_cast<float>((code - static_cast<double>(linear->zero_point())) *
                                linear->step());
    };
    const Activation clip{
        .kind = Activation::Kind::Clip, .alpha = bound(codes.low()), .beta = bound(codes.high())};
    x = node.emit(Activate{clip}, {x}, {kPart});
  }
  emit_codes(node, *linear, x);
}

// Thresholds that lie evenly: of a channel, the one of index k is first + k apart.
struct EvenThresholds {
  std::vector<double> first, apart;  // per channel, or of all
};

// [channels, steps]. One threshold alone may count as of any distance.
std::optional<EvenThresholds> even_thresholds(const Tensor& thresholds, double alone) {
  constexpr double kSingle = 4 * static_cast<double>(std::numeric_limits<float>::epsilon());
  const auto channels = static_cast<std::size_t>(thresholds.dim(0));
  const auto steps = static_cast<std::size_t>(thresholds.dim(1));
  const auto values = thresholds.values<float>();
  EvenThresholds even;
  for (std::size_t c = 0; c < channels; ++c) {
    const auto row = values.subspan(c * steps, steps);
    const auto first = double{row.front()}, last = double{row.back()};
    const double apart = steps == 1 ? alone : (last - first) / static_cast<double>(steps - 1);
    if (!(apart > 0) || !std::isfinite(apart)) return std::nullopt;
    const double slack = kSingle * std::max(std::abs(first), std::abs(last));
    for (std::size_t k = 0; k < steps; ++k) {
      const double off = double{row[k]} - (first + static_cast<double>(k) * apart);
      if (!(std::abs(off) <= slack)) return std::nullopt;
    }
    even.first.push_back(first);
    even.apart.push_back(apart);
  }
  return even;
}

// Codes from `low` to `high`, which need not be all that their bits have.
std::optional<Quantization> codes_between(double low, double high, float scale) {
  if (low != std::round(low) || low > 0 || high <= 0) return std::nullopt;
  Quantization codes{
      .bits = 2, .is_signed = low < 0, .thresholds = {}, .rounding = Rounding::HalfUp};
  const auto holds = [&] {
    return static_cast<double>(codes.low()) <= low && static_cast<double>(codes.high()) >= high;
  };
  while (!holds() && codes.bits < 8) ++codes.bits;
  if (!holds()) return std::nullopt;
  codes.thresholds = {static_cast<double>(scale) * static_cast<double>(codes.high())};
  return codes;
}

// The count of evenly spaced thresholds is a rounding: x reaches that of index k where
// (x - first) / apart + 1/2, rounded half up, is k + 1 or more. Whether codes could say so.
bool import_even_thresholds(NodeReader& node, std::size_t channel, float scale, float bias) {
  const Tensor& list = node.constant(1, "thresholds");
  const double low = double{bias} / double{scale};
  const double high = low + static_cast<double>(list.dim(1));
  const auto codes = scale > 0 ? codes_between(low, high, scale) : std::nullopt;
  if (!codes) {
    note_host(node, "of 2 to 8 bits alone there are codes, zero among them");
    return false;
  }
  const auto even = even_thresholds(list, double{scale});
  if (!even) {
    note_host(node, "its thresholds do not lie evenly");
    return false;
  }
  Shape per_channel(node.shape(0).size(), 1);
  per_channel[channel] = list.dim(0);
  std::vector<float> gain, shift;
  for (std::size_t c = 0; c < even->first.size(); ++c) {
    const double factor = double{scale} / even->apart[c];
    gain.push_back(static_cast<float>(factor));
    shift.push_back(static_cast<float>(double{bias} + double{scale} / 2 - factor * even->first[c]));
  }
  const auto constant = [&](const std::vector<float>& values) {
    return node.add_constant(Tensor::from<float>(per_channel, values));
  };
  ValueId x = node.float_input(0);
  node.float_input(1);
  if (std::ranges::any_of(gain, [](float factor) { return factor != 1; })) {
    x = binary(node, Binary::Kind::Mul, x, constant(gain), kPart);
  }
  x = binary(node, Binary::Kind::Add, x, constant(shift), kPart);
  if (static_cast<double>(codes->low()) < low || static_cast<double>(codes->high()) > high) {
    const Activation clip{.kind = Activation::Kind::Clip,
                          .alpha = static_cast<float>(low * codes->step()),
                          .beta = static_cast<float>(high * codes->step())};
    x = node.emit(Activate{clip}, {x}, {kPart});
  }
  emit_codes(node, *codes, x);
  return true;
}

// out_bias + out_scale * (how many of the channel's thresholds x reaches)
void import_multi_threshold(NodeReader& node) {
  const Shape x = node.shape(0);
  const Shape& thresholds = node.shape(1);
  const std::string layout = node.text("data_layout", "NCHW");
  const float scale = node.real("out_scale", 1), bias = node.real("out_bias", 0);
  node.text("out_dtype", "");  // what the results are called
  const std::size_t channel = layout == "NHWC" ? x.size() - 1 : 1;
  const bool fits = thresholds.size() == 2 && x.size() > channel &&
                    (thresholds[0] == 1 || thresholds[0] == x[channel]);
  if (!fits) {
    node.refuse("input 1 (thresholds): expected [1 or channels, steps] for {}, found {}",
                to_string(x), to_string(thresholds));
  }
  if (thresholds[1] > 0 && import_even_thresholds(node, channel, scale, bias)) return;
  Shape column = x, steps(x.size() + 1, 1);
  column.push_back(1);
  steps[channel] = thresholds[0];
  steps.back() = thresholds[1];
  const ValueId wide = node.emit(Reshape{column}, {node.float_input(0)}, {kPart});
  const Tensor& list = node.constant(1, "thresholds");
  node.float_input(1);
  const ValueId levels = node.add_constant(list.reshaped(steps));
  const ValueId reached = node.emit(Binary{.kind = Binary::Kind::GreaterOrEqual}, {wide, levels},
                                    {{.output = kIntermediate, .type = ElementType::Bool}});
  const ValueId ones =
      node.emit(Identity{}, {reached}, {{.output = kIntermediate, .type = ElementType::Float32}});
  const Reduce sum{
      .kind = Reduce::Kind::Sum, .axes = {static_cast<std::int64_t>(x.size())}, .keep_dims = false};
  const ValueId count = node.emit(sum, {ones}, {kPart});
  const ValueId scaled =
      binary(node, Binary::Kind::Mul, count, node.add_constant(Tensor::scalar(scale)), kPart);
  binary(node, Binary::Kind::Add, scaled, node.add_constant(Tensor::scalar(bias)), {});
}

// Since version 2: codes of another scale, a power of two times the input's, clamped to `out_bits`
// before they are rounded.
void import_trunc_to_scale(NodeReader& node) {
  QuantParameters codes{.bits = bit_width(node, 5)};
  codes.is_signed = node.flag("signed", true);
  codes.narrow = node.flag("narrow", false);
  codes.rounding = rounding(node);
  bit_width(node, 3);
  const float in_scale = node.constant_scalar(1, "scale");
  const float out_scale = node.constant_scalar(4, "out_scale");
  const float zero_point = node.constant_scalar(2, "zero_point");
  const double shift = std::round(std::log2(double{out_scale} / double{in_scale}));
  if (!(std::abs(shift) <= 32)) {
    node.refuse("input 4 (out_scale): expected {} times a power of two, found {}", in_scale,
                out_scale);
  }
  const auto factor = static_cast<float>(std::exp2(shift));
  const auto constant = [&](float number) { return node.add_constant(Tensor::scalar(number)); };
  const Activation clip{.kind = Activation::Kind::Clip,
                        .alpha = static_cast<float>(codes.low()),
                        .beta = static_cast<float>(codes.high())};
  ValueId x = binary(node, Binary::Kind::Div, node.float_input(0), node.float_input(1), kPart);
  x = binary(node, Binary::Kind::Add, x, node.float_input(2), kPart);
  x = activate(node, Activation::Kind::Round, x);
  x = binary(node, Binary::Kind::Div, x, constant(factor), kPart);
  x = node.emit(Activate{clip}, {x}, {kPart});
  x = emit_rounded(node, codes.rounding, x);
  x = binary(node, Binary::Kind::Sub, x, constant(zero_point / factor), kPart);
  binary(node, Binary::Kind::Mul, x, node.float_input(4), {});
}

// Right shift of codes: x / scale of `in_bits`, rounded to `out_bits`, in units of the input's
// scale.
void import_trunc(NodeReader& node) {
  if (node.has_input(5)) {
    import_trunc_to_scale(node);
    return;
  }
  const std::int64_t in_bits = bit_width(node, 3), out_bits = bit_width(node, 4);
  const RoundingMode how = rounding(node);
  if (out_bits > in_bits) {
    node.refuse("input 4 (out_bit_width): expected at most {}, found {}", in_bits, out_bits);
  }
  const auto step = static_cast<float>(std::ldexp(1.0, static_cast<int>(in_bits - out_bits)));
  const ValueId scale = node.float_input(1), zero_point = node.float_input(2);
  const ValueId steps = node.add_constant(Tensor::scalar(step));
  ValueId x = binary(node, Binary::Kind::Div, node.float_input(0), scale, kPart);
  x = binary(node, Binary::Kind::Add, x, zero_point, kPart);
  x = activate(node, Activation::Kind::Round, x);
  x = binary(node, Binary::Kind::Div, x, steps, kPart);
  x = emit_rounded(node, how, x);
  x = binary(node, Binary::Kind::Sub, x, zero_point, kPart);
  binary(node, Binary::Kind::Mul, x, scale, {});
}

// name, function, inputs, outputs, folds, note
constexpr ImportRule kRules[] = {
    {"BipolarQuant", import_bipolar_quant, 2, 1, true, "QONNX, of any domain", kAnyDomain},
    {"IntQuant", import_quant, 4, 1, true, "QONNX's later name of Quant, of any domain",
     kAnyDomain},
    {"MultiThreshold", import_multi_threshold, 2, 1, true,
     "FINN, of any domain; even thresholds become codes, others comparisons and ReduceSum",
     kAnyDomain},
    {"Quant", import_quant, 4, 1, true, "QONNX, of any domain; constant width", kAnyDomain},
    {"Trunc", import_trunc, 6, 1, true, "QONNX, of any domain; constant widths", kAnyDomain},
};

}  // namespace

std::span<const ImportRule> qonnx_rules() { return kRules; }

}  // namespace workbench::importer
