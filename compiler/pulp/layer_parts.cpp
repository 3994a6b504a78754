#include "compiler/pulp/layer_parts.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "core/error.h"

namespace workbench::pulp {
namespace {

constexpr Values kInt32{std::numeric_limits<std::int32_t>::min(),
                        std::numeric_limits<std::int32_t>::max()};

template <typename T>
void append_integers(const Value& value, Values limits, std::vector<std::int64_t>& out) {
  for (const T element : value.constant->values<T>()) {
    const auto real = static_cast<double>(element);
    const auto integer = static_cast<std::int64_t>(element);
    if (static_cast<double>(integer) != real || integer < limits.low || integer > limits.high) {
      fail("constant '{}': {} is no integer from {} to {}", value.name, real, limits.low,
           limits.high);
    }
    out.push_back(integer);
  }
}

std::vector<std::int8_t> codes(const Value& value) {
  if (weight_bits(value) == 8 && value.constant && value.constant->type() == ElementType::Int8) {
    const auto bytes = value.constant->values<std::int8_t>();
    return {bytes.begin(), bytes.end()};
  }
  const std::int64_t high = (std::int64_t{1} << (weight_bits(value) - 1)) - 1;
  const std::vector<std::int64_t> wide = integers(value, {-high - 1, high});
  return {wide.begin(), wide.end()};
}

Values sum(const Values& a, const Values& b) { return {a.low + b.low, a.high + b.high}; }

Values rescaled_range(const AffineRequantize& affine, std::size_t channel, const Values& range) {
  const std::int64_t a = rescaled(affine, channel, range.low);
  const std::int64_t b = rescaled(affine, channel, range.high);
  return {std::min(a, b), std::max(a, b)};
}

Codes output_codes(const Kernel& call) {
  const std::int64_t span = std::int64_t{1} << call.out_bits;
  return {true, call.out_signed ? -span / 2 : 0, (call.out_signed ? span / 2 : span) - 1};
}

std::string text(const AffineRequantize& affine) {
  const char* rounding = affine.rounding == Rounding::Floor        ? "down"
                         : affine.rounding == Rounding::TowardZero ? "toward zero"
                                                                   : "half up";
  return fmt::format("(x * {}{} + {}{}) / {} rounded {}, {} to {}", affine.multiplier.front(),
                     affine.multiplier.size() > 1 ? "..." : "", affine.offset.front(),
                     affine.offset.size() > 1 ? "..." : "", affine.divisor, rounding, affine.low,
                     affine.high);
}

[[noreturn]] void inexact(const std::string& where, const AffineRequantize& affine,
                          const Values& range, const char* kernel) {
  fail("{}: {} has no exact form in the {} over accumulators from {} to {}", where, text(affine),
       kernel, range.low, range.high);
}

bool uniform(const AffineRequantize& affine) {
  return affine.multiplier.size() == 1 && affine.offset.size() == 1;
}

// One entry where all are equal.
AffineRequantize compact(AffineRequantize affine) {
  for (auto* list : {&affine.multiplier, &affine.offset}) {
    if (std::adjacent_find(list->begin(), list->end(), std::not_equal_to<>()) == list->end()) {
      list->resize(1);
    }
  }
  return affine;
}

void check_accumulators(const std::vector<Values>& ranges, const std::string& where) {
  const Values all = hull(ranges);
  if (all.low < kInt32.low || all.high > kInt32.high) {
    fail("{}: the accumulator can be {} to {}, the cores' has 32 bits", where, all.low, all.high);
  }
}

// Two int32 as one entry of kappa or lambda.
std::int64_t pair_of(std::int64_t low, std::int64_t high) {
  return static_cast<std::int64_t>((static_cast<std::uint64_t>(high) << 32) |
                                   static_cast<std::uint32_t>(low));
}

std::string reason(const AffineRequantize& affine, const std::vector<Values>& ranges,
                   std::int64_t channel) {
  if (channel < 0) {
    return fmt::format("divisor {} has no exact multiplier and shift of 32 bits", affine.divisor);
  }
  const auto c = static_cast<std::size_t>(channel);
  return fmt::format("channel {}: {} x accumulators {} to {}, + {}, leaves 32 bits", channel,
                     channel_entry(affine.multiplier, c), ranges[c].low, ranges[c].high,
                     channel_entry(affine.offset, c));
}

void set_norm(Layer& layer, const Lines& lines) {
  layer.bias.clear();
  layer.call.norm = true;
  layer.call.norm_bits = lines.bits;
  layer.call.shift = lines.shift;
  layer.kappa = lines.multiplier;
  layer.lambda = lines.offset;
  layer.call.clamped = !lines.low.empty();
  if (!layer.call.clamped) return;
  layer.call.norm_bits = 64;
  for (std::size_t c = 0; c < lines.low.size(); ++c) {
    layer.kappa[c] = pair_of(lines.multiplier[c], lines.low[c]);
    layer.lambda[c] = pair_of(lines.offset[c], lines.high[c]);
  }
}

// The library's ReLU path: one multiplier for all channels, in 32 bits.
bool set_uniform(Kernel& call, const AffineRequantize& affine, const Values& range) {
  const auto lines = lines_of(affine, std::span(&range, 1), output_codes(call), NormBits::Auto);
  if (!lines || lines->bits != 32) return false;
  call.norm = false;
  call.multiplier = lines->multiplier[0];
  call.offset = lines->offset[0];
  call.shift = lines->shift;
  return true;
}

AffineRequantize with_bias(const AffineRequantize& affine, const std::vector<std::int32_t>& bias) {
  if (bias.empty()) return affine;
  AffineRequantize folded = affine;
  folded.offset.clear();
  for (std::size_t c = 0; c < bias.size(); ++c) {
    folded.offset.push_back(channel_entry(affine.offset, c) +
                            channel_entry(affine.multiplier, c) * bias[c]);
  }
  return folded;
}

// Accumulators as they are, for the fully connected layer of 32 bits.
void set_raw(Layer& layer, const AffineRequantize& affine, const std::string& where) {
  const bool as_is = affine.divisor == 1 && affine.low <= kInt32.low && affine.high >= kInt32.high;
  const KernelTraits& kernels = traits(layer.family);
  if (!(kernels.vector || kernels.wide_out) || !as_is) {
    fail("{}: a result of 32 bits is what only sums over all channels leave, and unscaled", where);
  }
  const auto channels = static_cast<std::size_t>(layer.call.out_c);
  bool offsets = false;
  for (std::size_t c = 0; c < channels; ++c) {
    if (channel_entry(affine.multiplier, c) != 1) {
      fail("{}: a result of 32 bits cannot be scaled by {}", where,
           channel_entry(affine.multiplier, c));
    }
    offsets |= channel_entry(affine.offset, c) != 0;
  }
  if (offsets) {
    layer.bias.resize(channels);
    for (std::size_t c = 0; c < channels; ++c) {
      layer.bias[c] = static_cast<std::int32_t>(layer.bias[c] + channel_entry(affine.offset, c));
    }
  }
  layer.call.has_bias = !layer.bias.empty();
}

}  // namespace

std::string where(const Graph& graph, const Node& node) {
  return fmt::format("{}: node '{}' ({})", graph.name, node.name, op_name(node.op));
}

std::vector<std::int64_t> integers(const Value& value, Values limits) {
  CHECK(value.constant.has_value(), "'{}' is no constant", value.name);
  std::vector<std::int64_t> out;
  out.reserve(static_cast<std::size_t>(value.constant->size()));
  switch (value.constant->type()) {
    case ElementType::Int8:
      append_integers<std::int8_t>(value, limits, out);
      return out;
    case ElementType::Uint8:
      append_integers<std::uint8_t>(value, limits, out);
      return out;
    case ElementType::Int32:
      append_integers<std::int32_t>(value, limits, out);
      return out;
    case ElementType::Int64:
      append_integers<std::int64_t>(value, limits, out);
      return out;
    case ElementType::Float32:
      append_integers<float>(value, limits, out);
      return out;
    default:
      fail("constant '{}' is {}, expected integers", value.name,
           workbench::to_string(value.constant->type()));
  }
}

std::int64_t weight_bits(const Value& weights) {
  return weights.quantization ? weights.quantization->bits : 8;
}

std::vector<std::int8_t> conv_weights(const Value& weights, std::int64_t first,
                                      std::int64_t count) {
  std::vector<std::int8_t> source = codes(weights);
  const std::int64_t in_c = weights.shape[1];
  const std::int64_t area = element_count(weights.shape) / weights.shape[0] / in_c;
  if (area == 1 || in_c == 1) {
    if (count == weights.shape[0]) return source;
    const auto begin = source.begin() + first * in_c * area;
    return {begin, begin + count * in_c * area};
  }
  std::vector<std::int8_t> result(static_cast<std::size_t>(count * in_c * area));
  std::size_t to = 0;
  for (std::int64_t o = first; o < first + count; ++o) {
    for (std::int64_t tap = 0; tap < area; ++tap) {
      for (std::int64_t i = 0; i < in_c; ++i) {
        result[to++] = source[static_cast<std::size_t>((o * in_c + i) * area + tap)];
      }
    }
  }
  return result;
}

std::vector<std::int8_t> linear_weights(const Value& matrix, bool transposed,
                                        const FeatureMap& input) {
  const std::vector<std::int8_t> source = codes(matrix);
  const std::int64_t outs = matrix.shape[transposed ? 0 : 1];
  const std::int64_t ins = matrix.shape[transposed ? 1 : 0];
  const std::int64_t pixels = input.height * input.width;
  CHECK(pixels * input.channels == ins, "'{}' reads {} of {} inputs", matrix.name, ins,
        pixels * input.channels);
  if (transposed && (pixels == 1 || input.channels == 1)) return source;
  std::vector<std::int8_t> result(source.size());
  std::size_t to = 0;
  for (std::int64_t o = 0; o < outs; ++o) {
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
      for (std::int64_t c = 0; c < input.channels; ++c) {
        const std::int64_t i = c * pixels + pixel;
        result[to++] = source[static_cast<std::size_t>(transposed ? o * ins + i : i * outs + o)];
      }
    }
  }
  return result;
}

