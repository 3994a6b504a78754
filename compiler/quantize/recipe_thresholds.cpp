#include "compiler/quantize/recipe_thresholds.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "compiler/passes/rewrite.h"
#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/fake_quantize.h"
#include "compiler/quantize/histogram.h"
#include "compiler/quantize/j_divergence.h"
#include "compiler/quantize/result_error.h"
#include "compiler/quantize/weighted_layers.h"
#include "core/eval/evaluate.h"
#include "core/math.h"
#include "core/parallel.h"
#include "data/samples.h"

namespace workbench {

namespace {

std::vector<bool> results(const Graph& graph) {
  std::vector<bool> result(graph.values.size(), false);
  for (const ValueId id : graph.outputs) result[static_cast<std::size_t>(id)] = true;
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    const Node& node = graph.nodes[n];
    if (!traits(node.op).hands_on || !result[static_cast<std::size_t>(node.outputs[0])]) continue;
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) result[static_cast<std::size_t>(id)] = true;
    }
  }
  return result;
}

// Room for values that few samples have not shown costs what they have shown 3 dB at most.
constexpr double kTailRoom = 1.4142135623730951;

// Samples of fewer groups say nothing of what is usual.
constexpr std::size_t kFewGroups = 4;
// A threshold that one or two samples with massive activations have set costs all others more.
constexpr double kUnusual = 1.4142135623730951;

// Of the least squared error over all samples or, where that is unusually large for a sample, the
// median of the groups' own.
double usual_threshold(const ValueStatistics& statistics, const Quantization& format,
                       ScaleKind scale) {
  const MagnitudeHistogram& all = statistics.histogram;
  const double pooled = mse_threshold(all, format.bits, format.is_signed, scale);
  if (statistics.group_counts.size() < kFewGroups) return pooled;
  std::vector<double> own;
  for (const auto& counts : statistics.group_counts) {
    own.push_back(mse_threshold({all.max, counts}, format.bits, format.is_signed, scale));
  }
  const auto middle = own.begin() + static_cast<std::ptrdiff_t>(own.size() / 2);
  std::nth_element(own.begin(), middle, own.end());
  return pooled > kUnusual * *middle ? *middle : pooled;
}

double threshold(const ValueStatistics& statistics, const Recipe& recipe, ThresholdMethod method,
                 const Quantization& format) {
  const MagnitudeHistogram& histogram = statistics.histogram;
  switch (method) {
    case ThresholdMethod::Max:
      return histogram.max;
    case ThresholdMethod::Percentile:
      return percentile_threshold(histogram, recipe.percentile / 100);
    case ThresholdMethod::Mse:
      // As in the search by J divergence (docs/facts/xdnn.md 3.7), few values have a rule of their
      // own.
      if (recipe.activation_scale == ScaleKind::Real &&
          histogram.counts.size() <= static_cast<std::size_t>(format.high())) {
        return std::min(tail_threshold(histogram, format.bits, format.is_signed),
                        kTailRoom * histogram.max);
      }
      return usual_threshold(statistics, format, recipe.activation_scale);
    case ThresholdMethod::KlJ:
      return j_divergence_threshold(
          histogram,
          DivergenceRule{.levels = std::size_t{1} << (format.bits - (format.is_signed ? 1 : 0)),
                         .skip_empty_bins = !recipe.maximum_at_empty_bin});
  }
  CHECK(false, "method {}", static_cast<int>(method));
}

}  // namespace

Thresholds activation_thresholds(const Graph& graph, const Statistics& statistics,
                                 const Recipe& recipe, const QuantizeTarget& target) {
  Thresholds thresholds;
  for (const auto& [name, of_value] : statistics) {
    const double largest = of_value.histogram.max;
    thresholds[name] = largest < kDeadMagnitude ? 0 : largest;
  }
  const Graph formats = target.annotate(graph, thresholds);
  const std::vector<bool> is_result = results(graph);
  std::vector<std::pair<double*, const Value*>> chosen;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    const Value& value = formats.values[i];
    const auto found = thresholds.find(value.name);
    const auto id = static_cast<ValueId>(i);
    const bool is_input =
        std::find(graph.inputs.begin(), graph.inputs.end(), id) != graph.inputs.end();
    if (found == thresholds.end() || found->second <= 0 || !value.quantization || value.constant ||
        is_input || (is_result[i] && recipe.outputs_at_max)) {
      continue;
    }
    chosen.emplace_back(&found->second, &value);
  }
  parallel_for(static_cast<std::int64_t>(chosen.size()), 0, [&](std::int64_t i) {
    const auto& [result, value] = chosen[static_cast<std::size_t>(i)];
    *result = threshold(statistics.at(value->name), recipe, recipe.activation_method,
                        *value->quantization);
  });
  return thresholds;
}

