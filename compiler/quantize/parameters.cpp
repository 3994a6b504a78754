// Integer parameters of integer nodes: docs/facts/xdnn.md 3.2 and 3.3 (bias, PReLU), 3.6
// (scale), 3.7 (weights).
#include "compiler/quantize/parameters.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "compiler/quantize/histogram.h"
#include "compiler/quantize/table.h"
#include "core/parallel.h"

namespace workbench {

namespace {

constexpr std::int64_t kParallelElements = 1 << 16;  // below this threads cost more than they save

// A float weight tensor as [outer, axis, inner], `axis` the one with its own thresholds.
struct WeightView {
  std::span<const float> values;
  std::int64_t outer = 1, axis = 1, inner = 1;

  std::span<const float> row(std::int64_t i) const {
    return values.subspan(static_cast<std::size_t>(i * inner), static_cast<std::size_t>(inner));
  }
  std::int64_t rows() const { return outer * axis; }
  int threads() const { return rows() * inner < kParallelElements ? 1 : 0; }
};

bool is_transposed(const Node& node) { return std::holds_alternative<ConvTranspose>(node.op); }

WeightView view_of(const Tensor& weights, bool transposed) {
  WeightView view{.values = weights.values<float>()};
  view.outer = transposed ? weights.dim(0) : 1;
  view.axis = weights.dim(transposed ? 1 : 0);
  view.inner = weights.size() / std::max<std::int64_t>(view.rows(), 1);
  return view;
}

std::int64_t output_channels(const Graph& graph, const Node& node) {
  const Shape& weights = graph.value(node.inputs[1]).shape;
  const auto* transposed = std::get_if<ConvTranspose>(&node.op);
  return transposed != nullptr ? weights[1] * transposed->groups : weights[0];
}

std::vector<double> largest_weights(const WeightView& view) {
  std::vector<double> rows(static_cast<std::size_t>(view.rows()));
  parallel_for(view.rows(), view.threads(), [&](std::int64_t i) {
    rows[static_cast<std::size_t>(i)] = static_cast<double>(max_magnitude(view.row(i)));
  });
  std::vector<double> largest(static_cast<std::size_t>(view.axis), 0.0);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    double& channel = largest[i % largest.size()];
    channel = std::max(channel, rows[i]);
  }
  return largest;
}

template <typename Code>
Tensor weight_codes(const Tensor& weights, const WeightView& view,
                    const std::vector<double>& thresholds, double largest) {
  constexpr double high = std::numeric_limits<Code>::max();
  Tensor codes = Tensor::uninitialized(element_type_of<Code>(), weights.shape(), Layout::Oihw);
  const std::span<Code> out = codes.mutable_values<Code>();
  parallel_for(view.rows(), view.threads(), [&](std::int64_t i) {
    const std::span<const float> row = view.row(i);
    const std::int64_t inner = view.inner;
    const double limit = largest;
    Code* target = out.data() + i * inner;
    const double threshold = thresholds[static_cast<std::size_t>(i % view.axis)];
    const double gain = threshold > 0 ? high / threshold : 0.0;
    const float* values = row.data();
    for (std::int64_t k = 0; k < inner; ++k) {  // of locals alone: it becomes vector code
      const double scaled = static_cast<double>(values[k]) * gain;
      const double above = scaled > -limit ? scaled : -limit;
      const double clamped = above < limit ? above : limit;
      const double rounded = clamped + std::copysign(0.5, clamped);
      target[k] = static_cast<Code>(static_cast<std::int32_t>(rounded));
    }
  });
  return codes;
}

double high_code(int bits) { return std::ldexp(1.0, bits - 1) - 1; }

std::span<const float> bias_values(const Graph& graph, const Node& node) {
  if (node.inputs.size() < 3 || node.inputs[2] == kNoValue) return {};
  return graph.value(node.inputs[2]).constant->values<float>();
}

double bias_code_limit(const QuantizeOptions& options) {
  return std::ldexp(1.0, options.limits.bias_bits - 1) - 1;
}

// Hints count when they can be met: symmetric, signed, per tensor or along the axis we use.
bool usable_hint(const Value& weights, std::size_t channels, int axis, int bits) {
  if (!weights.quantization) return false;
  const Quantization& hint = *weights.quantization;
  const auto zero = [](std::int64_t point) { return point == 0; };
  return hint.is_signed && hint.bits >= 2 && hint.bits <= bits &&
         std::all_of(hint.zero_points.begin(), hint.zero_points.end(), zero) &&
         (hint.thresholds.size() == 1 || (hint.thresholds.size() == channels && hint.axis == axis));
}

// Raises thresholds of channels whose weights are so small that accumulator units cannot hold the
// bias: their products lose precision they never show, the bias gains what it needs.
void make_room_for_bias(std::vector<double>& thresholds, std::span<const float> bias,
                        double threshold_in, const QuantizeOptions& options) {
  const double high = high_code(options.bits);
  for (std::size_t c = 0; c < bias.size(); ++c) {
    const double unit = std::fabs(static_cast<double>(bias[c])) / bias_code_limit(options);
    double& threshold = thresholds[c % thresholds.size()];
    threshold = std::max(threshold, unit * high * high / threshold_in);
  }
}

std::vector<double> table_thresholds(const Node& node, const LayerQuantization& layer,
                                     std::size_t channels, std::size_t axis_length) {
  if (layer.threshold_params.size() != channels) {
    fail("{}: layer '{}': th_params: expected {} channels, found {}", layer.file, node.name,
         channels, layer.threshold_params.size());
  }
  std::vector<double> thresholds(axis_length, 0.0);
  for (std::size_t c = 0; c < channels; ++c) {
    double& threshold = thresholds[c % axis_length];
    threshold = std::max(threshold, layer.threshold_params[c]);
  }
  return thresholds;
}

// Of weights whose codes have `bits` bits and stand in wider ones: what the widest of those is.
struct WeightScales {
  std::vector<double> thresholds;  // per index of the weights' axis; 0 for what is nothing at all
  int bits = 8;
};

WeightScales weight_scales(const Graph& graph, const Node& node, const WeightView& view,
                           const NodeScales& scales, const QuantizeOptions& options) {
  const Value& weights = graph.value(node.inputs[1]);
  const auto length = static_cast<std::size_t>(view.axis);
  WeightScales result{.thresholds = {}, .bits = options.bits};
  if (scales.layer != nullptr && !scales.layer->threshold_params.empty()) {
    const auto channels = static_cast<std::size_t>(output_channels(graph, node));
    result.thresholds = table_thresholds(node, *scales.layer, channels, length);
    return result;
  }
  if (usable_hint(weights, length, is_transposed(node) ? 1 : 0, options.bits)) {
    result = {.thresholds = weights.quantization->thresholds, .bits = weights.quantization->bits};
    result.thresholds.resize(length, result.thresholds[0]);
    if (result.bits < options.bits) {
      const double widening = high_code(options.bits) / high_code(result.bits);
      for (double& threshold : result.thresholds) threshold *= widening;
    }
  } else {
    result.thresholds = largest_weights(view);
  }
  if (!options.limits.bias_after) {
    make_room_for_bias(result.thresholds, bias_values(graph, node), scales.threshold_in, options);
  }
  return result;
}

// What the weights' codes mean, `scales` being as weight_scales() says: their own thresholds where
// nothing has raised them, to the last bit.
Quantization weight_quantization(const Value& weights, const WeightScales& scales, int bits,
                                 int axis) {
  Quantization result{.bits = scales.bits,
                      .thresholds = scales.thresholds,
                      .axis = axis,
                      .rounding = Rounding::HalfAwayFromZero};
  // A Quantization has positive thresholds; a channel without weights may have any.
  std::replace(result.thresholds.begin(), result.thresholds.end(), 0.0, 1.0);
  if (scales.bits == bits) return result;
  const double widening = high_code(bits) / high_code(scales.bits);
  const std::vector<double>& own = weights.quantization->thresholds;
  for (std::size_t i = 0; i < result.thresholds.size(); ++i) {
    const double threshold = own[own.size() == 1 ? 0 : i];
    const bool raised = result.thresholds[i] != threshold * widening;
    result.thresholds[i] = raised ? result.thresholds[i] / widening : threshold;
  }
  return result;
}

// Real value of one accumulator unit, per output channel.
double accumulator_unit(double threshold_in, double threshold_weights, double high) {
  return threshold_in / high * (threshold_weights / high);
}

constexpr double kBiasFieldMax = std::numeric_limits<std::int32_t>::max();

Tensor bias_codes(std::span<const float> bias, const std::vector<double>& thresholds,
                  const NodeScales& scales, const QuantizeOptions& options) {
  std::vector<std::int32_t> codes;
  codes.reserve(bias.size());
  const double high = high_code(options.bits);
  for (std::size_t c = 0; c < bias.size(); ++c) {
    const double unit =
        options.limits.bias_after
            ? scales.threshold_out / high
            : accumulator_unit(scales.threshold_in, thresholds[c % thresholds.size()], high);
    const double limit = bias_code_limit(options);
    const double code = unit > 0 ? static_cast<double>(bias[c]) / unit : 0.0;
    const double clamped = std::clamp(code, -limit, limit);
    const double stored = std::round(std::ldexp(clamped, -options.limits.bias_shift));
    // Rounding must not leave the field: the limit itself may be half a unit from its end.
    codes.push_back(static_cast<std::int32_t>(std::clamp(stored, -kBiasFieldMax, kBiasFieldMax)));
  }
  return Tensor::from<std::int32_t>({static_cast<std::int64_t>(codes.size())}, codes);
}

// Two 8-bit scales that share a shift (docs/facts/xdnn.md 3.3): the larger one is normalised to
// 128..255.
struct SlopeScales {
  std::int32_t positive = 0, negative = 0, shift = 0;
  std::int32_t prescale = 0;  // as much of the shift as the target can do first
};

SlopeScales slope_scales(double multiplier, double slope, int prescale_max, int shift_max) {
  double larger = std::max(multiplier, multiplier * slope);
  if (larger == 0) return {};
  int exponent = 0;
  std::frexp(larger, &exponent);
  const int prescale = std::clamp(-exponent, 0, prescale_max);
  multiplier = std::ldexp(multiplier, prescale);
  larger = std::ldexp(larger, prescale);
  int shift = 8 - (exponent + prescale);
  if (std::ldexp(larger, shift) >= 255.5) --shift;  // would round to 256
  shift = std::clamp(shift, 0, shift_max);
  const auto code = [&](double value) {
    return static_cast<std::int32_t>(std::min(std::round(std::ldexp(value, shift)), 255.0));
  };
  return {code(multiplier), code(multiplier * slope), shift, prescale};
}

double slope_of(const Activation& activation, std::size_t channel) {
  if (activation.kind == Activation::Kind::LeakyRelu) return static_cast<double>(activation.alpha);
  return static_cast<double>(activation.slopes.size() == 1 ? activation.slopes[0]
                                                           : activation.slopes.at(channel));
}

// Widths of the fields that hold a node's scale and shifts.
struct ScaleFields {
  int prescale_max = 0, scale_bits = 16, shift_max = 0;
};

// The scales of a table are used as they are, once they are known to be what hardware can hold.
Requantize table_requantize(const LayerQuantization& layer, std::size_t channels,
                            const ScaleFields& fields) {
  const bool slopes = !layer.positive_scale.empty();
  const auto& scale = slopes ? layer.positive_scale : layer.scale;
  const std::int32_t top = slopes ? 255 : (1 << fields.scale_bits) - 1;
  const auto check = [&](const char* key, const std::vector<std::int32_t>& list, int high) {
    if (list.size() != channels) {
      fail("{}: layer '{}': {}: expected {} channels, found {}", layer.file, layer.name, key,
           channels, list.size());
    }
    for (const std::int32_t value : list) {
      if (value < 0 || value > high) {
        fail("{}: layer '{}': {}: expected 0..{} for this target, found {}", layer.file, layer.name,
             key, high, value);
      }
    }
  };
  check("prescale_shift", layer.prescale_shift, fields.prescale_max);
  check(slopes ? "posscale" : "scale", scale, top);
  check("postscale_shift", layer.postscale_shift, fields.shift_max);
  if (slopes) check("negscale", layer.negative_scale, top);
  Requantize result{
      .scale = scale, .negative_scale = layer.negative_scale, .shift = layer.postscale_shift};
  if (fields.prescale_max > 0) result.prescale = layer.prescale_shift;
  return result;
}

Requantize weighted_requantize(const Node& node, const NodeScales& scales, std::size_t channels,
                               const std::vector<double>& thresholds,
                               const QuantizeOptions& options) {
  const RequantizeLimits& limits = options.limits;
  const Activation activation = activation_of(node.op);
  const bool slopes =
      activation.kind == Activation::Kind::LeakyRelu || activation.kind == Activation::Kind::PRelu;
  if (scales.layer != nullptr && !scales.layer->scale.empty()) {
    if (slopes != !scales.layer->positive_scale.empty()) {
      fail("{}: layer '{}': expected posscale and negscale {} PReLU", scales.layer->file, node.name,
           slopes ? "for its" : "only for a");
    }
    Requantize result =
        table_requantize(*scales.layer, channels,
                         {limits.conv_prescale_max, limits.scale_bits, limits.conv_shift_max});
    result.prescaled_bits = limits.prescaled_bits;
    result.bias_shift = limits.bias_shift;
    result.bias_after = limits.bias_after;
    return result;
  }
  Requantize result{.prescaled_bits = limits.prescaled_bits,
                    .bias_shift = limits.bias_shift,
                    .bias_after = limits.bias_after};
  for (std::size_t c = 0; c < channels; ++c) {
    const double multiplier =
        scale_multiplier(scales.threshold_in, thresholds[c % thresholds.size()],
                         scales.threshold_out, high_code(options.bits));
    if (slopes) {
      const SlopeScales found = slope_scales(multiplier, slope_of(activation, c),
                                             limits.conv_prescale_max, limits.conv_shift_max);
      if (limits.conv_prescale_max > 0) result.prescale.push_back(found.prescale);
      result.scale.push_back(found.positive);
      result.negative_scale.push_back(found.negative);
      result.shift.push_back(found.shift);
    } else {
      const auto fields =
          options.keeps_range && limits.bias_after ? scale_and_shift_in_range : scale_and_shift;
      const ScaleShift found =
          fields(multiplier, limits.conv_prescale_max, limits.scale_bits, limits.conv_shift_max);
      if (limits.conv_prescale_max > 0) result.prescale.push_back(found.prescale_shift);
      result.scale.push_back(found.scale);
      result.shift.push_back(found.postscale_shift);
    }
  }
  return result;
}

}  // namespace

