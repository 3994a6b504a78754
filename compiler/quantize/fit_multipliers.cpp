#include "compiler/quantize/fit_multipliers.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "compiler/quantize/weighted_layers.h"

namespace workbench {

namespace {

constexpr int kFieldBits = 8;           // scales of more bits are no loss
constexpr double kCrest = 4;            // a result's largest code over its mean one, assumed
constexpr double kRounding = 1.0 / 12;  // variance of rounding to one step
constexpr double kSingle = 1e-6;        // products of steps are single precision

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

}  // namespace

void fit_multipliers(Graph& annotated, const QuantizeOptions& options) {
  for (const WeightedLayer& layer : weighted_layers(annotated)) {
    fit_layer(annotated, layer, options);
  }
}

}  // namespace workbench
