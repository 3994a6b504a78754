// Steps of a recipe on random networks: what edits a float network leaves what it computes, and a
// corrected bias leaves no mean error.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include "compiler/passes/passes.h"
#include "compiler/quantize/correct_weights.h"
#include "compiler/quantize/equalize.h"
#include "compiler/quantize/fake_quantize.h"
#include "compiler/quantize/recipe.h"
#include "compiler/quantize/recipe_thresholds.h"
#include "compiler/quantize/reconstruct.h"
#include "compiler/quantize/weighted_layers.h"
#include "core/eval/evaluate.h"
#include "data/samples.h"
#include "tests/support/graph_builder.h"
#include "tests/support/random_float_graph.h"

namespace workbench {
namespace {

constexpr std::uint64_t kFirstSeed = 7100;
#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kCases = 10;
#else
constexpr std::uint64_t kCases = 100;
#endif

using Samples = std::vector<std::vector<Tensor>>;

// A chain of convolutions, dense and depthwise, whose channels differ by orders of magnitude and of
// which some are dead, with bounded and unbounded activations and pools between.
Graph random_chain(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  GraphBuilder build(seed);
  ValueId x = build.input("x", {1, 3, 12, 12});
  const int layers = 2 + static_cast<int>(random() % 5);
  for (int i = 0; i < layers; ++i) {
    const std::string name = "conv" + std::to_string(i);
    const std::int64_t channels = build.shape(x)[1];
    const bool depthwise = random() % 3 == 0;
    const std::int64_t wide = depthwise ? channels : 2 + static_cast<std::int64_t>(random() % 5);
    x = build.conv(name, x, wide, square_window(3, 1, 1), depthwise ? channels : 1);
    constexpr Activation kKinds[] = {{},
                                     {.kind = Activation::Kind::Relu},
                                     {.kind = Activation::Kind::LeakyRelu, .alpha = 0.25F},
                                     {.kind = Activation::Kind::Clip, .alpha = 0, .beta = 0.5F}};
    std::get<Conv>(build.graph().nodes.back().op).activation = kKinds[random() % 4];
    if (random() % 4 == 0) x = build.add(name + "_pool", MaxPool{square_window(2)}, {x});
  }
  build.output(x);
  for (const WeightedLayer& layer : weighted_layers(build.graph())) {
    std::vector<float> weights = layer_weights(build.graph(), layer);
    std::vector<float> factor(static_cast<std::size_t>(layer.outputs));
    for (float& f : factor)
      f = random() % 5 == 0 ? 0 : std::exp2(static_cast<float>(random() % 9) - 4);
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] *= factor[layer.output_of(i)];
    set_layer_weights(build.graph(), layer, weights);
  }
  return build.graph();
}

Samples samples_of(const Graph& graph, std::uint64_t seed) {
  return {random_inputs(graph, seed), random_inputs(graph, seed + 1)};
}

double largest(const Tensor& tensor) {
  double most = 0;
  for (const float v : tensor.values<float>()) most = std::max(most, std::abs(double{v}));
  return most;
}

// Equal up to what float sums of the network's largest values lose.
void expect_same(const Graph& a, const Graph& b, const Samples& samples) {
  ASSERT_TRUE(verify(b).empty());
  for (const auto& sample : samples) {
    double most = 0;
    EvaluateOptions options;
    options.observe = [&](ValueId, const Tensor& tensor) {
      most = std::max(most, largest(tensor));
    };
    const std::vector<Tensor> in_a = evaluate(a, sample, options), in_b = evaluate(b, sample);
    for (std::size_t k = 0; k < in_a.size(); ++k) {
      const auto x = in_a[k].values<float>(), y = in_b[k].values<float>();
      for (std::size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(x[i], y[i], 1e-5 * most + 1e-6);
    }
  }
}

TEST(RecipeProperty, pruning_leaves_what_the_network_computes) {
  std::size_t pruned = 0;
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Graph before = random_chain(seed);
    const Samples samples = samples_of(before, seed);
    Graph graph = before;
    std::vector<std::string> notes;
    prune_constant_channels(graph, collect_statistics(before, in_memory(samples)), samples.size(),
                            notes);
    pruned += notes.size();
    expect_same(before, graph, samples);
  }
  EXPECT_GE(pruned, kCases / 2);
}

TEST(RecipeProperty, equalization_leaves_what_the_network_computes) {
  std::size_t equalized = 0, bounded = 0, lifted = 0;
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Graph before = random_chain(seed);
    const Samples samples = samples_of(before, seed);
    const Statistics statistics = collect_statistics(before, in_memory(samples));
    constexpr EqualizeOptions kOptions[] = {
        {.limit = 16}, {.limit = 16, .across_clips = true}, {.limit = 16, .lift_beyond = 4}};
    for (const EqualizeOptions& options : kOptions) {
      Graph graph = before;
      std::vector<std::string> notes;
      equalize(graph, statistics, options, notes);
      equalized += notes.size();
      expect_same(before, graph, samples);
      for (const Node& node : graph.nodes) {
        bounded += !fused(node).bounds.empty();
        lifted += !options.across_clips && !fused(node).bounds.empty();
      }
    }
  }
  EXPECT_GE(equalized, kCases);
  EXPECT_GE(bounded, kCases / 10);
  EXPECT_GE(lifted, kCases / 50);
}