Values code_range(const FeatureMap& activation) {
  const std::int64_t span = std::int64_t{1} << activation.bits;
  if (activation.is_signed) return {-span / 2, span / 2 - 1};
  return {0, span - 1};
}

Values hull(const std::vector<Values>& ranges) {
  Values all = ranges.front();
  for (const Values& range : ranges) {
    all = {std::min(all.low, range.low), std::max(all.high, range.high)};
  }
  return all;
}

Values rescaled_codes(const AffineRequantize& affine, std::size_t channel, const Values& range,
                      const Kernel& call) {
  const Values values = rescaled_range(affine, channel, range);
  const Codes codes = output_codes(call);
  return {std::clamp(values.low, codes.low, codes.high),
          std::clamp(values.high, codes.low, codes.high)};
}

namespace {

// Of weights that all read one range.
std::vector<Values> of_one_range(const std::vector<std::int8_t>& weights, std::size_t channels,
                                 const std::vector<Values>& inputs) {
  const std::size_t each = weights.size() / channels;
  std::vector<Values> ranges;
  for (std::size_t c = 0; c < channels; ++c) {
    const Values& input = inputs.size() == 1 ? inputs.front() : inputs[c];
    // Their sum and that of their magnitudes: loops that the compiler makes into vectors.
    std::int32_t sum = 0, magnitude = 0;
    for (std::size_t i = c * each; i < (c + 1) * each; ++i) {
      sum += weights[i];
      magnitude += std::abs(std::int32_t{weights[i]});
    }
    const std::int64_t positive = (std::int64_t{magnitude} + sum) / 2,
                       negative = positive - magnitude;
    ranges.push_back({positive * input.low + negative * input.high,
                      positive * input.high + negative * input.low});
  }
  return ranges;
}

// Widths of the ranges and where they begin, as loops that the compiler makes into vectors want
// them.
struct Spans {
  std::vector<std::int32_t> low, high;
};

// Sums of products below and above, each of so few that 32 bits hold them.
Values products_range(const std::int8_t* weights, const Spans& inputs) {
  std::int32_t low = 0, high = 0;
  for (std::size_t i = 0; i < inputs.low.size(); ++i) {
    const std::int32_t a = weights[i] * inputs.low[i], b = weights[i] * inputs.high[i];
    low += std::min(a, b);
    high += std::max(a, b);
  }
  return {low, high};
}

}  // namespace

