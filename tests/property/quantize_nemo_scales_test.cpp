// NEMO's stages where scales meet: inputs with an offset, and concats of parts of different eps.
// The integers are the codes of the stage before, PULP computes them, and files keep them.
#include <gtest/gtest.h>

#include <random>

#include "compiler/pulp/compile.h"
#include "compiler/quantize/integer_network.h"
#include "compiler/quantize/nemo_onnx.h"
#include "compiler/quantize/nemo_stages.h"
#include "core/error.h"
#include "core/eval/evaluate.h"
#include "data/samples.h"
#include "sim/golden/golden.h"
#include "sim/pulp/simulate.h"
#include "sim/verdict.h"
#include "tests/support/graph_builder.h"
#include "tests/support/nemo_checks.h"

namespace workbench {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kCases = 6;
#else
constexpr std::uint64_t kCases = 24;
#endif

// Layers side by side on an input, joined with or without it, layers behind, and a classifier.
// `whole`: nothing but layers reads the input.
Graph random_network(std::uint64_t seed, bool whole) {
  std::mt19937_64 random(seed);
  const auto chance = [&](std::uint64_t of) { return random() % of == 0; };
  GraphBuilder build(seed);
  const ValueId input = build.input("x", {1, 3, 9, 9});
  const auto layer = [&](const std::string& name, ValueId from, std::int64_t kernel) {
    const std::int64_t channels = 4 + 4 * static_cast<std::int64_t>(random() % 2);
    ValueId y =
        build.conv(name, from, channels, square_window(kernel, 1, kernel / 2), 1, chance(2));
    if (chance(2)) y = build.batch_norm(name + "_bn", y);
    if (chance(4)) return y;  // signed codes
    if (chance(3)) {
      return build.add(name + "_clip",
                       Activate{{.kind = Activation::Kind::Clip, .alpha = 0, .beta = 6}}, {y});
    }
    return build.relu(name + "_relu", y);
  };
  std::vector<ValueId> parts;
  const std::uint64_t count = 2 + random() % 2;
  for (std::uint64_t i = 0; i < count; ++i) {
    parts.push_back(layer(fmt::format("a{}", i), input, chance(2) ? 3 : 1));
  }
  if (!whole) parts.push_back(input);
  ValueId x = build.add("join", Concat{.axis = 1}, parts);
  if (chance(2)) x = build.add("max", MaxPool{.window = square_window(3, 2)}, {x});
  x = layer("b", x, 3);
  if (chance(2)) x = build.add("again", Concat{.axis = 1}, {x, layer("c", x, 1)});
  x = build.add("flat", Reshape{.shape = {1, element_count(build.shape(x))}}, {x});
  build.output(build.gemm("fc", x, 5));
  return build.graph();
}

struct Case {
  Graph graph;
  std::vector<std::vector<Tensor>> samples;
  NemoStages stages;
};

Case random_case(std::uint64_t seed, bool biased) {
  Case one{.graph = random_network(seed, biased || seed % 2 == 0), .samples = {}, .stages = {}};
  std::mt19937_64 random(seed + 1000);
  const double low = -1.5 / static_cast<double>(1 + seed % 5);
  for (int i = 0; i < 3; ++i) {
    one.samples.push_back(
        {random_tensor(random, one.graph.value(one.graph.inputs[0]).shape, low, 1)});
  }
  one.stages = nemo_stages(one.graph, in_memory(one.samples),
                           {.signed_activations = true, .input_bias = biased});
  return one;
}

std::vector<ValueId> rescaled(const Graph& integers) {
  std::vector<ValueId> ids;
  for (const Node& node : integers.nodes) {
    if (node.affine) ids.push_back(node.outputs[0]);
  }
  return ids;
}

class NemoScales : public testing::TestWithParam<bool> {};

TEST_P(NemoScales, integers_are_the_codes_of_the_stage_of_reals) {
  CodeDifference difference;
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE(seed);
    const Case one = random_case(seed, GetParam());
    const Tensor& x = one.samples[1][0];
    const std::vector<Tensor> values = golden::run(one.stages.integers, {&x, 1});
    add_differences(one.stages.integers, values, rescaled(one.stages.integers),
                    one.stages.quantized_deployable, x, true, difference);
  }
  fmt::print("{} of {} differ, by {}\n", difference.differing, difference.values,
             difference.largest);
  EXPECT_GT(difference.values, 1'000 * static_cast<std::int64_t>(kCases));
  // Measured: 3 of 68196 and 1 of 63920, where floats come to the other side of a whole number.
  EXPECT_LE(difference.largest, 1.01);
  EXPECT_LE(difference.differing * 2000, difference.values);
}

TEST_P(NemoScales, pulp_computes_what_golden_says_and_files_keep_it) {
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE(seed);
    const Case one = random_case(seed, GetParam());
    const Graph& integers = one.stages.integers;
    const pulp::Machine machine;
    const pulp::SimulationResult run =
        pulp::simulate(pulp::compile(integers, machine, {}), machine, one.samples[0]);
    EXPECT_EQ(run.hazards.size(), 0U);
    const Verdict verdict = compare(integers, golden::run(integers, one.samples[0]), run.tensors);
    EXPECT_GT(verdict.values_compared, 500);
    EXPECT_EQ(verdict.mismatches, 0);
    check_nemo_round_trip(one.stages.integer_deployable, integers, one.samples[1][0]);
    check_nemo_round_trip(nemo_onnx_form(integers), integers, one.samples[1][0]);
  }
}

