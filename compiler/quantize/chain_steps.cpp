#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "compiler/quantize/chain_builder.h"
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
  ValueRange fits{kLeast, kMost};
  if (type == ElementType::Uint8) fits = {0, 255};
  if (type == ElementType::Int8) fits = {-128, 127};
  if (type == ElementType::Uint16) fits = {0, 65535};
  if (type == ElementType::Int16) fits = {-32768, 32767};
  const ValueRange found = hull(builder.values(chain));
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
    default:  // is_affine() says which others there are
      CHECK(false, "binary {}", static_cast<int>(kind));
  }
}

// Where all are the same, whatever axes they are for, one stands for them; true: they are.
bool make_one(Fractions& fractions) {
  std::vector<std::int64_t>& list = fractions.numerator;
  if (std::adjacent_find(list.begin(), list.end(), std::not_equal_to<>()) != list.end()) {
    return false;
  }
  list.resize(1);
  return true;
}

bool add_constant_step(ChainBuilder& builder, const Node& node, ValueId x, ValueId constant) {
  const auto& op = std::get<Binary>(node.op);
  const ValueId out = node.outputs[0];
  const bool constant_first = node.inputs[0] == constant;
  const Tensor& tensor = *builder.value(constant).constant;
  auto fractions = exact_fractions(tensor);
  const bool one_number = fractions && make_one(*fractions);
  const bool fits = builder.value(out).shape == builder.value(x).shape &&
                    (one_number || is_per_channel(tensor.shape(), builder.value(x).shape));
  if (!fits) fractions.reset();
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
  const auto kind = std::get<Binary>(node.op).kind;
  if (!is_affine(kind)) return false;
  const ValueId a = node.inputs[0], b = node.inputs[1];
  if (builder.is_chain(a) && builder.value(b).constant) {
    return add_constant_step(builder, node, a, b);
  }
  if (builder.is_chain(b) && builder.value(a).constant) {
    return add_constant_step(builder, node, b, a);
  }
  if (!builder.is_chain(a) || !builder.is_chain(b)) return false;
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
    default:
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

// Nodes that accumulate: convolutions, products, pools and sums.

namespace {

constexpr std::int64_t kInt32Low = std::numeric_limits<std::int32_t>::min();
constexpr std::int64_t kInt32High = std::numeric_limits<std::int32_t>::max();

// The codes that a layer reads; of 8 bits or fewer.
ValueId layer_codes(ChainBuilder& builder, const Node& node, ValueId id) {
  if (!builder.is_chain(id)) {
    ChainBuilder::refuse(node, "reads '{}', which is no integer", builder.value(id).name);
  }
  const ValueId codes = builder.codes(id);
  if (builder.code_bits(codes) == 32) {
    ChainBuilder::refuse(node, "reads '{}', numbers of 32 bits: expected a Clip to codes before it",
                         builder.value(id).name);
  }
  return codes;
}

ValueId weights(ChainBuilder& builder, const Node& node, ValueId id, bool transposed) {
  const Value& value = builder.value(id);
  if (!value.constant) {
    ChainBuilder::refuse(node, "expected constant weights, found '{}'", value.name);
  }
  auto whole = whole_bytes(*value.constant);
  if (!whole) {
    ChainBuilder::refuse(node, "weights '{}': expected whole numbers from -128 to 127", value.name);
  }
  std::vector<std::int8_t> codes = *std::move(whole);
  Shape shape = value.shape;
  if (transposed) {
    std::swap(shape.at(0), shape.at(1));
    const std::vector<std::int8_t> turned = codes;
    const auto columns = static_cast<std::size_t>(shape[1]);
    for (std::size_t i = 0; i < codes.size(); ++i) {
      codes[i] = turned[i % columns * (codes.size() / columns) + i / columns];
    }
  }
  const bool hinted = value.quantization && value.quantization->bits < 8;  // Quantlab's weight_bits
  const CodeRange range{.bits = hinted ? value.quantization->bits : 8, .is_signed = true};
  const Quantization quantization = unit_quantization(range);
  const auto fits = [&](std::int8_t w) {
    return w >= quantization.low() && w <= quantization.high();
  };
  if (hinted && !std::all_of(codes.begin(), codes.end(), fits)) {
    ChainBuilder::refuse(node, "weights '{}': expected whole numbers of {} bits", value.name,
                         range.bits);
  }
  const Layout layout = shape.size() == 4 ? Layout::Oihw : Layout::RowMajor;
  return builder.constant(id, Tensor::from<std::int8_t>(shape, codes, layout), quantization);
}

// `count` numbers of 32 bits; one stands for all.
std::vector<std::int32_t> bias_numbers(const ChainBuilder& builder, const Node& node, ValueId id,
                                       std::int64_t count) {
  const Value& value = builder.value(id);
  const auto whole =
      value.constant ? whole_numbers(*value.constant, kInt32Low, kInt32High) : std::nullopt;
  if (!whole) {
    ChainBuilder::refuse(node, "bias '{}': expected constant whole numbers of 32 bits", value.name);
  }
  const auto found = static_cast<std::int64_t>(whole->size());
  if (found != 1 && found != count) {
    ChainBuilder::refuse(node, "bias '{}': expected {} numbers, found {}", value.name, count,
                         found);
  }
  std::vector<std::int32_t> bias;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t b = (*whole)[found == 1 ? 0 : static_cast<std::size_t>(i)];
    bias.push_back(static_cast<std::int32_t>(b));
  }
  return bias;
}

// What `filters` of weights, [out, ...], and the bias can sum up for codes of that range, where a
// code of padding, 0, may stand for any of them.
ValueRanges accumulated(const Tensor& filters, const std::vector<std::int32_t>& bias,
                        ValueRange codes) {
  codes = {std::min<std::int64_t>(codes.low, 0), std::max<std::int64_t>(codes.high, 0)};
  const auto values = filters.values<std::int8_t>();
  const auto channels = static_cast<std::size_t>(filters.dim(0));
  const std::size_t terms = values.size() / channels;
  ValueRanges result;
  for (std::size_t c = 0; c < channels; ++c) {
    std::int64_t positive = 0, negative = 0;
    for (std::size_t i = 0; i < terms; ++i) {
      const std::int64_t w = values[c * terms + i];
      (w > 0 ? positive : negative) += w;
    }
    const std::int64_t b = bias.empty() ? 0 : bias[c];
    result.push_back({positive * codes.low + negative * codes.high + b,
                      positive * codes.high + negative * codes.low + b});
  }
  return result;
}

// `out` operands: codes, weights [out, ...], bias.
void accumulate(ChainBuilder& builder, const Node& original, Node node, ValueId bias,
                std::int64_t channels) {
  std::vector<std::int32_t> numbers;
  if (bias != kNoValue) {
    numbers = bias_numbers(builder, original, bias, channels);
    const Tensor tensor = Tensor::from<std::int32_t>({channels}, numbers);
    node.inputs.push_back(builder.constant(bias, tensor));
  }
  const ValueRange codes = hull(builder.values(builder.chain(original.inputs[0])));
  ValueRanges values = accumulated(builder.constant_tensor(node.inputs[1]), numbers, codes);
  builder.accumulate(original.outputs[0], std::move(node), std::move(values));
}

// The sum of a window of `count` cells, divided by `divisor`.
void accumulate_window(ChainBuilder& builder, const Node& original, AveragePool op,
                       std::int64_t divisor) {
  const ValueId x = original.inputs[0], out = original.outputs[0];
  const ValueId codes = layer_codes(builder, original, x);
  const ValueRange range = hull(builder.values(builder.chain(x)));
  std::int64_t count = 1;
  for (const std::int64_t k : op.window.kernel) count *= k;
  const ValueRange sums{count * std::min<std::int64_t>(range.low, 0),
                        count * std::max<std::int64_t>(range.high, 0)};
  Shape shape = builder.value(x).shape;
  for (std::size_t i = 2; i < shape.size(); ++i) shape[i] = 1;
  const bool global = std::holds_alternative<Reduce>(original.op);
  Node node = original;
  node.op = std::move(op);
  node.inputs = {codes};
  builder.accumulate(
      out, std::move(node), {sums},
      ChainBuilder::Sum{.divisor = divisor, .shape = global ? shape : builder.value(out).shape});
}

}  // namespace

