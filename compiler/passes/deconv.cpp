// Transposed convolutions as other ops, where that is exact.
#include <algorithm>
#include <cmath>

#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"
#include "core/units.h"

namespace workbench {

namespace {

// A 2-D transposed convolution with a stride and constant weights.
struct Deconv {
  ConvTranspose op;
  Tensor weights;  // [Ci, Co / groups, rows, columns]
  ValueId x = kNoValue, bias = kNoValue;
  Shape in, out;
};

std::optional<Deconv> deconv(const Graph& graph, const Node& node) {
  const auto* op = std::get_if<ConvTranspose>(&node.op);
  const Tensor* weights = op != nullptr ? float_constant(graph, node, 1) : nullptr;
  if (weights == nullptr || op->window.kernel.size() != 2) return std::nullopt;
  const Window& w = op->window;
  if (w.dilations != std::vector<std::int64_t>{1, 1} || w.strides[0] * w.strides[1] == 1) {
    return std::nullopt;
  }
  const Shape& in = graph.value(node.inputs[0]).shape;
  const Shape& out = graph.value(node.outputs[0]).shape;
  if (in.size() != 4) return std::nullopt;
  return Deconv{*op, *weights, node.inputs[0], operand(node, 2), in, out};
}

// Each line of `taps` along its dimension `axis` as box(width) * quotient; nothing if some line is
// not. A bilinear kernel is a box times a box.
std::optional<std::vector<double>> divided_by_box(const std::vector<double>& taps,
                                                  std::vector<std::int64_t>& shape,
                                                  std::size_t axis, std::int64_t width) {
  const std::int64_t size = shape[axis], quotient = size - width + 1;
  if (quotient < 1) return std::nullopt;
  std::int64_t inner = 1, outer = 1;
  for (std::size_t i = 0; i < axis; ++i) outer *= shape[i];
  for (std::size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  double largest = 0;
  for (const double tap : taps) largest = std::max(largest, std::abs(tap));
  std::vector<double> result(static_cast<std::size_t>(outer * quotient * inner));
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::int64_t i = 0; i < inner; ++i) {
      for (std::int64_t k = 0; k < size; ++k) {
        double rest = taps[static_cast<std::size_t>((o * size + k) * inner + i)];
        for (std::int64_t j = std::max<std::int64_t>(0, k - width + 1); j < std::min(k, quotient);
             ++j) {
          rest -= result[static_cast<std::size_t>((o * quotient + j) * inner + i)];
        }
        if (k < quotient) {
          result[static_cast<std::size_t>((o * quotient + k) * inner + i)] = rest;
        } else if (std::abs(rest) > 1e-6 * largest) {
          return std::nullopt;
        }
      }
    }
  }
  shape[axis] = quotient;
  return result;
}

// [Ci, Co / groups, rows, columns] of a transposed convolution -> [Co, Ci / groups, rows, columns]
// of the convolution that reads its input backwards.
Tensor turned(const std::vector<double>& taps, const Shape& shape, std::int64_t groups) {
  const std::int64_t in_each = shape[0] / groups, out_each = shape[1];
  const std::int64_t area = shape[2] * shape[3];
  std::vector<float> values(taps.size());
  for (std::int64_t i = 0; i < shape[0]; ++i) {
    for (std::int64_t o = 0; o < out_each; ++o) {
      const std::int64_t channel = i / in_each * out_each + o;
      for (std::int64_t t = 0; t < area; ++t) {
        values[static_cast<std::size_t>((channel * in_each + i % in_each) * area + area - 1 - t)] =
            static_cast<float>(taps[static_cast<std::size_t>((i * out_each + o) * area + t)]);
      }
    }
  }
  return Tensor::from<float>({out_each * groups, in_each, shape[2], shape[3]}, values,
                             Layout::Oihw);
}

// A stride-s deconv puts s - 1 zeros between pixels and convolves. If its kernel is box(s) * v, the
// box repeats each pixel s times, which is nearest-neighbour upsampling, and v is what is left.
bool become_upsample(Graph& graph, std::size_t n) {
  const auto d = deconv(graph, graph.nodes[n]);
  if (!d) return false;
  const Window& w = d->op.window;
  const std::span<const float> weights = d->weights.values<float>();
  std::vector<double> taps(weights.begin(), weights.end());
  Shape shape = d->weights.shape();
  for (std::size_t i = 0; i < 2; ++i) {
    auto quotient = divided_by_box(taps, shape, i + 2, w.strides[i]);
    if (!quotient) return false;
    taps = std::move(*quotient);
  }
  Conv conv{.window = w, .groups = d->op.groups, .activation = d->op.activation};
  conv.window.strides = {1, 1};
  Shape large = d->in;
  for (std::size_t i = 0; i < 2; ++i) {
    large[i + 2] *= w.strides[i];
    conv.window.kernel[i] = shape[i + 2];
    conv.window.pads_begin[i] = shape[i + 2] - 1 - w.pads_begin[i];
    conv.window.pads_end[i] =
        d->out[i + 2] - large[i + 2] + shape[i + 2] - 1 - conv.window.pads_begin[i];
    if (conv.window.pads_begin[i] < 0 || conv.window.pads_end[i] < 0) return false;
  }
  Resize repeat{.sizes = large};
  for (std::size_t i = 0; i < 4; ++i) {
    repeat.scales.push_back(static_cast<float>(large[i]) / static_cast<float>(d->in[i]));
  }
  const std::string name = graph.nodes[n].name + "_upsample";
  const ValueId upsampled =
      graph.add_value({.name = unique_value_name(graph, name), .shape = large});
  const ValueId turned_weights =
      graph.add_constant(unique_value_name(graph, graph.nodes[n].name + "_weights"),
                         turned(taps, shape, d->op.groups));
  Node& node = graph.nodes[n];
  node.op = std::move(conv);
  node.inputs[0] = upsampled;
  node.inputs[1] = turned_weights;
  insert_node(graph, n,
              Node{.name = unique_node_name(graph, name),
                   .op = std::move(repeat),
                   .inputs = {d->x},
                   .outputs = {upsampled}});
  return true;
}

// One dimension of a deconv by phases: result s * j + phase = sum over m of x[j + shift - m]
// w[tap + s * m]. All phases are one stride-1 convolution over x[j + low .. j + high].
struct Phases {
  std::int64_t stride, pad, kernel, low = 0, high = 0;
  std::int64_t tap(std::int64_t phase) const { return (phase + pad) % stride; }
  std::int64_t shift(std::int64_t phase) const { return (phase + pad) / stride; }
  // The deconv's tap that multiplies x[j + offset] in that phase, or -1.
  std::int64_t tap_at(std::int64_t phase, std::int64_t offset) const {
    const std::int64_t m = shift(phase) - offset;
    const std::int64_t k = tap(phase) + stride * m;
    return m < 0 || k >= kernel ? -1 : k;
  }
};

Phases phases_of(std::int64_t stride, std::int64_t pad, std::int64_t kernel) {
  Phases p{.stride = stride, .pad = pad, .kernel = kernel};
  for (std::int64_t phase = 0; phase < stride; ++phase) {
    const std::int64_t taps = ceil_div(std::max<std::int64_t>(0, kernel - p.tap(phase)), stride);
    p.low = std::min(p.low, p.shift(phase) - taps + 1);
    p.high = std::max(p.high, p.shift(phase));
  }
  return p;
}

bool become_subpixel(Graph& graph, std::size_t n) {
  const auto d = deconv(graph, graph.nodes[n]);
  if (!d || d->op.groups != 1) return false;
  const Window& w = d->op.window;
  const std::int64_t block = w.strides[0];
  const bool whole = d->out[2] % block == 0 && d->out[3] % block == 0;
  const bool padded = w.pads_begin[0] < 0 || w.pads_begin[1] < 0;
  if (w.strides[1] != block || !whole || padded) return false;
  const Tensor* bias = float_constant(graph, graph.nodes[n], 2);
  if (d->bias != kNoValue && bias == nullptr) return false;
  Conv conv{.window = w, .activation = d->op.activation};
  conv.window.strides = {1, 1};
  Phases phases[2] = {phases_of(block, w.pads_begin[0], w.kernel[0]),
                      phases_of(block, w.pads_begin[1], w.kernel[1])};
  for (std::size_t i = 0; i < 2; ++i) {
    const std::int64_t blocks = d->out[i + 2] / block;
    // At least up to the last pixel: a convolution has no padding below zero.
    phases[i].high = std::max(phases[i].high, d->in[i + 2] - blocks);
    conv.window.kernel[i] = phases[i].high - phases[i].low + 1;
    conv.window.pads_begin[i] = -phases[i].low;
    conv.window.pads_end[i] = blocks + phases[i].high - d->in[i + 2];
  }
  const std::int64_t in = d->in[1], out = d->out[1], squares = block * block;
  const std::int64_t rows = conv.window.kernel[0], columns = conv.window.kernel[1];
  Tensor weights =
      Tensor::zeros(ElementType::Float32, {squares * out, in, rows, columns}, Layout::Oihw);
  const std::span<float> to = weights.mutable_values<float>();
  const std::span<const float> from = d->weights.values<float>();
  for (std::int64_t depth = 0; depth < squares * out; ++depth) {
    const std::int64_t phase_y = depth / out / block, phase_x = depth / out % block;
    for (std::int64_t y = 0; y < rows; ++y) {
      for (std::int64_t x = 0; x < columns; ++x) {
        const std::int64_t tap_y = phases[0].tap_at(phase_y, y + phases[0].low);
        const std::int64_t tap_x = phases[1].tap_at(phase_x, x + phases[1].low);
        if (tap_y < 0 || tap_x < 0) continue;
        for (std::int64_t i = 0; i < in; ++i) {
          to[static_cast<std::size_t>(((depth * in + i) * rows + y) * columns + x)] =
              from[static_cast<std::size_t>(
                  ((i * out + depth % out) * w.kernel[0] + tap_y) * w.kernel[1] + tap_x)];
        }
      }
    }
  }
  const auto repeated = [&](std::span<const float> values) {
    std::vector<float> result;
    for (std::int64_t i = 0; i < squares; ++i) {
      result.insert(result.end(), values.begin(), values.end());
    }
    return result;
  };
  if (conv.activation.slopes.size() > 1) conv.activation.slopes = repeated(conv.activation.slopes);
  const std::string name = graph.nodes[n].name + "_phases";
  Node deep{.name = unique_node_name(graph, name), .op = conv, .inputs = {d->x}};
  if (bias != nullptr) {
    const std::vector<float> values = repeated(bias->values<float>());
    deep.inputs = {d->x, kNoValue,
                   graph.add_constant(unique_value_name(graph, name + "_bias"),
                                      Tensor::from<float>({squares * out}, values))};
  } else {
    deep.inputs.push_back(kNoValue);
  }
  deep.inputs[1] =
      graph.add_constant(unique_value_name(graph, name + "_weights"), std::move(weights));
  const Shape shape{d->in[0], squares * out, d->out[2] / block, d->out[3] / block};
  deep.outputs = {graph.add_value({.name = unique_value_name(graph, name), .shape = shape})};
  graph.nodes[n].op = DepthToSpace{.block = block};
  graph.nodes[n].inputs = deep.outputs;
  insert_node(graph, n, std::move(deep));
  return true;
}

}  // namespace

bool deconv_to_upsample(Graph& graph) { return sweep(graph, become_upsample); }
bool deconv_to_subpixel(Graph& graph) { return sweep(graph, become_subpixel); }

}  // namespace workbench
