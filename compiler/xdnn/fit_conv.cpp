#include <algorithm>

#include "compiler/passes/rewrite.h"
#include "compiler/xdnn/fit_parts.h"
#include "core/shapes.h"

namespace workbench::xdnn {

// --- what the machine does not have --------------------------------------------------------------

// Convolutions whose activation, dilation, stride or padding the machine does not have.

namespace {

// a of max(x, 0) + a min(x, 0), per channel; nothing for another activation.
std::optional<std::vector<double>> slopes_of(const Activation& activation, std::int64_t channels) {
  const auto count = static_cast<std::size_t>(channels);
  if (activation.kind == Activation::Kind::LeakyRelu) {
    return std::vector<double>(count, double{activation.alpha});
  }
  if (activation.kind != Activation::Kind::PRelu) return std::nullopt;
  const std::vector<float>& slopes = activation.slopes;
  if (slopes.size() == 1) return std::vector<double>(count, double{slopes[0]});
  if (slopes.size() != count) return std::nullopt;
  return std::vector<double>(slopes.begin(), slopes.end());
}

// Weights of a Conv or ConvTranspose with output channel c times factor[c].
Tensor scaled(const Op& op, const Tensor& weights, const std::vector<double>& factor) {
  Tensor result = weights;
  const std::span<float> values = result.mutable_values<float>();
  const auto* transposed = std::get_if<ConvTranspose>(&op);
  const std::int64_t columns = transposed != nullptr ? weights.dim(1) : 1;
  const std::int64_t rows_per_group =
      transposed != nullptr ? weights.dim(0) / transposed->groups : 1;
  const std::int64_t inner = weights.size() / (weights.dim(0) * columns);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::int64_t slice = static_cast<std::int64_t>(i) / inner;
    const std::int64_t row = slice / columns;
    const std::int64_t channel = row / rows_per_group * columns + slice % columns;
    values[i] = static_cast<float>(double{values[i]} * factor[static_cast<std::size_t>(channel)]);
  }
  return result;
}

Tensor scaled_bias(const Tensor& bias, const std::vector<double>& factor) {
  Tensor result = bias;
  const std::span<float> values = result.mutable_values<float>();
  for (std::size_t c = 0; c < values.size(); ++c) {
    values[c] = static_cast<float>(double{values[c]} * factor[c]);
  }
  return result;
}

Op with_activation(Op op, const Activation& activation) {
  *fused_activation(op) = activation;
  return op;
}

// What leaky_to_sum makes of a linear op on `x`; its activation is replaced.
void finish_leaky(Parts& parts, const Op& op, ValueId x, const Tensor& weights, const Tensor* bias,
                  const std::vector<double>& slopes) {
  std::vector<double> rectified(slopes.size());
  std::transform(slopes.begin(), slopes.end(), rectified.begin(), [](double a) { return 1 - a; });
  std::vector<ValueId> terms;
  for (const auto& [factor, suffix, kind] :
       {std::tuple(rectified, "rectified", Activation::Kind::Relu),
        std::tuple(slopes, "linear", Activation::Kind::None)}) {
    std::vector<ValueId> inputs = {
        x, parts.constant(std::string("_weights_") + suffix, scaled(op, weights, factor))};
    if (bias != nullptr) {
      inputs.push_back(parts.constant(std::string("_bias_") + suffix, scaled_bias(*bias, factor)));
    }
    terms.push_back(parts.add(with_activation(op, {.kind = kind}), inputs));
  }
  finish_sum(parts, terms, {});
}

bool at_most_one(const std::vector<double>& slopes) {
  return std::all_of(slopes.begin(), slopes.end(), [](double a) { return a <= 1; });
}

// A 1x1 depthwise convolution that changes nothing.
workbench::Conv identity_conv(std::int64_t channels) {
  return {.window = unit_window(), .groups = channels};
}

ValueId ones(Parts& parts, std::int64_t channels) {
  return parts.constant("_ones", one_tap(channels, 1, 1, 0, 0));
}

}  // namespace

