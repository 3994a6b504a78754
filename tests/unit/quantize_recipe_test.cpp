// The steps of a recipe, one by one, on networks small enough to be worked out by hand.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "compiler/quantize/clip_layer.h"
#include "compiler/quantize/correct_weights.h"
#include "compiler/quantize/equalize.h"
#include "compiler/quantize/fake_quantize.h"
#include "compiler/quantize/fit_multipliers.h"
#include "compiler/quantize/recipe.h"
#include "compiler/quantize/recipe_thresholds.h"
#include "compiler/quantize/result_error.h"
#include "core/eval/evaluate.h"
#include "tests/support/float_graph.h"
#include "tests/support/graph_builder.h"

namespace workbench {
namespace {

using Floats = std::vector<float>;
using Notes = std::vector<std::string>;
using Samples = std::vector<std::vector<Tensor>>;

constexpr Activation kRelu{.kind = Activation::Kind::Relu};
constexpr Activation kRelu6{.kind = Activation::Kind::Clip, .alpha = 0, .beta = 6};

Floats floats(const Tensor& tensor) {
  const auto values = tensor.values<float>();
  return {values.begin(), values.end()};
}

Floats constant(const Graph& graph, const std::string& name) {
  return floats(*graph.value(values_by_name(graph).at(name)).constant);
}

// Each channel of a map of 16 x 16 runs from 0 to its last value.
Samples ramps(const Floats& last) {
  Tensor x = Tensor::uninitialized(ElementType::Float32,
                                   {1, static_cast<std::int64_t>(last.size()), 16, 16});
  const auto values = x.mutable_values<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = last[i / 256] * static_cast<float>(i % 256) / 255;
  }
  return {{x}};
}

// x [1, 2, 16, 16] -> "a", 2 channels, with the bias and activation -> "b", 2 channels -> output.
FloatGraph two_layers(const Floats& a, const Floats& bias, const Activation& activation,
                      const Floats& b) {
  FloatGraph build("two");
  const ValueId x = build.input("x", {1, 2, 16, 16});
  const ValueId y = build.conv("a", x, 2, a, activation);
  build.graph().nodes[0].inputs.push_back(
      build.graph().add_constant("a.b", Tensor::from<float>({2}, bias)));
  build.output(build.conv("b", y, 2, b));
  return build;
}

TEST(PruneConstantChannels, a_dead_channel_loses_its_weights_and_those_that_read_it) {
  FloatGraph build = two_layers({-50, -70, 1, 2}, {-1, 0}, kRelu, {3, 4, 5, 6});
  const Samples samples = ramps({1, 2});
  const Graph before = build.graph();
  Notes notes;
  prune_constant_channels(build.graph(), collect_statistics(before, in_memory(samples)), 1, notes);
  EXPECT_EQ(constant(build.graph(), "a.w"), (Floats{0, 0, 1, 2}));
  EXPECT_EQ(constant(build.graph(), "a.b"), (Floats{0, 0}));
  EXPECT_EQ(constant(build.graph(), "b.w"), (Floats{0, 4, 0, 6}));
  EXPECT_EQ(notes, (Notes{"a: 1 of 2 channels are constant: pruned"}));
  EXPECT_EQ(evaluate(build.graph(), samples[0]), evaluate(before, samples[0]));
}

TEST(PruneConstantChannels, a_saturated_channel_becomes_its_bias) {
  FloatGraph build = two_layers({50, 70, 1, 2}, {9, 0}, kRelu6, {3, 4, 5, 6});
  const Samples samples = ramps({1, 2});
  const Graph before = build.graph();
  Notes notes;
  prune_constant_channels(build.graph(), collect_statistics(before, in_memory(samples)), 1, notes);
  EXPECT_EQ(constant(build.graph(), "a.w"), (Floats{0, 0, 1, 2}));
  EXPECT_EQ(constant(build.graph(), "a.b"), (Floats{6, 0}));
  EXPECT_EQ(constant(build.graph(), "b.w"), (Floats{3, 4, 5, 6}));
  EXPECT_EQ(evaluate(build.graph(), samples[0]), evaluate(before, samples[0]));
}

// One value of each channel was seen, and the last layer's channels are the results.
TEST(PruneConstantChannels, little_evidence_prunes_nothing) {
  FloatGraph build("small");
  const ValueId x = build.input("x", {1, 2, 1, 1});
  build.output(build.conv("b", build.conv("a", x, 2, {1, 2, 3, 4}), 1, {5, 6}));
  const Samples samples{{Tensor::from<float>({1, 2, 1, 1}, {1, 2})}};
  Notes notes;
  prune_constant_channels(build.graph(), collect_statistics(build.graph(), in_memory(samples)), 1,
                          notes);
  EXPECT_TRUE(notes.empty());
  EXPECT_EQ(constant(build.graph(), "a.w"), (Floats{1, 2, 3, 4}));
}

// s = sqrt(8 / 0.5) = 4 for channel 0 and 1/4 for channel 1: all weights become 2.
TEST(Equalize, channels_share_their_ranges_with_their_readers) {
  FloatGraph build = two_layers({8, 0, 0, 0.5F}, {4, 4}, kRelu, {0.5F, 0, 0, 8});
  const Samples samples = ramps({1, 2});
  const Graph before = build.graph();
  Notes notes;
  equalize(build.graph(), collect_statistics(before, in_memory(samples)), {}, notes);
  EXPECT_EQ(constant(build.graph(), "a.w"), (Floats{2, 0, 0, 2}));
  EXPECT_EQ(constant(build.graph(), "a.b"), (Floats{1, 16}));
  EXPECT_EQ(constant(build.graph(), "b.w"), (Floats{2, 0, 0, 2}));
  EXPECT_EQ(notes, (Notes{"a: equalized with its readers by factors 0.25 to 4"}));
  EXPECT_EQ(evaluate(build.graph(), samples[0]), evaluate(before, samples[0]));
}

TEST(Equalize, factors_keep_within_the_limit) {
  FloatGraph build = two_layers({8, 0, 0, 0.5F}, {4, 4}, kRelu, {0.5F, 0, 0, 8});
  Notes notes;
  equalize(build.graph(), {}, {.limit = 2}, notes);
  EXPECT_EQ(constant(build.graph(), "a.w"), (Floats{4, 0, 0, 1}));
  EXPECT_EQ(constant(build.graph(), "b.w"), (Floats{1, 0, 0, 4}));
}

TEST(Equalize, across_clips_each_channel_has_its_bound) {
  FloatGraph build = two_layers({8, 0, 0, 0.5F}, {4, 4}, kRelu6, {0.5F, 0, 0, 8});
  const Samples samples = ramps({1, 2});
  const Graph before = build.graph();
  Notes notes;
  equalize(build.graph(), {}, {.across_clips = true}, notes);
  EXPECT_EQ(std::get<Conv>(build.graph().nodes[0].op).activation.bounds, (Floats{1.5F, 24}));
  EXPECT_TRUE(verify(build.graph()).empty());
  EXPECT_EQ(evaluate(build.graph(), samples[0]), evaluate(before, samples[0]));
}

// Channel 0 reaches 12; channel 1 ends at 1, 1.25 / 6 of what would reach the clip.
TEST(Equalize, channels_stay_off_the_clip) {
  FloatGraph build = two_layers({8, 0, 0, 0.5F}, {4, 0}, kRelu6, {0.5F, 0, 0, 800});
  const Samples samples = ramps({1, 2});
  const Graph before = build.graph();
  Notes notes;
  equalize(build.graph(), collect_statistics(before, in_memory(samples)), {}, notes);
  const Floats a = constant(build.graph(), "a.w");
  EXPECT_EQ(a[0], 8);
  EXPECT_FLOAT_EQ(a[3], 0.5F * 6 / 1.25F);
  EXPECT_EQ(notes, (Notes{"a: equalized with its readers by factors 0.21 to 1",
                          "a: 1 of 2 channels reach the clip at 6: not equalized"}));
  const Activation& clip = std::get<Conv>(build.graph().nodes[0].op).activation;
  EXPECT_EQ(clip.beta, 6);
  EXPECT_TRUE(clip.bounds.empty()) << "no hardware has one per channel";
  const Floats now = floats(evaluate(build.graph(), samples[0])[0]);
  const Floats then = floats(evaluate(before, samples[0])[0]);
  for (std::size_t i = 0; i < now.size(); ++i) EXPECT_FLOAT_EQ(now[i], then[i]);
}

// x [1, 2, 16, 16] -> "a", 3 channels: an edge detector that reaches its clip, and two flat ones
// -> "b", 2 channels -> output. The other channels of "a" have weights of 0.7 once they
// are equalized: sqrt(0.5 / 1) of 0.5.
FloatGraph edge_detector(float steep) {
  FloatGraph build("edges");
  const ValueId x = build.input("x", {1, 2, 16, 16});
  const ValueId y = build.conv("a", x, 3, {steep, -steep, 0, 0.5F, 0.5F, 0}, kRelu6);
  build.graph().nodes[0].inputs.push_back(
      build.graph().add_constant("a.b", Tensor::from<float>({3}, std::vector<float>{3, 1, 2})));
  build.output(build.conv("b", y, 2, {0.1F, 1, -1, -0.1F, 1, 1}));
  return build;
}

// Edges of either sign: one channel runs up, the other down.
Samples slopes() {
  Samples samples = ramps({2, 2});
  const auto values = samples[0][0].mutable_values<float>();
  std::reverse(values.begin() + 256, values.end());
  return samples;
}

TEST(Equalize, a_clip_is_lifted_off_a_channel_with_far_larger_weights_than_others) {
  for (const auto& [steep, lifted] : {std::pair{80.0F, true}, std::pair{40.0F, false}}) {
    FloatGraph build = edge_detector(steep);
    const Samples samples = slopes();
    const Graph before = build.graph();
    Notes notes;
    equalize(build.graph(), collect_statistics(before, in_memory(samples)), {.lift_beyond = 64},
             notes);
    const Floats& bounds = std::get<Conv>(build.graph().nodes[0].op).activation.bounds;
    ASSERT_EQ(bounds.size(), lifted ? 3U : 0U);
    const Floats a = constant(build.graph(), "a.w");
    EXPECT_FLOAT_EQ(a[0], lifted ? steep / 16 : steep);
    EXPECT_FLOAT_EQ(lifted ? bounds[0] : 6, lifted ? 6.0F / 16 : 6);
    const Floats is = floats(evaluate(build.graph(), samples[0]).at(0));
    const Floats was = floats(evaluate(before, samples[0]).at(0));
    for (std::size_t i = 0; i < is.size(); ++i) ASSERT_NEAR(is[i], was[i], 1e-5);
  }
}

// Steps of 2^-4: bounds of 1.5 and 3 have codes, 2.99 gets one, 9 is beyond the last.
TEST(ClipLayer, mirrors_what_has_one_bound_per_channel) {
  FloatGraph build("bounds");
  const ValueId x = build.input("x", {1, 2, 16, 16});
  const Activation clip{.kind = Activation::Kind::Clip, .alpha = 0, .bounds = {1.5F, 3, 2.99F, 9}};
  build.output(build.conv("a", x, 4, {1, 0, 0, 2, 1, 1, 8, -8}, clip));
  Graph& graph = build.graph();
  graph.nodes[0].inputs.push_back(
      graph.add_constant("a.b", Tensor::from<float>({4}, std::vector<float>{-0.5F, 1, 0, -2})));
  Notes notes;
  const Thresholds least = mirror_channel_bounds(graph, {{"a", 7.0}}, notes);
  EXPECT_EQ(notes, (Notes{"a: bounds of its channels are a layer of their own"}));
  EXPECT_EQ(least, (Thresholds{{"a", 127.0 / 16}, {"a_mirrored", 127.0 / 16}}));
  ASSERT_TRUE(verify(graph).empty());
  ASSERT_EQ(graph.nodes.size(), 2U);
  EXPECT_EQ(constant(graph, "a_bound"), (Floats{1.5F, 3, 3, 127.0F / 16}));
  const Samples samples = slopes();
  const Floats in = floats(samples[0][0]), y = floats(evaluate(graph, samples[0]).at(0));
  for (std::size_t i = 0; i < 256; ++i) {
    const float u = in[i], v = in[256 + i];
    EXPECT_NEAR(y[i], std::clamp(u - 0.5F, 0.0F, 1.5F), 1e-5);
    EXPECT_NEAR(y[256 + i], std::clamp(2 * v + 1, 0.0F, 3.0F), 1e-5);
    EXPECT_NEAR(y[512 + i], std::clamp(u + v, 0.0F, 3.0F), 1e-5);
    EXPECT_NEAR(y[768 + i], std::clamp(8 * u - 8 * v - 2, 0.0F, 127.0F / 16), 1e-5);
  }
}

// No weight is a multiple of another's, so that no result lies halfway between two codes.
TEST(ClipLayer, gives_the_codes_that_one_bound_per_channel_gives) {
  FloatGraph build("bounds");
  const ValueId x = build.input("x", {1, 2, 16, 16});
  const Activation clip{.kind = Activation::Kind::Clip, .alpha = 0, .bounds = {1.5F, 7.5F, 0.25F}};
  build.output(build.conv("a", x, 3, {1.137F, -0.719F, -3.011F, 4.973F, 0.577F, 0.211F}, clip));
  Graph& graph = build.graph();
  graph.nodes[0].inputs.push_back(
      graph.add_constant("a.b", Tensor::from<float>({3}, std::vector<float>{-0.501F, 1.003F, 0})));
  const QuantizeTarget target = free_quantize_target(8);
  const Samples samples = slopes();
  const auto codes = [&](Graph of, Thresholds thresholds) {
    thresholds.insert({"x", 2.0});
    of = target.annotate(std::move(of), thresholds);
    make_steps_powers_of_two(of);
    return floats(evaluate(fake_quantized(of), samples[0]).at(0));
  };
  const Floats expected = codes(graph, {{"a", 7.5}});
  Notes notes;
  const Thresholds least = mirror_channel_bounds(graph, {{"a", 7.5}}, notes);
  EXPECT_EQ(codes(graph, least), expected);
  EXPECT_EQ(*std::ranges::max_element(expected), 7.5F);
}

TEST(Equalize, a_result_of_the_network_is_left_alone) {
  FloatGraph build = two_layers({8, 0, 0, 0.5F}, {4, 4}, kRelu, {0.5F, 0, 0, 8});
  build.output(build.graph().nodes[0].outputs[0]);
  Notes notes;
  equalize(build.graph(), {}, {}, notes);
  EXPECT_EQ(constant(build.graph(), "a.w"), (Floats{8, 0, 0, 0.5F}));
}

// 3 grows to 4 * 127 / 128, the end of signed codes of a power-of-two step.
TEST(AlignToPowersOfTwo, a_layer_grows_until_its_codes_are_used_up) {
  FloatGraph build = two_layers({1, 0, 0, 1}, {0, 0.5F}, kRelu6, {1, 0, 0, 1});
  const Samples samples = ramps({1, 2});
  const Graph before = build.graph();
  Notes notes;
  align_to_powers_of_two(build.graph(), {{"a", 3.0}}, notes);
  const float grown = 4.0F * 127 / 128 / 3;
  EXPECT_FLOAT_EQ(constant(build.graph(), "a.w")[0], grown);
  EXPECT_FLOAT_EQ(constant(build.graph(), "a.b")[1], 0.5F * grown);
  EXPECT_FLOAT_EQ(constant(build.graph(), "b.w")[3], 1 / grown);
  const Activation& clip = std::get<Conv>(build.graph().nodes[0].op).activation;
  EXPECT_FLOAT_EQ(clip.beta, 6 * grown);
  EXPECT_TRUE(clip.bounds.empty());
  const Floats now = floats(evaluate(build.graph(), samples[0])[0]);
  const Floats then = floats(evaluate(before, samples[0])[0]);
  for (std::size_t i = 0; i < now.size(); ++i) EXPECT_FLOAT_EQ(now[i], then[i]);
}

TEST(AlignToPowersOfTwo, bounds_per_channel_grow_together) {
  FloatGraph build = two_layers({1, 0, 0, 1}, {0, 0}, kRelu6, {1, 0, 0, 1});
  std::get<Conv>(build.graph().nodes[0].op).activation.bounds = {6, 3};
  Notes notes;
  align_to_powers_of_two(build.graph(), {{"a", 2.0 * 127 / 128}}, notes);
  EXPECT_EQ(std::get<Conv>(build.graph().nodes[0].op).activation.bounds, (Floats{6, 3}));
  align_to_powers_of_two(build.graph(), {{"a", 127.0 / 128 * 1.5}}, notes);
  EXPECT_FLOAT_EQ(std::get<Conv>(build.graph().nodes[0].op).activation.bounds[1], 4);
}

TEST(WeightThreshold, a_power_of_two_step_covers_the_maximum) {
  const Floats weights{0.3F, -0.7F};
  EXPECT_EQ(weight_threshold(weights, 8, ThresholdMethod::Max, ScaleKind::PowerOfTwo), 127.0 / 128);
  EXPECT_EQ(weight_threshold(weights, 4, ThresholdMethod::Max, ScaleKind::PowerOfTwo), 7.0 / 8);
  EXPECT_FLOAT_EQ(
      static_cast<float>(weight_threshold(weights, 8, ThresholdMethod::Max, ScaleKind::Real)),
      0.7F);
  EXPECT_EQ(weight_threshold(Floats{0, 0}, 8, ThresholdMethod::Max, ScaleKind::Real), 0);
}

// 2 bits, codes -1, 0, 1. Step 1: the sixteen 0.25 are lost, 16 * 0.0625 = 1. Step 0.5: they are
// lost or doubled, as much, and 1 is halved. Step 0.25: they are exact, 1 loses 0.75^2 = 0.5625.
TEST(WeightThreshold, the_least_error_may_clip_the_maximum) {
  Floats weights(16, 0.25F);
  weights.push_back(1);
  EXPECT_EQ(weight_threshold(weights, 2, ThresholdMethod::Mse, ScaleKind::PowerOfTwo), 0.25);
  EXPECT_NEAR(weight_threshold(weights, 2, ThresholdMethod::Mse, ScaleKind::Real), 0.29, 0.02);
}

Graph annotated_for_weights() {
  FloatGraph build = two_layers({8, 0, 0, 0.5F}, {0, 0}, kRelu, {0.5F, 0, 0, 4});
  Graph graph = build.graph();
  for (Value& value : graph.values) {
    if (!value.constant) value.quantization = {.thresholds = {127}};
  }
  return graph;
}

std::vector<bool> every(const Graph& graph) { return std::vector<bool>(graph.nodes.size(), true); }

const Quantization& weights_of(const Graph& graph, std::size_t node) {
  return *graph.value(graph.nodes[node].inputs[1]).quantization;
}

// x [1, 1, 64, 64] -> y = x -> z
TEST(ActivationThresholds, one_sample_with_massive_activations_decides_for_none) {
  FloatGraph build("massive");
  const ValueId x = build.input("x", {1, 1, 64, 64});
  build.output(build.conv("z", build.conv("y", x, 1, {1}), 1, {1}));
  std::vector<std::vector<Tensor>> samples;
  std::mt19937_64 random(1);
  for (int i = 0; i < 8; ++i) samples.push_back({random_tensor(random, {1, 1, 64, 64}, -1, 1)});
  const auto found = [&] {
    const QuantizeTarget target = xdnn_quantize_target({});
    const Recipe recipe = default_recipe("xdnn", Effort::Fast);
    return activation_thresholds(
               build.graph(), collect_statistics(build.graph(), in_memory(samples)), recipe, target)
        .at("y");
  };
  EXPECT_NEAR(found(), 1, 0.02);
  // A hundredth of one image is 20 times as large: over all samples, clipping 400 in 1e5 squares
  // costs more than steps 10 times as wide, to seven of eight images it does not.
  for (std::size_t i = 0; i < 40; ++i) samples[3][0].mutable_values<float>()[100 * i] *= 20;
  EXPECT_LT(found(), 1.2);
}

TEST(ChooseWeightThresholds, one_per_channel_or_one_for_all) {
  Graph graph = annotated_for_weights();
  choose_weight_thresholds(graph, every(graph),
                           {.weight_bits = 8, .granularity = Granularity::PerChannel}, 32);
  EXPECT_EQ(weights_of(graph, 0).thresholds.size(), 2U);
  EXPECT_FLOAT_EQ(static_cast<float>(weights_of(graph, 0).thresholds[1]), 0.5F);
  EXPECT_EQ(weights_of(graph, 0).axis, 0);
  choose_weight_thresholds(graph, every(graph),
                           {.weight_bits = 8, .granularity = Granularity::PerTensor}, 32);
  ASSERT_EQ(weights_of(graph, 0).thresholds.size(), 1U);
  EXPECT_FLOAT_EQ(static_cast<float>(weights_of(graph, 0).thresholds[0]), 8);
}

TEST(ChooseWeightThresholds, edge_layers_keep_8_bits) {
  FloatGraph build("three");
  ValueId x = build.input("x", {1, 1, 1, 1});
  for (const char* name : {"a", "b", "c"}) x = build.conv(name, x, 1, {1});
  build.output(x);
  for (Value& value : build.graph().values) {
    if (!value.constant) value.quantization = {.thresholds = {127}};
  }
  choose_weight_thresholds(build.graph(), every(build.graph()), {.weight_bits = 4}, 32);
  EXPECT_EQ(weights_of(build.graph(), 0).bits, 8);
  EXPECT_EQ(weights_of(build.graph(), 1).bits, 4);
  EXPECT_EQ(weights_of(build.graph(), 2).bits, 8);
  choose_weight_thresholds(build.graph(), every(build.graph()),
                           {.weight_bits = 4, .edge_layers_8_bits = false}, 32);
  EXPECT_EQ(weights_of(build.graph(), 2).bits, 4);
}

// Operand step 1, 24 bits: a bias of 2^20 wants a weight step of 2^20 / 2^21.
TEST(ChooseWeightThresholds, tiny_weights_leave_room_for_the_bias) {
  FloatGraph build = two_layers({1e-9F, 0, 0, 64}, {1048576, 0}, kRelu, {1, 1, 1, 1});
  for (Value& value : build.graph().values) {
    if (!value.constant) value.quantization = {.thresholds = {127}};
  }
  choose_weight_thresholds(build.graph(), every(build.graph()),
                           {.weight_bits = 8, .weight_scale = ScaleKind::PowerOfTwo}, 24);
  EXPECT_EQ(weights_of(build.graph(), 0).step(0), 0.5);
  EXPECT_EQ(weights_of(build.graph(), 0).step(1), 0.5);
}

TEST(ChooseWeightThresholds, methods_of_activations_are_refused) {
  Graph graph = annotated_for_weights();
  EXPECT_THROW(
      choose_weight_thresholds(graph, every(graph),
                               {.weight_bits = 8, .weight_method = ThresholdMethod::KlJ}, 32),
      Error);
}

TEST(PowerOfTwoSteps, are_no_finer_than_the_threshold_asks) {
  Graph graph;
  graph.add_value({.name = "x", .shape = {1}});
  graph.values[0].quantization = {.thresholds = {5}};
  make_steps_powers_of_two(graph);
  EXPECT_EQ(graph.values[0].quantization->step(), 8.0 / 128);
  make_steps_powers_of_two(graph);
  EXPECT_EQ(graph.values[0].quantization->step(), 8.0 / 128);
  graph.values[0].quantization = {.is_signed = false, .thresholds = {4}};
  make_steps_powers_of_two(graph);
  EXPECT_EQ(graph.values[0].quantization->step(), 4.0 / 256);
}

struct SumThresholds {
  double operands = 0, sum = 0;
};

SumThresholds fitted_sum(int scale_bits, const Activation& of_operand, const Activation& of_sum) {
  GraphBuilder build;
  const ValueId x = build.input("x", {1, 2, 4, 4});
  const ValueId a = build.add("a", Activate{of_operand}, {x});
  const ValueId z = build.input("z", {1, 2, 4, 4});
  const ValueId sum =
      build.add("sum", Binary{.kind = Binary::Kind::Add, .activation = of_sum}, {a, z});
  build.output(sum);
  Graph& graph = build.graph();
  for (const ValueId id : {a, z, sum}) {
    graph.value(id).quantization = {.bits = 16, .thresholds = {id == sum ? 1.3 : 1.0}};
  }
  graph.scale_groups = {{.reason = "sum", .members = {std::min(a, z), std::max(a, z)}}};
  QuantizeOptions options{.bits = 16, .limits = {}, .host_reason = {}};
  options.limits.scale_bits = scale_bits;
  fit_multipliers(graph, options);
  EXPECT_EQ(graph.value(a).quantization, graph.value(z).quantization);
  return {graph.value(a).quantization->thresholds[0], graph.value(sum).quantization->thresholds[0]};
}

// 1 by 1.3 is 196.9 of 256: 197 is that of 1.3 x 197 / 256 = 1.0004. Where the operands are fixed,
// 196 is that of 256 / 196 = 1.306.
TEST(FitMultipliers, sums_have_one_that_their_field_holds) {
  const Activation clip{.kind = Activation::Kind::Clip, .alpha = 0, .beta = 1};
  const SumThresholds fitted = fitted_sum(8, kRelu, kRelu);
  EXPECT_NEAR(fitted.operands, 1.3 * 197 / 256, 1e-6);
  EXPECT_EQ(fitted.sum, 1.3);
  const SumThresholds clipped = fitted_sum(8, clip, kRelu);
  EXPECT_EQ(clipped.operands, 1);
  EXPECT_NEAR(clipped.sum, 256.0 / 196, 1e-6);
  for (const auto& [bits, of_sum] : {std::pair(16, kRelu), std::pair(8, clip)}) {
    const SumThresholds kept = fitted_sum(bits, clip, of_sum);
    EXPECT_EQ(kept.operands, 1);
    EXPECT_EQ(kept.sum, 1.3);
  }
}

// By 1.3, then by 1.7: both operands are raised, the earlier one to what the later one has become.
TEST(FitMultipliers, sums_of_sums_fit_as_a_whole) {
  GraphBuilder build;
  const Shape shape = {1, 2, 4, 4};
  const ValueId a = build.input("a", shape), b = build.input("b", shape);
  const ValueId c = build.input("c", shape), d = build.input("d", shape);
  const ValueId second = build.binary("second", Binary::Kind::Add, c, d);
  const ValueId first = build.binary("first", Binary::Kind::Add, a, b);
  const ValueId last = build.binary("last", Binary::Kind::Add, first, second);
  build.output(last);
  Graph& graph = build.graph();
  graph.scale_groups = {{.reason = "first", .members = {a, b}},
                        {.reason = "second", .members = {c, d}},
                        {.reason = "last", .members = {second, first}}};
  for (const auto& [ids, threshold] :
       {std::pair(std::vector{a, b}, 1.0), std::pair(std::vector{c, d}, 1.1),
        std::pair(std::vector{first, second}, 1.3), std::pair(std::vector{last}, 1.7)}) {
    for (const ValueId id : ids) {
      graph.value(id).quantization = {.bits = 16, .thresholds = {threshold}};
    }
  }
  QuantizeOptions options{.bits = 16, .limits = {}, .host_reason = {}};
  options.limits.scale_bits = 8;
  fit_multipliers(graph, options);
  const auto field = [&](ValueId in, ValueId out) {
    return 256 * graph.value(in).quantization->thresholds[0] /
           graph.value(out).quantization->thresholds[0];
  };
  // 195.76 by itself; then 196.69 and 216.4, by what 1.3 has become
  EXPECT_NEAR(field(first, last), 196, 1e-4);
  EXPECT_NEAR(field(a, first), 197, 1e-4);
  EXPECT_NEAR(field(c, first), 217, 1e-4);
}

// The operand 0.375 becomes 0 in steps of 1, so "a" gives 0 instead of 0.375 and 0.75. "b" then
// reads what it should and needs no correction: x is rounded, a's result is not.
TEST(CorrectBias, takes_off_the_mean_error_layer_by_layer) {
  FloatGraph build = two_layers({1, 0, 0, 2}, {0, 0}, kRelu, {3, 4, 5, 6});
  const Graph reference = build.graph();
  Graph& annotated = build.graph();
  annotated.value(annotated.inputs[0]).quantization = {.thresholds = {127}};
  Tensor x = Tensor::uninitialized(ElementType::Float32, {1, 2, 16, 16});
  for (float& v : x.mutable_values<float>()) v = 0.375F;
  const Samples samples{{x}};
  Notes notes;
  correct_bias(annotated, reference, in_memory(samples), notes);
  EXPECT_EQ(constant(annotated, "a.b"), (Floats{0.375F, 0.75F}));
  EXPECT_EQ(constant(annotated, "b_bias"), (Floats{0, 0}));
  EXPECT_EQ(notes, (Notes{"biases of 2 layers corrected over 1 sample"}));
  EXPECT_TRUE(verify(annotated).empty());
}

TEST(CorrectBias, reaches_fully_connected_layers) {
  FloatGraph build("gemm");
  const ValueId x = build.input("x", {1, 2});
  const ValueId w =
      build.graph().add_constant("w", Tensor::from<float>({2, 3}, Floats{1, 2, 3, 4, 5, 6}));
  build.output(build.add("g", Gemm{}, {x, w}));
  const Graph reference = build.graph();
  build.graph().value(x).quantization = {.thresholds = {127}};
  const Samples samples{{Tensor::from<float>({1, 2}, Floats{0.25F, 1})}};
  Notes notes;
  correct_bias(build.graph(), reference, in_memory(samples), notes);
  EXPECT_EQ(constant(build.graph(), "g_bias"), (Floats{0.25F, 0.5F, 0.75F}));
}

// Both channels carry the same numbers: weights of 0.4 and 0.4 steps, nearest 0 and 0, do less harm
// as 0 and 1. The sum of their errors, 0.2 steps, times the mean of the operands leaves the bias.
TEST(RoundWeights, errors_make_up_for_each_other) {
  FloatGraph build("sum");
  const ValueId x = build.input("x", {1, 2, 16, 16});
  build.output(build.conv("a", x, 1, {0.4F, 0.4F}));
  build.graph().value(x).quantization = {.bits = 16, .thresholds = {32767.0 / 1024}};
  build.graph().value(build.graph().nodes[0].inputs[1]).quantization = {.thresholds = {127}};
  Samples samples = ramps({255, 255});
  for (float& v : samples[0][0].mutable_values<float>()) v = std::round(v) / 64;
  round_weights(build.graph(), in_memory(samples));
  EXPECT_EQ(constant(build.graph(), "a.w"), (Floats{1, 0}));
  EXPECT_NEAR(constant(build.graph(), "a_bias")[0], -0.2 * 127.5 / 64, 1e-5);
  EXPECT_TRUE(verify(build.graph()).empty());
  EXPECT_TRUE(build.graph().value(build.graph().nodes[0].inputs[1]).quantization.has_value());
}

TEST(RoundWeights, operands_that_do_not_go_together_keep_the_nearest_codes) {
  FloatGraph build("apart");
  const ValueId x = build.input("x", {1, 2, 16, 16});
  build.output(build.conv("a", x, 1, {0.4F, 0.4F}));
  build.graph().value(x).quantization = {.thresholds = {127}};
  build.graph().value(build.graph().nodes[0].inputs[1]).quantization = {.thresholds = {127}};
  Tensor data = Tensor::zeros(ElementType::Float32, {1, 2, 16, 16});
  for (std::size_t i = 0; i < 256; ++i) {
    data.mutable_values<float>()[i] = i % 2 == 0 ? 10 : 0;
    data.mutable_values<float>()[256 + i] = i / 2 % 2 == 0 ? 10 : 0;
  }
  const Samples samples{{data}};
  round_weights(build.graph(), in_memory(samples));
  EXPECT_EQ(constant(build.graph(), "a.w"), (Floats{0, 0}));
}

// Codes up to 8 for an input up to 2: four moves of a quarter octave, each with less rounding
// error.
TEST(SearchThresholds, codes_that_nothing_uses_are_given_up) {
  FloatGraph build = two_layers({1, 0.5F, -0.25F, 1}, {0, 0}, kRelu, {1, -1, 1, 0.5F});
  const Graph reference = build.graph();
  const QuantizeTarget target = free_quantize_target(8);
  const Samples samples = ramps({1, 2});
  Graph annotated = target.annotate(reference, {{"x", 8.0}, {"a", 2.5}, {"b", 4.0}});
  Notes notes;
  search_thresholds(annotated, reference, in_memory(samples), target, notes);
  const double found = annotated.value(annotated.inputs[0]).quantization->thresholds[0];
  EXPECT_NEAR(found, 4, 1e-6);
  EXPECT_EQ(notes.size(), 1U);
  EXPECT_TRUE(verify(annotated).empty());
}

TEST(SearchThresholds, powers_of_two_stay_powers_of_two) {
  FloatGraph build = two_layers({1, 0.5F, -0.25F, 1}, {0, 0}, kRelu, {1, -1, 1, 0.5F});
  const Graph reference = build.graph();
  const QuantizeTarget target = free_quantize_target(8);
  const Samples samples = ramps({1, 2});
  Graph annotated = target.annotate(reference, {{"x", 8.0}, {"a", 2.5}, {"b", 4.0}});
  make_steps_powers_of_two(annotated);
  Notes notes;
  search_thresholds(annotated, reference, in_memory(samples), target, notes);
  EXPECT_EQ(annotated.value(annotated.inputs[0]).quantization->step(), 2.0 / 128);
}

TEST(Recipes, are_known_by_their_names) {
  for (const std::string& name : recipe_names()) EXPECT_EQ(recipe_named(name).name, name);
  EXPECT_THROW(recipe_named("per-tensor-pow3"), Error);
  EXPECT_THROW(default_recipe("tpu", Effort::Normal), Error);
}

TEST(ApplyRecipe, refuses_what_cannot_be_done) {
  const FloatGraph build = two_layers({1, 0, 0, 1}, {0, 0}, kRelu6, {1, 0, 0, 1});
  FloatGraph copy = build;
  const QuantizeTarget hardware = xdnn_quantize_target({});
  const Samples none, one = ramps({1, 1});
  const auto refusal = [&](const Recipe& recipe, const Samples& samples) {
    try {
      apply_recipe(copy.graph(), in_memory(samples), recipe, hardware);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(refusal({}, none), "calibration: expected at least one sample, found none");
  EXPECT_EQ(refusal({.name = "r", .weight_bits = 1}, one),
            "recipe 'r': weight-bits: expected 2 to 8 on target xdnn, found 1");
}

// Both layers that have come of the first one run on the target, in the same steps.
TEST(ApplyRecipe, bounds_of_channels_become_a_layer_where_weights_ask_for_it) {
  FloatGraph build = edge_detector(80);
  const Samples samples = slopes();
  for (const QuantizeTarget& target : {xdnn_quantize_target({}), pulp_quantize_target({})}) {
    SCOPED_TRACE(target.name);
    Recipe recipe = recipe_named("per-tensor-pow2-clip-safe");
    const Graph prepared = target.prepare(build.graph());
    const auto annotated = [&] {
      return apply_recipe(prepared, in_memory(samples), recipe, target).graph;
    };
    const Graph found = annotated();
    EXPECT_EQ(found.nodes.size(), prepared.nodes.size() + 1);
    for (const bool runs : target.runs_on_target(found)) EXPECT_TRUE(runs);
    const auto codes = [&](std::size_t n) {
      return found.value(found.nodes[n].outputs[0]).quantization->thresholds;
    };
    EXPECT_EQ(codes(0), codes(1));
    constexpr double kTwentyDecibels = 0.01;
    EXPECT_LT(result_error(found, build.graph(), in_memory(samples), 1), kTwentyDecibels);
    recipe.clip_layer_beyond = 0;
    EXPECT_EQ(annotated().nodes.size(), prepared.nodes.size());
  }
}

TEST(ApplyRecipe, one_bound_per_channel_is_refused_where_hardware_has_one_per_layer) {
  FloatGraph build = two_layers({8, 0, 0, 0.5F}, {4, 4}, kRelu6, {0.5F, 0, 0, 8});
  try {
    apply_recipe(build.graph(), in_memory(ramps({1, 2})), recipe_named("per-tensor-pow2"),
                 xdnn_quantize_target({}));
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "recipe 'per-tensor-pow2' equalizes across clips (layer 'a'), which then have one "
                 "bound per channel; target 'xdnn' has one per layer: expected target none, or "
                 "per-tensor-pow2-clip-safe");
  }
}

}  // namespace
}  // namespace workbench