INSTANTIATE_TEST_SUITE_P(Inputs, NemoScales, testing::Bool(), [](const auto& test) {
  return test.param ? "with_a_bias" : "without_bias";
});

// A network whose inputs are all far from zero: unsigned codes have twice the resolution.
TEST(NemoInputBias, spends_no_codes_on_numbers_that_do_not_come) {
  GraphBuilder build(3);
  const ValueId x = build.input("x", {1, 1, 4, 4});
  build.output(build.conv("conv", x, 2, square_window(3, 1, 1)));
  std::vector<float> numbers(16, -0.75F);
  numbers[3] = 0.5F;
  const std::vector<std::vector<Tensor>> samples = {{Tensor::from<float>({1, 1, 4, 4}, numbers)}};
  const auto input_of = [&](bool biased) {
    const NemoStages stages =
        nemo_stages(build.graph(), in_memory(samples), {.input_bias = biased});
    return *stages.annotated.value(stages.annotated.inputs[0]).quantization;
  };
  EXPECT_DOUBLE_EQ(input_of(false).step(), 0.75 / 127);
  EXPECT_TRUE(input_of(false).zero_points.empty());
  EXPECT_NEAR(input_of(true).step(), 1.25 / 255, 1e-12);
  EXPECT_EQ(input_of(true).zero_points, std::vector<std::int64_t>{153});  // 0.75 * 255 / 1.25
  EXPECT_FALSE(input_of(true).is_signed);
}

