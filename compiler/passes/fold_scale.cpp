// Folds constant scales and shifts of channels into the linear node before or behind them. All in
// double, rounded to float32 once per fold.
#include <cmath>

#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"
#include "core/parallel.h"

namespace workbench {

namespace {

constexpr std::int64_t kParallelElements = 1 << 16;  // below this threads cost more than they save

// Weights seen as [rows, columns, ...] times scale[channel_of(row, column)].
template <typename ChannelOf>
Tensor scaled_weights(const Tensor& weights, std::int64_t rows, std::int64_t columns,
                      const std::vector<double>& scale, ChannelOf channel_of) {
  const std::int64_t inner = rows * columns == 0 ? 0 : weights.size() / (rows * columns);
  Tensor scaled = Tensor::uninitialized(ElementType::Float32, weights.shape(), weights.layout());
  const float* from = weights.values<float>().data();
  float* to = scaled.mutable_values<float>().data();
  parallel_for(rows, rows * columns * inner < kParallelElements ? 1 : 0, [&](std::int64_t a) {
    for (std::int64_t b = 0; b < columns; ++b) {
      const double factor = scale[static_cast<std::size_t>(channel_of(a, b))];
      const std::int64_t begin = (a * columns + b) * inner;
      for (std::int64_t i = begin; i < begin + inner; ++i) {
        to[i] = static_cast<float>(double{from[i]} * factor);
      }
    }
  });
  return scaled;
}

Tensor scaled_outputs(const Op& op, const Tensor& weights, const std::vector<double>& scale) {
  const auto by_row = [](std::int64_t a, std::int64_t) { return a; };
  const auto by_column = [](std::int64_t, std::int64_t b) { return b; };
  if (const auto* gemm = std::get_if<Gemm>(&op); gemm != nullptr && !gemm->transpose_b) {
    return scaled_weights(weights, weights.dim(0), weights.dim(1), scale, by_column);
  }
  if (const auto* conv = std::get_if<ConvTranspose>(&op)) {
    const std::int64_t inputs_per_group = weights.dim(0) / conv->groups;
    const std::int64_t outputs_per_group = weights.dim(1);
    return scaled_weights(weights, weights.dim(0), outputs_per_group, scale,
                          [=](std::int64_t a, std::int64_t b) {
                            return a / inputs_per_group * outputs_per_group + b;
                          });
  }
  return scaled_weights(weights, weights.dim(0), 1, scale, by_row);
}

Tensor scaled_inputs(const Conv& conv, const Tensor& weights, const std::vector<double>& scale) {
  const std::int64_t outputs_per_group = weights.dim(0) / conv.groups;
  const std::int64_t inputs_per_group = weights.dim(1);
  return scaled_weights(
      weights, weights.dim(0), inputs_per_group, scale,
      [=](std::int64_t a, std::int64_t b) { return a / outputs_per_group * inputs_per_group + b; });
}

// Codes that weights came with stay theirs where output channels are scaled: the steps are. Nothing
// where a channel would need others: its factor is 0, or negative and one code has no opposite.
std::optional<Quantization> scaled_codes(const Graph& graph, const Node& linear,
                                         const std::vector<double>& scale) {
  const Value& weights = graph.value(linear.inputs[1]);
  const auto& came = weights.quantization;
  const auto* gemm = std::get_if<Gemm>(&linear.op);
  const int axis = gemm != nullptr && !gemm->transpose_b ? 1 : 0;
  const bool usable = came && came->is_signed && came->zero_points.empty() &&
                      !std::holds_alternative<ConvTranspose>(linear.op) &&
                      (came->thresholds.size() == 1 ||
                       (came->axis == axis && came->thresholds.size() == scale.size()));
  if (!usable) return std::nullopt;
  Quantization codes = *came;
  codes.axis = axis;
  codes.thresholds.clear();
  for (std::size_t c = 0; c < scale.size(); ++c) {
    codes.thresholds.push_back(came->thresholds[came->thresholds.size() == 1 ? 0 : c] *
                               std::abs(scale[c]));
  }
  const Tensor& numbers = *weights.constant;
  const auto values = numbers.values<float>();
  const std::size_t inner = axis == 1 ? 1 : values.size() / std::max<std::size_t>(scale.size(), 1);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t c = i / inner % scale.size();
    const double code = double{values[i]} * scale[c] / codes.step(c);
    const bool fits =
        scale[c] > 0 || (scale[c] < 0 && code < static_cast<double>(came->high()) + 0.5);
    if (!fits) return std::nullopt;
  }
  return codes;
}

bool is_linear(const Op& op) {
  return std::holds_alternative<Conv>(op) || std::holds_alternative<ConvTranspose>(op) ||
         std::holds_alternative<Gemm>(op);
}

// The bias as it is added to each channel of the result; nothing if it is not per channel.
std::optional<std::vector<double>> bias_of(const Graph& graph, const Node& node) {
  const Shape& shape = graph.value(node.outputs[0]).shape;
  const ValueId id = operand(node, 2);
  std::vector<double> bias(static_cast<std::size_t>(shape[1]), 0);
  if (id == kNoValue) return bias;
  // A convolution's bias [C] is not aligned as numpy would.
  const Shape aligned = std::holds_alternative<Gemm>(node.op) ? shape : Shape{1, shape[1]};
  const auto values = per_channel(graph, id, aligned);
  if (!values) return std::nullopt;
  const auto* gemm = std::get_if<Gemm>(&node.op);
  const double beta = gemm ? double{gemm->beta} : 1.0;
  for (std::size_t c = 0; c < bias.size(); ++c) bias[c] = beta * double{(*values)[c]};
  return bias;
}

void set_bias(Graph& graph, std::size_t n, const std::vector<double>& bias) {
  std::vector<float> values;
  for (const double b : bias) values.push_back(static_cast<float>(b));
  const Shape shape{static_cast<std::int64_t>(values.size())};
  if (auto* gemm = std::get_if<Gemm>(&graph.nodes[n].op)) gemm->beta = 1;
  set_constant(graph, n, 2, Tensor::from(shape, values), graph.nodes[n].name + "_bias");
}

// clip(alpha * x + beta, 0, 1).
std::optional<ChannelAffine> from_hard_sigmoid(const Graph& graph, const Node& node) {
  const auto* activate = std::get_if<Activate>(&node.op);
  if (!activate || activate->activation.kind != Activation::Kind::HardSigmoid) return std::nullopt;
  const Value& x = graph.value(node.inputs[0]);
  if (x.constant || x.quantization || x.shape.size() < 2) return std::nullopt;
  const auto channels = static_cast<std::size_t>(x.shape[1]);
  const double scale = activate->activation.alpha, shift = activate->activation.beta;
  if (!std::isfinite(scale) || !std::isfinite(shift)) return std::nullopt;
  return ChannelAffine{.x = node.inputs[0],
                       .scale = std::vector<double>(channels, scale),
                       .shift = std::vector<double>(channels, shift),
                       .activation = {.kind = Activation::Kind::Clip, .alpha = 0, .beta = 1}};
}

bool fold_after(Graph& graph, std::size_t n) {
  auto affine = channel_affine(graph, graph.nodes[n]);
  if (!affine) affine = from_hard_sigmoid(graph, graph.nodes[n]);
  if (!affine || sole_reader(graph, affine->x) != n) return false;
  const auto before = writer_of(graph, affine->x);
  if (!before || !is_linear(graph.nodes[*before].op)) return false;
  Node& linear = graph.nodes[*before];
  if (fused_activation(linear.op)->kind != Activation::Kind::None) return false;
  const Tensor* weights = float_constant(graph, linear, 1);
  auto bias = bias_of(graph, linear);
  if (!weights || !bias) return false;
  for (std::size_t c = 0; c < bias->size(); ++c) {
    (*bias)[c] = (*bias)[c] * affine->scale[c] + affine->shift[c];
  }
  const bool biased = operand(linear, 2) != kNoValue;
  const std::optional<Quantization> codes = scaled_codes(graph, linear, affine->scale);
  *fused_activation(linear.op) = affine->activation;
  set_constant(graph, *before, 1, scaled_outputs(linear.op, *weights, affine->scale),
               linear.name + "_weights");
  graph.value(operand(graph.nodes[*before], 1)).quantization = codes;
  if (biased || !affine->is_pure_scale()) set_bias(graph, *before, *bias);
  fuse_behind(graph, *before, n);
  return true;
}

bool is_padded(const Window& window) {
  for (std::size_t i = 0; i < window.kernel.size(); ++i) {
    if (window.pads_begin[i] != 0 || window.pads_end[i] != 0) return true;
  }
  return false;
}

// What a constant input shift[c] adds to each output channel of an unpadded convolution.
std::vector<double> response(const Conv& conv, const Tensor& weights,
                             const std::vector<double>& shift) {
  const std::int64_t outputs = weights.dim(0), inputs = weights.dim(1);
  const std::int64_t inner = weights.size() / (outputs * inputs);
  std::vector<double> sums(static_cast<std::size_t>(outputs), 0);
  const float* element = weights.values<float>().data();
  for (std::int64_t o = 0; o < outputs; ++o) {
    const std::int64_t first_input = o / (outputs / conv.groups) * inputs;
    for (std::int64_t i = 0; i < inputs * inner; ++i, ++element) {
      sums[static_cast<std::size_t>(o)] +=
          double{*element} * shift[static_cast<std::size_t>(first_input + i / inner)];
    }
  }
  return sums;
}

bool fold_before(Graph& graph, std::size_t n) {
  const auto affine = channel_affine(graph, graph.nodes[n]);
  if (!affine || affine->activation.kind != Activation::Kind::None) return false;
  const auto behind = sole_reader(graph, graph.nodes[n].outputs[0]);
  if (!behind || graph.nodes[*behind].inputs[0] != graph.nodes[n].outputs[0]) return false;
  const auto* conv = std::get_if<Conv>(&graph.nodes[*behind].op);
  if (!conv || (is_padded(conv->window) && !affine->is_pure_scale())) return false;
  const Tensor* constant = float_constant(graph, graph.nodes[*behind], 1);
  auto bias = bias_of(graph, graph.nodes[*behind]);
  if (!constant || !bias) return false;
  const Tensor weights = *constant;  // set_constant may replace what `constant` points to
  set_constant(graph, *behind, 1, scaled_inputs(*conv, weights, affine->scale),
               graph.nodes[*behind].name + "_weights");
  if (!affine->is_pure_scale()) {
    const std::vector<double> shifted = response(*conv, weights, affine->shift);
    for (std::size_t c = 0; c < bias->size(); ++c) (*bias)[c] += shifted[c];
    set_bias(graph, *behind, *bias);
  }
  graph.nodes[*behind].inputs[0] = affine->x;
  record_merged(graph.nodes[*behind], graph.nodes[n]);
  erase_node(graph, n);
  return true;
}

Tensor as_floats(const std::vector<double>& numbers, Shape shape) {
  const std::vector<float> values(numbers.begin(), numbers.end());
  return Tensor::from(std::move(shape), values);
}

bool become_depthwise_conv(Graph& graph, std::size_t n) {
  const auto affine = channel_affine(graph, graph.nodes[n]);
  if (!affine || graph.value(affine->x).shape.size() != 4) return false;
  const std::int64_t channels = graph.value(affine->x).shape[1];
  const std::string name = graph.nodes[n].name;
  const ValueId weights = graph.add_constant(unique_value_name(graph, name + "_weights"),
                                             as_floats(affine->scale, {channels, 1, 1, 1}));
  Node& node = graph.nodes[n];
  node.inputs = {affine->x, weights};
  if (!affine->is_pure_scale()) {
    node.inputs.push_back(graph.add_constant(unique_value_name(graph, name + "_bias"),
                                             as_floats(affine->shift, {channels})));
  }
  node.op = Conv{.window = {.kernel = {1, 1},
                            .strides = {1, 1},
                            .dilations = {1, 1},
                            .pads_begin = {0, 0},
                            .pads_end = {0, 0}},
                 .groups = channels,
                 .activation = affine->activation};
  return true;
}

}  // namespace

bool fold_scale_after(Graph& graph) { return sweep(graph, fold_after); }
bool fold_scale_before(Graph& graph) { return sweep(graph, fold_before); }
bool scale_to_conv(Graph& graph) { return sweep(graph, become_depthwise_conv); }

}  // namespace workbench