bool add_convolution(ChainBuilder& builder, const Node& node) {
  Node conv = node;
  conv.inputs = {layer_codes(builder, node, node.inputs[0]),
                 weights(builder, node, node.inputs[1], false)};
  const ValueId bias = node.inputs.size() > 2 ? node.inputs[2] : kNoValue;
  accumulate(builder, node, std::move(conv), bias, builder.value(node.outputs[0]).shape[1]);
  return true;
}

bool add_product(ChainBuilder& builder, const Node& node) {
  const ValueId x = node.inputs[0];
  if (!builder.value(node.inputs[1]).constant) return false;
  Gemm op;
  bool transposed = true;  // of the weights as they are, to [out, in]
  if (const auto* gemm = std::get_if<Gemm>(&node.op)) {
    if (gemm->transpose_a || gemm->alpha != 1 || gemm->beta != 1) {
      ChainBuilder::refuse(node, "expected transA 0, alpha 1, beta 1, found {}, {}, {}",
                           gemm->transpose_a ? 1 : 0, gemm->alpha, gemm->beta);
    }
    transposed = !gemm->transpose_b;
  }
  const Shape& w = builder.value(node.inputs[1]).shape;
  if (builder.value(x).shape.size() != 2 || w.size() != 2) {
    ChainBuilder::refuse(node, "expected two operands of rank 2, found {} and {}",
                         to_string(builder.value(x).shape), to_string(w));
  }
  op.transpose_b = true;
  Node product = node;
  product.op = op;
  product.inputs = {layer_codes(builder, node, x),
                    weights(builder, node, node.inputs[1], transposed)};
  const ValueId bias = node.inputs.size() > 2 ? node.inputs[2] : kNoValue;
  accumulate(builder, node, std::move(product), bias, builder.value(node.outputs[0]).shape[1]);
  return true;
}

