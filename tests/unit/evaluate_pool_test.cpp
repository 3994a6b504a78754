#include <gtest/gtest.h>

#include <limits>

#include "tests/support/evaluate_one.h"

namespace workbench {
namespace {

constexpr Arithmetic kBoth[] = {Arithmetic::Exact, Arithmetic::Fast};

TEST(EvaluateMaxPool, takes_the_largest_of_each_window) {
  const OneNode one{.op = MaxPool{.window = square(2, 2)}, .operands = {counting({1, 2, 4, 4})}};
  EXPECT_EQ(elements<float>(evaluate_one(one)), (std::vector<float>{5, 7, 13, 15, 21, 23, 29, 31}));
}

TEST(EvaluateMaxPool, padding_never_wins) {
  const OneNode one{.op = MaxPool{.window = square(3, 2, 1)},
                    .operands = {Tensor::from<float>({1, 1, 2, 2}, {-4, -3, -2, -1})}};
  EXPECT_EQ(elements<float>(evaluate_one(one)), (std::vector<float>{-1}));
  const OneNode codes{.op = MaxPool{.window = square(3, 2, 1)},
                      .operands = {Tensor::from<std::int8_t>({1, 1, 2, 2}, {-128, -128, -5, -9})},
                      .result = ElementType::Int8};
  EXPECT_EQ(elements<std::int8_t>(evaluate_one(codes)), (std::vector<std::int8_t>{-5}));
}

TEST(EvaluateMaxPool, ceil_mode_reads_a_partial_window) {
  const OneNode one{.op = MaxPool{.window = square(2, 2), .ceil_mode = true},
                    .operands = {counting({1, 1, 3, 3})}};
  EXPECT_EQ(elements<float>(evaluate_one(one)), (std::vector<float>{4, 5, 7, 8}));
}

TEST(EvaluateMaxPool, indices_count_the_whole_tensor_and_name_the_first_of_equals) {
  Tensor x = Tensor::zeros(ElementType::Float32, {1, 2, 2, 3});
  x.mutable_values<float>()[5] = 1;  // channel 0, row 1, column 2
  const OneNode one{.op = MaxPool{.window = {{2, 3}, {1, 1}, {1, 1}, {0, 0}, {0, 0}}},
                    .operands = {x},
                    .outputs = 2};
  EXPECT_EQ(elements<std::int64_t>(evaluate_all(one)[1]), (std::vector<std::int64_t>{5, 6}));
}

TEST(EvaluateMaxPool, storage_order_1_counts_columns_first) {
  Tensor x = Tensor::zeros(ElementType::Float32, {1, 1, 2, 3});
  x.mutable_values<float>()[2] = 1;  // row 0, column 2: index 2 * 2 + 0
  const OneNode one{
      .op = MaxPool{.window = {{2, 3}, {1, 1}, {1, 1}, {0, 0}, {0, 0}}, .storage_order = 1},
      .operands = {x},
      .outputs = 2};
  EXPECT_EQ(elements<std::int64_t>(evaluate_all(one)[1]), (std::vector<std::int64_t>{4}));
}

TEST(EvaluateAveragePool, divides_by_the_cells_inside) {
  const OneNode one{.op = AveragePool{.window = square(2, 2, 1)},
                    .operands = {Tensor::from<float>({1, 1, 2, 2}, {4, 8, 12, 16})}};
  for (const Arithmetic arithmetic : kBoth) {
    EXPECT_EQ(elements<float>(evaluate_one(one, arithmetic)), (std::vector<float>{4, 8, 12, 16}));
  }
}

TEST(EvaluateAveragePool, may_divide_by_the_padding_too) {
  const OneNode one{.op = AveragePool{.window = square(2, 2, 1), .count_include_pad = true},
                    .operands = {Tensor::from<float>({1, 1, 2, 2}, {4, 8, 12, 16})}};
  for (const Arithmetic arithmetic : kBoth) {
    EXPECT_EQ(elements<float>(evaluate_one(one, arithmetic)), (std::vector<float>{1, 2, 3, 4}));
  }
}

TEST(EvaluateAveragePool, ceil_mode_cells_behind_the_padding_are_never_counted) {
  // 3 cells, window 2, stride 2, one cell of padding in front: windows [pad, 0], [1, 2]; with
  // ceil_mode and 4 cells also [3, nothing], whose one cell counts alone
  const Window line{{2}, {2}, {1}, {1}, {0}};
  const OneNode one{.op = AveragePool{.window = line, .ceil_mode = true, .count_include_pad = true},
                    .operands = {Tensor::from<float>({1, 1, 4}, {2, 4, 6, 8})}};
  for (const Arithmetic arithmetic : kBoth) {
    EXPECT_EQ(elements<float>(evaluate_one(one, arithmetic)), (std::vector<float>{1, 5, 8}));
  }
}

}  // namespace
}  // namespace workbench
