// Ops that move elements: expected orders are written out.
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "sim/golden/golden.h"
#include "tests/support/one_node.h"

namespace workbench {
namespace {

using Floats = std::vector<float>;
using Indices = std::vector<std::int64_t>;

Tensor reals(Shape shape, const Floats& values) { return Tensor::from(std::move(shape), values); }

// 0, 1, 2, ... in the shape.
Tensor counted(Shape shape) {
  Floats values(static_cast<std::size_t>(element_count(shape)));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return reals(std::move(shape), values);
}

Floats moved(const Op& op, std::vector<Tensor> operands) {
  const OneNode one{.op = op, .operands = std::move(operands)};
  const Graph graph = graph_of(one);
  const std::vector<Tensor> values = golden::run(graph, {&one.operands[0], 1});
  const auto result = values[static_cast<std::size_t>(graph.outputs[0])].values<float>();
  return {result.begin(), result.end()};
}

TEST(GoldenMovement, transpose_names_the_source_of_each_dimension) {
  EXPECT_EQ(moved(Transpose{{1, 0}}, {counted({2, 3})}), (Floats{0, 3, 1, 4, 2, 5}));
}

TEST(GoldenMovement, reshape_and_identity_keep_the_order) {
  EXPECT_EQ(moved(Reshape{{3, 2}}, {counted({2, 3})}), (Floats{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(moved(Identity{}, {counted({2})}), (Floats{0, 1}));
}

TEST(GoldenMovement, concat_interleaves_along_inner_axes) {
  EXPECT_EQ(moved(Concat{.axis = -1}, {counted({2, 1}), reals({2, 2}, {5, 6, 7, 8})}),
            (Floats{0, 5, 6, 1, 7, 8}));
}

TEST(GoldenMovement, pad_modes) {
  const Tensor x = counted({1, 3});
  const auto padded = [&](Pad::Mode mode, std::int64_t begin, std::int64_t end) {
    return moved(Pad{.mode = mode, .begin = {0, begin}, .end = {0, end}, .value = 9}, {x});
  };
  EXPECT_EQ(padded(Pad::Mode::Constant, 1, 2), (Floats{9, 0, 1, 2, 9, 9}));
  EXPECT_EQ(padded(Pad::Mode::Edge, 2, 1), (Floats{0, 0, 0, 1, 2, 2}));
  EXPECT_EQ(padded(Pad::Mode::Reflect, 2, 2), (Floats{2, 1, 0, 1, 2, 1, 0}));
  EXPECT_EQ(padded(Pad::Mode::Constant, -1, 1), (Floats{1, 2, 9}));
}

TEST(GoldenMovement, slice_steps_forwards_and_backwards) {
  const Tensor x = counted({2, 4});
  EXPECT_EQ(moved(Slice{.starts = {1}, .ends = {4}, .axes = {1}, .steps = {2}}, {x}),
            (Floats{1, 3, 5, 7}));
  EXPECT_EQ(moved(Slice{.starts = {1, 3}, .ends = {-1, 0}, .axes = {0, 1}, .steps = {-1, -2}}, {x}),
            (Floats{7, 5, 3, 1}));
}

TEST(GoldenMovement, space_to_depth_puts_block_cells_before_channels) {
  // channels 0..3 hold the top left, top right, bottom left, bottom right cells of the 2x2 blocks
  EXPECT_EQ(moved(SpaceToDepth{.block = 2}, {counted({1, 1, 2, 4})}),
            (Floats{0, 2, 1, 3, 4, 6, 5, 7}));
}

TEST(GoldenMovement, depth_to_space_orders) {
  // 8 channels of one cell -> 2 channels of a 2x2 block. DCR: cell * 2 + channel
  EXPECT_EQ(moved(DepthToSpace{.block = 2}, {counted({1, 8, 1, 1})}),
            (Floats{0, 2, 4, 6, 1, 3, 5, 7}));
  // CRD: channel * 4 + cell
  EXPECT_EQ(moved(DepthToSpace{.block = 2, .column_row_depth = true}, {counted({1, 8, 1, 1})}),
            (Floats{0, 1, 2, 3, 4, 5, 6, 7}));
}

using Coordinates = Resize::Coordinates;
using Nearest = Resize::Nearest;

Floats resized(std::int64_t from, std::int64_t to, Coordinates coordinates, Nearest nearest) {
  return moved(Resize{.scales = {static_cast<float>(to) / static_cast<float>(from)},
                      .sizes = {to},
                      .coordinates = coordinates,
                      .nearest = nearest,
                      .roi = {0.5F, 1.5F},
                      .extrapolation_value = -1},
               {counted({from})});
}

TEST(GoldenMovement, resize_coordinates) {
  // asymmetric: i / 2 = 0, .5, 1, 1.5
  EXPECT_EQ(resized(2, 4, Coordinates::Asymmetric, Nearest::Floor), (Floats{0, 0, 1, 1}));
  EXPECT_EQ(resized(2, 4, Coordinates::Asymmetric, Nearest::Ceil), (Floats{0, 1, 1, 1}));
  EXPECT_EQ(resized(2, 4, Coordinates::Asymmetric, Nearest::RoundPreferFloor),
            (Floats{0, 0, 1, 1}));
  EXPECT_EQ(resized(2, 4, Coordinates::Asymmetric, Nearest::RoundPreferCeil), (Floats{0, 1, 1, 1}));
  // half pixel: (i + .5) * 2 - .5 = .5, 2.5
  EXPECT_EQ(resized(4, 2, Coordinates::HalfPixel, Nearest::RoundPreferFloor), (Floats{0, 2}));
  EXPECT_EQ(resized(4, 2, Coordinates::HalfPixel, Nearest::RoundPreferCeil), (Floats{1, 3}));
  // of one element: half pixel (.5 * 4 - .5 = 1.5), its PyTorch variant 0
  EXPECT_EQ(resized(4, 1, Coordinates::HalfPixel, Nearest::Floor), (Floats{1}));
  EXPECT_EQ(resized(4, 1, Coordinates::PytorchHalfPixel, Nearest::Floor), (Floats{0}));
  // corners aligned: i * 3 / 2 = 0, 1.5, 3
  EXPECT_EQ(resized(4, 3, Coordinates::AlignCorners, Nearest::Floor), (Floats{0, 1, 3}));
  // crop [.5, 1.5] of [0, 4]: 2 + i * 4 / 2 = 2, 4, then 6 is outside
  EXPECT_EQ(resized(5, 3, Coordinates::TfCropAndResize, Nearest::Floor), (Floats{2, 4, -1}));
}

TEST(GoldenMovement, max_pool_tells_where_the_first_largest_was) {
  const auto indices = [](std::int64_t storage_order) {
    const OneNode one{.op = MaxPool{.window = {.kernel = {2, 2},
                                               .strides = {1, 1},
                                               .dilations = {1, 1},
                                               .pads_begin = {0, 0},
                                               .pads_end = {0, 0}},
                                    .storage_order = storage_order},
                      // 0 5 1 / 5 2 7
                      .operands = {reals({1, 1, 2, 3}, {0, 5, 1, 5, 2, 7})},
                      .outputs = 2};
    const Graph graph = graph_of(one);
    const std::vector<Tensor> values = golden::run(graph, {&one.operands[0], 1});
    EXPECT_EQ(values[1], reals({1, 1, 1, 2}, {5, 7}));
    const auto where = values[2].values<std::int64_t>();
    return Indices{where.begin(), where.end()};
  };
  EXPECT_EQ(indices(0), (Indices{1, 5}));  // row * 3 + column
  EXPECT_EQ(indices(1), (Indices{2, 5}));  // column * 2 + row
}

}  // namespace
}  // namespace workbench