// y = (1 - a) max(z, 0) + a z, which the eltwise engine can add up as long as 1 - a >= 0.
bool leaky_to_sum(Fitting& fitting, std::size_t n) {
  const Node& node = fitting.graph.nodes[n];
  Op op = node.op;
  if (!std::holds_alternative<workbench::Conv>(op) && !std::holds_alternative<ConvTranspose>(op)) {
    return false;
  }
  Parts parts(fitting, n);
  if (parts.out().size() != 4) return false;
  const auto slopes = slopes_of(*fused_activation(op), parts.out()[1]);
  if (!slopes || !at_most_one(*slopes)) return false;
  const bool negative = std::any_of(slopes->begin(), slopes->end(), [](double a) { return a < 0; });
  if (fitting.machine.features.prelu != 0 && !negative) return false;
  const Tensor* weights = float_constant(fitting.graph, node, 1);
  const Tensor* bias = float_constant(fitting.graph, node, 2);
  if (weights == nullptr || (operand(node, 2) != kNoValue && bias == nullptr)) return false;
  const Tensor kept_weights = *weights;  // adding constants moves what they point to
  const std::optional<Tensor> kept_bias = bias ? std::optional(*bias) : std::nullopt;
  finish_leaky(parts, op, node.inputs[0], kept_weights, kept_bias ? &*kept_bias : nullptr, *slopes);
  return true;
}

bool unfuse_activation(Fitting& fitting, std::size_t n) {
  const Node& node = fitting.graph.nodes[n];
  Op op = node.op;
  Activation* fused = fused_activation(op);
  if (fused == nullptr || fused->kind == Activation::Kind::None) return false;
  const Activation activation = *fused;
  *fused = {};
  Node linear = node;
  linear.op = op;
  if (fitting.reason(fitting.graph, linear)) return false;
  Parts parts(fitting, n);
  if (activation.kind == Activation::Kind::PRelu) {
    const auto slopes = slopes_of(activation, parts.out()[1]);
    if (!slopes) return false;
    const std::vector<float> values(slopes->begin(), slopes->end());
    const ValueId x = parts.add(op, node.inputs);
    const auto channels = static_cast<std::int64_t>(values.size());
    parts.finish(PRelu{},
                 {x, parts.constant("_slopes", Tensor::from<float>({channels, 1, 1}, values))});
    return true;
  }
  const ValueId x = parts.add(op, node.inputs);
  parts.finish(Activate{activation}, {x});
  return true;
}

bool activation_to_conv(Fitting& fitting, std::size_t n) {
  const Node& node = fitting.graph.nodes[n];
  Parts parts(fitting, n);
  if (parts.out().size() != 4 || parts.in() != parts.out()) return false;
  const std::int64_t channels = parts.out()[1];
  Activation activation;
  if (const auto* activate = std::get_if<Activate>(&node.op)) {
    activation = activate->activation;
  } else if (std::holds_alternative<PRelu>(node.op)) {
    const auto slopes = per_channel(fitting.graph, node.inputs[1], parts.out());
    if (!slopes) return false;
    activation = {.kind = Activation::Kind::PRelu, .slopes = *slopes};
  } else {
    return false;
  }
  const Shape weights_shape{channels, 1, 1, 1};
  const workbench::Conv plain = identity_conv(channels);
  workbench::Conv conv = plain;
  conv.activation = activation;
  const ValueId x = node.inputs[0];
  if (runs(fitting, conv, parts.in(), {weights_shape})) {
    parts.finish(conv, {x, ones(parts, channels)});
    return true;
  }
  const auto slopes = slopes_of(activation, channels);
  if (!slopes || !at_most_one(*slopes)) return false;
  if (!runs(fitting, plain, parts.in(), {weights_shape})) return false;
  finish_leaky(parts, plain, x, one_tap(channels, 1, 1, 0, 0), nullptr, *slopes);
  return true;
}