TEST(RecipeProperty, alignment_leaves_what_the_network_computes) {
  std::size_t moved = 0;
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Graph before = random_chain(seed);
    const Samples samples = samples_of(before, seed);
    Graph graph = before;
    std::vector<std::string> notes;
    Statistics statistics = collect_statistics(before, in_memory(samples));
    equalize(graph, statistics, {.limit = 16, .across_clips = seed % 2 == 0}, notes);
    statistics = collect_statistics(graph, in_memory(samples));
    Thresholds thresholds;
    for (const auto& [name, of_value] : statistics) thresholds[name] = of_value.histogram.max;
    notes.clear();
    align_to_powers_of_two(graph, thresholds, notes);
    moved += notes.size();
    expect_same(before, graph, samples);
  }
  EXPECT_GE(moved, kCases);
}

// What exporters write: residuals, concats, squeeze and excitation, classifiers.
TEST(RecipeProperty, whole_networks_stay_what_they_are) {
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Graph before = random_float_graph(seed);
    run_passes(before, float_pipeline());
    const Samples samples = samples_of(before, seed);
    const Statistics statistics = collect_statistics(before, in_memory(samples));
    Graph graph = before;
    std::vector<std::string> notes;
    prune_constant_channels(graph, statistics, samples.size(), notes);
    equalize(graph, statistics, {.limit = 16, .across_clips = seed % 2 == 0}, notes);
    expect_same(before, graph, samples);
  }
}

// Mean of each channel of each weighted layer, by node name; activations are nodes of their own.
std::map<std::string, std::vector<double>> means(const Graph& graph, const Samples& samples) {
  std::map<std::string, std::vector<double>> result;
  EvaluateOptions options;
  std::map<ValueId, std::string> names;
  for (const Node& node : graph.nodes) {
    if (is_weighted_layer(graph, node)) names[node.outputs[0]] = node.name;
  }
  options.observe = [&](ValueId id, const Tensor& tensor) {
    if (!names.contains(id)) return;
    std::vector<double>& sums = result[names[id]];
    sums.resize(static_cast<std::size_t>(tensor.dim(1)), 0.0);
    const std::int64_t run = tensor.size() / tensor.dim(0) / tensor.dim(1);
    const double count =
        static_cast<double>(run * tensor.dim(0)) * static_cast<double>(samples.size());
    const auto values = tensor.values<float>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      sums[i / static_cast<std::size_t>(run) % sums.size()] += double{values[i]} / count;
    }
  };
  for (const auto& sample : samples) evaluate(graph, sample, options);
  return result;
}