bool add_average(ChainBuilder& builder, const Node& node) {
  if (!builder.is_chain(node.inputs[0])) return false;
  auto op = std::get<AveragePool>(node.op);
  const auto zero = [](std::int64_t p) { return p == 0; };
  const bool padded =
      !std::all_of(op.window.pads_begin.begin(), op.window.pads_begin.end(), zero) ||
      !std::all_of(op.window.pads_end.begin(), op.window.pads_end.end(), zero);
  if ((padded && !op.count_include_pad) || op.ceil_mode) {
    ChainBuilder::refuse(node,
                         "divides by fewer cells at the border: expected count_include_pad 1 "
                         "and ceil_mode 0, or no padding");
  }
  std::int64_t count = 1;
  for (const std::int64_t k : op.window.kernel) count *= k;
  accumulate_window(builder, node, std::move(op), count);
  return true;
}

bool add_reduce(ChainBuilder& builder, const Node& node) {
  const auto& op = std::get<Reduce>(node.op);
  const Shape& shape = builder.value(node.inputs[0]).shape;
  std::vector<std::int64_t> space(shape.size() > 2 ? shape.size() - 2 : 0);
  std::iota(space.begin(), space.end(), 2);
  if (!builder.is_chain(node.inputs[0]) || space.empty() || op.axes != space ||
      (op.kind != Reduce::Kind::Mean && op.kind != Reduce::Kind::Sum)) {
    return false;
  }
  AveragePool pool;
  pool.window.kernel.assign(shape.begin() + 2, shape.end());
  pool.window.strides = pool.window.dilations = std::vector<std::int64_t>(space.size(), 1);
  pool.window.pads_begin = pool.window.pads_end = std::vector<std::int64_t>(space.size(), 0);
  const std::int64_t count = element_count(pool.window.kernel);
  accumulate_window(builder, node, std::move(pool), op.kind == Reduce::Kind::Mean ? count : 1);
  return true;
}

