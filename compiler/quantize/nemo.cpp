// NEMO's scheme: which nodes are integer, the codes of every value, and the integers of each node.
#include "compiler/quantize/nemo.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "compiler/quantize/fixed_point.h"
#include "compiler/quantize/integer_nodes.h"
#include "compiler/quantize/kept_codes.h"
#include "compiler/quantize/nemo_codes.h"
#include "compiler/quantize/parameters.h"

namespace workbench {

namespace {

// The integers of one NEMO node: weight codes, multipliers, offsets, the divisor they share.

struct NemoWeights {
  Tensor codes;               // int8, shape of the float weights
  Quantization quantization;  // one threshold, or one per index of the output channels' axis
  std::vector<double> steps;  // per output channel
  std::vector<double> bias;   // per output channel, real
};

// Weights of a Conv or Gemm (its alpha and beta applied), rounded half away from zero to symmetric
// codes. Threshold of a channel: an import hint's, else max|w|, else 1.
NemoWeights nemo_weights(const Graph& graph, const Node& node, const NemoOptions& options,
                         bool per_channel);

// What one output channel makes of its accumulator: real output codes = gain * (acc - zero) +
// offset.
struct Channel {
  double gain = 0, offset = 0;
  double reach = 0;       // the largest |acc| that any input gives
  std::int64_t zero = 0;  // what zero points of the input add to acc
};

// Power-of-two divisor, rounded half up by an offset of half of it
// (docs/facts/quantization.md 2.2). The divisor: the largest that keeps gains below 2^15 and every
// step inside 32 bits, if that is precise to an eighth of a code; else the smallest that is precise
// to 1/32. `span`: the codes of the output that are not saturated.
AffineRequantize nemo_rescaling(std::span<const Channel> channels, const Quantization& out);

// Per output channel, from its weights' codes: the largest |acc| of inputs in `in`'s range.
std::vector<double> reaches(const Node& node, const Tensor& codes, std::size_t channels,
                            const Quantization& in);

// Multipliers of both operands of a sum (range of 32 bits, nothing divided), and what divides it.
SumNumbers nemo_sum(std::span<const Quantization> in, const Quantization& out);

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
    const double offset = std::abs(std::ldexp(c.offset, shift)) + std::ldexp(0.5, shift) + 1 +
                          gain * std::abs(static_cast<double>(c.zero));
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
    how.offset.push_back(std::llround(std::ldexp(offset, shift)) + how.divisor / 2 -
                         how.multiplier.back() * channel.zero);
  }
  return how;
}

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

// By output channel, the sum of its weights' codes.
std::vector<std::int64_t> weight_sums(const Node& node, const Tensor& codes, std::size_t channels) {
  const WeightOrder order(node, codes.shape());
  const auto values = codes.values<std::int8_t>();
  std::vector<std::int64_t> result(channels, 0);
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t t = 0; t < order.terms; ++t) result[c] += values[order.at(c, t)];
  }
  return result;
}

AffineRequantize nemo_rescaling(std::span<const Channel> channels, const Quantization& out) {
  return at_shift(channels, out, shift_for(channels, out));
}

SumNumbers nemo_sum(std::span<const Quantization> in, const Quantization& out) {
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
  SumNumbers result{.operands = {}, .sum = at_shift({}, out, shift)};
  result.sum.multiplier = {1};
  result.sum.offset = {result.sum.divisor / 2};
  for (const Channel& channel : channels) {
    result.operands.push_back({.multiplier = {std::llround(std::ldexp(channel.gain, shift))},
                               .low = std::numeric_limits<std::int32_t>::min(),
                               .high = std::numeric_limits<std::int32_t>::max()});
  }
  return result;
}

}  // namespace

