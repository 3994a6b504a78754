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

// The codes of the operands of a sum of two activations on the accelerator, or nothing.
const Quantization* operands_of_sum(const Graph& annotated, const Node& node) {
  const auto* binary = std::get_if<Binary>(&node.op);
  if (binary == nullptr || binary->kind != Binary::Kind::Add) return nullptr;
  const Value& in = annotated.value(node.inputs[0]);
  const bool coded = in.quantization && annotated.value(node.outputs[0]).quantization;
  return coded && !in.constant ? &*in.quantization : nullptr;
}

// Values that share one scale, and the sums among their writers.
struct SharedScale {
  std::vector<ValueId> members;
  std::vector<double> operands;  // of each sum the threshold
  bool fixed = false;            // saturation at the threshold is a Clip's
};

SharedScale shared_scale(const Graph& annotated, ValueId sum,
                         const std::vector<std::ptrdiff_t>& writers) {
  SharedScale shared{.members = {sum}};
  for (const ScaleGroup& group : annotated.scale_groups) {
    if (std::ranges::find(group.members, sum) != group.members.end())
      shared.members = group.members;
  }
  for (const ValueId id : shared.members) {
    const std::ptrdiff_t writer = writers[static_cast<std::size_t>(id)];
    if (writer < 0) continue;
    const Node& node = annotated.nodes[static_cast<std::size_t>(writer)];
    if (saturation_cap(activation_of(node.op))) shared.fixed = true;
    if (const auto* in = operands_of_sum(annotated, node)) {
      shared.operands.push_back(in->thresholds[0]);
    }
  }
  return shared;
}

// By what the sums' multipliers are off where fields hold `kFieldBits`: sum of squares.
double multiplier_error(const std::vector<double>& operands, double threshold) {
  double sum = 0;
  for (const double operand : operands) {
    int exponent = 0;
    const double scale = std::ldexp(std::frexp(operand / threshold, &exponent), kFieldBits);
    const double error = (std::round(scale) - scale) / scale;
    sum += error * error;
  }
  return sum;
}

// A sum's result has a threshold at which the multiplier from its operands is one that the field
// holds: at most 1 in 128 above its own, which costs less than a multiplier that is off.
void fit_sum(Graph& annotated, ValueId sum, const std::vector<std::ptrdiff_t>& writers) {
  const SharedScale shared = shared_scale(annotated, sum, writers);
  const double own = annotated.value(sum).quantization->thresholds[0];
  if (shared.fixed || shared.operands.empty()) return;
  double best = own, least = multiplier_error(shared.operands, own);
  for (const double operand : shared.operands) {
    int exponent = 0;
    const double scale = std::ldexp(std::frexp(operand / own, &exponent), kFieldBits);
    const double raised = own * scale / std::floor(scale * (1 + kSingle));
    const double error = multiplier_error(shared.operands, raised);
    if (raised <= own || error >= least) continue;
    least = error;
    best = raised;
  }
  if (best == own) return;
  for (const ValueId id : shared.members) {
    auto& codes = annotated.value(id).quantization;
    if (!codes || codes->thresholds.size() != 1) continue;
    const auto high = static_cast<double>(codes->high());
    codes->thresholds[0] = double{static_cast<float>(best / high)} * high;
  }
}

void fit_sums(Graph& annotated) {
  const std::vector<std::ptrdiff_t> writers = producers(annotated);
  for (const Node& node : annotated.nodes) {
    if (operands_of_sum(annotated, node) != nullptr) fit_sum(annotated, node.outputs[0], writers);
  }
}

}  // namespace

void fit_multipliers(Graph& annotated, const QuantizeOptions& options) {
  if (options.limits.scale_bits <= kFieldBits) fit_sums(annotated);
  for (const WeightedLayer& layer : weighted_layers(annotated)) {
    fit_layer(annotated, layer, options);
  }
}

}  // namespace workbench
