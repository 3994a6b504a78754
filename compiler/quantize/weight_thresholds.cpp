#include "compiler/quantize/weight_thresholds.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "compiler/passes/rewrite.h"
#include "compiler/quantize/histogram.h"
#include "compiler/quantize/weighted_layers.h"
#include "core/math.h"
#include "core/parallel.h"

namespace workbench {

namespace {

constexpr int kOctaves = 8;  // below the maximum: a step 256 times finer clips everything
constexpr int kParts = 100;  // of the maximum that are tried
constexpr int kLeastParts = 20;

double high_code(int bits) { return std::ldexp(1.0, bits - 1) - 1; }

double squared_error(std::span<const float> weights, double step, double high) {
  double sum = 0;
  for (const float w : weights) {
    const double code = std::clamp(std::round(double{w} / step), -high, high);
    const double error = double{w} - code * step;
    sum += error * error;
  }
  return sum;
}

double best_step(std::span<const float> weights, const std::vector<double>& steps, double high) {
  double best = steps[0];
  double least = std::numeric_limits<double>::infinity();
  for (const double step : steps) {
    const double error = squared_error(weights, step, high);
    if (error < least) {
      least = error;
      best = step;
    }
  }
  return best;
}

double float_step(double step) {
  return std::max(double{static_cast<float>(step)}, double{std::numeric_limits<float>::min()});
}

// One more step than needed is one power of two more.
double raised(double threshold, double least, int bits, ScaleKind scale) {
  if (threshold >= least) return threshold;
  const double high = high_code(bits);
  const double step = least / high;
  if (scale == ScaleKind::Real) return float_step(step) * high;
  return std::ldexp(high, static_cast<int>(std::ceil(math::log2(step))));
}

// The weights behind each index of the quantized axis; all of them per tensor.
std::vector<std::vector<float>> parts(const Graph& graph, const WeightedLayer& layer,
                                      Granularity granularity) {
  const std::vector<float> weights = layer_weights(graph, layer);
  if (granularity == Granularity::PerTensor) return {weights};
  std::vector<std::vector<float>> result(layer.steps);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    result[layer.output_of(i) % layer.steps].push_back(weights[i]);
  }
  return result;
}

// The least threshold of each part, for the sake of its biases.
std::vector<double> least_thresholds(const Graph& graph, const WeightedLayer& layer,
                                     std::size_t count, int bits, int accumulator_bits) {
  std::vector<double> least(count, 0.0);
  const auto bias = layer_bias(graph, layer);
  const auto& in = graph.value(graph.nodes[layer.node].inputs[0]).quantization;
  if (!bias) return least;
  const double most = std::ldexp(in->step(), accumulator_bits - 3);
  for (std::size_t c = 0; c < bias->size(); ++c) {
    double& of_part = least[c % count];
    of_part = std::max(of_part, std::abs(double{(*bias)[c]}) / most * high_code(bits));
  }
  return least;
}

Quantization quantization_of(const Graph& graph, const WeightedLayer& layer, const Recipe& recipe,
                             int bits, int accumulator_bits) {
  const auto weights = parts(graph, layer, recipe.granularity);
  Quantization quantization;
  quantization.bits = bits;
  quantization.axis = weights.size() > 1 ? layer.axis : 0;
  quantization.thresholds.resize(weights.size());
  parallel_for(static_cast<std::int64_t>(weights.size()), 0, [&](std::int64_t i) {
    const auto at = static_cast<std::size_t>(i);
    quantization.thresholds[at] =
        weight_threshold(weights[at], bits, recipe.weight_method, recipe.weight_scale);
  });
  const auto least = least_thresholds(graph, layer, weights.size(), bits, accumulator_bits);
  auto& thresholds = quantization.thresholds;
  const double largest = *std::max_element(thresholds.begin(), thresholds.end());
  for (std::size_t c = 0; c < thresholds.size(); ++c) {
    if (thresholds[c] <= 0) thresholds[c] = largest > 0 ? largest : high_code(bits);  // all zeros
    thresholds[c] = raised(thresholds[c], least[c], bits, recipe.weight_scale);
  }
  return quantization;
}

}  // namespace

double weight_threshold(std::span<const float> weights, int bits, ThresholdMethod method,
                        ScaleKind scale) {
  const double high = high_code(bits);
  const auto largest = static_cast<double>(max_magnitude(weights));
  if (largest <= 0) return 0;
  const bool search = method == ThresholdMethod::Mse;
  std::vector<double> steps;
  if (scale == ScaleKind::PowerOfTwo) {
    const int octave = static_cast<int>(std::ceil(math::log2(largest)));
    for (int below = 0; below < (search ? kOctaves : 1); ++below) {
      steps.push_back(std::ldexp(1.0, octave - below - (bits - 1)));
    }
  } else {
    steps.push_back(float_step(largest / high));
    for (int part = kParts - 1; search && part >= kLeastParts; --part) {
      steps.push_back(float_step(largest / high * part / kParts));
    }
  }
  return best_step(weights, steps, high) * high;
}

void choose_weight_thresholds(Graph& annotated, const std::vector<bool>& wanted,
                              const Recipe& recipe, int accumulator_bits) {
  if (recipe.weight_method != ThresholdMethod::Max &&
      recipe.weight_method != ThresholdMethod::Mse) {
    fail("recipe '{}': weight_method: expected max or mse", recipe.name);
  }
  std::vector<WeightedLayer> layers = weighted_layers(annotated);
  std::erase_if(layers, [&](const WeightedLayer& layer) {
    return !wanted[layer.node] ||
           !annotated.value(annotated.nodes[layer.node].inputs[0]).quantization;
  });
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Node& node = annotated.nodes[layers[i].node];
    if (!std::isfinite(max_magnitude(annotated.value(node.inputs[1]).constant->values<float>()))) {
      fail("node '{}': expected finite weights, found NaN or infinity", node.name);
    }
    const bool edge = recipe.edge_layers_8_bits && (i == 0 || i + 1 == layers.size());
    const int bits = edge ? std::max(8, recipe.weight_bits) : recipe.weight_bits;
    annotated.value(node.inputs[1]).quantization =
        quantization_of(annotated, layers[i], recipe, bits, accumulator_bits);
  }
}

}  // namespace workbench
