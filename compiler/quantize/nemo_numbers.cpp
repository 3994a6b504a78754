#include "compiler/quantize/nemo_numbers.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace workbench {

namespace {

constexpr double kLimit32 = 2147483647.0;
constexpr double kLargestGain = 32767;  // 15 bits, as the library's 16 bit multipliers
constexpr int kLargestShift32 = 31, kLargestShift64 = 46;

// How weights [rows][columns] of the output channels lie: element (channel, term).
struct WeightOrder {
  std::size_t channels = 0, terms = 0;
  bool by_column = false;  // a Gemm whose weights are [K, N]

  WeightOrder(const Node& node, const Shape& shape) {
    const auto* gemm = std::get_if<Gemm>(&node.op);
    by_column = gemm != nullptr && !gemm->transpose_b;
    channels = static_cast<std::size_t>(by_column ? shape[1] : shape[0]);
    terms = static_cast<std::size_t>(element_count(shape)) / std::max<std::size_t>(channels, 1);
  }
  std::size_t at(std::size_t channel, std::size_t term) const {
    return by_column ? term * channels + channel : channel * terms + term;
  }
};

double scaled(float value, float factor) {
  return static_cast<double>(value) * static_cast<double>(factor);
}

std::vector<double> thresholds_of(std::span<const float> weights, const WeightOrder& order,
                                  float alpha, bool per_channel) {
  std::vector<double> thresholds(per_channel ? order.channels : 1, 0.0);
  for (std::size_t c = 0; c < order.channels; ++c) {
    double& threshold = thresholds[per_channel ? c : 0];
    for (std::size_t t = 0; t < order.terms; ++t) {
      threshold = std::max(threshold, std::abs(scaled(weights[order.at(c, t)], alpha)));
    }
  }
  for (double& threshold : thresholds) threshold = threshold > 0 ? threshold : 1.0;
  return thresholds;
}

// A quantization that came with the weights, if symmetric int8 can keep it.
bool is_usable(const std::optional<Quantization>& hint, std::size_t channels, int axis) {
  return hint && hint->bits >= 2 && hint->bits <= 8 && hint->is_signed &&
         (hint->thresholds.size() == 1 ||
          (hint->thresholds.size() == channels && hint->axis == axis)) &&
         std::all_of(hint->zero_points.begin(), hint->zero_points.end(),
                     [](std::int64_t zero) { return zero == 0; });
}

std::vector<double> bias_of(const Graph& graph, const Node& node, std::size_t channels,
                            float beta) {
  std::vector<double> bias(channels, 0.0);
  if (node.inputs.size() < 3 || node.inputs[2] == kNoValue) return bias;
  const auto values = graph.value(node.inputs[2]).constant->values<float>();
  for (std::size_t c = 0; c < channels; ++c) {
    bias[c] = scaled(values[values.size() == 1 ? 0 : c], beta);
  }
  return bias;
}

// The largest error, in output codes, of rounding a gain to a multiple of 2^-shift: for
// accumulators that exist and do not saturate the output.
double rounding_error(const Channel& channel, const Quantization& out, int shift) {
  const double range = static_cast<double>(out.high() - out.low()) + std::abs(channel.offset);
  const double unsaturated = channel.gain > 0 ? range / channel.gain : channel.reach;
  return std::ldexp(0.5, -shift) * std::min(channel.reach, unsaturated);
}

double largest_error(std::span<const Channel> channels, const Quantization& out, int shift) {
  double largest = 0;
  for (const Channel& c : channels) largest = std::max(largest, rounding_error(c, out, shift));
  return largest;
}

bool stays_in_32_bits(std::span<const Channel> channels, int shift) {
  return std::all_of(channels.begin(), channels.end(), [&](const Channel& c) {
    const double gain = std::round(std::ldexp(c.gain, shift));
    const double offset = std::abs(std::ldexp(c.offset, shift)) + std::ldexp(0.5, shift) + 1;
    return gain <= kLargestGain && gain * c.reach + offset <= kLimit32;
  });
}

int shift_for(std::span<const Channel> channels, const Quantization& out) {
  int narrow = kLargestShift32;
  while (narrow > 0 && !stays_in_32_bits(channels, narrow)) --narrow;
  if (stays_in_32_bits(channels, narrow) && largest_error(channels, out, narrow) <= 0.125) {
    return narrow;
  }
  int wide = 0;
  while (wide < kLargestShift64 && largest_error(channels, out, wide) > 1.0 / 32) ++wide;
  return wide;
}

AffineRequantize at_shift(std::span<const Channel> channels, const Quantization& out, int shift) {
  constexpr double kFar = 16777216;  // output codes: saturated, whatever else is added
  AffineRequantize how{.multiplier = {},
                       .offset = {},
                       .divisor = std::int64_t{1} << shift,
                       .low = out.low(),
                       .high = out.high()};
  for (const Channel& channel : channels) {
    const double offset = std::clamp(channel.offset, -kFar, kFar);
    how.multiplier.push_back(std::llround(std::ldexp(channel.gain, shift)));
    how.offset.push_back(std::llround(std::ldexp(offset, shift)) + how.divisor / 2);
  }
  return how;
}

}  // namespace