double error(const std::vector<double>& a, const std::vector<double>& b, std::size_t c) {
  return std::abs(a[c] - b[c]);
}

double squared_difference(const Graph& a, const Graph& b, const Samples& samples) {
  double sum = 0;
  for (const auto& sample : samples) {
    const std::vector<Tensor> in_a = evaluate(a, sample), in_b = evaluate(b, sample);
    const auto x = in_a[0].values<float>(), y = in_b[0].values<float>();
    for (std::size_t i = 0; i < x.size(); ++i) sum += std::pow(double{x[i]} - double{y[i]}, 2);
  }
  return sum;
}

// A convolution of 4 channels, depthwise for every third seed.
Graph one_conv(std::uint64_t seed) {
  GraphBuilder build(seed);
  const ValueId x = build.input("x", {1, 4, 8, 8});
  const std::int64_t groups = seed % 3 == 0 ? 4 : 1;
  build.output(build.conv("conv", x, 4, square_window(3, 1, 1), groups));
  return build.graph();
}

// One layer of 4 bits behind an operand that is exact: its error on the data it was rounded for.
TEST(RecipeProperty, rounded_weights_never_do_worse_than_the_nearest) {
  double nearest = 0, best = 0;
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Graph reference = one_conv(seed);
    Graph annotated = reference;
    annotated.value(reference.inputs[0]).quantization = {.bits = 16, .thresholds = {2}};
    choose_weight_thresholds(annotated, {true}, {.weight_bits = 4, .edge_layers_8_bits = false},
                             32);
    const Samples samples = samples_of(reference, seed);
    Graph corrected = annotated, chosen = annotated;
    std::vector<std::string> notes;
    correct_bias(corrected, reference, in_memory(samples), notes);
    round_weights(chosen, in_memory(samples));
    ASSERT_TRUE(verify(chosen).empty());
    const double then = squared_difference(reference, rounded(corrected), samples);
    const double now = squared_difference(reference, rounded(chosen), samples);
    EXPECT_LE(now, then * 1.001 + 1e-6);
    nearest += then;
    best += now;
  }
  EXPECT_LT(best, 0.9 * nearest);
}

// Smooth and correlated, as photos are.
Samples photos_for(const Graph& graph, std::uint64_t seed, std::size_t count) {
  Samples samples;
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<Tensor> sample;
    for (const ValueId id : graph.inputs) {
      sample.push_back(synthetic_sample(graph.value(id).shape, 1000 * seed + i));
      for (float& x : sample.back().mutable_values<float>()) x /= 128;
    }
    samples.push_back(std::move(sample));
  }
  return samples;
}

// One layer of few bits behind an operand that is exact: every position is looked at.
TEST(RecipeProperty, reconstructed_layers_never_do_worse_than_the_nearest_codes) {
  double nearest = 0, best = 0;
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Graph reference = one_conv(seed);
    Graph annotated = reference;
    annotated.value(reference.inputs[0]).quantization = {.bits = 16, .thresholds = {2}};
    const Recipe recipe{
        .weight_bits = 2 + static_cast<int>(seed % 4),
        .edge_layers_8_bits = false,
        .granularity = seed % 2 == 0 ? Granularity::PerTensor : Granularity::PerChannel,
        .weight_scale = seed % 5 < 2 ? ScaleKind::PowerOfTwo : ScaleKind::Real};
    choose_weight_thresholds(annotated, {true}, recipe, 32);
    const Samples samples = photos_for(reference, seed, 12);
    Graph corrected = annotated, chosen = annotated;
    std::vector<std::string> notes;
    correct_bias(corrected, reference, in_memory(samples), notes);
    reconstruct_layers(chosen, reference, in_memory(samples), recipe, 32, notes);
    ASSERT_TRUE(verify(chosen).empty());
    const double then = squared_difference(reference, rounded(corrected), samples);
    const double now = squared_difference(reference, rounded(chosen), samples);
    EXPECT_LE(now, then * 1.001 + 1e-6);
    nearest += then;
    best += now;
  }
  EXPECT_LT(best, 0.8 * nearest);
}