namespace {

constexpr std::int64_t kLow32 = std::numeric_limits<std::int32_t>::min();
constexpr std::int64_t kHigh32 = std::numeric_limits<std::int32_t>::max();

void drop_activation(Op& op) {
  if (auto* conv = std::get_if<Conv>(&op)) conv->activation = {};
  if (auto* sum = std::get_if<Binary>(&op)) sum->activation = {};
  if (auto* gemm = std::get_if<Gemm>(&op)) *gemm = Gemm{.transpose_b = gemm->transpose_b};
}

// The last Gemm of a classifier: DORY's linear layer with results of 32 bits
// (docs/facts/pulp.md 3.2).
std::vector<bool> last_products(const Graph& graph, const Roles& roles) {
  const auto readers = consumers(graph);
  std::vector<bool> result;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    const auto* gemm = std::get_if<Gemm>(&node.op);
    const bool linear = gemm != nullptr && gemm->activation.kind == Activation::Kind::None;
    const auto& read_by = readers[static_cast<std::size_t>(node.outputs[0])];
    result.push_back(roles[n] && linear &&
                     std::none_of(read_by.begin(), read_by.end(),
                                  [&](std::size_t reader) { return roles[reader].has_value(); }));
  }
  return result;
}

bool same_scale(const Quantization& a, const Quantization& b) {
  return a.thresholds == b.thresholds && a.bits == b.bits && a.is_signed == b.is_signed &&
         a.zero_point() == b.zero_point();
}

// The annotated graph with codes as kernels have them.
Graph with_kernel_codes(Graph annotated) {
  for (Value& value : annotated.values) {
    if (value.quantization && !value.constant) {
      value.quantization = kernel_codes(*std::move(value.quantization));
    }
  }
  return annotated;
}

// Sums of `terms` codes to the codes of another scale.
AffineRequantize rescaling(const Quantization& in, const Quantization& out, std::int64_t terms) {
  const auto count = static_cast<double>(terms);
  const Channel channel{.gain = in.step() / out.step() / count,
                        .offset = static_cast<double>(out.zero_point()),
                        .reach = static_cast<double>(std::max(in.high(), -in.low())) * count,
                        .zero = in.zero_point() * terms};
  return nemo_rescaling(std::span(&channel, 1), out);
}

// The integer nodes of one network.
class Nodes {
 public:
  Nodes(const Graph& annotated, const NemoOptions& options)
      : annotated_(annotated),
        source_(with_kernel_codes(annotated)),
        options_(options),
        roles_(nemo_roles(annotated, options)),
        last_(last_products(annotated, roles_)),
        rewriter_(source_) {}

  Graph run() {
    return rewriter_.run(roles_, [&](std::size_t n) { return integer_node(n); });
  }

 private:
  const Quantization& codes(ValueId id) const { return rewriter_.codes(id); }

  Node integer_node(std::size_t index) {
    const Node& original = source_.nodes[index];
    const Role role = *roles_[index];
    const ValueId out = original.outputs[0];
    Node node = original;
    node.inputs.clear();
    for (const ValueId id : data_operands(original, role)) {
      node.inputs.push_back(role == Role::Concat ? code_as(id, codes(out)) : rewriter_.code(id));
    }
    drop_activation(node.op);
    if (last_[index] && !source_.value(out).quantization) {
      add_logits(original, node);
      return node;
    }
    node.outputs = {rewriter_.result(out, codes(out))};
    add_numbers(original, role, node);
    return node;
  }

  // Codes of `id` as a concat requires them.
  ValueId code_as(ValueId id, const Quantization& wanted) {
    if (same_scale(codes(id), wanted)) return rewriter_.code(id);
    return rewriter_.rescaled(id, wanted, rescaling(codes(id), wanted, 1));
  }

