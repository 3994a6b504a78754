#include "explore/accuracy_advice.h"

#include <cmath>

namespace workbench {

namespace {

// What is pointed out. A ratio of 16 costs the median channel four of eight bits; 30 dB is what
// five of them give a sine; the last layer decides between classes, so it is asked for more.
constexpr double kRatio = 16, kQuietDb = 30, kLastDb = 35;
constexpr double kClipped = 1e-3;

}  // namespace

std::vector<Advice> advice_for(const LayerAccuracy& layer, const AdviceContext& context) {
  std::vector<Advice> advice;
  const auto add = [&](std::string cause, std::string remedy) {
    advice.push_back({std::move(cause), std::move(remedy)});
  };
  if (layer.dead) {
    add("all its results are 0", "prune it, or look for a fault in the model or preprocessing");
    return advice;
  }
  if (context.accumulator_bits > 0 && layer.accumulator_bits_used > context.accumulator_bits) {
    add(fmt::format("its sums need {} bits, the hardware has {}", layer.accumulator_bits_used,
                    context.accumulator_bits),
        "fewer weight bits, or the layer in groups");
  }
  const bool noisy = layer.own_sqnr_db < kQuietDb;
  if (noisy && layer.weight_range_ratio > kRatio && !context.weights_per_channel) {
    add(fmt::format("channel range ratio {:.0f} of weights that share one scale",
                    layer.weight_range_ratio),
        "weight scales per channel, or equalization");
  }
  if (noisy && layer.activation_range_ratio > kRatio) {
    add(fmt::format("channel range ratio {:.0f} of results that share one scale",
                    layer.activation_range_ratio),
        "equalization");
  }
  if (layer.clipped > kClipped && noisy) {
    add(fmt::format("{:.2f} % of its results are clipped", 100 * layer.clipped),
        "activation threshold max, or a larger percentile");
  }
  // With a scale of its own a constant channel costs nothing.
  if (noisy && layer.prunable_channels > 0 && !context.weights_per_channel) {
    add(fmt::format("{} of {} channels are constant", layer.prunable_channels, layer.channels),
        "constant-channel pruning");
  }
  if (context.is_last && layer.own_sqnr_db < kLastDb) {
    add("it is the last layer and decides between classes",
        context.has_16_bits ? "16 bits, or its threshold at max" : "its threshold at max");
  }
  if (noisy && advice.empty()) {
    const bool weights = layer.macs > 0 && layer.rounding_share < 0.5;
    const double share = weights ? 1 - layer.rounding_share : layer.rounding_share;
    add(fmt::format("{:.0f} % of its noise comes from {}", 100 * share,
                    weights ? "its weights" : "rounding to its codes"),
        !weights                       ? "a smaller activation threshold: mse, or a percentile"
        : !context.weights_per_channel ? "weight scales per channel, or weight rounding"
                                       : "weight rounding (--effort best), or more bits for them");
  }
  return advice;
}

}  // namespace workbench