bool embed_dilation(Fitting& fitting, std::size_t n) {
  const Node& node = fitting.graph.nodes[n];
  const auto* conv = std::get_if<workbench::Conv>(&node.op);
  const Tensor* constant = conv != nullptr ? float_constant(fitting.graph, node, 1) : nullptr;
  if (constant == nullptr || conv->window.kernel.size() != 2) return false;
  const auto accepted = [&](std::int64_t dilation) {
    workbench::Conv probe{.window = unit_window()};
    probe.window.kernel = {2, 2};
    probe.window.dilations = {dilation, dilation};
    return runs(fitting, probe, {1, 1, dilation + 1, dilation + 1}, {{1, 1, 2, 2}});
  };
  std::int64_t apart[2] = {1, 1};  // taps of the new kernel from one old tap to the next
  for (std::size_t i = 0; i < 2; ++i) {
    const std::int64_t dilation = conv->window.dilations[i];
    if (conv->window.kernel[i] == 1 && dilation != 1) {
      apart[i] = dilation;  // one tap has no dilation
      continue;
    }
    while (dilation % apart[i] != 0 || !accepted(dilation / apart[i])) {
      if (++apart[i] > dilation) return false;
    }
  }
  if (apart[0] == 1 && apart[1] == 1) return false;
  const Tensor weights = *constant;
  if (too_many_taps({weights.dim(0), weights.dim(1), (conv->window.kernel[0] - 1) * apart[0] + 1,
                     (conv->window.kernel[1] - 1) * apart[1] + 1})) {
    return false;
  }
  workbench::Conv wider = *conv;
  for (std::size_t i = 0; i < 2; ++i) {
    wider.window.kernel[i] = (conv->window.kernel[i] - 1) * apart[i] + 1;
    wider.window.dilations[i] /= apart[i];
  }
  const std::int64_t rows = weights.dim(2), columns = weights.dim(3);
  Tensor spread =
      zeros({weights.dim(0), weights.dim(1), wider.window.kernel[0], wider.window.kernel[1]});
  const std::span<float> to = spread.mutable_values<float>();
  for (std::int64_t i = 0; i < weights.size(); ++i) {
    const std::int64_t x = i % columns, y = i / columns % rows, slice = i / (rows * columns);
    to[static_cast<std::size_t>(
        (slice * wider.window.kernel[0] + y * apart[0]) * wider.window.kernel[1] + x * apart[1])] =
        weights.values<float>()[static_cast<std::size_t>(i)];
  }
  Parts parts(fitting, n);
  std::vector<ValueId> inputs = node.inputs;
  inputs[1] = parts.constant("_weights_spread", std::move(spread));
  parts.finish(wider, inputs);
  return true;
}

bool split_stride(Fitting& fitting, std::size_t n) {
  const Node& node = fitting.graph.nodes[n];
  const auto* conv = std::get_if<workbench::Conv>(&node.op);
  if (conv == nullptr || conv->window.kernel.size() != 2) return false;
  const auto with_strides = [](std::int64_t rows, std::int64_t columns) {
    Window window = unit_window();
    window.strides = {rows, columns};
    return window;
  };
  const auto accepted = [&](std::int64_t stride, bool pool) {
    const Window window = with_strides(stride, stride);
    const Shape x{1, 1, stride, stride};
    return pool ? runs(fitting, MaxPool{.window = window}, x)
                : runs(fitting, workbench::Conv{.window = window}, x, {{1, 1, 1, 1}});
  };
  std::int64_t left[2] = {1, 1};  // stride of the pool
  for (std::size_t i = 0; i < 2; ++i) {
    const std::int64_t stride = conv->window.strides[i];
    while (stride % left[i] != 0 || !accepted(stride / left[i], false) ||
           !accepted(left[i], true)) {
      if (++left[i] > stride) return false;
    }
  }
  if (left[0] == 1 && left[1] == 1) return false;
  workbench::Conv finer = *conv;
  for (std::size_t i = 0; i < 2; ++i) finer.window.strides[i] /= left[i];
  Parts parts(fitting, n);
  const ValueId all = parts.add(finer, node.inputs);
  parts.finish(MaxPool{.window = with_strides(left[0], left[1])}, {all});
  return true;
}