namespace {

// An operand of a sum on its way into it.
struct Term {
  Chain chain;  // on codes in the graph
  bool is_open() const { return !chain.is_closed(); }
};

Term term(ChainBuilder& builder, ValueId id) {
  Chain chain = builder.chain(id);
  const ChainSource& source = builder.source(chain);
  const bool is_node = source.kind == ChainSource::Kind::Accumulator;
  // What rescales an accumulator is its node's; so is what a Reshape stands behind.
  if ((is_node && chain.is_integer()) || source.shape != builder.value(id).shape) {
    builder.codes(id);
    chain = builder.chain(id);
  }
  return {builder.on_codes(std::move(chain))};
}

AffineRequantize wide(const ChannelMap& map) {
  return {.multiplier = map.multiplier,
          .offset = map.offset,
          .divisor = map.divisor,
          .low = kInt32Low,
          .high = kInt32High};
}

// Terms over a common divisor, which the sum applies.
std::int64_t without_divisors(ChainBuilder& builder, const Node& node, Term (&terms)[2]) {
  std::int64_t divisor = 1;
  for (const Term& t : terms) {
    if (t.is_open()) divisor = std::lcm(divisor, t.chain.map.divisor);
  }
  if (divisor == 1) return 1;
  for (std::size_t i = 0; i < 2; ++i) {
    Chain& chain = terms[i].chain;
    if (!terms[i].is_open()) builder.codes(chain);
    const auto whole = times(chain.map, {{divisor}, 1});
    if (!whole) ChainBuilder::refuse(node, "expected operands that fit 64 bits");
    ChannelMap map = *whole;  // times() has left the old divisor
    for (std::int64_t& m : map.multiplier) m /= map.divisor;
    for (std::int64_t& a : map.offset) a /= map.divisor;
    map.divisor = 1;
    chain.map = map;
  }
  return divisor;
}

void negate(ChainBuilder& builder, Chain& chain) {
  if (chain.is_closed()) builder.codes(chain);
  chain.map = negated(chain.map);
}

}  // namespace

void add_sum(ChainBuilder& builder, const Node& node) {
  const ValueId out = node.outputs[0];
  for (const ValueId id : node.inputs) {
    if (builder.value(id).shape == builder.value(out).shape) continue;
    ChainBuilder::refuse(node, "expected operands of one shape, found {} and {}",
                         to_string(builder.value(node.inputs[0]).shape),
                         to_string(builder.value(node.inputs[1]).shape));
  }
  Term terms[] = {term(builder, node.inputs[0]), term(builder, node.inputs[1])};
  if (std::get<Binary>(node.op).kind == Binary::Kind::Sub) negate(builder, terms[1].chain);
  const std::int64_t divisor = without_divisors(builder, node, terms);
  Node sum = node;
  sum.op = Binary{.kind = Binary::Kind::Add};
  ValueRanges values{{0, 0}};
  bool rescales = false;
  for (std::size_t i = 0; i < 2; ++i) {
    const Chain& chain = terms[i].chain;
    sum.inputs[i] = builder.source(chain).codes;
    const ValueRanges given = builder.values(chain);
    if (terms[i].is_open() && (hull(given).low < kInt32Low || hull(given).high > kInt32High)) {
      ChainBuilder::refuse(node, "operand {}: numbers from {} to {} do not fit 32 bits", i,
                           hull(given).low, hull(given).high);
    }
    sum.operand_affine.push_back(terms[i].is_open() ? wide(chain.map) : builder.affine(chain));
    rescales = rescales || !terms[i].is_open() || !is_identity(chain.map);
    values = workbench::sum(values, given);
    sum.merged.insert(sum.merged.end(), chain.nodes.begin(), chain.nodes.end());
  }
  if (!rescales) sum.operand_affine.clear();
  builder.accumulate(out, std::move(sum), std::move(values),
                     ChainBuilder::Sum{.divisor = divisor, .shape = builder.value(out).shape});
}

}  // namespace workbench
