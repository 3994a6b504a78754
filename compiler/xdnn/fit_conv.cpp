// Convolutions whose activation, dilation, stride or padding the machine does not have.
#include <algorithm>

#include "compiler/passes/rewrite.h"
#include "compiler/xdnn/fit_rewrites.h"
#include "core/shapes.h"

namespace workbench::xdnn {

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
  if ((!padded && cut.none()) || (padded && most == 0)) return false;
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

}  // namespace workbench::xdnn
