#include "compiler/quantize/fit_multipliers.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "compiler/quantize/integer_nodes.h"
#include "compiler/quantize/weighted_layers.h"

namespace workbench {

namespace {

constexpr int kFieldBits = 8;           // scales of more bits are no loss
constexpr double kCrest = 4;            // a result's largest code over its mean one, assumed
constexpr double kRounding = 1.0 / 12;  // variance of rounding to one step
constexpr double kSingle = 1e-6;        // products of steps are single precision
constexpr double kWorthRaising = 1 + 1.0 / 32;  // a sum's scale; beyond, coarser codes cost more

// What a layer's multiplier is made of, in steps of its result per product of steps.
struct Context {
  double high = 127;           // code of a threshold
  double weight_noise = 0;     // of rounding to the own threshold, over the power of the weights
  bool drops = false;          // a prescale rounds before the scale
  std::vector<double> slopes;  // of negative sums; empty: no PReLU
};

// Mean square, in steps of the result, of what a threshold larger by `raise` costs where the
// positive scale is `scale` of 128 to 255.
double noise(const Context& context, double raise, int scale) {
  const double power = context.high / kCrest * (context.high / kCrest);
  double sum = power * context.weight_noise * raise * raise;
  for (const double slope : context.slopes) {
    const double exact = scale * slope;
    const double error = (std::round(exact) - exact) / scale;
    sum += power * error * error / (1 + slope * slope) / static_cast<double>(context.slopes.size());
  }
  if (!context.drops) return sum;
  const double unit = scale / 128.0;  // of what the prescale leaves
  return sum + kRounding * unit * unit + (scale == 128 ? 0 : kRounding);
}

// The factor in [1, 2) of the threshold whose multiplier is `multiplier` that costs the least.
double best_raise(const Context& context, double multiplier) {
  int exponent = 0;
  const double own = std::ldexp(std::frexp(multiplier, &exponent), kFieldBits);  // 128 to 256
  double best = 1, least = std::numeric_limits<double>::infinity();
  for (int scale = 128; scale < 256; ++scale) {
    const double raise = (scale < own * (1 - kSingle) ? 2 : 1) * scale / own;
    const double cost = noise(context, raise, scale);
    if (cost >= least) continue;
    least = cost;
    best = raise;
  }
  return best;
}

double mean_square(const std::vector<double>& sums, std::size_t part, double count) {
  return sums[part] / std::max(count, 1.0);
}

std::vector<double> slopes_of(const Activation& activation, std::size_t part, std::size_t parts) {
  std::vector<double> slopes;
  if (activation.kind == Activation::Kind::LeakyRelu) return {double{activation.alpha}};
  if (activation.kind != Activation::Kind::PRelu) return {};
  for (std::size_t c = 0; c < activation.slopes.size(); ++c) {
    if (activation.slopes.size() == 1 || c % parts == part) {
      slopes.push_back(double{activation.slopes[c]});
    }
  }
  return slopes;
}

void fit_layer(Graph& annotated, const WeightedLayer& layer, const QuantizeOptions& options) {
  const Node& node = annotated.nodes[layer.node];
  const auto& in = annotated.value(node.inputs[0]).quantization;
  const auto& out = annotated.value(node.outputs[0]).quantization;
  auto& weights = annotated.value(node.inputs[1]).quantization;
  if (!in || !out || !weights) return;
  const std::size_t parts = weights->thresholds.size();
  const std::vector<float> values = layer_weights(annotated, layer);
  std::vector<double> squares(parts, 0.0);
  for (std::size_t i = 0; i < values.size(); ++i) {
    squares[layer.output_of(i) % layer.steps % parts] += double{values[i]} * double{values[i]};
  }
  const double count = static_cast<double>(values.size()) / static_cast<double>(parts);
  for (std::size_t p = 0; p < parts; ++p) {
    Context context{.high = static_cast<double>(out->high()),
                    .drops = options.limits.bias_after,
                    .slopes = slopes_of(fused(node), p, parts)};
    const bool coarse = options.limits.scale_bits <= kFieldBits || !context.slopes.empty();
    const double square = mean_square(squares, p, count), step = weights->step(p);
    if (!coarse || square <= 0) continue;
    context.weight_noise = kRounding * step * step / square;
    const double multiplier =
        scale_multiplier(in->thresholds[0], step * context.high, out->thresholds[0], context.high);
    if (!std::isnormal(multiplier)) continue;
    const double raised = step * best_raise(context, multiplier);
    weights->thresholds[p] =
        double{static_cast<float>(raised)} * static_cast<double>(weights->high());
  }
}

// Values that share one scale.
struct SharedScale {
  std::vector<ValueId> members;
  ValueId in_sum = kNoValue;            // one that a sum reads or writes
  bool fixed = false;                   // saturation at the threshold is a Clip's
  std::vector<std::size_t> read_into;   // of each sum of its members, the scale of the result
  std::vector<std::size_t> added_from;  // of each sum among them, the scale of the operands
};

bool is_sum_of_codes(const Graph& annotated, const Node& node) {
  const auto* binary = std::get_if<Binary>(&node.op);
  if (binary == nullptr || binary->kind != Binary::Kind::Add) return false;
  const auto is_coded = [&](ValueId id) {
    return !annotated.value(id).constant && annotated.value(id).quantization.has_value();
  };
  return std::ranges::all_of(node.inputs, is_coded) && is_coded(node.outputs[0]);
}

// A sum's multiplier is the threshold of its operands over that of its result. Residual networks
// tie the scales of many sums: a scale is raised, by at most 1 in 32, to where the fields hold the
// multipliers of the sums that read it, whose results come later and have theirs by then. What
// writes it, convolutions and other sums, is fitted after it.
class SumScales {
 public:
  SumScales(Graph& annotated, int shift_max)
      : annotated_(annotated), shift_max_(shift_max), scale_of_(annotated.values.size()) {
    for (std::size_t i = 0; i < scale_of_.size(); ++i) {
      scale_of_[i] = i;
      scales_.push_back({.members = {static_cast<ValueId>(i)}});
    }
    for (const ScaleGroup& group : annotated.scale_groups) {
      const auto first = static_cast<std::size_t>(group.members[0]);
      scales_[first].members = group.members;
      for (const ValueId id : group.members) scale_of_[static_cast<std::size_t>(id)] = first;
    }
    for (const Node& node : annotated.nodes) add(node);
  }

