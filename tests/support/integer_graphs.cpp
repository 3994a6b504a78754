#include "tests/support/integer_graphs.h"

#include <algorithm>
#include <limits>

#include "core/shapes.h"

namespace workbench {

namespace {

ElementType type_of(CodeType codes) {
  if (codes.bits == 32) return ElementType::Int32;
  return codes.is_signed ? ElementType::Int8 : ElementType::Uint8;
}

Quantization quantization_of(CodeType codes) {
  Quantization q;
  q.bits = codes.bits;
  q.is_signed = codes.is_signed;
  q.thresholds = {static_cast<double>(q.high())};
  return q;
}

}  // namespace

AffineRequantize raw_accumulators() {
  AffineRequantize affine;
  affine.low = std::numeric_limits<std::int32_t>::min();
  affine.high = std::numeric_limits<std::int32_t>::max();
  return affine;
}

std::int64_t IntegerGraph::between(std::int64_t low, std::int64_t high) {
  return low + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(high - low + 1));
}

CodeType IntegerGraph::codes(ValueId x) const {
  const Quantization& q = *graph_.value(x).quantization;
  return {q.bits, q.is_signed};
}

ValueId IntegerGraph::node(Op op, std::vector<ValueId> inputs, CodeType codes,
                           const std::optional<AffineRequantize>& affine) {
  Node made;
  made.name = "n" + std::to_string(graph_.nodes.size());
  made.op = std::move(op);
  made.inputs = std::move(inputs);
  made.affine = affine;
  Value value;
  value.name = "v" + std::to_string(graph_.nodes.size());
  value.type = type_of(codes);
  value.quantization = quantization_of(codes);
  made.outputs = {graph_.add_value(std::move(value))};
  const ValueId out = made.outputs[0];
  graph_.value(out).shape = output_shapes(graph_, made).at(0);
  graph_.nodes.push_back(std::move(made));
  return out;
}

ValueId IntegerGraph::input(Shape shape, CodeType codes) {
  Value value;
  value.name = "input" + std::to_string(graph_.inputs.size());
  value.shape = std::move(shape);
  const ValueId real = graph_.add_value(std::move(value));
  graph_.inputs.push_back(real);
  return node(Quantize{}, {real}, codes);
}

void IntegerGraph::output(ValueId x) {
  const ValueId real = node(Dequantize{}, {x}, kUnsigned8);
  graph_.value(real).type = ElementType::Float32;
  graph_.value(real).quantization.reset();
  graph_.outputs.push_back(real);
}

ValueId IntegerGraph::constant(Shape shape, int bits) {
  Tensor tensor = Tensor::uninitialized(ElementType::Int8, std::move(shape));
  const std::int64_t high = (std::int64_t{1} << (bits - 1)) - 1;
  for (std::int8_t& v : tensor.mutable_values<std::int8_t>()) {
    v = static_cast<std::int8_t>(between(-high - 1, high));
  }
  const ValueId id =
      graph_.add_constant("c" + std::to_string(graph_.values.size()), std::move(tensor));
  graph_.value(id).quantization = quantization_of({bits, true});
  return id;
}

ValueId IntegerGraph::conv(ValueId x, std::int64_t channels, const Window& window,
                           std::int64_t groups, const AffineRequantize& affine, CodeType codes,
                           bool biased, int weight_bits) {
  Conv op;
  op.window = window;
  op.groups = groups;
  const std::int64_t ins = graph_.value(x).shape[1];
  std::vector<ValueId> inputs = {
      x, constant({channels, ins / groups, window.kernel[0], window.kernel[1]}, weight_bits)};
  if (biased) {
    Tensor bias = Tensor::uninitialized(ElementType::Int32, {channels});
    for (std::int32_t& v : bias.mutable_values<std::int32_t>()) {
      v = static_cast<std::int32_t>(between(-2000, 2000));
    }
    inputs.push_back(
        graph_.add_constant("b" + std::to_string(graph_.values.size()), std::move(bias)));
  }
  return node(op, std::move(inputs), codes, affine);
}

ValueId IntegerGraph::gemm(ValueId x, std::int64_t outs, const AffineRequantize& affine,
                           CodeType codes) {
  Gemm op;
  op.transpose_b = true;
  return node(op, {x, constant({outs, graph_.value(x).shape[1]}, 8)}, codes, affine);
}

ValueId IntegerGraph::add(ValueId a, ValueId b, std::vector<AffineRequantize> operands,
                          const AffineRequantize& affine, CodeType codes) {
  const ValueId out = node(Binary{}, {a, b}, codes, affine);
  graph_.nodes.back().operand_affine = std::move(operands);
  return out;
}

ValueId IntegerGraph::average_pool(ValueId x, const Window& window,
                                   const AffineRequantize& affine) {
  AveragePool op;
  op.window = window;
  op.count_include_pad = true;
  return node(op, {x}, codes(x), affine);
}

ValueId IntegerGraph::max_pool(ValueId x, const Window& window) {
  MaxPool op;
  op.window = window;
  return node(op, {x}, codes(x));
}

ValueId IntegerGraph::rescale(ValueId x, const AffineRequantize& affine, CodeType codes) {
  return node(Identity{}, {x}, codes, affine);
}