// The border has the code of the real zero, and the layer's bias takes the offset back: the
// integers are those of the shifted numbers by the published rule.
TEST(NemoInputBias, is_taken_off_the_bias_and_is_what_pads) {
  GraphBuilder build(3);
  const ValueId x = build.input("x", {1, 1, 2, 2});
  const ValueId w = build.constant("w", {1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  build.output(build.add("conv", Conv{.window = square_window(3, 1, 1)}, {x, w}));
  const std::vector<std::vector<Tensor>> samples = {
      {Tensor::from<float>({1, 1, 2, 2}, std::vector<float>{-1, 0, 0, 1.55F})}};
  const NemoStages stages = nemo_stages(build.graph(), in_memory(samples), {.input_bias = true});
  // eps = 2.55 / 255 = 0.01, b = 100. Weights of 7 bits: eps 9 / 127.
  const std::vector<Tensor> values = golden::run(stages.integers, samples[0]);
  const auto names = values_by_name(stages.integers);
  const auto padded =
      values[static_cast<std::size_t>(names.at("conv_padded"))].values<std::uint8_t>();
  const std::vector<std::uint8_t> wanted = {100, 100, 100, 100, 100, 0,   100, 100,
                                            100, 100, 255, 100, 100, 100, 100, 100};
  EXPECT_TRUE(std::ranges::equal(padded, wanted));
  // First result: -1 meets 5, 1.55 meets 9: in codes, -100 * 71 + 155 * 127.
  const Tensor& out = values[static_cast<std::size_t>(stages.integers.outputs[0])];
  EXPECT_NEAR(out.values<float>()[0], (-100 * 71 + 155 * 127) * 0.01 * 9 / 127, 1e-3);
}

TEST(NemoInputBias, a_border_that_is_no_code_is_refused_by_name) {
  GraphBuilder build(3);
  const ValueId x = build.input("x", {1, 1, 2, 2});
  build.output(build.conv("conv", x, 1, square_window(3, 1, 1)));
  const std::vector<std::vector<Tensor>> samples = {
      {Tensor::from<float>({1, 1, 2, 2}, std::vector<float>{-1, 0, 0, 1})}};
  Graph form =
      nemo_stages(build.graph(), in_memory(samples), {.input_bias = true}).integer_deployable;
  for (const float value : {0.5F, 300.0F}) {
    std::get<Pad>(form.nodes.at(0).op).value = value;
    try {
      (void)integer_network(form, {}, {.input_signed = {{"x", false}}});
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()),
                fmt::format("node 'conv_padded' (Pad): pads with {}: expected a code, a whole "
                            "number from 0 to 255",
                            value));
    }
  }
}

TEST(NemoConcat, refuses_accumulators_by_name) {
  GraphBuilder build(3);
  const ValueId x = build.input("x", {1, 2, 3, 3});
  const ValueId a = build.conv("a", x, 2, square_window(1));
  const ValueId joined = build.add("join", Concat{.axis = 1}, {build.relu("b", x), a});
  build.output(build.conv("last", joined, 2, square_window(1)));
  std::mt19937_64 random(1);
  const std::vector<std::vector<Tensor>> samples = {{random_tensor(random, {1, 2, 3, 3}, 0, 1)}};
  try {
    (void)nemo_stages(build.graph(), in_memory(samples), {});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "node 'join' (Concat): joins 'a', which is an accumulator: expected codes");
  }
}

TEST(NemoConcat, rescales_parts_to_the_coarsest_and_leaves_that_one) {
  GraphBuilder build(3);
  const ValueId x = build.input("x", {1, 2, 3, 3});
  const ValueId twice = build.constant("w2", {1, 2, 1, 1}, {2, 2});
  const ValueId once = build.constant("w1", {1, 2, 1, 1}, {1, 1});
  const Conv pointwise{.window = square_window(1)};
  const ValueId a = build.relu("a", build.add("a_conv", pointwise, {x, once}));
  const ValueId b = build.relu("b", build.add("b_conv", pointwise, {x, twice}));
  const ValueId joined = build.add("join", Concat{.axis = 1}, {a, b});
  build.output(build.conv("last", joined, 2, square_window(1)));
  std::mt19937_64 random(1);
  const std::vector<std::vector<Tensor>> samples = {{random_tensor(random, {1, 2, 3, 3}, 0, 1)}};
  const NemoStages stages = nemo_stages(build.graph(), in_memory(samples), {});
  const auto names = values_by_name(stages.integers);
  const Value& part = stages.integers.value(names.at("join_part0"));
  const Value& whole = stages.integers.value(names.at("join"));
  EXPECT_FALSE(names.contains("join_part1"));
  EXPECT_DOUBLE_EQ(part.quantization->step(), whole.quantization->step());
  EXPECT_DOUBLE_EQ(stages.integers.value(names.at("b")).quantization->step(),
                   whole.quantization->step());
  // D = 2^ceil(log2(32 * 2)) = 64, m = 32: every second code, floored.
  const std::vector<Tensor> values = golden::run(stages.integers, samples[0]);
  const auto before = values[static_cast<std::size_t>(names.at("a"))].values<std::uint8_t>();
  const auto after =
      values[static_cast<std::size_t>(names.at("join_part0"))].values<std::uint8_t>();
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_EQ(after[i], before[i] / 2) << i;
}

}  // namespace
}  // namespace workbench