// Whole networks with rounded activations, on samples that nothing was chosen by.
TEST(RecipeProperty, reconstructed_networks_are_nearer_to_the_float_one) {
  std::size_t nearer = 0, changed = 0;
  double octaves = 0;
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Graph reference = random_float_graph(seed);
    const Samples samples = photos_for(reference, seed, 12);
    const Statistics statistics = collect_statistics(reference, in_memory(samples));
    Graph annotated = reference;
    for (const auto& [name, id] : values_by_name(reference)) {
      const auto found = statistics.find(name);
      if (found == statistics.end() || found->second.histogram.max < 1e-6) continue;
      annotated.value(id).quantization = {.thresholds = {found->second.histogram.max}};
    }
    const Recipe recipe{.weight_bits = 3, .edge_layers_8_bits = false};
    choose_weight_thresholds(annotated, std::vector<bool>(annotated.nodes.size(), true), recipe,
                             32);
    Graph corrected = annotated, chosen = annotated, again = annotated;
    std::vector<std::string> notes;
    correct_bias(corrected, reference, in_memory(samples), notes);
    reconstruct_layers(chosen, reference, in_memory(samples), recipe, 32, notes);
    reconstruct_layers(again, reference, in_memory(samples), recipe, 32, notes);
    ASSERT_TRUE(verify(chosen).empty());
    EXPECT_EQ(squared_difference(rounded(chosen), rounded(again), samples), 0);
    const Samples others = photos_for(reference, seed + kCases, 4);
    const double then = squared_difference(reference, rounded(corrected), others);
    const double now = squared_difference(reference, rounded(chosen), others);
    if (now == then) continue;
    ++changed;
    if (now < then) ++nearer;
    octaves += std::log2(now / then);
  }
  EXPECT_GT(3 * nearer, 2 * changed) << nearer << " of " << changed;
  // Of many cases more than half an octave; the few under the sanitizers vary by a fifth of one.
  EXPECT_LT(octaves / static_cast<double>(changed), -0.2);
}

TEST(RecipeProperty, bias_correction_never_raises_a_mean_error) {
  double before = 0, after = 0;
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Graph reference = random_float_graph(seed);
    const Samples samples = samples_of(reference, seed);
    const Statistics statistics = collect_statistics(reference, in_memory(samples));
    Graph annotated = reference;
    for (const auto& [name, id] : values_by_name(reference)) {
      const auto found = statistics.find(name);
      if (found == statistics.end() || found->second.histogram.max < 1e-6) continue;
      annotated.value(id).quantization = {.bits = 4, .thresholds = {found->second.histogram.max}};
    }
    choose_weight_thresholds(annotated, std::vector<bool>(annotated.nodes.size(), true),
                             {.weight_bits = 4}, 32);
    const auto wanted = means(reference, samples);
    const auto then = means(rounded(annotated), samples);
    std::vector<std::string> notes;
    correct_bias(annotated, reference, in_memory(samples), notes);
    ASSERT_TRUE(verify(annotated).empty());
    const auto now = means(rounded(annotated), samples);
    for (const auto& [name, of_layer] : wanted) {
      for (std::size_t c = 0; c < of_layer.size(); ++c) {
        const double noise = 1e-4 * (1 + std::abs(of_layer[c]));
        EXPECT_LE(error(now.at(name), of_layer, c), noise) << name << " " << c;
        before += error(then.at(name), of_layer, c);
        after += error(now.at(name), of_layer, c);
      }
    }
  }
  EXPECT_LT(after, before / 100);
}

}  // namespace
}  // namespace workbench
