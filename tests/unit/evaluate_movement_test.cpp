#include <gtest/gtest.h>

#include "tests/support/evaluate_one.h"

namespace workbench {
namespace {

std::vector<float> moved(Op op, std::vector<Tensor> operands) {
  return elements<float>(evaluate_one({.op = std::move(op), .operands = std::move(operands)}));
}

TEST(EvaluateMovement, reshape_and_identity_keep_the_elements) {
  EXPECT_EQ(moved(Reshape{{3, 2}}, {counting({2, 3})}), elements<float>(counting({6})));
  EXPECT_EQ(moved(Identity{}, {counting({2, 3})}), elements<float>(counting({6})));
}

TEST(EvaluateMovement, transpose_permutes_dimensions) {
  EXPECT_EQ(moved(Transpose{{1, 0}}, {counting({2, 3})}), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  // [2, 1, 3] -> [3, 2, 1]: element (k, i) is 3i + k
  EXPECT_EQ(moved(Transpose{{2, 0, 1}}, {counting({2, 1, 3})}),
            (std::vector<float>{0, 3, 1, 4, 2, 5}));
}

TEST(EvaluateMovement, any_element_type_moves) {
  const OneNode one{.op = Transpose{{1, 0}},
                    .operands = {Tensor::from<std::int64_t>({2, 2}, {1, 2, 3, 1LL << 40})},
                    .result = ElementType::Int64};
  EXPECT_EQ(elements<std::int64_t>(evaluate_one(one)),
            (std::vector<std::int64_t>{1, 3, 2, 1LL << 40}));
}

TEST(EvaluateMovement, concat_along_an_inner_axis) {
  EXPECT_EQ(moved(Concat{.axis = 1}, {counting({2, 2}), Tensor::from<float>({2, 1}, {10, 20})}),
            (std::vector<float>{0, 1, 10, 2, 3, 20}));
}

TEST(EvaluateMovement, pad_with_a_constant_and_with_a_negative_amount) {
  EXPECT_EQ(moved(Pad{.begin = {1, -1}, .end = {0, 1}, .value = 9}, {counting({2, 3})}),
            (std::vector<float>{9, 9, 9, 1, 2, 9, 4, 5, 9}));
}

TEST(EvaluateMovement, pad_integers_with_an_integer) {
  const OneNode one{.op = Pad{.begin = {1}, .end = {0}, .value = -7},
                    .operands = {Tensor::from<std::int32_t>({1}, {3})},
                    .result = ElementType::Int32};
  EXPECT_EQ(elements<std::int32_t>(evaluate_one(one)), (std::vector<std::int32_t>{-7, 3}));
}

TEST(EvaluateMovement, pad_by_reflection_and_by_the_edge) {
  const Tensor x = counting({3});
  EXPECT_EQ(moved(Pad{.mode = Pad::Mode::Reflect, .begin = {2}, .end = {2}}, {x}),
            (std::vector<float>{2, 1, 0, 1, 2, 1, 0}));
  EXPECT_EQ(moved(Pad{.mode = Pad::Mode::Edge, .begin = {2}, .end = {2}}, {x}),
            (std::vector<float>{0, 0, 0, 1, 2, 2, 2}));
}

TEST(EvaluateMovement, slice_forwards_and_backwards) {
  EXPECT_EQ(moved(Slice{{1, 2}, {3, -1}, {0, 1}, {1, -2}}, {counting({3, 3})}),
            (std::vector<float>{5, 3, 8, 6}));
  EXPECT_TRUE(moved(Slice{{2}, {2}, {0}, {1}}, {counting({3})}).empty());
}

TEST(EvaluateMovement, space_to_depth_puts_the_block_before_the_channel) {
  EXPECT_EQ(moved(SpaceToDepth{2}, {counting({1, 1, 2, 4})}),
            (std::vector<float>{0, 2, 1, 3, 4, 6, 5, 7}));
}

TEST(EvaluateMovement, depth_to_space_undoes_space_to_depth) {
  const Tensor x = counting({2, 3, 4, 6});
  const Tensor depth = evaluate_one({.op = SpaceToDepth{2}, .operands = {x}});
  EXPECT_EQ(moved(DepthToSpace{.block = 2}, {depth}), elements<float>(x));
}

TEST(EvaluateMovement, depth_to_space_in_column_row_depth_order) {
  // 8 channels are 2 results of a 2x2 block each: channel 4c + 2i + j lands at c, (i, j)
  EXPECT_EQ(moved(DepthToSpace{.block = 2, .column_row_depth = true}, {counting({1, 8, 1, 1})}),
            elements<float>(counting({8})));
  // in depth-column-row order it is channel 4i + 2j + c
  EXPECT_EQ(moved(DepthToSpace{.block = 2}, {counting({1, 8, 1, 1})}),
            (std::vector<float>{0, 2, 4, 6, 1, 3, 5, 7}));
}

Resize resize(std::int64_t size, Resize::Coordinates coordinates, Resize::Nearest nearest) {
  return {.sizes = {size}, .coordinates = coordinates, .nearest = nearest};
}

TEST(EvaluateResize, upscales_by_repetition) {
  EXPECT_EQ(moved(Resize{.scales = {2, 2}, .sizes = {4, 4}}, {counting({2, 2})}),
            (std::vector<float>{0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3}));
}

TEST(EvaluateResize, coordinates_decide_the_source) {
  using C = Resize::Coordinates;
  using N = Resize::Nearest;
  const Tensor x = counting({4});
  // 0, 4/3, 8/3
  EXPECT_EQ(moved(resize(3, C::Asymmetric, N::Floor), {x}), (std::vector<float>{0, 1, 2}));
  // (i + 0.5) * 4/3 - 0.5 = 1/6, 3/2, 17/6
  EXPECT_EQ(moved(resize(3, C::HalfPixel, N::RoundPreferFloor), {x}),
            (std::vector<float>{0, 1, 3}));
  EXPECT_EQ(moved(resize(3, C::HalfPixel, N::RoundPreferCeil), {x}), (std::vector<float>{0, 2, 3}));
  // 0, 3/2, 3
  EXPECT_EQ(moved(resize(3, C::AlignCorners, N::Ceil), {x}), (std::vector<float>{0, 2, 3}));
  EXPECT_EQ(moved(resize(1, C::PytorchHalfPixel, N::Floor), {x}), (std::vector<float>{0}));
}

TEST(EvaluateResize, crops_and_fills_what_lies_outside) {
  Resize op = resize(3, Resize::Coordinates::TfCropAndResize, Resize::Nearest::Floor);
  op.roi = {0, 2};  // 0, 3, 6 of a 4-element axis
  op.extrapolation_value = -1;
  EXPECT_EQ(moved(op, {counting({4})}), (std::vector<float>{0, 3, -1}));
}

}  // namespace
}  // namespace workbench
