#include "tests/support/random_integer_graph.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace workbench {

namespace {

class Generator {
 public:
  Generator(std::mt19937_64& random, const RandomIntegerOptions& options)
      : random_(random), options_(options) {}

  Graph run() {
    graph_.name = "random";
    ValueId x = input();
    const auto layers = between(options_.min_layers, options_.max_layers);
    for (std::int64_t i = 0; i < layers; ++i) x = layer(x);
    if (chance(options_.wide_output)) x = wide_end(x);
    end(x);
    return std::move(graph_);
  }

 private:
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool chance(double p) { return static_cast<double>(random_() % 1000) < 1000 * p; }
  std::string name(const char* what) { return what + std::to_string(count_++); }

  ValueId value(const std::string& called, Shape shape, int bits, bool is_signed) {
    const double high = std::ldexp(1.0, bits - (is_signed ? 1 : 0)) - 1;
    return graph_.add_value(
        {.name = called,
         .shape = std::move(shape),
         .type = bits == 32  ? ElementType::Int32
                 : is_signed ? ElementType::Int8
                             : ElementType::Uint8,
         .constant = {},
         .quantization = Quantization{.bits = bits, .is_signed = is_signed, .thresholds = {high}}});
  }

  ValueId node(const std::string& called, Op op, std::vector<ValueId> inputs, ValueId out,
               std::optional<AffineRequantize> affine) {
    graph_.nodes.push_back({.name = called,
                            .op = std::move(op),
                            .inputs = std::move(inputs),
                            .outputs = {out},
                            .merged = {},
                            .requantize = {},
                            .affine = std::move(affine),
                            .operand_affine = {}});
    return out;
  }

  ValueId input() {
    const Shape shape = {1, between(1, options_.max_channels),
                         options_.one_row ? 1 : between(1, options_.max_side),
                         between(1, options_.max_side)};
    const ValueId real = graph_.add_value({.name = "data",
                                           .shape = shape,
                                           .type = ElementType::Float32,
                                           .constant = {},
                                           .quantization = {}});
    graph_.inputs = {real};
    return node("quantize", Quantize{}, {real},
                value("data_int8", shape, 8, chance(options_.signed_codes)), {});
  }

  void end(ValueId x) {
    const ValueId real = graph_.add_value({.name = "result",
                                           .shape = graph_.value(x).shape,
                                           .type = ElementType::Float32,
                                           .constant = {},
                                           .quantization = {}});
    node("dequantize", Dequantize{}, {x}, real, {});
    graph_.outputs = {real};
  }

  // Brings values of about +-`spread` to codes of the whole range, with some beyond it.
  AffineRequantize rescaling(double spread, std::int64_t channels, bool is_signed) {
    AffineRequantize affine;
    const std::int64_t shift = between(0, 18);
    affine.divisor = std::int64_t{1} << shift;
    affine.rounding = chance(0.5) ? Rounding::Floor : Rounding::HalfUp;
    affine.low = is_signed ? -128 : 0;
    affine.high = is_signed ? 127 : 255;
    const auto largest = static_cast<std::int64_t>(
        std::max(1.0, 150.0 * static_cast<double>(affine.divisor) / std::max(1.0, spread)));
    const std::int64_t count = chance(0.7) ? channels : 1;
    affine.multiplier.clear();
    affine.offset.clear();
    for (std::int64_t c = 0; c < count; ++c) {
      affine.multiplier.push_back((chance(0.1) ? -1 : 1) * between((largest + 1) / 2, largest));
      affine.offset.push_back(between(-60, 120) * affine.divisor + between(0, affine.divisor - 1));
    }
    return affine;
  }

  int width() { return options_.mixed_widths ? 8 >> between(0, 2) : 8; }

  ValueId weights(const Shape& shape) {
    const int bits = width();
    const std::int64_t span = std::int64_t{1} << bits;
    Tensor tensor = Tensor::uninitialized(ElementType::Int8, shape,
                                          shape.size() == 4 ? Layout::Oihw : Layout::RowMajor);
    for (std::int8_t& w : tensor.mutable_values<std::int8_t>()) {
      w = static_cast<std::int8_t>(between(-span / 2, span / 2 - 1));
    }
    const ValueId id = graph_.add_constant(name("weights"), std::move(tensor));
    graph_.value(id).quantization = Quantization{
        .bits = bits, .is_signed = true, .thresholds = {static_cast<double>(span / 2 - 1)}};
    return id;
  }