  void add_numbers(const Node& original, Role role, Node& node) {
    const Quantization& in = codes(original.inputs[0]);
    const Quantization& out = codes(original.outputs[0]);
    switch (role) {
      case Role::Weighted:
        return add_weights(original, node);
      case Role::Average:
        node.affine =
            mean(original, element_count(std::get<AveragePool>(original.op).window.kernel));
        return;
      case Role::Sum: {
        const std::vector<Quantization> operands = {in, codes(original.inputs[1])};
        const bool came = came_shifted(original.inputs[0]) || came_shifted(original.inputs[1]) ||
                          came_shifted(original.outputs[0]);
        SumNumbers numbers = came ? sum_rounded_once(operands, out) : nemo_sum(operands, out);
        node.operand_affine = std::move(numbers.operands);
        node.affine = std::move(numbers.sum);
        return;
      }
      case Role::Rescale:
        node.op = Identity{};
        node.affine = rescaling(in, out, 1);
        return;
      case Role::Concat:
      case Role::Move:
        return;
    }
  }

  bool came_shifted(ValueId id) const {
    const auto& codes = annotated_.value(id).quantization;
    return codes && is_shifted(*codes);
  }

  // Pools of codes with a zero point keep them, and round as the file's arithmetic does.
  AffineRequantize mean(const Node& original, std::int64_t count) const {
    const Quantization& in = codes(original.inputs[0]);
    const Quantization& out = codes(original.outputs[0]);
    if (came_shifted(original.outputs[0]) && same_scale(in, out)) {
      const Quantization& came = *annotated_.value(original.outputs[0]).quantization;
      if (const auto how = mean_around(-came.low(), count)) return *how;
    }
    return rescaling(in, out, count);
  }

  // A layer that came as integers, its bias on the accumulators' grid.
  AffineRequantize as_it_came(const Node& original, const NemoWeights& weights) const {
    const Quantization& in = codes(original.inputs[0]);
    const Quantization& out = codes(original.outputs[0]);
    const std::size_t channels = weights.steps.size();
    const std::vector<std::int64_t> sums = weight_sums(original, weights.codes, channels);
    // A matrix of one scale has its product taken in float32 (docs/facts/tflite.md 3.1).
    const bool in_float =
        std::holds_alternative<Gemm>(original.op) && weights.quantization.thresholds.size() == 1;
    std::vector<double> factors;
    std::vector<std::int64_t> added;
    for (std::size_t c = 0; c < channels; ++c) {
      const double exact = in.step() * weights.steps[c];
      const double product = in_float ? static_cast<double>(static_cast<float>(exact)) : exact;
      factors.push_back(product / out.step());
      const double bias = std::clamp(std::round(weights.bias[c] / exact),
                                     static_cast<double>(kLow32), static_cast<double>(kHigh32));
      added.push_back(static_cast<std::int64_t>(bias) - in.zero_point() * sums[c]);
    }
    return rounded_once(factors, added, reaches(original, weights.codes, channels, in), out);
  }

  void add_weights(const Node& original, Node& node) {
    NemoWeights weights = nemo_weights(source_, original, options_, options_.per_channel);
    const Quantization& in = codes(original.inputs[0]);
    const Quantization& out = codes(original.outputs[0]);
    if (came_as_integers(annotated_, original)) {
      node.affine = as_it_came(original, weights);
    } else {
      const std::vector<double> reach = reaches(original, weights.codes, weights.steps.size(), in);
      std::vector<Channel> channels;
      for (std::size_t c = 0; c < reach.size(); ++c) {
        channels.push_back({.gain = in.step() * weights.steps[c] / out.step(),
                            .offset = weights.bias[c] / out.step(),
                            .reach = reach[c]});
      }
      node.affine = nemo_rescaling(channels, out);
    }
    node.inputs.push_back(rewriter_.constant(original.inputs[1], std::move(weights.codes),
                                             std::move(weights.quantization)));
  }