  // Each scale after those of the results, as far as that can be: the operands of a sum may be its
  // results' readers, too.
  void fit() {
    std::vector<bool> begun(scales_.size(), false), done(scales_.size(), false);
    std::vector<std::size_t> pending = of_sums_;
    while (!pending.empty()) {
      const std::size_t scale = pending.back();
      if (begun[scale]) {
        pending.pop_back();
        if (!done[scale]) fit(scales_[scale]);
        done[scale] = true;
        continue;
      }
      begun[scale] = true;
      for (const std::size_t out : scales_[scale].read_into) {
        if (!begun[out]) pending.push_back(out);
      }
    }
  }

 private:
  std::size_t scale_of(ValueId id) const { return scale_of_[static_cast<std::size_t>(id)]; }

  void add(const Node& node) {
    if (node.outputs.size() != 1) return;
    const std::size_t out = scale_of(node.outputs[0]);
    if (saturation_cap(activation_of(node.op))) scales_[out].fixed = true;
    if (!is_sum_of_codes(annotated_, node)) return;
    const std::size_t in = scale_of(node.inputs[0]);
    if (in != scale_of(node.inputs[1]) || in == out) return;  // the host's; a multiplier of 1
    for (const ValueId id : {node.inputs[0], node.outputs[0]}) {
      SharedScale& scale = scales_[scale_of(id)];
      if (scale.in_sum == kNoValue) of_sums_.push_back(scale_of(id));
      scale.in_sum = id;
    }
    scales_[in].read_into.push_back(out);
    scales_[out].added_from.push_back(in);
  }

  double threshold(const SharedScale& scale) const {
    return annotated_.value(scale.in_sum).quantization->thresholds[0];
  }

  // By what the multipliers of sums are off at `own`: sum of squares.
  double error(const SharedScale& scale, double own) const {
    double sum = 0;
    const auto add_multiplier = [&](double multiplier) {
      const double exact = field(multiplier);
      const double off = (std::round(exact) - exact) / exact;
      sum += off * off;
    };
    for (const std::size_t out : scale.read_into) add_multiplier(own / threshold(scales_[out]));
    for (const std::size_t in : scale.added_from) {
      if (scales_[in].fixed) add_multiplier(threshold(scales_[in]) / own);
    }
    return sum;
  }

  // What the scale's field would hold of it: 128 to 256, or less where the shift ends.
  double field(double multiplier) const {
    int exponent = 0;
    std::frexp(multiplier, &exponent);
    return std::ldexp(multiplier, std::min(kFieldBits - exponent, shift_max_));
  }

  void fit(const SharedScale& scale) {
    if (scale.fixed) return;
    const double own = threshold(scale);
    std::vector<double> raised;
    for (const std::size_t out : scale.read_into) {
      const double exact = field(own / threshold(scales_[out]));
      raised.push_back(own * std::ceil(exact * (1 - kSingle)) / exact);
    }
    for (const std::size_t in : scale.added_from) {
      const double exact = field(threshold(scales_[in]) / own);
      if (scales_[in].fixed) raised.push_back(own * exact / std::floor(exact * (1 + kSingle)));
    }
    double best = own, least = error(scale, own);
    for (const double candidate : raised) {
      const double off = error(scale, candidate);
      if (candidate <= own || candidate > kWorthRaising * own || off >= least) continue;
      least = off;
      best = candidate;
    }
    if (best != own) raise(scale, best);
  }

  void raise(const SharedScale& scale, double to) {
    for (const ValueId id : scale.members) {
      auto& codes = annotated_.value(id).quantization;
      if (!codes || codes->thresholds.size() != 1) continue;
      const auto high = static_cast<double>(codes->high());
      codes->thresholds[0] = double{static_cast<float>(to / high)} * high;
    }
  }

  Graph& annotated_;
  int shift_max_ = 0;                  // of a sum's scale
  std::vector<std::size_t> scale_of_;  // by value, in scales_
  std::vector<SharedScale> scales_;
  std::vector<std::size_t> of_sums_;  // scales that sums read or write
};

}  // namespace

void fit_multipliers(Graph& annotated, const QuantizeOptions& options) {
  if (options.limits.scale_bits <= kFieldBits) {
    SumScales(annotated, options.limits.other_shift_max).fit();
  }
  for (const WeightedLayer& layer : weighted_layers(annotated)) {
    fit_layer(annotated, layer, options);
  }
}

}  // namespace workbench