NemoWeights nemo_weights(const Graph& graph, const Node& node, const NemoOptions& options,
                         bool per_channel) {
  const Value& value = graph.value(node.inputs[1]);
  const auto* gemm = std::get_if<Gemm>(&node.op);
  const float alpha = gemm != nullptr ? gemm->alpha : 1.0F;
  const auto weights = value.constant->values<float>();
  const WeightOrder order(node, value.shape);
  Quantization quantization{.bits = options.weight_bits,
                            .thresholds = thresholds_of(weights, order, alpha, per_channel),
                            .axis = order.by_column ? 1 : 0};
  if (alpha == 1 && is_usable(value.quantization, order.channels, quantization.axis)) {
    quantization.bits = value.quantization->bits;
    quantization.thresholds = value.quantization->thresholds;
  }
  NemoWeights result{.codes = Tensor::uninitialized(ElementType::Int8, value.shape,
                                                    gemm ? Layout::RowMajor : Layout::Oihw),
                     .quantization = quantization,
                     .steps = {},
                     .bias = bias_of(graph, node, order.channels, gemm ? gemm->beta : 1.0F)};
  const auto codes = result.codes.mutable_values<std::int8_t>();
  const auto high = static_cast<double>(quantization.high());
  for (std::size_t c = 0; c < order.channels; ++c) {
    const double step = quantization.step(c);
    result.steps.push_back(step);
    for (std::size_t t = 0; t < order.terms; ++t) {
      const std::size_t i = order.at(c, t);
      const double code = std::round(scaled(weights[i], alpha) / step);
      codes[i] = static_cast<std::int8_t>(std::clamp(code, -high, high));
    }
  }
  return result;
}

std::vector<double> reaches(const Node& node, const Tensor& codes, std::size_t channels,
                            const Quantization& in) {
  const WeightOrder order(node, codes.shape());
  const auto values = codes.values<std::int8_t>();
  std::vector<double> result(channels, 0.0);
  for (std::size_t c = 0; c < channels; ++c) {
    double above = 0, below = 0;
    for (std::size_t t = 0; t < order.terms; ++t) {
      const double weight = values[order.at(c, t)];
      const double a = weight * static_cast<double>(in.high());
      const double b = weight * static_cast<double>(in.low());
      above += std::max(a, b);
      below += std::min(a, b);
    }
    result[c] = std::max(above, -below);
  }
  return result;
}

AffineRequantize nemo_rescaling(std::span<const Channel> channels, const Quantization& out) {
  return at_shift(channels, out, shift_for(channels, out));
}

NemoSum nemo_sum(std::span<const Quantization> in, const Quantization& out) {
  std::vector<Channel> channels;
  for (const Quantization& operand : in) {
    channels.push_back({.gain = operand.step() / out.step(),
                        .reach = static_cast<double>(std::max(operand.high(), -operand.low()))});
  }
  // Both products and their sum: as one accumulator of twice the reach.
  std::vector<Channel> doubled = channels;
  for (Channel& channel : doubled) channel.reach *= 2;
  int shift = kLargestShift32;
  while (shift > 0 && !stays_in_32_bits(doubled, shift)) --shift;
  NemoSum result{.operands = {}, .sum = at_shift({}, out, shift)};
  result.sum.multiplier = {1};
  result.sum.offset = {result.sum.divisor / 2};
  for (const Channel& channel : channels) {
    result.operands.push_back({.multiplier = {std::llround(std::ldexp(channel.gain, shift))},
                               .low = std::numeric_limits<std::int32_t>::min(),
                               .high = std::numeric_limits<std::int32_t>::max()});
  }
  return result;
}

}  // namespace workbench
