#include "compiler/quantize/chain_steps.h"

#include <algorithm>
#include <cmath>

#include "core/shapes.h"

namespace workbench {

namespace {

// The chain of `id`, open for more arithmetic.
Chain open_chain(ChainBuilder& builder, ValueId id) {
  const Chain& chain = builder.chain(id);
  return chain.is_closed() ? builder.chained(chain) : chain;
}

// Codes of fewer than 32 bits hold what was cast to their type.
void check_type(const ChainBuilder& builder, const Node& node, const Chain& chain) {
  const ElementType type = builder.value(node.outputs[0]).type;
  Interval fits{kLeast, kMost};
  if (type == ElementType::Uint8) fits = {0, 255};
  if (type == ElementType::Int8) fits = {-128, 127};
  if (type == ElementType::Uint16) fits = {0, 65535};
  if (type == ElementType::Int16) fits = {-32768, 32767};
  const Interval found = hull(builder.values(chain));
  if (found.low >= fits.low && found.high <= fits.high) return;
  ChainBuilder::refuse(node, "values from {} to {} do not fit {}: expected a Clip before it",
                       found.low, found.high, to_string(type));
}

void cut(Chain& chain, Rounding rounding) {
  if (!chain.is_integer()) chain.cut = rounding;
}

double bound(float value, double none) {
  constexpr double kBeyond = 2147483647;  // what no code exceeds
  const auto wide = static_cast<double>(value);
  return std::abs(wide) >= kBeyond ? none : wide;
}

void clip(const Node& node, const Activation& activation, Chain& chain) {
  const bool relu = activation.kind == Activation::Kind::Relu;
  constexpr double kNone = 1e300;
  const double low = relu ? 0 : bound(activation.alpha, -kNone);
  const double high = relu ? kNone : bound(activation.beta, kNone);
  for (const double b : {low, high}) {
    if (std::abs(b) < kNone && b != std::floor(b)) {
      ChainBuilder::refuse(node, "clips integers at {}, expected a whole number", b);
    }
  }
  if (low > high) ChainBuilder::refuse(node, "clips to [{}, {}], which is empty", low, high);
  const auto bounded = [&](std::int64_t v) {
    if (low > -kNone) v = std::max(v, static_cast<std::int64_t>(low));
    if (high < kNone) v = std::min(v, static_cast<std::int64_t>(high));
    return v;
  };
  chain.low = bounded(chain.low);
  chain.high = bounded(chain.high);
}

// What a Binary does with the constant in its other operand; nothing if it does not fit.
std::optional<ChannelMap> applied(Binary::Kind kind, bool constant_first, const ChannelMap& map,
                                  const Fractions& constant) {
  Fractions negative = constant;
  for (std::int64_t& n : negative.numerator) n = -n;
  switch (kind) {
    case Binary::Kind::Add:
      return plus(map, constant);
    case Binary::Kind::Sub:
      return constant_first ? plus(negated(map), constant) : plus(map, negative);
    case Binary::Kind::Mul:
      return times(map, constant);
    case Binary::Kind::Div:
      return constant_first ? std::nullopt : over(map, constant);
  }
  CHECK(false, "binary {}", static_cast<int>(kind));
}

bool add_constant_step(ChainBuilder& builder, const Node& node, ValueId x, ValueId constant) {
  const auto& op = std::get<Binary>(node.op);
  const ValueId out = node.outputs[0];
  const bool constant_first = node.inputs[0] == constant;
  const Tensor& tensor = *builder.value(constant).constant;
  const bool fits = is_per_channel(tensor.shape(), builder.value(x).shape) &&
                    builder.value(out).shape == builder.value(x).shape;
  const auto fractions = fits ? exact_fractions(tensor) : std::nullopt;
  Chain chain = open_chain(builder, x);
  const auto map =
      fractions ? applied(op.kind, constant_first, chain.map, *fractions) : std::nullopt;
  if (!map) {
    if (!builder.feeds_layer(out) && op.activation.kind == Activation::Kind::None) return false;
    if (!fits) {
      ChainBuilder::refuse(node, "'{}' of shape {} is neither one number nor one per channel of {}",
                           builder.value(constant).name, to_string(tensor.shape()),
                           to_string(builder.value(x).shape));
    }
    ChainBuilder::refuse(node, "'{}' makes of '{}' no fraction that 64 bits hold",
                         builder.value(constant).name, builder.value(x).name);
  }
  chain.map = reduced(*map);
  chain.nodes.push_back(node.name);
  if (op.activation.kind == Activation::Kind::Truncate) cut(chain, Rounding::TowardZero);
  builder.set_chain(out, std::move(chain));
  return true;
}

}  // namespace

bool add_binary(ChainBuilder& builder, const Node& node) {
  const ValueId a = node.inputs[0], b = node.inputs[1];
  if (builder.is_chain(a) && builder.value(b).constant) {
    return add_constant_step(builder, node, a, b);
  }
  if (builder.is_chain(b) && builder.value(a).constant) {
    return add_constant_step(builder, node, b, a);
  }
  if (!builder.is_chain(a) || !builder.is_chain(b)) return false;
  const auto kind = std::get<Binary>(node.op).kind;
  if (kind == Binary::Kind::Add || kind == Binary::Kind::Sub) {
    add_sum(builder, node);
    return true;
  }
  if (!builder.feeds_layer(node.outputs[0])) return false;
  ChainBuilder::refuse(node, "expected a constant operand, found '{}' and '{}'",
                       builder.value(a).name, builder.value(b).name);
}

bool add_activation(ChainBuilder& builder, const Node& node) {
  const auto& activation = std::get<Activate>(node.op).activation;
  if (!builder.is_chain(node.inputs[0])) return false;
  Chain chain = builder.chain(node.inputs[0]);
  switch (activation.kind) {
    case Activation::Kind::Floor:
      cut(chain, Rounding::Floor);
      break;
    case Activation::Kind::Truncate:
      cut(chain, Rounding::TowardZero);
      check_type(builder, node, chain);
      break;
    case Activation::Kind::Relu:
    case Activation::Kind::Clip:
      if (!activation.bounds.empty()) return false;
      if (chain.has_clip()) chain = builder.chained(chain);
      clip(node, activation, chain);
      break;
    case Activation::Kind::None:
    case Activation::Kind::LeakyRelu:
    case Activation::Kind::PRelu:
    case Activation::Kind::Sigmoid:
    case Activation::Kind::Tanh:
    case Activation::Kind::HardSigmoid:
    case Activation::Kind::HardSwish:
    case Activation::Kind::Exp:
      return false;
  }
  chain.nodes.push_back(node.name);
  builder.set_chain(node.outputs[0], std::move(chain));
  return true;
}

bool add_identity(ChainBuilder& builder, const Node& node) {
  const ValueId x = node.inputs[0];
  if (!builder.is_chain(x)) return false;
  Chain chain = node.affine ? open_chain(builder, x) : builder.chain(x);
  if (node.affine) {
    const AffineRequantize& affine = *node.affine;
    const auto scaled = times(chain.map, {affine.multiplier, 1});
    const auto moved = scaled ? plus(*scaled, {affine.offset, 1}) : std::nullopt;
    const auto divided = moved ? times(*moved, {{1}, affine.divisor}) : std::nullopt;
    if (!divided) ChainBuilder::refuse(node, "expected numbers that fit 64 bits");
    chain.map = *divided;
    chain.low = affine.low;
    chain.high = affine.high;
    if (affine.low < 0 && affine.high > -affine.low) {  // Quantlab: as its operand
      const bool is_signed = hull(builder.values(builder.chain(x))).low < 0;
      (is_signed ? chain.high : chain.low) = is_signed ? affine.high / 2 : 0;
    }
    cut(chain, affine.rounding);
  } else {
    check_type(builder, node, chain);
  }
  chain.nodes.push_back(node.name);
  builder.set_chain(node.outputs[0], std::move(chain));
  return true;
}

bool add_reshape(ChainBuilder& builder, const Node& node) {
  const ValueId x = node.inputs[0], out = node.outputs[0];
  if (!builder.is_chain(x) || !builder.feeds_layer(out)) return false;
  const Shape& from = builder.value(x).shape;
  const Shape& to = builder.value(out).shape;
  const Chain& chain = builder.chain(x);
  const bool keeps_channels =
      from.size() >= 2 && to.size() >= 2 && from[0] == to[0] && from[1] == to[1];
  const bool is_accumulator = builder.source(chain).kind == ChainSource::Kind::Accumulator;
  if (is_accumulator && keeps_channels && !chain.is_closed()) {  // its rescaling is yet to come
    builder.set_chain(out, chain);
  } else {
    builder.move(node, {x});
  }
  return true;
}

}  // namespace workbench
