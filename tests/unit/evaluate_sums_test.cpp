#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/evaluate_one.h"

namespace workbench {
namespace {

constexpr Arithmetic kBoth[] = {Arithmetic::Exact, Arithmetic::Fast};

TEST(EvaluateGemm, multiplies_with_every_transposition) {
  // a = [[0 1 2] [3 4 5]], b = [[0 1] [2 3] [4 5]]: a b = [[10 13] [28 40]]
  const Tensor a = counting({2, 3});
  const Tensor b = counting({3, 2});
  const Tensor a_transposed = Tensor::from<float>({3, 2}, {0, 3, 1, 4, 2, 5});
  const Tensor b_transposed = Tensor::from<float>({2, 3}, {0, 2, 4, 1, 3, 5});
  for (const Arithmetic arithmetic : kBoth) {
    for (const bool ta : {false, true}) {
      for (const bool tb : {false, true}) {
        const OneNode one{.op = Gemm{.transpose_a = ta, .transpose_b = tb},
                          .operands = {ta ? a_transposed : a, tb ? b_transposed : b}};
        EXPECT_EQ(elements<float>(evaluate_one(one, arithmetic)),
                  (std::vector<float>{10, 13, 28, 40}));
      }
    }
  }
}

TEST(EvaluateGemm, scales_and_adds_the_stretched_third_operand) {
  const Tensor a = counting({2, 1});
  const Tensor b = Tensor::from<float>({1, 2}, {1, 1});
  const auto with = [&](const Tensor& c, Arithmetic arithmetic) {
    return elements<float>(
        evaluate_one({.op = Gemm{.alpha = 2, .beta = 3}, .operands = {a, b, c}}, arithmetic));
  };
  for (const Arithmetic arithmetic : kBoth) {
    EXPECT_EQ(with(Tensor::from<float>({2}, {1, 10}), arithmetic),
              (std::vector<float>{3, 30, 5, 32}));
    EXPECT_EQ(with(Tensor::from<float>({2, 1}, {1, 10}), arithmetic),
              (std::vector<float>{3, 3, 32, 32}));
    EXPECT_EQ(with(Tensor::scalar<float>(1), arithmetic), (std::vector<float>{3, 3, 5, 5}));
  }
}

TEST(EvaluateMatMul, broadcasts_batches) {
  // a: two 1x2 matrices [0 1], [2 3]; b: one 2x1 matrix [0 1]
  for (const Arithmetic arithmetic : kBoth) {
    EXPECT_EQ(
        elements<float>(evaluate_one(
            {.op = MatMul{}, .operands = {counting({2, 1, 2}), counting({2, 1})}}, arithmetic)),
        (std::vector<float>{1, 3}));
    // batches [2, 1] and [3]: b's matrices are [0 1], [2 3], [4 5]
    EXPECT_EQ(elements<float>(evaluate_one(
                  {.op = MatMul{}, .operands = {counting({2, 1, 1, 2}), counting({3, 2, 1})}},
                  arithmetic)),
              (std::vector<float>{1, 3, 5, 3, 13, 23}));
  }
}

TEST(EvaluateMatMul, vectors_lose_their_dimension) {
  const Tensor dot = evaluate_one({.op = MatMul{}, .operands = {counting({3}), counting({3})}});
  EXPECT_EQ(dot.shape(), Shape{});
  EXPECT_EQ(elements<float>(dot), (std::vector<float>{5}));
}

TEST(EvaluateReduce, over_any_axes) {
  const Tensor x = counting({2, 3, 2});
  const auto reduced = [&](Reduce::Kind kind, std::vector<std::int64_t> axes) {
    return elements<float>(
        evaluate_one({.op = Reduce{.kind = kind, .axes = std::move(axes)}, .operands = {x}}));
  };
  EXPECT_EQ(reduced(Reduce::Kind::Sum, {1}), (std::vector<float>{6, 9, 24, 27}));
  EXPECT_EQ(reduced(Reduce::Kind::Max, {0, 2}), (std::vector<float>{7, 9, 11}));
  EXPECT_EQ(reduced(Reduce::Kind::Mean, {-3, 1, 2}), (std::vector<float>{5.5F}));
}

TEST(EvaluateReduce, of_integers) {
  const OneNode one{.op = Reduce{.kind = Reduce::Kind::Sum, .axes = {0}},
                    .operands = {Tensor::from<std::int64_t>({2}, {1LL << 60, 1})},
                    .result = ElementType::Int64};
  EXPECT_EQ(elements<std::int64_t>(evaluate_one(one))[0], (1LL << 60) + 1);
}

TEST(EvaluateSoftmax, shares_one_among_equals_and_survives_large_values) {
  const OneNode one{.op = Softmax{.axis = 0},
                    .operands = {Tensor::from<float>({2, 2}, {1000, -5, 1000, -5})}};
  EXPECT_EQ(elements<float>(evaluate_one(one)), (std::vector<float>{0.5F, 0.5F, 0.5F, 0.5F}));
}

TEST(EvaluateSoftmax, log_is_the_logarithm_of_the_other) {
  const Tensor x = counting({2, 5});
  const auto plain = elements<float>(evaluate_one({.op = Softmax{}, .operands = {x}}));
  const auto log = elements<float>(evaluate_one({.op = Softmax{.log = true}, .operands = {x}}));
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(log[i], std::log(plain[i]), 1e-6);
}

TEST(EvaluateLrn, sums_squares_over_neighbouring_channels) {
  const OneNode one{.op = Lrn{.size = 2, .alpha = 2, .beta = 1, .bias = 1},
                    .operands = {Tensor::from<float>({1, 3, 1, 1}, {1, 2, 3})}};
  // even size: the window is [c, c + 1]; x / (1 + 2/2 * sum): 1/(1+5), 2/(1+13), 3/(1+9)
  const auto y = elements<float>(evaluate_one(one));
  EXPECT_FLOAT_EQ(y[0], 1.0F / 6);
  EXPECT_FLOAT_EQ(y[1], 2.0F / 14);
  EXPECT_FLOAT_EQ(y[2], 3.0F / 10);
}

TEST(EvaluateInstanceNorm, normalises_by_mean_and_variance_of_each_map) {
  const OneNode one{.op = InstanceNorm{.epsilon = 1},
                    .operands = {Tensor::from<float>({1, 1, 2, 2}, {1, 4, 7, 4}),
                                 Tensor::from<float>({1}, {4}), Tensor::from<float>({1}, {1})}};
  // mean 4; squared distances 9 + 0 + 9 + 0, a variance of 4.5; 4 / sqrt(5.5) = 1.70561
  const auto y = elements<float>(evaluate_one(one));
  EXPECT_FLOAT_EQ(y[0], 1 - 3 * 1.7056058F);
  EXPECT_FLOAT_EQ(y[1], 1);
  EXPECT_FLOAT_EQ(y[2], 1 + 3 * 1.7056058F);
}

}  // namespace
}  // namespace workbench
