// Weights chosen for what a layer gives of the operands that it gets.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "compiler/quantize/correct_weights.h"
#include "compiler/quantize/fake_quantize.h"
#include "compiler/quantize/least_squares_codes.h"
#include "compiler/quantize/reconstruct.h"
#include "core/eval/evaluate.h"
#include "tests/support/float_graph.h"

namespace workbench {
namespace {

using Doubles = std::vector<double>;
using Floats = std::vector<float>;
using Samples = std::vector<std::vector<Tensor>>;

Doubles random_numbers(std::mt19937_64& random, std::size_t count) {
  Doubles result(count);
  for (double& x : result) x = static_cast<double>(random() >> 11) / 0x1p52 - 1;
  return result;
}

struct Problem {
  std::size_t n, m;
  Doubles x, t, w0;
  OperandMoments moments;
};

// Operands that go together, and targets that w0 does not meet.
Problem random_problem(std::uint64_t seed, std::size_t n, std::size_t m, std::size_t positions) {
  std::mt19937_64 random(seed);
  Problem p{n,
            m,
            random_numbers(random, n * positions),
            random_numbers(random, m * positions),
            random_numbers(random, n * m),
            OperandMoments(n, m)};
  for (std::size_t at = 0; at < positions; ++at) {
    for (std::size_t i = 1; i < n; ++i) p.x[at * n + i] += p.x[at * n];
    for (std::size_t c = 0; c < m; ++c) {
      double& t = p.t[at * m + c];
      t *= 0.1;
      for (std::size_t i = 0; i < n; ++i) t += 0.8 * p.w0[c * n + i] * p.x[at * n + i];
    }
  }
  p.moments.add(p.x, p.t, 1);
  return p;
}

// By its definition.
double mean_error(const Problem& p, std::size_t channel, const Doubles& codes, double step) {
  const std::size_t positions = p.x.size() / p.n;
  double sum = 0, square = 0;
  for (std::size_t at = 0; at < positions; ++at) {
    double error = p.t[at * p.m + channel];
    for (std::size_t i = 0; i < p.n; ++i) error -= codes[i] * step * p.x[at * p.n + i];
    sum += error;
    square += error * error;
  }
  const auto count = static_cast<double>(positions);
  return square / count - (sum / count) * (sum / count);
}

// t = 3 - 0.5 (2 x0 - 3 x1 + x2) is a network of these codes, whatever the weights were before.
TEST(LeastSquares, finds_the_codes_that_meet_the_targets) {
  std::mt19937_64 random(5);
  const Doubles x = random_numbers(random, 3 * 40), codes = {-2, 3, -1};
  Doubles t;
  for (std::size_t at = 0; at < 40; ++at) {
    t.push_back(3 +
                0.5 * (codes[0] * x[3 * at] + codes[1] * x[3 * at + 1] + codes[2] * x[3 * at + 2]));
  }
  OperandMoments moments(3, 1);
  moments.add(x, t, 1);
  const ChannelCodes found = LeastSquares(moments, {-0.6, 1, -0.9}, 1e-3).codes(0, 0.5, 7);
  EXPECT_EQ(found.codes, codes);
  EXPECT_NEAR(found.error, 0, 1e-12);
  EXPECT_EQ(LeastSquares::nearest(moments, 0, Doubles{-0.6, 1, -0.9}, 0.5, 7).codes,
            (Doubles{-1, 2, -2}));
}

TEST(LeastSquares, a_large_ridge_keeps_the_weights) {
  const Problem p = random_problem(1, 5, 1, 50);
  EXPECT_EQ(LeastSquares(p.moments, p.w0, 1e9).codes(0, 0.125, 7).codes,
            LeastSquares::nearest(p.moments, 0, p.w0, 0.125, 7).codes);
}

TEST(LeastSquares, errors_are_those_of_the_definition) {
  const Problem p = random_problem(2, 13, 3, 60);
  const LeastSquares squares(p.moments, p.w0, 1e-2);
  for (std::size_t c = 0; c < 3; ++c) {
    const ChannelCodes found = squares.codes(c, 0.25, 3);
    EXPECT_NEAR(found.error, mean_error(p, c, found.codes, 0.25), 1e-10);
  }
}

// Of all 7^3 choices; the ridge is too small to count.
TEST(LeastSquares, is_near_the_best_of_all_codes) {
  double found = 0, best = 0, nearest = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Problem p = random_problem(seed, 3, 1, 30);
    const double step = 0.3, high = 3;
    const double error = LeastSquares(p.moments, p.w0, 1e-9).codes(0, step, high).error;
    double least = 1e9;
    for (int a = -3; a <= 3; ++a) {
      for (int b = -3; b <= 3; ++b) {
        for (int c = -3; c <= 3; ++c) {
          least = std::min(least, mean_error(p, 0,
                                             {static_cast<double>(a), static_cast<double>(b),
                                              static_cast<double>(c)},
                                             step));
        }
      }
    }
    EXPECT_GE(error, least - 1e-12);
    found += error;
    best += least;
    nearest += LeastSquares::nearest(p.moments, 0, p.w0, step, high).error;
  }
  EXPECT_LT(found, 1.1 * best);
  EXPECT_GT(nearest, 1.5 * best);
}

// Targets that w0 meets in real numbers: what is left is the rounding's, |U d|^2. Two operands that
// are nearly the same, 0.4 and 0.4 steps: 0 is nearest to the first that is rounded, 1 to the
// other.
TEST(LeastSquares, later_weights_make_up_for_those_that_are_rounded) {
  std::mt19937_64 random(9);
  const Doubles noise = random_numbers(random, 200);
  Doubles x, t;
  for (std::size_t at = 0; at < 100; ++at) {
    x.push_back(noise[at]);
    x.push_back(noise[at] + 0.01 * noise[at + 100]);
    t.push_back(0.4 * x[2 * at] + 0.4 * x[2 * at + 1]);
  }
  OperandMoments moments(2, 1);
  moments.add(x, t, 1);
  const LeastSquares squares(moments, {0.4, 0.4}, 1e-9);
  const double of_sum = 0.2 * 0.2 * moments.variance(0);  // 0 + 1 for 0.4 + 0.4
  EXPECT_NEAR(squares.rounded_error(0, 1, 7), of_sum, 0.05 * of_sum);
  EXPECT_NEAR(squares.codes(0, 1, 7).error, of_sum, 0.05 * of_sum);
  const double of_nearest = 0.8 * 0.8 * moments.variance(0);
  EXPECT_NEAR(LeastSquares::nearest(moments, 0, Doubles{0.4, 0.4}, 1, 7).error, of_nearest,
              0.05 * of_nearest);
}

TEST(OperandMoments, are_the_same_bits_for_any_number_of_threads) {
  const Problem p = random_problem(3, 37, 6, 101);
  const LeastSquares one(p.moments, p.w0, 1e-2);
  OperandMoments moments(37, 6);
  moments.add(p.x, p.t, 4);
  const LeastSquares four(moments, p.w0, 1e-2);
  for (std::size_t c = 0; c < 6; ++c) {
    const ChannelCodes a = one.codes(c, 0.2, 7), b = four.codes(c, 0.2, 7);
    EXPECT_EQ(a.codes, b.codes);
    EXPECT_EQ(a.error, b.error);
    EXPECT_EQ(one.rounded_error(c, 0.2, 7), four.rounded_error(c, 0.2, 7));
  }
}

TEST(OperandMoments, of_operands_that_never_change_have_no_variance) {
  OperandMoments moments(2, 1);
  const Doubles x = {0.1, 1e-3, 0.1, 1e-3, 0.1, 1e-3}, t = {1, 2, 3};
  moments.add(x, t, 1);
  EXPECT_EQ(moments.mean_variance(), 0);
}

// Four samples of 4 x 4 whole numbers, which 16 bits hold exactly.
Samples whole_numbers() {
  Samples samples;
  for (int s = 0; s < 4; ++s) {
    Tensor x = Tensor::uninitialized(ElementType::Float32, {1, 1, 4, 4});
    for (std::size_t i = 0; i < 16; ++i) {
      x.mutable_values<float>()[i] =
          static_cast<float>((7 * i + static_cast<std::size_t>(5 * s)) % 11);
    }
    samples.push_back({x});
  }
  return samples;
}

void set_weight_step(Graph& graph, std::size_t node, double step) {
  graph.value(graph.nodes[node].inputs[1]).quantization = {.thresholds = {127 * step}};
}

float largest_difference(const Graph& a, const Graph& b, const Samples& samples) {
  float largest = 0;
  for (const auto& sample : samples) {
    const auto of_a = evaluate(a, sample), of_b = evaluate(b, sample);
    const auto x = of_a[0].values<float>(), y = of_b[0].values<float>();
    for (std::size_t i = 0; i < x.size(); ++i) largest = std::max(largest, std::abs(x[i] - y[i]));
  }
  return largest;
}

Floats weights(const Graph& graph, const std::string& name) {
  const auto values = graph.value(values_by_name(graph).at(name)).constant->values<float>();
  return {values.begin(), values.end()};
}

// "a" has 1.5 and steps of 1: it gives 2 x for 1.5 x. "b" has 2 and steps of 0.75: with 1.5 it
// gives 3 x, as in float; the nearest code is 2.25.
TEST(ReconstructLayers, a_layer_makes_up_for_those_before_it) {
  FloatGraph build("chain");
  const ValueId x = build.input("x", {1, 1, 4, 4});
  build.output(build.conv("b", build.conv("a", x, 1, {1.5F}), 1, {2}));
  const Graph reference = build.graph();
  Graph& graph = build.graph();
  set_weight_step(graph, 0, 1);
  set_weight_step(graph, 1, 0.75);
  const Samples samples = whole_numbers();
  std::vector<std::string> notes;
  reconstruct_layers(graph, reference, in_memory(samples), {}, 32, notes);
  EXPECT_EQ(weights(graph, "a.w"), Floats{2});
  EXPECT_EQ(weights(graph, "b.w"), Floats{1.5F});
  EXPECT_LT(largest_difference(reference, rounded(graph), samples), 1e-5);
  EXPECT_EQ(notes, std::vector<std::string>{"2 layers reconstructed over 4 samples"});
  EXPECT_TRUE(verify(graph).empty());
}

// "a" gives 2 x for 1.5 x; "b" has 1 and steps of 0.25: with 0.5 the sum is 2.5 x, as in float.
TEST(ReconstructLayers, an_operand_of_a_sum_makes_up_for_the_other) {
  FloatGraph build("sum");
  const ValueId x = build.input("x", {1, 1, 4, 4});
  const ValueId a = build.conv("a", x, 1, {1.5F}), b = build.conv("b", x, 1, {1});
  build.output(build.add("sum", Binary{}, {a, b}));
  const Graph reference = build.graph();
  Graph& graph = build.graph();
  set_weight_step(graph, 0, 1);
  set_weight_step(graph, 1, 0.25);
  const Samples samples = whole_numbers();
  std::vector<std::string> notes;
  reconstruct_layers(graph, reference, in_memory(samples), {}, 32, notes);
  EXPECT_EQ(weights(graph, "b.w"), Floats{0.5F});
  EXPECT_LT(largest_difference(reference, rounded(graph), samples), 1e-5);
}

// With another reader of "b", its own result counts.
TEST(ReconstructLayers, what_others_read_stays_what_it_is) {
  FloatGraph build("sum");
  const ValueId x = build.input("x", {1, 1, 4, 4});
  const ValueId a = build.conv("a", x, 1, {1.5F}), b = build.conv("b", x, 1, {1});
  build.output(build.add("sum", Binary{}, {a, b}));
  build.output(build.conv("c", b, 1, {1}));
  const Graph reference = build.graph();
  Graph& graph = build.graph();
  set_weight_step(graph, 0, 1);
  set_weight_step(graph, 1, 0.25);
  std::vector<std::string> notes;
  reconstruct_layers(graph, reference, in_memory(whole_numbers()), {}, 32, notes);
  EXPECT_EQ(weights(graph, "b.w"), Floats{1});
}

// Codes of 4 bits in steps of 1 reach 7, in steps of 1.1 the 7.7 that is wanted, in those of 2 it
// is nearest to 8.
TEST(ReconstructLayers, chooses_the_steps_of_few_bits) {
  FloatGraph build("step");
  build.output(build.conv("a", build.input("x", {1, 1, 4, 4}), 1, {7.7F}));
  const Graph reference = build.graph();
  Graph& graph = build.graph();
  Quantization codes{.bits = 4, .thresholds = {7}};
  graph.value(graph.nodes[0].inputs[1]).quantization = codes;
  const Samples samples = whole_numbers();
  std::vector<std::string> notes;
  reconstruct_layers(graph, reference, in_memory(samples), {}, 32, notes);
  EXPECT_NEAR(graph.value(graph.nodes[0].inputs[1]).quantization->thresholds[0], 7.7, 1e-5);
  EXPECT_NEAR(weights(graph, "a.w")[0], 7.7, 1e-5);
  graph = reference;
  graph.value(graph.nodes[0].inputs[1]).quantization = codes;
  reconstruct_layers(graph, reference, in_memory(samples), {.weight_scale = ScaleKind::PowerOfTwo},
                     32, notes);
  EXPECT_EQ(graph.value(graph.nodes[0].inputs[1]).quantization->thresholds[0], 14);
  EXPECT_EQ(weights(graph, "a.w"), Floats{8});
}

TEST(ReconstructLayers, constant_operands_keep_the_nearest_codes_and_the_mean) {
  FloatGraph build("constant");
  build.output(build.conv("a", build.input("x", {1, 1, 4, 4}), 1, {1.4F}));
  const Graph reference = build.graph();
  Graph& graph = build.graph();
  set_weight_step(graph, 0, 1);
  Tensor x = Tensor::zeros(ElementType::Float32, {1, 1, 4, 4});
  for (float& v : x.mutable_values<float>()) v = 0.1F;
  const Samples samples{{x}, {x}};
  std::vector<std::string> notes;
  reconstruct_layers(graph, reference, in_memory(samples), {}, 32, notes);
  EXPECT_EQ(weights(graph, "a.w"), Floats{1});
  EXPECT_NEAR(weights(graph, "a_bias")[0], 0.04, 1e-6);
}

}  // namespace
}  // namespace workbench