  void add_logits(const Node& original, Node& node) {
    NemoWeights weights = nemo_weights(source_, original, options_, false);
    const double in_step = codes(original.inputs[0]).step();
    const std::int64_t zero = codes(original.inputs[0]).zero_point();
    const std::vector<std::int64_t> sums =
        weight_sums(original, weights.codes, weights.bias.size());
    std::vector<std::int32_t> bias;
    for (std::size_t c = 0; c < weights.bias.size(); ++c) {
      const double code = std::clamp(
          weights.bias[c] / (in_step * weights.steps[c]) - static_cast<double>(zero * sums[c]),
          static_cast<double>(kLow32) / 2, static_cast<double>(kHigh32) / 2);
      bias.push_back(static_cast<std::int32_t>(std::llround(code)));
    }
    // One scale, unless the weights came with one per channel.
    const std::size_t scales = weights.quantization.thresholds.size();
    Quantization out{.bits = 32, .axis = scales == 1 ? 0 : 1};
    for (std::size_t c = 0; c < scales; ++c) {
      out.thresholds.push_back(in_step * weights.steps[c] * static_cast<double>(kHigh32));
    }
    node.outputs = {rewriter_.result(original.outputs[0], out)};
    node.affine = AffineRequantize{.low = kLow32, .high = kHigh32};
    node.inputs.push_back(rewriter_.constant(original.inputs[1], std::move(weights.codes),
                                             std::move(weights.quantization)));
    const bool has_bias = original.inputs.size() > 2 && original.inputs[2] != kNoValue;
    if (!has_bias && zero == 0) return;
    const Shape shape = {static_cast<std::int64_t>(bias.size())};
    node.inputs.push_back(rewriter_.constant(
        original.inputs[has_bias ? 2 : 1], Tensor::from<std::int32_t>(shape, bias), std::nullopt));
  }

  const Graph& annotated_;
  const Graph source_;  // with codes as kernels have them
  const NemoOptions& options_;
  Roles roles_;
  std::vector<bool> last_;  // per node: leaves as int32, but for codes that it came with
  IntegerRewriter rewriter_;
};

}  // namespace

Graph nemo_form(Graph graph) {
  std::set<std::string> names;
  for (const Value& value : graph.values) names.insert(value.name);
  for (const Node& node : graph.nodes) names.insert(node.name);
  const auto unique = [&](std::string name) {
    while (!names.insert(name).second) name += '_';
    return name;
  };
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    Activation* fused = fused_activation(graph.nodes[n].op);
    const bool transposed = std::holds_alternative<ConvTranspose>(graph.nodes[n].op);
    if (fused == nullptr || transposed || is_saturation(*fused)) continue;
    const Activation activation = std::exchange(*fused, {});
    const ValueId out = graph.nodes[n].outputs[0];
    const ValueId linear = graph.add_value(
        {.name = unique(graph.value(out).name + "_linear"), .shape = graph.value(out).shape});
    graph.nodes[n].outputs[0] = linear;
    Node own{.name = unique(graph.nodes[n].name + "_activation"),
             .op = Activate{.activation = activation},
             .inputs = {linear},
             .outputs = {out}};
    graph.nodes.insert(graph.nodes.begin() + static_cast<std::ptrdiff_t>(n) + 1, std::move(own));
  }
  return graph;
}

Graph quantize_nemo(const Graph& graph, const Thresholds& thresholds, const NemoOptions& options) {
  return lower_nemo(annotate_nemo(graph, thresholds, options), options);
}

Graph annotate_nemo(Graph graph, const Thresholds& thresholds, const NemoOptions& options) {
  check_finite_weights(graph);
  const Roles roles = nemo_roles(graph, options);
  Codes codes = nemo_codes(graph, roles, thresholds, options);
  const std::vector<bool> last = last_products(graph, roles);
  for (std::size_t n = 0; n < last.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (!last[n]) continue;
    const ValueId out = node.outputs[0];
    const bool has_codes = graph.value(out).quantization && came_as_integers(graph, node);
    if (!has_codes) codes.thresholds[static_cast<std::size_t>(out)] = 0;
  }
  return with_codes(std::move(graph), roles, std::move(codes));
}

Graph lower_nemo(const Graph& annotated, const NemoOptions& options) {
  check_finite_weights(annotated);
  return Nodes(annotated, options).run();
}

}  // namespace workbench