std::vector<Values> accumulator_ranges(const std::vector<std::int8_t>& weights,
                                       std::int64_t channels, const std::vector<Values>& inputs,
                                       bool by_channel) {
  const auto count = static_cast<std::size_t>(channels);
  if (by_channel || inputs.size() == 1) return of_one_range(weights, count, inputs);
  const std::size_t each = weights.size() / count;
  CHECK(each % inputs.size() == 0, "{} weights of {} channels", each, inputs.size());
  constexpr std::size_t kTogether = 16384;  // products of 16 bits whose sum 32 hold
  std::vector<Spans> pieces;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (i % kTogether == 0) pieces.emplace_back();
    pieces.back().low.push_back(static_cast<std::int32_t>(inputs[i].low));
    pieces.back().high.push_back(static_cast<std::int32_t>(inputs[i].high));
  }
  std::vector<Values> ranges(count);
  const std::int8_t* from = weights.data();
  for (Values& range : ranges) {
    for (std::size_t tap = 0; tap < each / inputs.size(); ++tap) {
      for (const Spans& piece : pieces) {
        range = sum(range, products_range(from, piece));
        from += piece.low.size();
      }
    }
  }
  return ranges;
}

Values set_rescaling(Layer& layer, const AffineRequantize& affine, std::vector<Values> ranges,
                     const NormForm& form, const std::string& where) {
  std::vector<Values> with_start = ranges;
  for (std::size_t c = 0; c < layer.bias.size(); ++c) {
    with_start[c] = sum(ranges[c], {layer.bias[c], layer.bias[c]});
  }
  check_accumulators(with_start, where);
  const Values all = hull(with_start);
  if (layer.call.out_bits == 32) {
    set_raw(layer, affine, where);
    return all;
  }
  const AffineRequantize plain = form.norms == NormStyle::Ours ? compact(affine) : affine;
  if (uniform(plain) && set_uniform(layer.call, plain, all)) {
    layer.call.has_bias = !layer.bias.empty();
    return all;
  }
  const AffineRequantize biased = with_bias(affine, layer.bias);
  const auto lines =
      lines_of(biased, ranges, output_codes(layer.call), form.bits, form.norms == NormStyle::Ours);
  if (!lines) {
    inexact(where, affine, all, form.bits == NormBits::Bits32 ? "32-bit batch norm" : "batch norm");
  }
  if (lines->bits == 64 || !lines->low.empty()) {
    layer.wide_norm = reason(biased, ranges, lines->wraps);
  }
  set_norm(layer, *lines);
  return all;
}

