// Gradients of whole networks against finite differences, where they are smooth: float networks,
// and networks with codes in numbers that all are clipped.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "core/error.h"
#include "train/torch_network.h"

namespace workbench::train {
namespace {

// A convolution with ReLU, an average, a linear layer: float.
Graph small_network() {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0, 0.5F);
  const auto constant = [&](Graph& graph, const std::string& name, const Shape& shape) {
    std::vector<float> values(static_cast<std::size_t>(element_count(shape)));
    for (float& value : values) value = normal(random);
    return graph.add_constant(name, Tensor::from<float>(shape, values));
  };
  Graph graph;
  graph.name = "small";
  const ValueId x = graph.add_value({.name = "x", .shape = {1, 2, 6, 6}});
  const ValueId w = constant(graph, "w", {4, 2, 3, 3}), b = constant(graph, "b", {4});
  const ValueId y = graph.add_value({.name = "y", .shape = {1, 4, 6, 6}});
  const ValueId p = graph.add_value({.name = "p", .shape = {1, 4, 1, 1}});
  const ValueId f = graph.add_value({.name = "f", .shape = {1, 4}});
  const ValueId v = constant(graph, "v", {3, 4}), c = constant(graph, "c", {3});
  const ValueId z = graph.add_value({.name = "z", .shape = {1, 3}});
  const Window window{{3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
  graph.nodes.push_back(
      {.name = "conv",
       .op = Conv{.window = window, .activation = {.kind = Activation::Kind::Sigmoid}},
       .inputs = {x, w, b},
       .outputs = {y}});
  graph.nodes.push_back({.name = "pool",
                         .op = AveragePool{.window = {{6, 6}, {1, 1}, {1, 1}, {0, 0}, {0, 0}}},
                         .inputs = {y},
                         .outputs = {p}});
  graph.nodes.push_back(
      {.name = "flat", .op = Reshape{.shape = {1, 4}}, .inputs = {p}, .outputs = {f}});
  graph.nodes.push_back(
      {.name = "linear", .op = Gemm{.transpose_b = true}, .inputs = {f, v, c}, .outputs = {z}});
  graph.inputs = {x};
  graph.outputs = {z};
  EXPECT_TRUE(verify(graph).empty());
  return graph;
}

Batch some_batch() {
  std::mt19937 random(9);
  std::normal_distribution<float> normal(0, 1);
  Batch batch{.count = 2, .images = {}, .targets = {1, 0, 0, 0.25F, 0.25F, 0.5F}};
  for (int i = 0; i < 2 * 2 * 6 * 6; ++i) batch.images.push_back(normal(random));
  return batch;
}

void quantize_value(Graph& graph, ValueId id, int bits, double step) {
  Quantization codes{.bits = bits, .is_signed = true, .thresholds = {}};
  codes.thresholds = {step * static_cast<double>(codes.high())};
  graph.value(id).quantization = codes;
}

double loss_of(const TorchNetwork& network, const Parameters& parameters) {
  return network.step(parameters, some_batch(), {false, false}).loss;
}

void expect_finite_differences(const TorchNetwork& network, const Parameters& at,
                               const std::vector<std::vector<float>>& gradients) {
  constexpr float kDelta = 1e-2F;
  for (std::size_t w = 0; w < at.weights.size(); ++w) {
    for (std::size_t i = 0; i < at.weights[w].size(); i += 3) {
      Parameters more = at, less = at;
      more.weights[w][i] += kDelta;
      less.weights[w][i] -= kDelta;
      const double difference =
          (loss_of(network, more) - loss_of(network, less)) / (2 * static_cast<double>(kDelta));
      EXPECT_NEAR(static_cast<double>(gradients[w][i]), difference, 2e-4) << w << " " << i;
    }
  }
}

TEST(TorchNetwork, gradients_of_weights_are_finite_differences) {
  Graph graph = small_network();
  // Of the linear layer's weights alone, by 16 bits and far inside: nearly smooth.
  quantize_value(graph, 2 + 4, 16, std::exp2(-15));
  Trainable what = trainable(graph);
  what.quantizers.clear();  // floats, with what is trained known
  what.biases.clear();
  const TorchNetwork network(graph, what, "cpu", 1);
  const Parameters at = initial_parameters(graph, graph, what);
  ASSERT_EQ(at.weights.size(), 4U);
  const Step step = network.step(at, some_batch(), {true, false});
  expect_finite_differences(network, at, step.gradients.weights);
}

// The value y is clipped everywhere (a sigmoid of at least 0.01 against codes up to 2^-9): the loss
// is a smooth function of its threshold.
TEST(TorchNetwork, gradients_of_a_threshold_that_clips_all_are_finite_differences) {
  Graph graph = small_network();
  graph.value(3).quantization = Quantization{.bits = 4, .thresholds = {0.01 / 3}};
  const Trainable what = trainable(graph);
  ASSERT_EQ(what.scales.size(), 1U);
  ASSERT_FALSE(what.scales[0].power_of_two);
  const TorchNetwork network(graph, what, "cpu", 1);
  Parameters at = initial_parameters(graph, graph, what);
  const Step step = network.step(at, some_batch(), {false, true});
  constexpr double kDelta = 0.05;
  Parameters more = at, less = at;
  more.log2_steps[0][0] += kDelta;
  less.log2_steps[0][0] -= kDelta;
  const double difference = (loss_of(network, more) - loss_of(network, less)) / (2 * kDelta);
  EXPECT_NEAR(step.gradients.log2_steps[0][0], difference, 0.02 * std::abs(difference));
  EXPECT_NE(difference, 0);
}

// Weights of the linear layer in codes of 3 bits and step 0.5: -3 to 3. What a recipe made 1 of
// 0.8 is at 0.8 (the cell of 1 is 0.75 to 1.25); of 0.3 and 2.9 at 0.9 of the way to the cell's
// edge, 0.775 and, of the last cell, 1.725.
TEST(Trainable, training_starts_in_the_cells_that_the_recipe_chose) {
  Graph floats = small_network();
  const ValueId weights = values_by_name(floats).at("v");
  Graph annotated = floats;
  quantize_value(annotated, weights, 3, 0.5);
  const auto set = [&](Graph& graph, std::vector<float> first) {
    auto values = graph.value(weights).constant->mutable_values<float>();
    std::ranges::copy(first, values.begin());
  };
  set(annotated, {1, 1, 1.5F, 0});
  set(floats, {0.8F, 0.3F, 2.9F, 0.1F});
  const Trainable what = trainable(annotated);
  const Parameters start = initial_parameters(annotated, floats, what);
  const auto place = std::ranges::find(what.weights, weights, &Weight::value);
  ASSERT_NE(place, what.weights.end());
  const std::vector<float>& found =
      start.weights[static_cast<std::size_t>(place - what.weights.begin())];
  const std::vector<float> expected{0.8F, 0.775F, 1.725F, 0.1F};
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-6F) << i;
}

TEST(TorchNetwork, results_are_those_of_any_batch) {
  const Graph graph = small_network();
  const TorchNetwork network(graph, {}, "cpu", 1);
  const Batch both = some_batch();
  const std::vector<float> logits = network.logits({}, both);
  ASSERT_EQ(logits.size(), 6U);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto begin = both.images.begin() + static_cast<std::ptrdiff_t>(i * 72);
    const std::vector<float> one =
        network.logits({}, {.count = 1, .images = {begin, begin + 72}, .targets = {}});
    for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(one[c], logits[3 * i + c], 1e-5);
  }
}

TEST(TorchNetwork, refuses_networks_that_it_cannot_train_through) {
  Graph graph = small_network();
  std::get<Conv>(graph.nodes[0].op).activation.kind = Activation::Kind::IsNaN;
  const TorchNetwork network(graph, {}, "cpu", 1);
  EXPECT_THROW(network.logits({}, some_batch()), Error);
  Graph two = small_network();
  two.outputs.push_back(two.outputs[0]);
  EXPECT_THROW(TorchNetwork(two, {}, "cpu", 1), Error);
}

}  // namespace
}  // namespace workbench::train
