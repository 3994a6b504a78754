#include <algorithm>
#include <cmath>
#include <span>

#include "sim/golden/operation.h"
#include "sim/golden/windows.h"

namespace workbench::golden {

namespace {

// docs/facts/xdnn.md 3.1: v / 2^n, halves toward +infinity.
std::int64_t rr(std::int64_t v, std::int32_t n) { return n == 0 ? v : ((v >> (n - 1)) + 1) >> 1; }

// docs/facts/xdnn.md 3.1. Asymmetric: -128 is allowed.
std::int64_t clamp_b(std::int64_t v, int bits) {
  const std::int64_t limit = std::int64_t{1} << (bits - 1);
  return std::clamp(v, -limit, limit - 1);
}

// docs/facts/xdnn.md 3.3: accumulator and bias -> scale, rr, clamp, Relu. PRelu is two scales.
// docs/facts/xdnn.md 3.2: rr and clamp before the scale, too; the bias after it, and a clamp behind
// that. With 16 bits V3 has that first clamp, at 24 bits, and a bias that counts 65536 units
// (docs/facts/xdnn.md 3.3).
std::int64_t requantize(std::int64_t sum, std::int64_t bias, const Operation& at,
                        const Activation& activation, std::int64_t channel) {
  const Node& node = at.node;
  const int bits = at.output().type == ElementType::Int16 ? 16 : 8;
  const Requantize& how = *node.requantize;
  const auto c = how.scale.size() == 1 ? std::size_t{0} : static_cast<std::size_t>(channel);
  std::int64_t v = how.bias_after ? sum : sum + (bias << how.bias_shift);
  const std::int64_t scale =
      v < 0 && !how.negative_scale.empty() ? how.negative_scale[c] : how.scale[c];
  if (!how.prescale.empty()) v = clamp_b(rr(v, how.prescale[c]), how.prescaled_bits);
  std::int64_t code = clamp_b(rr(v * scale, how.shift[c]), bits);
  if (how.bias_after) code = clamp_b(code + bias, bits);
  const bool relu = activation.kind == Activation::Kind::Relu;
  return relu ? std::max<std::int64_t>(code, 0) : code;
}

void check_requantize(const Node& node, const Activation& activation, std::int64_t channels) {
  CHECK(node.requantize.has_value(), "integer node '{}' has no requantization", node.name);
  const Requantize& how = *node.requantize;
  const auto count = how.scale.size();
  CHECK(count == 1 || count == static_cast<std::size_t>(channels), "node '{}': {} scales",
        node.name, count);
  CHECK(how.shift.size() == count, "node '{}': {} shifts", node.name, how.shift.size());
  CHECK(how.prescale.empty() || how.prescale.size() == count, "node '{}': {} prescales", node.name,
        how.prescale.size());
  CHECK(how.rounding == Rounding::HalfUp, "node '{}': xDNN rounds halves up", node.name);
  const bool two_scales = activation.kind == Activation::Kind::PRelu;
  CHECK(two_scales || activation.kind == Activation::Kind::None ||
            activation.kind == Activation::Kind::Relu,
        "node '{}': an activation xDNN has not", node.name);
  CHECK(how.negative_scale.size() == (two_scales ? count : 0), "node '{}': {} negative scales",
        node.name, how.negative_scale.size());
}

// Element: what the codes are widened to, so that `dot` is exact.
template <typename Code, typename Element, typename ConvOp, typename Dot>
Tensor conv(const ConvOp& op, const Operation& at, Dot dot) {
  const Tensor& x = at.operand(0);
  check_requantize(at.node, op.activation, at.output_shape()[1]);
  const auto bias = at.has(2) ? at.operand(2).values<std::int32_t>() : std::span<const int>();
  Tensor result = Tensor::uninitialized(element_type_of<Code>(), at.output_shape(), Layout::Nchw);
  const auto y = result.mutable_values<Code>();
  const auto convolution = correlation<Element, Code>(op, x, at.operand(1), at.output_shape());
  correlate(convolution, x.values<Code>(), dot,
            [&](std::int64_t channel, std::int64_t offset, std::int64_t sum) {
              const auto c = static_cast<std::size_t>(channel);
              y[static_cast<std::size_t>(offset)] = static_cast<Code>(
                  requantize(sum, bias.empty() ? 0 : bias[c], at, op.activation, channel));
            });
  return result;
}

template <typename ConvOp>
Tensor conv(const ConvOp& op, const Operation& at) {
  return at.output().type == ElementType::Int16
             ? conv<std::int16_t, std::int32_t>(op, at, wide_dot<std::int32_t>)
             : conv<std::int8_t, std::int16_t>(op, at, dot);
}

void check_symmetric(const Value& value) {
  CHECK(value.quantization.has_value(), "'{}' has no quantization", value.name);
  const Quantization& q = *value.quantization;
  CHECK(code_type(q.bits) == value.type && q.is_signed && q.thresholds.size() == 1 &&
            q.zero_point() == 0,
        "'{}': xDNN codes are symmetric, 8 or 16 bits, per tensor", value.name);
}

double rounded(double x, Rounding rounding) {
  switch (rounding) {
    case Rounding::HalfUp:
      return std::floor(x + 0.5);
    case Rounding::HalfEven:
      return std::nearbyint(x);
    case Rounding::HalfAwayFromZero:
      return std::round(x);
    case Rounding::Floor:
      return std::floor(x);
    case Rounding::TowardZero:
      return std::trunc(x);
  }
  CHECK(false, "rounding {}", static_cast<int>(rounding));
}

// Calls visit(Code{}) for the C++ type of the codes of `type`.
template <typename Visit>
Tensor with_code(ElementType type, Visit visit) {
  CHECK(is_code(type), "{} are no codes", to_string(type));
  return type == ElementType::Int16 ? visit(std::int16_t{}) : visit(std::int8_t{});
}

template <typename Code>
Tensor uninitialized_result(const Operation& at) {
  return Tensor::uninitialized(element_type_of<Code>(), at.output_shape(), Layout::Nchw);
}

}  // namespace

std::int16_t quantize(float real, const Quantization& quantization) {
  if (std::isnan(real)) return 0;
  const auto threshold = static_cast<float>(quantization.thresholds[0]);
  const float codes_per_unit = static_cast<float>(quantization.high()) / threshold;
  const float scaled = std::clamp(real, -threshold, threshold) * codes_per_unit;
  return static_cast<std::int16_t>(rounded(scaled, quantization.rounding));
}

Tensor quantize(const Operation& at) {
  check_symmetric(at.output());
  const auto x = at.operand(0).values<float>();
  return with_code(at.output().type, [&]<typename Code>(Code) {
    Tensor result = uninitialized_result<Code>(at);
    const auto y = result.mutable_values<Code>();
    for (std::size_t i = 0; i < x.size(); ++i) {
      y[i] = static_cast<Code>(quantize(x[i], *at.output().quantization));
    }
    return result;
  });
}

Tensor dequantize(const Operation& at) {
  check_symmetric(at.operand_value(0));
  const Quantization& quantization = *at.operand_value(0).quantization;
  const auto high = static_cast<float>(quantization.high());
  const auto threshold = static_cast<float>(quantization.thresholds[0]);
  return with_code(at.operand(0).type(), [&]<typename Code>(Code) {
    const auto x = at.operand(0).values<Code>();
    Tensor result = uninitialized_result<float>(at);
    const auto y = result.mutable_values<float>();
    for (std::size_t i = 0; i < x.size(); ++i) y[i] = static_cast<float>(x[i]) / high * threshold;
    return result;
  });
}

Tensor integer_conv(const Conv& op, const Operation& at) { return conv(op, at); }
Tensor integer_conv(const ConvTranspose& op, const Operation& at) { return conv(op, at); }

namespace {

template <typename Code>
Tensor average_pool(const AveragePool& op, const Operation& at) {
  const Shape& in = at.operand(0).shape();
  const Shape& out = at.output_shape();
  const Shape in_plane(in.begin() + 2, in.end()), out_plane(out.begin() + 2, out.end());
  const auto x = at.operand(0).values<Code>();
  Tensor result = uninitialized_result<Code>(at);
  const auto y = result.template mutable_values<Code>();
  for (std::int64_t output = 0; output < element_count(out_plane); ++output) {
    const auto cells = cells_under_window(op.window, in_plane, position_of(out_plane, output));
    for (std::int64_t map = 0; map < out[0] * out[1]; ++map) {
      std::int64_t sum = 0;
      for (const std::int64_t cell : cells) {
        if (cell != kPadding)
          sum += x[static_cast<std::size_t>(map * element_count(in_plane) + cell)];
      }
      y[static_cast<std::size_t>(map * element_count(out_plane) + output)] =
          static_cast<Code>(requantize(sum, 0, at, {}, map % out[1]));
    }
  }
  return result;
}

template <typename Code>
Tensor add(const Binary& op, const Operation& at) {
  const Shape& out = at.output_shape();
  const auto a = at.operand(0).values<Code>();
  const auto b = at.operand(1).values<Code>();
  const auto a_offsets = broadcast_offsets(at.operand(0).shape(), out);
  const auto b_offsets = broadcast_offsets(at.operand(1).shape(), out);
  Tensor result = uninitialized_result<Code>(at);
  const auto y = result.template mutable_values<Code>();
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::int64_t sum =
        a[static_cast<std::size_t>(a_offsets[i])] + b[static_cast<std::size_t>(b_offsets[i])];
    const auto channel = static_cast<std::int64_t>(channel_of(out, static_cast<std::int64_t>(i)));
    y[i] = static_cast<Code>(requantize(sum, 0, at, op.activation, channel));
  }
  return result;
}

}  // namespace

Tensor integer_average_pool(const AveragePool& op, const Operation& at) {
  check_requantize(at.node, {}, at.output_shape()[1]);
  return with_code(at.output().type,
                   [&]<typename Code>(Code) { return average_pool<Code>(op, at); });
}

Tensor integer_add(const Binary& op, const Operation& at) {
  CHECK(op.kind == Binary::Kind::Add, "node '{}': xDNN adds codes only", at.node.name);
  const Shape& out = at.output_shape();
  check_requantize(at.node, op.activation, out.size() < 2 ? 1 : out[1]);
  return with_code(at.output().type, [&]<typename Code>(Code) { return add<Code>(op, at); });
}

Tensor integer_activate(const Activate& op, const Operation& at) {
  CHECK(op.activation.kind == Activation::Kind::Relu, "node '{}': only Relu works on codes",
        at.node.name);
  return with_code(at.output().type, [&]<typename Code>(Code) {
    const auto x = at.operand(0).values<Code>();
    Tensor result = uninitialized_result<Code>(at);
    const auto y = result.mutable_values<Code>();
    for (std::size_t i = 0; i < x.size(); ++i) y[i] = std::max<Code>(x[i], 0);
    return result;
  });
}

}  // namespace workbench::golden