bool split_padding(Fitting& fitting, std::size_t n) {
  const Node& node = fitting.graph.nodes[n];
  const auto* conv = std::get_if<workbench::Conv>(&node.op);
  if (conv == nullptr || conv->window.kernel.size() != 2) return false;
  const std::int64_t most = fitting.machine.limits.pad_max;
  workbench::Conv rest = *conv;
  Window before = unit_window();
  Crop cut;
  const auto negative = [](std::int64_t& pad) {
    const std::int64_t cut_off = std::max<std::int64_t>(0, -pad);
    pad += cut_off;
    return cut_off;
  };
  cut.top = negative(rest.window.pads_begin[0]);
  cut.left = negative(rest.window.pads_begin[1]);
  cut.bottom = negative(rest.window.pads_end[0]);
  cut.right = negative(rest.window.pads_end[1]);
  bool padded = false;
  for (std::size_t i = 0; i < 2; ++i) {
    const std::int64_t excess = std::max<std::int64_t>(0, rest.window.pads_begin[i] - most);
    before.pads_begin[i] = excess;
    rest.window.pads_begin[i] -= excess;
    padded = padded || excess > 0;
  }
  if ((!padded && cut.none()) || (padded && most == 0) || !crop_parts(fitting, cut)) {
    return false;
  }
  const std::int64_t excess = std::max(before.pads_begin[0], before.pads_begin[1]);
  if (padded && excess / most >= kMostParts) return false;
  Parts parts(fitting, n);
  ValueId x = node.inputs[0];
  if (!cut.none()) x = crop(parts, x, cut, fitting.machine.limits.kernel_max);
  while (before.pads_begin[0] > 0 || before.pads_begin[1] > 0) {
    const std::int64_t channels = parts.shape(x)[1];
    workbench::Conv pad = identity_conv(channels);
    for (std::size_t i = 0; i < 2; ++i) {
      pad.window.pads_begin[i] = std::min(most, before.pads_begin[i]);
      before.pads_begin[i] -= pad.window.pads_begin[i];
    }
    x = parts.add(pad, {x, ones(parts, channels)});
  }
  std::vector<ValueId> inputs = node.inputs;
  inputs[0] = x;
  parts.finish(rest, inputs);
  return true;
}

// --- filters that are too large ------------------------------------------------------------------

// Convolutions whose filters are too large: kernels, groups and input channels in parts.

