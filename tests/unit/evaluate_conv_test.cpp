#include <gtest/gtest.h>

#include "tests/support/evaluate_one.h"

namespace workbench {
namespace {

constexpr Arithmetic kBoth[] = {Arithmetic::Exact, Arithmetic::Fast};

TEST(EvaluateConv, sums_the_window_and_adds_the_bias) {
  const OneNode one{
      .op = Conv{.window = square(2)},
      .operands = {counting({1, 1, 3, 3}), Tensor::from<float>({1, 1, 2, 2}, {1, 10, 100, 1000}),
                   Tensor::from<float>({1}, {0.5F})}};
  // first window: 0*1 + 1*10 + 3*100 + 4*1000 = 4310; each step right adds 1111, down 3333
  for (const Arithmetic arithmetic : kBoth) {
    EXPECT_EQ(elements<float>(evaluate_one(one, arithmetic)),
              (std::vector<float>{4310.5F, 5421.5F, 7643.5F, 8754.5F}));
  }
}

TEST(EvaluateConv, padding_counts_as_zero) {
  const OneNode one{.op = Conv{.window = square(3, 2, 1)},
                    .operands = {counting({1, 1, 3, 3}),
                                 Tensor::from<float>({1, 1, 3, 3}, std::vector<float>(9, 1))}};
  // corners of the 3x3 map 0..8 see 2x2 cells each: 0+1+3+4, 1+2+4+5, 3+4+6+7, 4+5+7+8
  for (const Arithmetic arithmetic : kBoth) {
    EXPECT_EQ(elements<float>(evaluate_one(one, arithmetic)), (std::vector<float>{8, 12, 20, 24}));
  }
}

TEST(EvaluateConv, pointwise_mixes_channels_only) {
  const OneNode one{
      .op = Conv{.window = square(1)},
      .operands = {counting({1, 2, 1, 3}), Tensor::from<float>({2, 2, 1, 1}, {1, 2, 0, -1})}};
  for (const Arithmetic arithmetic : kBoth) {
    EXPECT_EQ(elements<float>(evaluate_one(one, arithmetic)),
              (std::vector<float>{6, 9, 12, -3, -4, -5}));
  }
}

TEST(EvaluateConv, groups_see_their_own_channels) {
  const OneNode one{
      .op = Conv{.window = square(1), .groups = 2},
      .operands = {counting({1, 4, 1, 1}), Tensor::from<float>({2, 2, 1, 1}, {1, 10, 100, 1000})}};
  for (const Arithmetic arithmetic : kBoth) {
    EXPECT_EQ(elements<float>(evaluate_one(one, arithmetic)), (std::vector<float>{10, 3200}));
  }
}

TEST(EvaluateConv, depthwise_filters_see_one_channel) {
  const OneNode one{.op = Conv{.window = square(2), .groups = 2},
                    .operands = {counting({1, 2, 2, 2}),
                                 Tensor::from<float>({2, 1, 2, 2}, {1, 1, 1, 1, 0, 0, 0, 2})}};
  for (const Arithmetic arithmetic : kBoth) {
    EXPECT_EQ(elements<float>(evaluate_one(one, arithmetic)), (std::vector<float>{6, 14}));
  }
}

TEST(EvaluateConv, applies_its_activation_last) {
  const Activation slopes{.kind = Activation::Kind::PRelu, .slopes = {0.5F, 0.25F}};
  const OneNode one{.op = Conv{.window = square(1), .activation = slopes},
                    .operands = {Tensor::from<float>({1, 1, 1, 2}, {-8, 8}),
                                 Tensor::from<float>({2, 1, 1, 1}, {1, 1})}};
  for (const Arithmetic arithmetic : kBoth) {
    EXPECT_EQ(elements<float>(evaluate_one(one, arithmetic)), (std::vector<float>{-4, 8, -2, 8}));
  }
}

TEST(EvaluateConv, works_in_one_and_three_dimensions) {
  const Window line{{2}, {1}, {2}, {0}, {0}};
  const OneNode one{.op = Conv{.window = line},
                    .operands = {counting({1, 1, 5}), Tensor::from<float>({1, 1, 2}, {1, 10})}};
  const Window cube{{2, 2, 2}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}};
  const OneNode three{.op = Conv{.window = cube},
                      .operands = {counting({1, 1, 2, 2, 2}), counting({1, 1, 2, 2, 2})}};
  for (const Arithmetic arithmetic : kBoth) {
    // x[i] + 10 x[i + 2]
    EXPECT_EQ(elements<float>(evaluate_one(one, arithmetic)), (std::vector<float>{20, 31, 42}));
    // sum of squares of 0..7
    EXPECT_EQ(elements<float>(evaluate_one(three, arithmetic)), (std::vector<float>{140}));
  }
}

TEST(EvaluateConv, four_spatial_dimensions_are_refused) {
  const Window window{{1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}, {0, 0, 0, 0}, {0, 0, 0, 0}};
  const OneNode one{.op = Conv{.window = window},
                    .operands = {counting({1, 1, 1, 1, 1, 1}), counting({1, 1, 1, 1, 1, 1})}};
  EXPECT_THROW(evaluate_one(one), Error);
}

TEST(EvaluateConv, exact_rounds_once) {
  // 2^24 + 1 + 1: float sums stay at 2^24, the double sum reaches 2^24 + 2
  const OneNode one{.op = Conv{.window = square(1)},
                    .operands = {Tensor::from<float>({1, 3, 1, 1}, {16777216, 1, 1}),
                                 Tensor::from<float>({1, 3, 1, 1}, {1, 1, 1})}};
  EXPECT_EQ(elements<float>(evaluate_one(one)), (std::vector<float>{16777218}));
}

TEST(EvaluateConvTranspose, spreads_each_pixel_over_its_window) {
  const OneNode one{.op = ConvTranspose{.window = square(2, 2), .output_padding = {0, 0}},
                    .operands = {Tensor::from<float>({1, 1, 1, 2}, {1, 2}), counting({1, 1, 2, 2}),
                                 Tensor::from<float>({1}, {100})}};
  for (const Arithmetic arithmetic : kBoth) {
    EXPECT_EQ(elements<float>(evaluate_one(one, arithmetic)),
              (std::vector<float>{100, 101, 100, 102, 102, 103, 104, 106}));
  }
}

TEST(EvaluateConvTranspose, overlapping_windows_add_and_padding_is_cut) {
  const OneNode one{.op = ConvTranspose{.window = square(3, 1, 1), .output_padding = {0, 0}},
                    .operands = {counting({1, 1, 2, 2}),
                                 Tensor::from<float>({1, 1, 3, 3}, std::vector<float>(9, 1))}};
  // every 3x3 window around a pixel covers the whole 2x2 result: 0 + 1 + 2 + 3
  for (const Arithmetic arithmetic : kBoth) {
    EXPECT_EQ(elements<float>(evaluate_one(one, arithmetic)), (std::vector<float>{6, 6, 6, 6}));
  }
}

TEST(EvaluateConvTranspose, groups_and_output_padding) {
  const OneNode one{
      .op = ConvTranspose{.window = square(1, 2), .groups = 2, .output_padding = {1, 0}},
      .operands = {Tensor::from<float>({1, 2, 1, 1}, {3, 5}),
                   Tensor::from<float>({2, 1, 1, 1}, {10, 100})}};
  // 1x1 windows, one row of padding behind each map
  for (const Arithmetic arithmetic : kBoth) {
    EXPECT_EQ(elements<float>(evaluate_one(one, arithmetic)), (std::vector<float>{30, 0, 500, 0}));
  }
}

}  // namespace
}  // namespace workbench