ValueId IntegerGraph::concat(const std::vector<ValueId>& parts) {
  return node(Concat{}, parts, codes(parts[0]));
}

ValueId IntegerGraph::flatten(ValueId x) {
  return node(Reshape{{1, element_count(graph_.value(x).shape)}}, {x}, codes(x));
}

std::vector<Tensor> IntegerGraph::random_inputs() {
  std::vector<Tensor> inputs;
  for (const ValueId id : graph_.inputs) {
    CodeType type;
    for (const Node& n : graph_.nodes) {
      if (n.inputs[0] == id) type = codes(n.outputs[0]);
    }
    Tensor tensor = Tensor::uninitialized(ElementType::Float32, graph_.value(id).shape);
    for (float& v : tensor.mutable_values<float>()) {
      v = static_cast<float>(between(type.low(), type.high()));
    }
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

AffineRequantize IntegerGraph::random_affine(std::int64_t channels, std::int64_t reach,
                                             CodeType codes) {
  AffineRequantize affine;
  affine.multiplier.clear(), affine.offset.clear();
  std::int64_t shift = 0;  // multipliers of about 2^9
  while ((reach << 9) >> shift > 2 * (codes.high() - codes.low())) ++shift;
  affine.divisor = std::int64_t{1} << shift;
  for (std::int64_t c = 0; c < channels; ++c) {
    affine.multiplier.push_back(between(1, 6) == 1 ? -between(200, 700) : between(200, 700));
    affine.offset.push_back(between(-40, 40) * affine.divisor / 4);
  }
  affine.rounding = between(0, 1) == 0 ? Rounding::Floor : Rounding::HalfUp;
  affine.low = codes.low(), affine.high = codes.high();
  return affine;
}

namespace {

struct Draw {
  IntegerGraph& g;
  ValueId x;
  Shape shape;       // of x
  CodeType codes{};  // of the result
  std::int64_t kernel = 1, channels = 1;
  Window window{};
};

Draw draw(IntegerGraph& g, ValueId x, std::int64_t most) {
  Draw d{g, x, g.graph().value(x).shape};
  const std::int64_t kind = g.between(0, 9);
  d.codes = kind < 3 ? kSigned8 : kUnsigned8;
  if (kind == 9) d.codes.bits = g.between(0, 1) == 0 ? 4 : 2;
  d.channels = g.between(1, most);
  if (d.codes.bits < 8) d.channels = (d.channels + 3) / 4 * 4;
  d.kernel = std::min({g.between(1, 3), d.shape[2], d.shape[3]});
  const std::int64_t pad = d.kernel > 1 ? g.between(0, d.kernel / 2) : 0;
  d.window = square_window(d.kernel, g.between(1, 2), pad);
  if (g.between(0, 3) == 0) d.window.pads_end = {0, 0};
  return d;
}

ValueId random_conv(Draw& d) {
  IntegerGraph& g = d.g;
  if (d.shape[2] >= 5 && d.kernel == 2) d.window.dilations = {2, 1};
  const bool grouped = d.shape[1] % 2 == 0 && g.codes(d.x).bits == 8 && g.between(0, 2) == 0;
  if (grouped) d.channels = (d.channels + 7) / 8 * 8;
  const int weight_bits = g.between(0, 3) == 0 ? 4 : 8;
  return g.conv(d.x, d.channels, d.window, grouped ? 2 : 1,
                g.random_affine(d.channels, 40 * 127 * d.kernel * d.kernel, d.codes), d.codes,
                g.between(0, 1) == 0, weight_bits);
}

ValueId random_pointwise(Draw& d) {
  return d.g.conv(d.x, d.channels, square_window(1), 1,
                  d.g.random_affine(d.channels, 40 * 127, d.codes), d.codes,
                  d.g.between(0, 1) == 0);
}

ValueId random_depthwise(Draw& d) {
  return d.g.conv(d.x, d.shape[1], d.window, d.shape[1],
                  d.g.random_affine(d.shape[1], 127 * 127 * d.kernel, kUnsigned8), kUnsigned8);
}

ValueId random_average(Draw& d) {
  AffineRequantize mean;
  mean.divisor = d.kernel * d.kernel * (std::int64_t{1} << d.g.between(0, 2));
  mean.multiplier = {d.g.between(1, 4)};
  const CodeType codes = d.g.codes(d.x);
  mean.low = codes.low(), mean.high = codes.high();
  mean.rounding = codes.is_signed ? Rounding::HalfUp : Rounding::Floor;
  return d.g.average_pool(d.x, d.window, mean);
}

AffineRequantize scaled(IntegerGraph& g, CodeType codes) {
  AffineRequantize affine;
  affine.multiplier = {g.between(100, 400)};
  affine.divisor = 512;
  affine.low = codes.low(), affine.high = codes.high();
  return affine;
}

ValueId random_add(Draw& d) {
  IntegerGraph& g = d.g;
  const CodeType side_codes{g.codes(d.x).bits, g.between(0, 1) == 0};
  const ValueId side = g.conv(d.x, d.shape[1], square_window(1), 1,
                              g.random_affine(d.shape[1], 40 * 127, side_codes), side_codes);
  std::vector<AffineRequantize> operands;
  for (int i = 0; g.between(0, 1) == 0 && i < 2; ++i) operands.push_back(scaled(g, kInt32));
  if (operands.size() == 1) operands.push_back(raw_accumulators());
  CodeType codes = g.codes(d.x);
  codes.is_signed = d.codes.is_signed;
  return g.add(d.x, side, operands, scaled(g, codes), codes);
}

ValueId random_concat(Draw& d) {
  IntegerGraph& g = d.g;
  const CodeType same = g.codes(d.x);
  if (d.shape[1] * same.bits % 8 != 0) return g.rescale(d.x, scaled(g, same), same);
  if (same.bits < 8) d.channels = (d.channels + 3) / 4 * 4;
  const ValueId side = g.conv(d.x, d.channels, square_window(1), 1,
                              g.random_affine(d.channels, 40 * 127, same), same);
  return g.concat(g.between(0, 1) == 0 ? std::vector<ValueId>{d.x, side}
                                       : std::vector<ValueId>{side, d.x, d.x});
}

// Real numbers in between: a ReLU on the host.
ValueId random_host_step(Draw& d) {
  IntegerGraph& g = d.g;
  const CodeType codes = g.codes(d.x);
  const auto real = [&](Op op, ValueId x) {
    const ValueId y = g.node(std::move(op), {x}, codes);
    g.graph().value(y).type = ElementType::Float32;
    g.graph().value(y).quantization.reset();
    return y;
  };
  Activate relu;
  relu.activation.kind = Activation::Kind::Relu;
  return g.node(Quantize{}, {real(relu, real(Dequantize{}, d.x))}, codes);
}

ValueId reshape(IntegerGraph& g, ValueId x, Shape shape) {
  return g.node(Reshape{std::move(shape)}, {x}, g.codes(x));
}

// Between fully connected layers and maps: a row written by a layer, by the host or flattened from
// a map, rescaled or not, and reshaped once, or twice to maps of different order.
ValueId random_reshape(Draw& d) {
  IntegerGraph& g = d.g;
  const std::int64_t c = g.between(1, 8), h = g.between(1, 4), w = g.between(1, 4);
  ValueId row = g.flatten(d.x);
  if (g.between(0, 3) > 0 || g.codes(d.x).bits < 8) {
    const std::int64_t outs = c * h * w;
    row = g.gemm(row, outs, g.random_affine(outs, 40 * 127, kUnsigned8), kUnsigned8);
  }
  if (g.between(0, 4) == 0) {
    Draw own{g, row, g.graph().value(row).shape};
    row = random_host_step(own);
  }
  const std::int64_t elements = element_count(g.graph().value(row).shape);
  if (g.between(0, 2) == 0) {
    const std::int64_t multipliers = g.between(0, 1) == 0 ? 1 : elements;
    row = g.rescale(row, g.random_affine(multipliers, 128, g.codes(row)), g.codes(row));
  }
  const Shape map = elements == c * h * w ? Shape{1, c, h, w} : d.shape;
  const ValueId whole = reshape(g, row, map);
  if (g.between(0, 2) > 0) return whole;
  if (g.between(0, 1) == 0) return reshape(g, reshape(g, row, {1, elements}), map);
  const Shape flat{1, map[1], 1, map[2] * map[3]}, other{1, map[2], map[1], map[3]};
  g.output(g.max_pool(reshape(g, row, g.between(0, 1) == 0 ? flat : other), square_window(1)));
  return whole;
}

// A random layer on `x`, of a kind that keeps the map, or shrinks it.
ValueId random_layer(IntegerGraph& g, ValueId x, std::int64_t most) {
  Draw d = draw(g, x, most);
  switch (g.between(0, 12)) {
    case 0:
    case 1:
      return random_conv(d);
    case 2:
      return random_pointwise(d);
    case 3:
    case 4:
      return random_depthwise(d);
    case 5:
      return g.max_pool(x, d.window);
    case 6:
      return random_average(d);
    case 7:
      return random_add(d);
    case 8:
      return g.rescale(x, g.random_affine(d.shape[1], 128, g.codes(x)), g.codes(x));
    case 9:
      return g.between(0, 2) == 0 ? random_host_step(d) : random_pointwise(d);
    case 10:
    case 11:
      return random_reshape(d);
    default:
      return random_concat(d);
  }
}

}  // namespace

IntegerGraph random_integer_graph(std::uint64_t seed, std::int64_t most) {
  IntegerGraph g(seed);
  ValueId x = g.input({1, g.between(1, most), g.between(3, most), g.between(3, most)},
                      g.between(0, 2) == 0 ? kSigned8 : kUnsigned8);
  const std::int64_t layers = g.between(2, 5);
  for (std::int64_t i = 0; i < layers; ++i) x = random_layer(g, x, most);
  if (g.between(0, 1) == 0) {
    g.output(x);
    return g;
  }
  g.output(g.gemm(g.flatten(x), g.between(2, 10), raw_accumulators(), kInt32));
  return g;
}

}  // namespace workbench