void make_steps_powers_of_two(Graph& annotated) {
  for (Value& value : annotated.values) {
    if (value.constant || !value.quantization) continue;
    Quantization& quantization = *value.quantization;
    const int exponent = quantization.bits - (quantization.is_signed ? 1 : 0);
    for (double& t : quantization.thresholds) {
      const double octave = std::ceil(math::log2(t));
      t = std::ldexp(static_cast<double>(quantization.high()), static_cast<int>(octave) - exponent);
    }
  }
}

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

Quantization quantization_of(const Graph& graph, const WeightedLayer& layer, const Recipe& recipe,
                             int bits, int accumulator_bits) {
  const auto weights = parts(graph, layer, recipe.granularity);
  // Of three or seven codes the largest weight would leave little but zeros to the others.
  const ThresholdMethod method = bits < 4 ? ThresholdMethod::Mse : recipe.weight_method;
  Quantization quantization;
  quantization.bits = bits;
  quantization.axis = weights.size() > 1 ? layer.axis : 0;
  quantization.thresholds.resize(weights.size());
  parallel_for(static_cast<std::int64_t>(weights.size()), 0, [&](std::int64_t i) {
    const auto at = static_cast<std::size_t>(i);
    quantization.thresholds[at] = weight_threshold(weights[at], bits, method, recipe.weight_scale);
  });
  const auto least = least_weight_thresholds(graph, layer, weights.size(), bits, accumulator_bits);
  auto& thresholds = quantization.thresholds;
  const double largest = *std::max_element(thresholds.begin(), thresholds.end());
  for (std::size_t c = 0; c < thresholds.size(); ++c) {
    if (thresholds[c] <= 0) thresholds[c] = largest > 0 ? largest : high_code(bits);  // all zeros
    thresholds[c] = raised(thresholds[c], least[c], bits, recipe.weight_scale);
  }
  return quantization;
}

}  // namespace

std::vector<double> least_weight_thresholds(const Graph& graph, const WeightedLayer& layer,
                                            std::size_t count, int bits, int accumulator_bits) {
  std::vector<double> least(count, 0.0);
  const auto bias = layer_bias(graph, layer);
  const auto& in = graph.value(graph.nodes[layer.node].inputs[0]).quantization;
  if (!bias || !in) return least;
  const double most = std::ldexp(in->step(), accumulator_bits - 3);
  for (std::size_t c = 0; c < bias->size(); ++c) {
    double& of_part = least[c % count];
    of_part = std::max(of_part, std::abs(double{(*bias)[c]}) / most * high_code(bits));
  }
  return least;
}

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
    const auto own = recipe.layer_weight_bits.find(node.name);
    const bool is_own = own != recipe.layer_weight_bits.end();
    const int bits = is_own ? own->second
                     : edge ? std::max(8, recipe.weight_bits)
                            : recipe.weight_bits;
    annotated.value(node.inputs[1]).quantization =
        quantization_of(annotated, layers[i], recipe, bits, accumulator_bits);
  }
}

namespace {

constexpr std::size_t kMostSamples = 16;
constexpr double kWorthIt = 0.995;
constexpr int kMostMoves = 4;
constexpr double kNext = 1e-30;  // to nothing: of values whose codes have no threshold of their own

bool is_annotated_activation(const Value& value) {
  return !value.constant && value.type == ElementType::Float32 && value.quantization;
}

bool has_power_of_two_steps(const Graph& annotated) {
  return std::all_of(annotated.values.begin(), annotated.values.end(), [](const Value& value) {
    int exponent = 0;
    return !is_annotated_activation(value) ||
           std::frexp(value.quantization->step(), &exponent) == 0.5;
  });
}

// Sets of activations that have one scale, in graph order.
std::vector<std::vector<ValueId>> scales(const Graph& annotated) {
  std::vector<std::vector<ValueId>> result;
  std::vector<bool> done(annotated.values.size(), false);
  for (std::size_t i = 0; i < annotated.values.size(); ++i) {
    if (done[i] || !is_annotated_activation(annotated.values[i])) continue;
    std::vector<ValueId> members{static_cast<ValueId>(i)};
    for (const ScaleGroup& group : annotated.scale_groups) {
      if (std::find(group.members.begin(), group.members.end(), members[0]) !=
          group.members.end()) {
        members = group.members;
        break;
      }
    }
    for (const ValueId id : members) done[static_cast<std::size_t>(id)] = true;
    result.push_back(std::move(members));
  }
  return result;
}

class Search {
 public:
  Search(Graph& annotated, const Graph& reference, const SampleSource& samples,
         const QuantizeTarget& target)
      : annotated_(annotated), target_(target), octaves_(has_power_of_two_steps(annotated)) {
    const Graph logits = with_logits(reference);
    for (std::size_t s = 0; s < std::min(samples.count, kMostSamples); ++s) {
      samples_.push_back(samples.at(s));
      wanted_.push_back(evaluate(logits, samples_.back()));
    }
    error_ = error(annotated);
  }