Values set_add(Layer& layer, const Node& node, const Values& first, const Values& second,
               const std::string& where) {
  Kernel& call = layer.call;
  const Codes codes = output_codes(call);
  Values ranges[2] = {first, second};
  CHECK(node.operand_affine.empty() || node.operand_affine.size() == 2, "'{}'", node.name);
  std::optional<Lines> lines[2];
  for (const bool clip : {false, true}) {
    call.clip_operands = clip;
    for (std::size_t i = 0; i < 2 && !node.operand_affine.empty(); ++i) {
      const AffineRequantize affine = compact(node.operand_affine[i]);
      if (!uniform(affine)) fail("{}: an operand's scale differs between channels", where);
      lines[i] = lines_of(affine, std::span(&ranges[i], 1), clip ? codes : Codes{.clipped = false},
                          NormBits::Auto);
      if (lines[i] && lines[i]->bits != 32) lines[i].reset();
    }
    if (node.operand_affine.empty() || (lines[0] && lines[1])) break;
  }
  for (std::size_t i = 0; i < node.operand_affine.size(); ++i) {
    const AffineRequantize& affine = node.operand_affine[i];
    if (!lines[i]) inexact(where, affine, ranges[i], "add kernel");
    (i == 0 ? call.multiplier1 : call.multiplier2) = lines[i]->multiplier[0];
    (i == 0 ? call.offset1 : call.offset2) = lines[i]->offset[0];
    (i == 0 ? call.shift1 : call.shift2) = lines[i]->shift;
    ranges[i] = rescaled_range(affine, 0, ranges[i]);
  }
  const AffineRequantize affine = compact(*node.affine);
  const Values all = sum(ranges[0], ranges[1]);
  if (!uniform(affine)) fail("{}: the scale differs between channels", where);
  if (!set_uniform(call, affine, all)) inexact(where, affine, all, "add kernel");
  return rescaled_range(affine, 0, all);
}

void set_average(Layer& layer, const AffineRequantize& affine, const Values& input,
                 const std::string& where) {
  const std::int64_t window = layer.call.kernel_h * layer.call.kernel_w;
  const AffineRequantize plain = compact(affine);
  const Values sums{std::min<std::int64_t>(0, input.low * window), input.high * window};
  if (!uniform(plain)) fail("{}: the scale differs between channels", where);
  const auto line = pool_line_of(plain, sums, window, output_codes(layer.call));
  if (!line) inexact(where, plain, sums, "average pool kernel");
  layer.call.multiplier = line->multiplier;
  layer.call.divisor = line->divisor;
  layer.call.offset = line->offset;
  layer.call.shift = line->shift;
}

}  // namespace workbench::pulp
