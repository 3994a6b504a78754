// Host ops of the golden model on numbers small enough to follow by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "sim/golden/golden.h"
#include "tests/support/one_node.h"

namespace workbench {
namespace {

using Floats = std::vector<float>;

Tensor reals(Shape shape, const Floats& values) { return Tensor::from(std::move(shape), values); }

Floats results(const OneNode& one) {
  const Graph graph = graph_of(one);
  const std::vector<Tensor> values = golden::run(graph, {&one.operands[0], 1});
  const auto result = values[static_cast<std::size_t>(graph.outputs[0])].values<float>();
  return {result.begin(), result.end()};
}

Floats activated(const Activation& activation, const Floats& x) {
  return results({.op = Activate{activation},
                  .operands = {reals({1, 1, static_cast<std::int64_t>(x.size())}, x)}});
}

Window window(std::int64_t kernel, std::int64_t stride = 1, std::int64_t pad = 0) {
  return {.kernel = {kernel, kernel},
          .strides = {stride, stride},
          .dilations = {1, 1},
          .pads_begin = {pad, pad},
          .pads_end = {pad, pad}};
}

TEST(GoldenFloat, sums_are_double_and_round_once) {
  // 2^24 + 1 - 2^24: float32 sums would lose the 1
  EXPECT_EQ(results({.op = Conv{.window = window(1)},
                     .operands = {reals({1, 3, 1, 1}, {16777216, 1, -16777216}),
                                  reals({1, 3, 1, 1}, {1, 1, 1})}}),
            (Floats{1}));
  // the bias joins before the rounding: 2^24 + 1 + 1
  EXPECT_EQ(results({.op = Conv{.window = window(1)},
                     .operands = {reals({1, 2, 1, 1}, {16777216, 1}), reals({1, 2, 1, 1}, {1, 1}),
                                  reals({1}, {1})}}),
            (Floats{16777218}));
}

TEST(GoldenFloat, conv_works_in_one_and_three_spatial_dimensions) {
  const Window line{
      .kernel = {2}, .strides = {1}, .dilations = {1}, .pads_begin = {1}, .pads_end = {0}};
  // 0 1 | 1 2 | 2 3 by 10 1
  EXPECT_EQ(results({.op = Conv{.window = line},
                     .operands = {reals({1, 1, 3}, {1, 2, 3}), reals({1, 1, 2}, {10, 1})}}),
            (Floats{1, 12, 23}));
  const Window cube{.kernel = {2, 1, 2},
                    .strides = {1, 1, 1},
                    .dilations = {1, 1, 1},
                    .pads_begin = {0, 0, 0},
                    .pads_end = {0, 0, 0}};
  // 1 + 20 + 300 + 4000
  EXPECT_EQ(results({.op = Conv{.window = cube},
                     .operands = {reals({1, 1, 2, 1, 2}, {1, 2, 3, 4}),
                                  reals({1, 1, 2, 1, 2}, {1, 10, 100, 1000})}}),
            (Floats{4321}));
}

TEST(GoldenFloat, average_pool_divides_by_what_it_counts) {
  const Tensor x = reals({1, 1, 2, 2}, {1, 2, 3, 4});
  // one 3x3 window at -1: sees 1 2 / 3 4 and five padding cells
  EXPECT_EQ(results({.op = AveragePool{.window = window(3, 3, 1)}, .operands = {x}}),
            (Floats{2.5F}));
  EXPECT_EQ(results({.op = AveragePool{.window = window(3, 3, 1), .count_include_pad = true},
                     .operands = {x}}),
            (Floats{static_cast<float>(10.0 / 9)}));
}

TEST(GoldenFloat, cells_beyond_the_padding_are_never_counted) {
  // size 3, kernel 2, stride 2, ceil: the second window has one cell per dimension
  EXPECT_EQ(
      results(
          {.op = AveragePool{.window = window(2, 2), .ceil_mode = true, .count_include_pad = true},
           .operands = {reals({1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9})}}),
      (Floats{3, 4.5F, 7.5F, 9}));
}

TEST(GoldenFloat, gemm_scales_the_product_and_the_addend) {
  // a^T = [1 3; 2 4], b^T = [5 6; 7 8]^T = [5 7; 6 8]: product [23 31; 34 46]
  // * 2 + 0.5 * (10, 20)
  EXPECT_EQ(results({.op = Gemm{.transpose_a = true, .transpose_b = true, .alpha = 2, .beta = 0.5F},
                     .operands = {reals({2, 2}, {1, 2, 3, 4}), reals({2, 2}, {5, 6, 7, 8}),
                                  reals({2}, {10, 20})}}),
            (Floats{51, 72, 73, 102}));
}

TEST(GoldenFloat, mat_mul_broadcasts_batches_and_takes_vectors) {
  // one matrix [1 2; 3 4] against two: identity, and the exchange of columns
  EXPECT_EQ(results({.op = MatMul{},
                     .operands = {reals({2, 2}, {1, 2, 3, 4}),
                                  reals({2, 2, 2}, {1, 0, 0, 1, 0, 1, 1, 0})}}),
            (Floats{1, 2, 3, 4, 2, 1, 4, 3}));
  EXPECT_EQ(results({.op = MatMul{}, .operands = {reals({2}, {1, 2}), reals({2}, {3, 4})}}),
            (Floats{11}));
}

TEST(GoldenFloat, activations_follow_their_formulas) {
  using Kind = Activation::Kind;
  EXPECT_EQ(activated({.kind = Kind::Relu}, {-1, 2}), (Floats{0, 2}));
  EXPECT_EQ(activated({.kind = Kind::Clip, .alpha = -1, .beta = 6}, {-2, 3, 7}),
            (Floats{-1, 3, 6}));
  EXPECT_EQ(results({.op = Activate{{.kind = Kind::Clip, .alpha = 0, .beta = 9, .bounds = {2, 4}}},
                     .operands = {reals({1, 2, 2}, {-1, 3, 3, 5})}}),
            (Floats{0, 2, 3, 4}));
  EXPECT_EQ(activated({.kind = Kind::LeakyRelu, .alpha = 0.5F}, {-2, 3}), (Floats{-1, 3}));
  EXPECT_EQ(activated({.kind = Kind::PRelu, .slopes = {0.25F}}, {-2, 3}), (Floats{-0.5F, 3}));
  EXPECT_EQ(activated({.kind = Kind::Sigmoid}, {0}), (Floats{0.5F}));
  EXPECT_EQ(activated({.kind = Kind::Tanh}, {0}), (Floats{0}));
  EXPECT_EQ(activated({.kind = Kind::Exp}, {0}), (Floats{1}));
  EXPECT_EQ(activated({.kind = Kind::Floor}, {-1.5F, 1.5F}), (Floats{-2, 1}));
  EXPECT_EQ(activated({.kind = Kind::Truncate}, {-1.5F, 1.5F}), (Floats{-1, 1}));
  // 0.25 * 1 + 0.5, and both ends
  EXPECT_EQ(activated({.kind = Kind::HardSigmoid, .alpha = 0.25F, .beta = 0.5F}, {1, 4, -4}),
            (Floats{0.75F, 1, 0}));
  // 1.5 * (1.5 / 6 + 0.5), and both ends
  EXPECT_EQ(activated({.kind = Kind::HardSwish}, {1.5F, 4, -4}), (Floats{1.125F, 4, 0}));
}

TEST(GoldenFloat, prelu_slopes_go_by_channel) {
  EXPECT_EQ(results({.op = PRelu{},
                     .operands = {reals({1, 2, 1, 2}, {-1, 1, -1, 1}), reals({2, 1, 1}, {2, 3})}}),
            (Floats{-2, 1, -3, 1}));
}

TEST(GoldenFloat, binary_ops_broadcast) {
  const Tensor x = reals({2, 2}, {1, 2, 3, 4});
  const Tensor row = reals({2}, {2, 4});
  const auto combined = [&](Binary::Kind kind) {
    return results({.op = Binary{.kind = kind}, .operands = {x, row}});
  };
  EXPECT_EQ(combined(Binary::Kind::Add), (Floats{3, 6, 5, 8}));
  EXPECT_EQ(combined(Binary::Kind::Sub), (Floats{-1, -2, 1, 0}));
  EXPECT_EQ(combined(Binary::Kind::Mul), (Floats{2, 8, 6, 16}));
  EXPECT_EQ(combined(Binary::Kind::Div), (Floats{0.5F, 0.5F, 1.5F, 1}));
}

TEST(GoldenFloat, batch_norm_centres_then_scales) {
  // (5 - 1) / sqrt(3 + 1) * 10 + 7
  EXPECT_EQ(results({.op = BatchNorm{.epsilon = 1},
                     .operands = {reals({1, 1, 1, 1}, {5}), reals({1}, {10}), reals({1}, {7}),
                                  reals({1}, {1}), reals({1}, {3})}}),
            (Floats{27}));
}

TEST(GoldenFloat, softmax_runs_along_its_axis) {
  // along axis 0, both columns hold x and x + ln 3: 1/4 and 3/4, whatever x
  const float ln3 = std::log(3.0F);
  const Tensor x = reals({2, 2}, {0, 1000, ln3, 1000 + ln3});
  const Floats y = results({.op = Softmax{.axis = 0}, .operands = {x}});
  EXPECT_FLOAT_EQ(y[0], 0.25F);
  EXPECT_FLOAT_EQ(y[2], 0.75F);
  EXPECT_NEAR(y[1], 0.25, 1e-4);  // 1000 + ln 3 is 3e-5 off in float32
  const Floats log = results({.op = Softmax{.axis = 0, .log = true}, .operands = {x}});
  EXPECT_FLOAT_EQ(log[0], std::log(0.25F));
}

TEST(GoldenFloat, lrn_window_is_one_longer_after_its_channel_when_even) {
  // size 2, alpha 2, beta 1, bias 1: c sees c and c + 1: 1 / (1 + 1 + 4), 2 / (1 + 4 + 9),
  // 3 / (1 + 9)
  EXPECT_EQ(results({.op = Lrn{.size = 2, .alpha = 2, .beta = 1, .bias = 1},
                     .operands = {reals({1, 3, 1, 1}, {1, 2, 3})}}),
            (Floats{static_cast<float>(1.0 / 6), static_cast<float>(2.0 / 14), 0.3F}));
}

TEST(GoldenFloat, instance_norm_takes_each_map_on_its_own) {
  // Maps {1, 3} and {5, 9}: means 2 and 7, variances 1 and 4; epsilon 0. Channel 0 has scale 1 and
  // bias 0, channel 1 has scale 3 and bias 10: -1, 1, then 10 - 3, 10 + 3.
  EXPECT_EQ(results({.op = InstanceNorm{.epsilon = 0},
                     .operands = {reals({1, 2, 1, 2}, {1, 3, 5, 9}), reals({2}, {1, 3}),
                                  reals({2}, {0, 10})}}),
            (Floats{-1, 1, 7, 13}));
  // One position: nothing to spread, the bias is left; epsilon keeps 0 / 0 away.
  EXPECT_EQ(results({.op = InstanceNorm{},
                     .operands = {reals({2, 1, 1, 1}, {4, -4}), reals({1}, {2}), reals({1}, {5})}}),
            (Floats{5, 5}));
}

TEST(GoldenFloat, reduce_keeps_or_drops_its_axes) {
  const Tensor x = reals({1, 2, 2}, {1, 2, 3, 5});
  const auto reduced = [&](Reduce::Kind kind, std::vector<std::int64_t> axes) {
    return results(
        {.op = Reduce{.kind = kind, .axes = std::move(axes), .keep_dims = false}, .operands = {x}});
  };
  EXPECT_EQ(reduced(Reduce::Kind::Sum, {2}), (Floats{3, 8}));
  EXPECT_EQ(reduced(Reduce::Kind::Mean, {1}), (Floats{2, 3.5F}));
  EXPECT_EQ(reduced(Reduce::Kind::Max, {-1, -2}), (Floats{5}));
}

}  // namespace
}  // namespace workbench
