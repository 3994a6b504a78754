#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/evaluate_one.h"

namespace workbench {
namespace {

using Kind = Activation::Kind;

TEST(Apply, follows_the_onnx_definitions) {
  EXPECT_EQ(apply({.kind = Kind::None}, -2, 0), -2);
  EXPECT_EQ(apply({.kind = Kind::Relu}, -2, 0), 0);
  EXPECT_EQ(apply({.kind = Kind::Relu}, 3, 0), 3);
  EXPECT_EQ(apply({.kind = Kind::Clip, .alpha = 0, .beta = 6}, 7, 0), 6);
  EXPECT_EQ(apply({.kind = Kind::Clip, .alpha = 0, .beta = 6}, -1, 0), 0);
  EXPECT_EQ(apply({.kind = Kind::LeakyRelu, .alpha = 0.5F}, -4, 0), -2);
  EXPECT_EQ(apply({.kind = Kind::PRelu, .slopes = {1, 2, 3}}, -1, 2), -3);
  EXPECT_EQ(apply({.kind = Kind::PRelu, .slopes = {2}}, -1, 2), -2);
  EXPECT_EQ(apply({.kind = Kind::Sigmoid}, 0, 0), 0.5F);
  EXPECT_EQ(apply({.kind = Kind::Tanh}, 1, 0), static_cast<float>(std::tanh(1.0)));
  EXPECT_EQ(apply({.kind = Kind::HardSigmoid, .alpha = 0.25F, .beta = 0.5F}, 1, 0), 0.75F);
  EXPECT_EQ(apply({.kind = Kind::HardSigmoid, .alpha = 0.25F, .beta = 0.5F}, 9, 0), 1);
  EXPECT_EQ(apply({.kind = Kind::HardSwish}, 3, 0), 3);
  EXPECT_EQ(apply({.kind = Kind::HardSwish}, -3, 0), 0);
  EXPECT_EQ(apply({.kind = Kind::Exp}, 0, 0), 1);
  EXPECT_EQ(apply({.kind = Kind::Floor}, -1.5F, 0), -2);
  EXPECT_EQ(apply({.kind = Kind::Truncate}, -1.5F, 0), -1);
}

TEST(Apply, relu_keeps_nan_visible) {
  EXPECT_TRUE(std::isnan(apply({.kind = Kind::Relu}, std::numeric_limits<float>::quiet_NaN(), 0)));
}

TEST(EvaluateActivation, fast_is_close_to_exact_for_every_kind) {
  std::mt19937_64 random(1);
  Tensor x = noise(random, {1, 3, 50, 70});
  for (float& v : x.mutable_values<float>()) v *= 8;
  for (const Kind kind :
       {Kind::None, Kind::Relu, Kind::Clip, Kind::LeakyRelu, Kind::PRelu, Kind::Sigmoid, Kind::Tanh,
        Kind::HardSigmoid, Kind::HardSwish, Kind::Exp, Kind::Floor, Kind::Truncate}) {
    const OneNode one{
        .op = Activate{{.kind = kind, .alpha = 0.2F, .beta = 0.5F, .slopes = {1, 2, 3}}},
        .operands = {x}};
    const auto fast = elements<float>(evaluate_one(one, Arithmetic::Fast));
    const auto exact = elements<float>(evaluate_one(one, Arithmetic::Exact));
    for (std::size_t i = 0; i < fast.size(); ++i) {
      ASSERT_NEAR(fast[i], exact[i], 2e-6 * std::max(1.0F, std::abs(exact[i])))
          << op_name(one.op) << " " << i;
    }
  }
}

TEST(EvaluateActivation, a_clip_has_one_bound_per_channel) {
  const Activation clip{.kind = Kind::Clip, .alpha = -1, .beta = 9, .bounds = {2, 4}};
  EXPECT_EQ(apply(clip, 5, 0), 2);
  EXPECT_EQ(apply(clip, 5, 1), 4);
  EXPECT_EQ(apply(clip, -5, 1), -1);
  const OneNode one{.op = Activate{clip}, .operands = {counting({1, 2, 1, 3})}};
  for (const Arithmetic arithmetic : {Arithmetic::Fast, Arithmetic::Exact}) {
    EXPECT_EQ(elements<float>(evaluate_one(one, arithmetic)),
              (std::vector<float>{0, 1, 2, 3, 4, 4}));
  }
}

TEST(EvaluateActivation, integers_stay_integers) {
  const OneNode one{.op = Activate{{.kind = Kind::Clip, .alpha = -3, .beta = 4}},
                    .operands = {Tensor::from<std::int8_t>({3}, {-9, 1, 9})},
                    .result = ElementType::Int8};
  EXPECT_EQ(elements<std::int8_t>(evaluate_one(one)), (std::vector<std::int8_t>{-3, 1, 4}));
}

TEST(EvaluateBatchNorm, normalises_each_channel) {
  const auto vector = [](std::vector<float> v) { return Tensor::from<float>({2}, v); };
  const OneNode one{.op = BatchNorm{.epsilon = 0},
                    .operands = {counting({1, 2, 1, 2}), vector({1, 10}), vector({0, 5}),
                                 vector({1, 2}), vector({1, 4})}};
  // (0-1)/1, (1-1)/1, (2-2)/2*10+5, (3-2)/2*10+5
  EXPECT_EQ(elements<float>(evaluate_one(one, Arithmetic::Exact)),
            (std::vector<float>{-1, 0, 5, 10}));
  EXPECT_EQ(elements<float>(evaluate_one(one, Arithmetic::Fast)),
            (std::vector<float>{-1, 0, 5, 10}));
}

TEST(EvaluatePRelu, broadcasts_its_slope) {
  const OneNode one{.op = PRelu{},
                    .operands = {Tensor::from<float>({1, 2, 2}, {-1, 1, -2, 2}),
                                 Tensor::from<float>({2, 1}, {10, 100})}};
  EXPECT_EQ(elements<float>(evaluate_one(one)), (std::vector<float>{-10, 1, -200, 2}));
}

TEST(EvaluateBinary, broadcasts_both_ways) {
  const Tensor row = Tensor::from<float>({1, 3}, {1, 2, 3});
  const Tensor column = Tensor::from<float>({2, 1}, {10, 20});
  EXPECT_EQ(elements<float>(evaluate_one({.op = Binary{}, .operands = {row, column}})),
            (std::vector<float>{11, 12, 13, 21, 22, 23}));
  EXPECT_EQ(elements<float>(
                evaluate_one({.op = Binary{.kind = Binary::Kind::Sub}, .operands = {column, row}})),
            (std::vector<float>{9, 8, 7, 19, 18, 17}));
}

TEST(EvaluateBinary, a_channel_vector_meets_every_pixel) {
  const OneNode one{
      .op = Binary{.kind = Binary::Kind::Mul},
      .operands = {counting({2, 2, 1, 2}), Tensor::from<float>({1, 2, 1, 1}, {10, 100})}};
  EXPECT_EQ(elements<float>(evaluate_one(one)),
            (std::vector<float>{0, 10, 200, 300, 40, 50, 600, 700}));
}

TEST(EvaluateBinary, of_one_value_with_itself) {
  Graph graph = graph_of({.op = Binary{}, .operands = {counting({3}), counting({3})}});
  graph.nodes[0].inputs[1] = graph.nodes[0].inputs[0];
  const Tensor x = counting({3});
  EXPECT_EQ(elements<float>(evaluate(graph, std::vector<Tensor>{x})[0]),
            (std::vector<float>{0, 2, 4}));
  EXPECT_EQ(elements<float>(x), (std::vector<float>{0, 1, 2}));
}

TEST(EvaluateBinary, applies_its_activation) {
  const OneNode one{.op = Binary{.activation = {.kind = Kind::Relu}},
                    .operands = {Tensor::from<float>({2}, {-3, 3}), Tensor::from<float>({}, {1})}};
  EXPECT_EQ(elements<float>(evaluate_one(one, Arithmetic::Exact)), (std::vector<float>{0, 4}));
  EXPECT_EQ(elements<float>(evaluate_one(one, Arithmetic::Fast)), (std::vector<float>{0, 4}));
}

TEST(EvaluateBinary, integers_wrap_around) {
  const auto one = [](Binary::Kind kind, std::int32_t a, std::int32_t b) {
    const OneNode node{
        .op = Binary{.kind = kind},
        .operands = {Tensor::from<std::int32_t>({1}, {a}), Tensor::from<std::int32_t>({1}, {b})},
        .result = ElementType::Int32};
    return elements<std::int32_t>(evaluate_one(node))[0];
  };
  constexpr auto kMax = std::numeric_limits<std::int32_t>::max();
  constexpr auto kMin = std::numeric_limits<std::int32_t>::min();
  EXPECT_EQ(one(Binary::Kind::Add, kMax, 1), kMin);
  EXPECT_EQ(one(Binary::Kind::Mul, 1 << 20, 1 << 20), 0);
  EXPECT_EQ(one(Binary::Kind::Div, -7, 2), -3);
  EXPECT_EQ(one(Binary::Kind::Div, kMin, -1), kMin);
  EXPECT_THROW(one(Binary::Kind::Div, 1, 0), Error);
}

TEST(EvaluateBinary, operands_of_two_types_are_refused) {
  const OneNode one{.op = Binary{},
                    .operands = {counting({2}), Tensor::from<std::int64_t>({2}, {1, 2})}};
  try {
    evaluate_one(one);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "node 'node' (Add): operand 1: expected elements of type float32, found int64");
  }
}

}  // namespace
}  // namespace workbench