namespace {

// Taps [begin, end) of a dimension of the kernel, seen as a kernel of taps [first, last) with zero
// taps around, and what is left of the padding for it.
struct Span {
  std::int64_t begin = 0, end = 0, first = 0, last = 0;
  std::int64_t pad_begin = 0, pad_end = 0, crop_begin = 0, crop_end = 0;
};

// Dimension i of `window` over `in` pixels to `out` in spans of at most `limit` taps.
std::vector<Span> spans_of(const Window& window, std::size_t i, std::int64_t in, std::int64_t out,
                           std::int64_t limit) {
  const std::int64_t kernel = window.kernel[i], stride = window.strides[i];
  const std::int64_t dilation = window.dilations[i], pad = window.pads_begin[i];
  const std::int64_t parts = ceil_div(kernel, limit);
  std::vector<Span> spans;
  for (std::int64_t p = 0; p < parts; ++p) {
    Span span{.begin = kernel * p / parts, .end = kernel * (p + 1) / parts};
    const bool behind = span.begin * dilation - pad >= in;
    const bool before = (span.end - 1) * dilation - pad + (out - 1) * stride < 0;
    if (behind || before) continue;  // these taps only ever see padding
    // A part of the kernel reads a shifted part of the map. Zero taps before and behind save
    // cutting the map, as far as there is room for them.
    span.first = std::max(std::min(span.begin, pad / dilation), span.end - limit);
    span.last = span.end;
    const auto beyond = [&] {  // pixels behind the map that are read
      return (out - 1) * stride + (span.last - 1) * dilation + 1 - pad - in;
    };
    while (beyond() <= -stride && span.last - span.first < limit) ++span.last;
    span.pad_begin = std::max<std::int64_t>(0, pad - span.first * dilation);
    span.crop_begin = std::max<std::int64_t>(0, span.first * dilation - pad);
    span.pad_end = std::max<std::int64_t>(0, beyond());
    span.crop_end = beyond() <= -stride ? -beyond() : 0;
    spans.push_back(span);
  }
  return spans;
}

// The taps of `rows` x `columns`, zero around.
Tensor taps_of(const Tensor& weights, const Span& rows, const Span& columns) {
  const std::int64_t height = rows.last - rows.first, width = columns.last - columns.first;
  Tensor taps = zeros({weights.dim(0), weights.dim(1), height, width});
  const std::span<float> to = taps.mutable_values<float>();
  const std::span<const float> from = weights.values<float>();
  for (std::int64_t slice = 0; slice < weights.dim(0) * weights.dim(1); ++slice) {
    for (std::int64_t y = rows.begin; y < rows.end; ++y) {
      for (std::int64_t x = columns.begin; x < columns.end; ++x) {
        to[static_cast<std::size_t>((slice * height + y - rows.first) * width + x -
                                    columns.first)] =
            from[static_cast<std::size_t>((slice * weights.dim(2) + y) * weights.dim(3) + x)];
      }
    }
  }
  return taps;
}

bool is_zero(const Tensor& tensor) {
  const std::span<const float> values = tensor.values<float>();
  return std::all_of(values.begin(), values.end(), [](float v) { return v == 0; });
}

// Node `n` as a sum of convolutions of at most rows x columns taps.
bool split_taps(Fitting& fitting, std::size_t n, std::int64_t rows_limit,
                std::int64_t columns_limit) {
  const Node& node = fitting.graph.nodes[n];
  const auto* conv = std::get_if<workbench::Conv>(&node.op);
  const Tensor* constant = conv != nullptr ? float_constant(fitting.graph, node, 1) : nullptr;
  if (constant == nullptr || conv->window.kernel.size() != 2) return false;
  const Tensor weights = *constant;
  Parts parts(fitting, n);
  const Shape in = parts.in(), out = parts.out();
  std::vector<std::pair<workbench::Conv, std::vector<ValueId>>> pieces;
  std::vector<std::pair<Crop, ValueId>> cropped;  // each cut of the map is made once
  const auto source = [&](const Crop& cut) {
    if (cut.none()) return node.inputs[0];
    for (const auto& [known, id] : cropped) {
      if (known.top == cut.top && known.left == cut.left && known.bottom == cut.bottom &&
          known.right == cut.right) {
        return id;
      }
    }
    const ValueId id = crop(parts, node.inputs[0], cut, fitting.machine.limits.kernel_max);
    cropped.emplace_back(cut, id);
    return id;
  };
  const auto rows = spans_of(conv->window, 0, in[2], out[2], rows_limit);
  const auto columns = spans_of(conv->window, 1, in[3], out[3], columns_limit);
  // The cut itself is a grouped convolution: where filters are the trouble, not the kernel's limit,
  // it must have fewer taps than what it is for.
  const auto too_far = [&](const std::vector<Span>& spans, std::size_t i) {
    const std::int64_t kernel = conv->window.kernel[i];
    if (conv->groups == 1 || kernel > fitting.machine.limits.kernel_max) return false;
    return std::any_of(spans.begin(), spans.end(), [&](const Span& span) {
      const std::int64_t cut = span.crop_begin + span.crop_end;
      return cut > 0 && cut + 1 >= kernel;
    });
  };
  if (too_far(rows, 0) || too_far(columns, 1)) return false;
  std::int64_t parts_needed = static_cast<std::int64_t>(rows.size() * columns.size());
  for (const Span& y : rows) {
    for (const Span& x : columns) {
      if (parts_needed > kMostParts) return false;
      const std::optional<std::int64_t> cuts = crop_parts(
          fitting,
          {.top = y.crop_begin, .left = x.crop_begin, .bottom = y.crop_end, .right = x.crop_end});
      if (!cuts) return false;
      parts_needed += *cuts;
    }
  }
  if (parts_needed > kMostParts) return false;
  for (const Span& y : rows) {
    for (const Span& x : columns) {
      Tensor taps = taps_of(weights, y, x);
      const bool last = &y == &rows.back() && &x == &columns.back();
      if (is_zero(taps) && !(last && pieces.empty())) continue;
      workbench::Conv piece = *conv;
      piece.activation = {};
      piece.window.kernel = {y.last - y.first, x.last - x.first};
      piece.window.pads_begin = {y.pad_begin, x.pad_begin};
      piece.window.pads_end = {y.pad_end, x.pad_end};
      std::vector<ValueId> inputs = {source({.top = y.crop_begin,
                                             .left = x.crop_begin,
                                             .bottom = y.crop_end,
                                             .right = x.crop_end}),
                                     parts.constant("_taps", std::move(taps))};
      const ValueId bias = operand(node, 2);
      if (pieces.empty() && bias != kNoValue) inputs.push_back(bias);
      pieces.emplace_back(std::move(piece), std::move(inputs));
    }
  }
  if (pieces.empty()) return false;
  const Activation activation = conv->activation;
  if (pieces.size() == 1) {
    pieces[0].first.activation = activation;
    parts.finish(pieces[0].first, pieces[0].second);
    return true;
  }
  std::vector<ValueId> terms;
  for (const auto& [piece, inputs] : pieces) terms.push_back(parts.add(piece, inputs));
  finish_sum(parts, terms, activation);
  return true;
}

// How channels [begin, end) of a map can be had: as they lie, or by a convolution that picks them.
enum class Picking { None, Slice, Conv };

Slice channel_slice(std::int64_t begin, std::int64_t end) {
  return {.starts = {begin}, .ends = {end}, .axes = {1}, .steps = {1}};
}

Picking picking(const Fitting& fitting, const Shape& map, std::int64_t begin, std::int64_t end) {
  if (runs(fitting, channel_slice(begin, end), map)) return Picking::Slice;
  const workbench::Conv conv{.window = unit_window()};
  const bool possible = runs(fitting, conv, map, {{end - begin, map[1], 1, 1}});
  return possible ? Picking::Conv : Picking::None;
}

ValueId pick_channels(const Fitting& fitting, Parts& parts, ValueId x, std::int64_t begin,
                      std::int64_t end) {
  const Shape map = parts.shape(x);
  if (picking(fitting, map, begin, end) == Picking::Slice) {
    return parts.add(channel_slice(begin, end), {x});
  }
  return parts.add(workbench::Conv{.window = unit_window()},
                   {x, parts.constant("_pick", picking_weights(map[1], begin, end))});
}

struct Linear {
  std::int64_t groups = 1;
  bool transposed = false;
};

std::optional<Linear> linear(const Op& op) {
  if (const auto* conv = std::get_if<workbench::Conv>(&op)) return Linear{conv->groups, false};
  if (const auto* conv = std::get_if<ConvTranspose>(&op)) return Linear{conv->groups, true};
  return std::nullopt;
}

// Weights of input channels [begin, end) of the dense convolution.
Tensor input_channels(const Tensor& weights, bool transposed, std::int64_t begin,
                      std::int64_t end) {
  const std::int64_t outer = transposed ? 1 : weights.dim(0);
  const std::int64_t channels = weights.dim(transposed ? 0 : 1);
  const std::int64_t inner = weights.size() / (outer * channels);
  Shape shape = weights.shape();
  shape[transposed ? 0 : 1] = end - begin;
  Tensor result = zeros(shape);
  const float* from = weights.values<float>().data();
  float* to = result.mutable_values<float>().data();
  for (std::int64_t o = 0; o < outer; ++o) {
    std::copy_n(from + (o * channels + begin) * inner, (end - begin) * inner,
                to + o * (end - begin) * inner);
  }
  return result;
}

// Rows [begin, end) of the first dimension.
Tensor first_rows(const Tensor& tensor, std::int64_t begin, std::int64_t end) {
  Shape shape = tensor.shape();
  const std::int64_t inner = tensor.size() / shape[0];
  shape[0] = end - begin;
  Tensor result = zeros(shape);
  std::copy_n(tensor.values<float>().data() + begin * inner, (end - begin) * inner,
              result.mutable_values<float>().data());
  return result;
}

bool split_taps_in_two(Fitting& fitting, std::size_t n) {
  const auto* conv = std::get_if<workbench::Conv>(&fitting.graph.nodes[n].op);
  if (conv == nullptr || conv->window.kernel.size() != 2) return false;
  const std::int64_t rows = conv->window.kernel[0], columns = conv->window.kernel[1];
  if (rows == 1 && columns == 1) return false;
  if (rows >= columns) return split_taps(fitting, n, ceil_div(rows, 2), columns);
  return split_taps(fitting, n, rows, ceil_div(columns, 2));
}

// Only the size of the filters prevents it: with one channel in and out it would run.
bool only_filters_refused(const Fitting& fitting, const Node& node) {
  Op op = node.op;
  const auto shape = linear(op);
  if (!shape) return false;
  if (auto* conv = std::get_if<workbench::Conv>(&op)) conv->groups = 1;
  if (auto* conv = std::get_if<ConvTranspose>(&op)) conv->groups = 1;
  *fused_activation(op) = {};
  Shape in = fitting.graph.value(node.inputs[0]).shape;
  if (in.size() != 4 || in[0] != 1) return false;
  in[1] = 1;
  const Window& window = *window_of(op);
  // A kernel of 1x1 in its place, because one channel's own kernel may be too large as well.
  Window small = window;
  small.kernel = {1, 1};
  for (std::size_t i = 0; i < 2; ++i) {
    if (window.kernel[i] > fitting.machine.limits.kernel_max) return false;
    small.pads_begin[i] = std::min<std::int64_t>(window.pads_begin[i], 0);
    small.pads_end[i] = std::min<std::int64_t>(window.pads_end[i], 0);
  }
  *window_of(op) = small;
  if (auto* conv = std::get_if<ConvTranspose>(&op)) conv->output_padding = {0, 0};
  return runs(fitting, op, in, {{1, 1, 1, 1}});
}

}  // namespace