  double error() const { return error_; }

  // Whether the threshold moved.
  bool improve(const std::vector<ValueId>& members) {
    const double step = octaves_ ? 2 : math::pow(2, 0.25);
    for (const double factor : {1 / step, step}) {
      int moves = 0;
      while (moves < kMostMoves && accept(members, factor)) ++moves;
      if (moves > 0) return true;
    }
    return false;
  }

 private:
  bool accept(const std::vector<ValueId>& members, double factor) {
    Graph candidate = with_factor(members, factor);
    const Quantization& now = *candidate.value(members[0]).quantization;
    if (now == *annotated_.value(members[0]).quantization) return false;
    const double of_candidate = error(candidate);
    if (of_candidate > kWorthIt * error_) return false;
    error_ = of_candidate;
    annotated_ = std::move(candidate);
    return true;
  }

  Graph with_factor(const std::vector<ValueId>& members, double factor) const {
    Graph graph = annotated_;
    Thresholds thresholds;
    for (std::size_t i = 0; i < graph.values.size(); ++i) {
      Value& value = graph.values[i];
      thresholds[value.name] = kNext;
      if (!is_annotated_activation(value)) continue;
      const bool moves =
          std::find(members.begin(), members.end(), static_cast<ValueId>(i)) != members.end();
      thresholds[value.name] = value.quantization->thresholds[0] * (moves ? factor : 1);
      value.quantization.reset();  // it would be taken for a hint
    }
    graph = target_.annotate(std::move(graph), thresholds);
    if (octaves_) make_steps_powers_of_two(graph);
    return graph;
  }

  double error(const Graph& annotated) const {
    const Graph graph = rounded(with_logits(annotated));
    std::vector<double> errors(samples_.size());
    parallel_for(static_cast<std::int64_t>(samples_.size()), 0, [&](std::int64_t s) {
      const auto at = static_cast<std::size_t>(s);
      const std::vector<Tensor> found = evaluate(graph, samples_[at], {.threads = 1});
      for (std::size_t k = 0; k < found.size(); ++k) {
        const auto x = found[k].values<float>(), y = wanted_[at][k].values<float>();
        for (std::size_t i = 0; i < x.size(); ++i) {
          errors[at] += (double{x[i]} - double{y[i]}) * (double{x[i]} - double{y[i]});
        }
      }
    });
    double sum = 0;
    for (const double of_sample : errors) sum += of_sample;
    return sum;
  }

  Graph& annotated_;
  const QuantizeTarget& target_;
  bool octaves_;  // else quarters of them
  std::vector<std::vector<Tensor>> samples_, wanted_;
  double error_ = 0;
};

}  // namespace

void search_thresholds(Graph& annotated, const Graph& reference, const SampleSource& samples,
                       const QuantizeTarget& target, std::vector<std::string>& notes,
                       const StageProgress& progress) {
  Search search(annotated, reference, samples, target);
  const double before = search.error();
  const std::vector<std::vector<ValueId>> all = scales(annotated);
  std::size_t moved = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (progress) {
      progress("threshold search", static_cast<double>(i) / static_cast<double>(all.size()));
    }
    if (search.improve(all[i])) ++moved;
  }
  if (progress) progress("threshold search", 1);
  notes.push_back(
      fmt::format("thresholds of {} of {} scales moved: error of the results {:.1f} dB "
                  "less",
                  moved, all.size(),
                  10 * math::log10(std::max(before, 1e-300) / std::max(search.error(), 1e-300))));
}

}  // namespace workbench