  ValueId layer(ValueId x) {
    if (options_.mixed_widths) return convolution(x, false, static_cast<int>(between(0, 1)));
    switch (random_() % 9) {
      case 0:
        return pool(x, true);
      case 1:
        return pool(x, false);
      case 2:
        return add(x);
      case 3:
        return concat(x);
      case 4:
        return rescale(x);
      case 5:
        return convolution(x, true, 0);
      case 6:
        return convolution(x, false, 1);
      default:
        return convolution(x, false, 0);
    }
  }

  std::int64_t side(std::int64_t in, std::int64_t kernel, std::int64_t stride, std::int64_t pads) {
    return (in + pads - kernel) / stride + 1;
  }

  Window window(const Shape& shape, std::int64_t kernel_max, bool padded) {
    Window w;
    for (std::size_t axis = 2; axis < 4; ++axis) {
      const std::int64_t kernel = between(1, std::min(kernel_max, shape[axis]));
      w.kernel.push_back(kernel);
      w.strides.push_back(between(1, 2));
      const bool dilated = kernel > 1 && chance(0.1) && (kernel - 1) * 2 + 1 <= shape[axis];
      w.dilations.push_back(dilated && dilation_ ? 2 : 1);
      w.pads_begin.push_back(padded ? between(0, kernel / 2) : 0);
      w.pads_end.push_back(padded ? between(0, kernel / 2) : 0);
    }
    return w;
  }

  Shape windowed(const Shape& in, const Window& w, std::int64_t channels) {
    Shape out = {1, channels};
    for (std::size_t axis = 0; axis < 2; ++axis) {
      out.push_back(side(in[axis + 2], (w.kernel[axis] - 1) * w.dilations[axis] + 1,
                         w.strides[axis], w.pads_begin[axis] + w.pads_end[axis]));
    }
    return out;
  }

  ValueId convolution(ValueId x, bool depthwise, std::int64_t kernel_max) {
    const Shape in = graph_.value(x).shape;
    dilation_ = !depthwise;
    Window w = window(in, kernel_max == 1 ? 1 : 5, true);
    if (kernel_max == 1) w.strides = {1, 1};
    const std::int64_t taps = w.kernel[0] * w.kernel[1];
    std::int64_t channels = depthwise ? in[1] : between(1, options_.max_channels);
    Shape out = windowed(in, w, channels);
    const std::int64_t depth = depthwise ? 1 : in[1];
    channels = depthwise ? channels
                         : std::clamp<std::int64_t>(
                               options_.max_macs / (taps * depth * out[2] * out[3]), 1, channels);
    out[1] = channels;
    const bool is_signed = chance(options_.signed_codes);
    const std::string called = name(depthwise ? "depthwise" : "conv");
    std::vector<ValueId> inputs = {
        x, weights({channels, depthwise ? 1 : in[1], w.kernel[0], w.kernel[1]})};
    if (chance(0.3)) inputs.push_back(bias(channels));
    const double spread = 128.0 * 75 * std::sqrt(static_cast<double>(taps * depth));
    const int bits = width();
    AffineRequantize affine = rescaling(spread, channels, is_signed);
    const std::int64_t span = std::int64_t{1} << bits;
    affine.low = is_signed ? -span / 2 : 0;
    affine.high = (is_signed ? span / 2 : span) - 1;
    return node(called, Conv{.window = w, .groups = depthwise ? channels : 1}, inputs,
                value(called, out, bits, is_signed), affine);
  }

  ValueId bias(std::int64_t channels) {
    std::vector<std::int32_t> values;
    for (std::int64_t c = 0; c < channels; ++c) {
      values.push_back(static_cast<std::int32_t>(between(-20000, 20000)));
    }
    return graph_.add_constant(name("bias"), Tensor::from<std::int32_t>({channels}, values));
  }

  ValueId pool(ValueId x, bool max) {
    const Shape in = graph_.value(x).shape;
    const bool is_signed = graph_.value(x).type == ElementType::Int8;
    dilation_ = false;
    const Window w = window(in, 3, max);
    const std::string called = name(max ? "maxpool" : "avgpool");
    const ValueId out = value(called, windowed(in, w, in[1]), 8, is_signed);
    if (max) return node(called, MaxPool{.window = w}, {x}, out, {});
    AffineRequantize affine;
    affine.multiplier = {chance(0.5) ? 1 : between(1, 300)};
    affine.divisor = w.kernel[0] * w.kernel[1] * (affine.multiplier[0] == 1 ? 1 : 256);
    affine.low = is_signed ? -128 : 0;
    affine.high = is_signed ? 127 : 255;
    return node(called, AveragePool{.window = w, .count_include_pad = true}, {x}, out, affine);
  }