bool split_kernel(Fitting& fitting, std::size_t n) {
  const auto* conv = std::get_if<workbench::Conv>(&fitting.graph.nodes[n].op);
  const std::int64_t limit = fitting.machine.limits.kernel_max;
  if (conv == nullptr || conv->window.kernel.size() != 2) return false;
  if (conv->window.kernel[0] <= limit && conv->window.kernel[1] <= limit) return false;
  return split_taps(fitting, n, limit, limit);
}

bool split_groups_of(Fitting& fitting, std::size_t n) {
  const Node& node = fitting.graph.nodes[n];
  const auto* conv = std::get_if<workbench::Conv>(&node.op);
  if (conv == nullptr || conv->groups == 1 || !only_filters_refused(fitting, node)) return false;
  if (conv->groups > kMostParts) return false;
  if (split_taps_in_two(fitting, n)) return true;
  const Tensor* weights = float_constant(fitting.graph, node, 1);
  const Tensor* bias = float_constant(fitting.graph, node, 2);
  if (weights == nullptr || (operand(node, 2) != kNoValue && bias == nullptr)) return false;
  const Tensor kept_weights = *weights;
  const std::optional<Tensor> kept_bias = bias ? std::optional(*bias) : std::nullopt;
  Parts parts(fitting, n);
  const std::int64_t in_each = parts.in()[1] / conv->groups;
  const std::int64_t out_each = parts.out()[1] / conv->groups;
  if (picking(fitting, parts.in(), 0, in_each) == Picking::None) return false;
  workbench::Conv dense = *conv;
  dense.groups = 1;
  dense.activation = {};
  const std::vector<float>& slopes = conv->activation.slopes;
  std::vector<ValueId> results;
  for (std::int64_t g = 0; g < conv->groups; ++g) {
    const std::int64_t begin = g * out_each, end = begin + out_each;
    dense.activation = conv->activation;
    if (slopes.size() > 1) {
      dense.activation.slopes.assign(slopes.begin() + begin, slopes.begin() + end);
    }
    std::vector<ValueId> inputs = {
        pick_channels(fitting, parts, node.inputs[0], g * in_each, (g + 1) * in_each),
        parts.constant("_weights", first_rows(kept_weights, begin, end))};
    if (kept_bias) inputs.push_back(parts.constant("_bias", first_rows(*kept_bias, begin, end)));
    results.push_back(parts.add(dense, inputs));
  }
  parts.finish(Concat{}, results);
  return true;
}

