// The real network behind the codes of an integer one: each value within half a step of the codes.
#include "compiler/quantize/real_network.h"

#include <gtest/gtest.h>

#include <random>

#include "compiler/passes/passes.h"
#include "compiler/quantize/integer_network.h"
#include "sim/golden/golden.h"
#include "tests/support/onnx_model.h"

namespace workbench::test {
namespace {

using Numbers = std::vector<float>;

struct Both {
  Graph integers, real;
  Numbers codes, numbers;  // of the output
};

Both both(const OnnxModel& model, const Numbers& x) {
  const Graph imported = model.import();
  const std::vector sample{Tensor::from<float>(imported.value(imported.inputs[0]).shape, x)};
  Both found{.integers = integer_network(imported, sample)};
  found.real = real_network(found.integers);
  EXPECT_TRUE(verify(found.real).empty()) << print_graph(found.real);
  const auto output_of = [&](const Graph& graph) {
    return floats_of(golden::run(graph, sample).at(static_cast<std::size_t>(graph.outputs.at(0))));
  };
  found.codes = output_of(found.integers);
  found.numbers = output_of(found.real);
  return found;
}

bool has_codes(const Graph& graph) {
  return std::any_of(graph.values.begin(), graph.values.end(),
                     [](const Value& value) { return value.quantization.has_value(); });
}

// x -> depthwise Conv -> (a * kappa + lambda) / 256, cut -> Clip
OnnxModel nemo_layer(const Numbers& weights, const Numbers& kappa, const Numbers& lambda) {
  OnnxModel model(9);
  model.input("x", {1, 2, 1, 2}).output("y");
  model.floats("w", {2, 1, 1, 1}, weights);
  model.floats("kappa", {1, 2, 1, 1}, kappa);
  model.floats("lambda", {1, 2, 1, 1}, lambda);
  model.floats("d", {}, {256});
  model.node("Conv", {"x", "w"}, {"acc"}).named("conv").with("group", 2);
  model.node("Mul", {"kappa", "acc"}, {"a"});
  model.node("Add", {"a", "lambda"}, {"b"});
  model.node("Div", {"b", "d"}, {"f"});
  model.node("Floor", {"f"}, {"g"});
  model.node("Clip", {"g"}, {"y"}).with("min", 0.0F).with("max", 255.0F);
  return model;
}

TEST(RealNetwork, rescaling_is_a_part_of_the_layer) {
  const Both found = both(nemo_layer({3, -2}, {200, 300}, {4300, -172}), {1, 2, 0, 4});
  EXPECT_EQ(found.real.nodes.size(), 1U) << print_graph(found.real);
  EXPECT_FALSE(has_codes(found.real));
  EXPECT_EQ(found.codes, (Numbers{19, 21, 0, 0}));
  // (3 * 200 + 4300) / 256 = 19.141, (6 * 200 + 4300) / 256 = 21.484; floor loses 255 / 512
  EXPECT_NEAR(found.numbers[0], 19.1406 - 0.4980, 1e-3);
  EXPECT_NEAR(found.numbers[1], 21.4844 - 0.4980, 1e-3);
  EXPECT_EQ(found.numbers[2], 0);
  EXPECT_EQ(found.numbers[3], 0);
}

TEST(RealNetwork, stays_within_half_a_step_of_random_layers) {
  std::mt19937 random(7);
  std::uniform_int_distribution<int> weight(-128, 127), kappa(1, 60), lambda(-20000, 20000),
      code(0, 255);
  for (int round = 0; round < 50; ++round) {
    const auto two = [&](auto& of) {
      return Numbers{static_cast<float>(of(random)), static_cast<float>(of(random))};
    };
    Numbers x;
    for (int i = 0; i < 4; ++i) x.push_back(static_cast<float>(code(random)));
    const Numbers w = two(weight), k = two(kappa), l = two(lambda);
    const Both found = both(nemo_layer(w, k, l), x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_NEAR(found.codes[i], found.numbers[i], 0.501) << "round " << round;
    }
  }
}

TEST(RealNetwork, sum_of_rescaled_operands) {
  OnnxModel model(10);
  model.input("x", {1, 1, 1, 2}).output("y");
  model.floats("w", {1, 1, 1, 1}, {1});
  model.node("Conv", {"x", "w"}, {"acc"}).named("conv");
  model.node("Clip", {"acc"}, {"a"}).with("min", 0.0F).with("max", 255.0F);
  NodeBuilder add = model.node("Add", {"a", "x"}, {"y"});
  add.named("add").with("add_bits", 32);
  for (const std::string in : {"in1", "in2", "out"}) {
    add.with(in + "_mul", in == "in1" ? 3 : 1).with(in + "_add", 2).with(in + "_shift", 2);
    add.with(in + "_n_levels", 256).with(in + "_rq", 1);
  }
  const Both found = both(model, {10, 200});
  for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(found.codes[i], found.numbers[i], 1.5);
}

TEST(RealNetwork, averages_count_what_the_pool_sums) {
  OnnxModel model(9);
  model.input("x", {1, 1, 2, 2}).output("y");
  model.floats("w", {1, 1, 1, 1}, {2});
  model.node("Conv", {"x", "w"}, {"a"}).named("conv");
  model.node("Clip", {"a"}, {"b"}).with("min", 0.0F).with("max", 255.0F);
  const std::vector<std::int64_t> ring{0, 0, 1, 1, 0, 0, 1, 1};
  model.node("Pad", {"b"}, {"r"}).with("pads", ring).with("mode", "constant");
  model.node("AveragePool", {"r"}, {"v"}).named("average").with("kernel_shape", Shape{2, 2});
  model.node("Floor", {"v"}, {"y"});
  const Both found = both(model, {10, 20, 30, 41});
  EXPECT_EQ(found.codes, (Numbers{5, 15, 10, 20, 50, 30, 15, 35, 20}));
  for (std::size_t i = 0; i < found.codes.size(); ++i) {
    EXPECT_NEAR(found.codes[i], found.numbers[i], 0.5);
  }
}

}  // namespace
}  // namespace workbench::test