  ValueId rescale(ValueId x) {
    const Shape in = graph_.value(x).shape;
    const bool is_signed = chance(options_.signed_codes);
    const std::string called = name("rescale");
    return node(called, Identity{}, {x}, value(called, in, 8, is_signed),
                rescaling(150, in[1], is_signed));
  }

  // A convolution that keeps the shape, added to its own input.
  ValueId add(ValueId x) {
    const Shape in = graph_.value(x).shape;
    const ValueId other = rescale(x);
    const bool is_signed = chance(options_.signed_codes);
    const std::string called = name("add");
    const ValueId sum = node(called, Binary{.kind = Binary::Kind::Add}, {x, other},
                             value(called, in, 8, is_signed), operand(1, is_signed));
    if (chance(0.6)) {
      AffineRequantize first = operand(between(1, 200), false), second = first;
      second.multiplier = {between(1, 200)};
      for (AffineRequantize* each : {&first, &second}) {
        each->low = std::numeric_limits<std::int32_t>::min();
        each->high = std::numeric_limits<std::int32_t>::max();
      }
      graph_.nodes.back().operand_affine = {first, second};
      graph_.nodes.back().affine->divisor = 256;
    }
    return sum;
  }

  AffineRequantize operand(std::int64_t multiplier, bool is_signed) {
    AffineRequantize affine;
    affine.multiplier = {multiplier};
    affine.low = is_signed ? -128 : 0;
    affine.high = is_signed ? 127 : 255;
    return affine;
  }

  ValueId concat(ValueId x) {
    const Shape in = graph_.value(x).shape;
    if (in[1] > options_.max_channels) return rescale(x);
    const ValueId a = convolution(x, false, 1);
    Shape out = graph_.value(a).shape;
    const bool is_signed = graph_.value(a).type == ElementType::Int8;
    const std::string second = name("rescale");
    const ValueId b = node(second, Identity{}, {a}, value(second, out, 8, is_signed),
                           rescaling(150, out[1], is_signed));
    const std::string called = name("concat");
    out[1] *= 2;
    return node(called, Concat{.axis = 1}, {a, b}, value(called, out, 8, is_signed), {});
  }

  // A fully connected layer whose accumulators leave as they are.
  ValueId wide_end(ValueId x) {
    const Shape in = graph_.value(x).shape;
    const std::int64_t elements = in[1] * in[2] * in[3];
    const std::int64_t columns = std::clamp<std::int64_t>(40'000 / elements, 1, 20);
    const std::string flat = name("flat"), called = name("gemm");
    const Shape row = {1, elements};
    const ValueId codes = node(flat, Reshape{.shape = row}, {x},
                               value(flat, row, 8, graph_.value(x).type == ElementType::Int8), {});
    AffineRequantize keep;
    keep.low = std::numeric_limits<std::int32_t>::min();
    keep.high = std::numeric_limits<std::int32_t>::max();
    return node(called, Gemm{.transpose_b = true}, {codes, weights({columns, elements})},
                value(called, {1, columns}, 32, true), keep);
  }

  std::mt19937_64& random_;
  RandomIntegerOptions options_;
  Graph graph_;
  int count_ = 0;
  bool dilation_ = true;
};

}  // namespace

Graph random_integer_graph(std::mt19937_64& random, const RandomIntegerOptions& options) {
  return Generator(random, options).run();
}

std::vector<Tensor> random_codes(const Graph& graph, std::mt19937_64& random) {
  std::vector<Tensor> inputs;
  for (const ValueId id : graph.inputs) {
    const bool is_signed = [&] {
      for (const Node& node : graph.nodes) {
        if (node.inputs[0] == id) return graph.value(node.outputs[0]).type == ElementType::Int8;
      }
      return false;
    }();
    Tensor tensor =
        Tensor::uninitialized(ElementType::Float32, graph.value(id).shape, Layout::Nchw);
    for (float& v : tensor.mutable_values<float>()) {
      v = static_cast<float>(static_cast<std::int64_t>(random() % 256) - (is_signed ? 128 : 0));
    }
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

}  // namespace workbench