bool split_channels(Fitting& fitting, std::size_t n) {
  const Node& node = fitting.graph.nodes[n];
  const auto shape = linear(node.op);
  if (!shape || shape->groups != 1 || !only_filters_refused(fitting, node)) return false;
  const Tensor* constant = float_constant(fitting.graph, node, 1);
  if (constant == nullptr) return false;
  const Tensor weights = *constant;
  Parts parts(fitting, n);
  const Shape in = parts.in();
  const std::int64_t granule = fitting.machine.geometry().channel_granule();
  Op part = node.op;
  *fused_activation(part) = {};
  const auto fits = [&](std::int64_t channels) {
    Shape filter = weights.shape();
    filter[shape->transposed ? 0 : 1] = channels;
    return runs(fitting, part, {1, channels, in[2], in[3]}, {filter});
  };
  std::int64_t count = 2;
  const auto each = [&] { return round_up(ceil_div(in[1], count), granule); };
  while (each() < in[1] && each() > granule && !fits(each())) ++count;
  if (each() >= in[1] || !fits(each()) || picking(fitting, in, 0, each()) == Picking::None) {
    return split_taps_in_two(fitting, n);
  }
  const Activation activation = *fused_activation(fitting.graph.nodes[n].op);
  const ValueId bias = operand(node, 2);
  std::vector<ValueId> terms;
  for (std::int64_t begin = 0; begin < in[1]; begin += each()) {
    const std::int64_t end = std::min(in[1], begin + each());
    std::vector<ValueId> inputs = {
        pick_channels(fitting, parts, node.inputs[0], begin, end),
        parts.constant("_weights", input_channels(weights, shape->transposed, begin, end))};
    if (begin == 0 && bias != kNoValue) inputs.push_back(bias);
    terms.push_back(parts.add(part, inputs));
  }
  finish_sum(parts, terms, activation);
  return true;
}

}  // namespace workbench::xdnn