WeightedParameters weighted_parameters(const Graph& graph, const Node& node,
                                       const NodeScales& scales, const QuantizeOptions& options) {
  const Tensor& weights = *graph.value(node.inputs[1]).constant;
  const WeightView view = view_of(weights, is_transposed(node));
  const WeightScales own = weight_scales(graph, node, view, scales, options);
  const auto channels = static_cast<std::size_t>(output_channels(graph, node));
  const double high = high_code(own.bits);

  WeightedParameters result;
  result.weights = code_type(options.bits) == ElementType::Int8
                       ? weight_codes<std::int8_t>(weights, view, own.thresholds, high)
                       : weight_codes<std::int16_t>(weights, view, own.thresholds, high);
  const std::span<const float> bias = bias_values(graph, node);
  if (!bias.empty()) result.bias = bias_codes(bias, own.thresholds, scales, options);
  result.requantize = weighted_requantize(node, scales, channels, own.thresholds, options);
  result.quantization = weight_quantization(graph.value(node.inputs[1]), own, options.bits,
                                            is_transposed(node) ? 1 : 0);
  return result;
}

Requantize plain_requantize(const Node& node, const NodeScales& scales,
                            const QuantizeOptions& options) {
  const auto* pool = std::get_if<AveragePool>(&node.op);
  const RequantizeLimits& limits = options.limits;
  const ScaleFields fields = pool != nullptr ? ScaleFields{.scale_bits = limits.average_scale_bits,
                                                           .shift_max = limits.average_shift_max}
                                             : ScaleFields{.scale_bits = limits.scale_bits,
                                                           .shift_max = limits.other_shift_max};
  if (scales.layer != nullptr && !scales.layer->scale.empty()) {
    return table_requantize(*scales.layer, 1, fields);
  }
  double multiplier = scales.threshold_in / scales.threshold_out;
  if (pool != nullptr) {
    multiplier /=
        static_cast<double>(std::accumulate(pool->window.kernel.begin(), pool->window.kernel.end(),
                                            std::int64_t{1}, std::multiplies<>()));
  }
  // The published rule leaves a sum of V2 seven of its field's eight bits.
  const bool all_bits = pool == nullptr && options.keeps_range && limits.bias_after;
  const ScaleShift found = (all_bits ? scale_and_shift_in_range : scale_and_shift)(
      multiplier, 0, fields.scale_bits, fields.shift_max);
  return {.scale = {found.scale}, .shift = {found.postscale_shift}};
}

void check_finite_weights(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    if (!traits(node.op).has_weights) continue;
    if (!std::isfinite(max_magnitude(activation_of(node.op).slopes))) {
      fail("node '{}': expected finite PRelu slopes, found NaN or infinity", node.name);
    }
    for (const ValueId id : node.inputs) {
      if (id == kNoValue) continue;
      const Value& value = graph.value(id);
      if (!value.constant || value.constant->type() != ElementType::Float32) continue;
      if (!std::isfinite(max_magnitude(value.constant->values<float>()))) {
        fail("value '{}': expected finite weights for node '{}', found NaN or infinity", value.name,
             node.name);
      }
    }
  }
}

}  // namespace workbench
