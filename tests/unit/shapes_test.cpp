#include "core/shapes.h"

#include <gtest/gtest.h>

#include "tests/support/evaluate_one.h"

namespace workbench {
namespace {

// Shapes of the results of `op` on operands of the given shapes; [-1] is an absent operand.
std::vector<Shape> shapes_of(Op op, const std::vector<Shape>& operands, std::size_t outputs = 1) {
  Graph graph;
  Node node{.name = "n", .op = std::move(op)};
  for (const Shape& shape : operands) {
    node.inputs.push_back(shape == Shape{-1} ? kNoValue : graph.add_value({.shape = shape}));
  }
  for (std::size_t i = 0; i < outputs; ++i) node.outputs.push_back(graph.add_value({}));
  return output_shapes(graph, node);
}

Shape shape_of(Op op, const std::vector<Shape>& operands) {
  return shapes_of(std::move(op), operands)[0];
}

std::string refusal_of(Op op, const std::vector<Shape>& operands) {
  try {
    return to_string(shape_of(std::move(op), operands));
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(WindowOutputSize, follows_the_onnx_formula) {
  EXPECT_EQ(window_output_size(224, 7, 2, 1, 3, 3, false), 112);  // (224+6-7)/2+1 = 112.5
  EXPECT_EQ(window_output_size(5, 3, 1, 2, 0, 0, false), 1);      // extent 5
  EXPECT_EQ(window_output_size(4, 5, 1, 1, 0, 0, false), 0);      // does not fit
}

TEST(WindowOutputSize, ceil_mode_adds_a_partial_window_that_starts_inside) {
  EXPECT_EQ(window_output_size(112, 3, 2, 1, 0, 0, false), 55);
  EXPECT_EQ(window_output_size(112, 3, 2, 1, 0, 0, true), 56);
}

TEST(WindowOutputSize, ceil_mode_drops_a_window_that_starts_in_the_padding) {
  // ceil((2+2-1)/2)+1 = 3 windows; the third starts at 4, not before 2 + leading pad 1
  EXPECT_EQ(window_output_size(2, 1, 2, 1, 1, 1, true), 2);
}

TEST(Shapes, of_convolutions) {
  EXPECT_EQ(shape_of(Conv{.window = square(7, 2, 3)}, {{1, 3, 224, 224}, {64, 3, 7, 7}, {64}}),
            (Shape{1, 64, 112, 112}));
  EXPECT_EQ(shape_of(Conv{.window = square(3, 1, 1), .groups = 8}, {{2, 8, 9, 5}, {8, 1, 3, 3}}),
            (Shape{2, 8, 9, 5}));
  const Window line{{3}, {2}, {1}, {0}, {0}};
  EXPECT_EQ(shape_of(Conv{.window = line}, {{1, 2, 9}, {4, 2, 3}}), (Shape{1, 4, 4}));
}

TEST(Shapes, of_transposed_convolutions) {
  // 2*(5-1) + 3 + 1 - 1 - 1 = 10
  EXPECT_EQ(shape_of(ConvTranspose{.window = square(3, 2, 1), .output_padding = {1, 1}},
                     {{1, 4, 5, 5}, {4, 6, 3, 3}}),
            (Shape{1, 6, 10, 10}));
}

TEST(Shapes, of_pooling_with_indices_are_two) {
  EXPECT_EQ(shapes_of(MaxPool{.window = square(2, 2)}, {{1, 3, 8, 8}}, 2),
            (std::vector<Shape>{{1, 3, 4, 4}, {1, 3, 4, 4}}));
}

TEST(Shapes, broadcast_as_in_numpy) {
  EXPECT_EQ(shape_of(Binary{}, {{1, 3, 4, 5}, {3, 1, 1}}), (Shape{1, 3, 4, 5}));
  EXPECT_EQ(shape_of(Binary{}, {{2, 1}, {1, 7}}), (Shape{2, 7}));
  EXPECT_EQ(shape_of(Binary{}, {{}, {2, 3}}), (Shape{2, 3}));
  EXPECT_EQ(refusal_of(Binary{}, {{2, 3}, {2, 4}}),
            "node 'n' (Add): operand 1: expected a shape that broadcasts with [2, 3], found "
            "[2, 4]");
}

TEST(Shapes, of_matrix_products) {
  EXPECT_EQ(shape_of(Gemm{.transpose_a = true}, {{5, 2}, {5, 7}, {7}}), (Shape{2, 7}));
  EXPECT_EQ(shape_of(MatMul{}, {{8, 1, 2, 5}, {3, 5, 7}}), (Shape{8, 3, 2, 7}));
  EXPECT_EQ(shape_of(MatMul{}, {{5}, {3, 5, 7}}), (Shape{3, 7}));
  EXPECT_EQ(shape_of(MatMul{}, {{2, 5}, {5}}), (Shape{2}));
  EXPECT_EQ(shape_of(MatMul{}, {{5}, {5}}), Shape{});
}

TEST(Shapes, of_movement) {
  EXPECT_EQ(shape_of(Concat{.axis = -1}, {{2, 3}, {2, 4}, {2, 1}}), (Shape{2, 8}));
  EXPECT_EQ(shape_of(Transpose{{2, 0, 1}}, {{2, 3, 4}}), (Shape{4, 2, 3}));
  EXPECT_EQ(shape_of(Pad{.begin = {0, 1}, .end = {2, -1}}, {{3, 3}}), (Shape{5, 3}));
  EXPECT_EQ(shape_of(SpaceToDepth{2}, {{1, 3, 4, 6}}), (Shape{1, 12, 2, 3}));
  EXPECT_EQ(shape_of(DepthToSpace{2}, {{1, 12, 2, 3}}), (Shape{1, 3, 4, 6}));
  EXPECT_EQ(shape_of(Resize{.sizes = {1, 2, 7, 9}}, {{1, 2, 3, 4}}), (Shape{1, 2, 7, 9}));
}

TEST(Shapes, of_slices) {
  EXPECT_EQ(shape_of(Slice{{1}, {8}, {0}, {3}}, {{10}}), (Shape{3}));    // 1 4 7
  EXPECT_EQ(shape_of(Slice{{9}, {-1}, {0}, {-4}}, {{10}}), (Shape{3}));  // 9 5 1
  EXPECT_EQ(shape_of(Slice{{5}, {5}, {0}, {1}}, {{10}}), (Shape{0}));
}

TEST(Shapes, of_reductions) {
  EXPECT_EQ(shape_of(Reduce{.axes = {2, 3}}, {{1, 8, 7, 7}}), (Shape{1, 8, 1, 1}));
  EXPECT_EQ(shape_of(Reduce{.axes = {-1, 0}, .keep_dims = false}, {{2, 3, 4}}), (Shape{3}));
}

TEST(Shapes, refusals_name_node_operand_expected_and_found) {
  EXPECT_EQ(refusal_of(Conv{.window = square(3)}, {{1, 3, 8, 8}, {4, 2, 3, 3}}),
            "node 'n' (Conv): operand 1 (weights): expected 3 channels / 1 groups input channels, "
            "found 2");
  EXPECT_EQ(refusal_of(Conv{.window = square(3)}, {{1, 3, 8, 8}, {4, 3, 5, 5}}),
            "node 'n' (Conv): operand 1 (weights): expected rank 4 ending in the kernel [3, 3], "
            "found [4, 3, 5, 5]");
  EXPECT_EQ(refusal_of(Conv{.window = square(3)}, {{1, 3, 8, 8}, {4, 3, 3, 3}, {5}}),
            "node 'n' (Conv): operand 2 (bias): expected shape [4], found [5]");
  EXPECT_EQ(refusal_of(Conv{.window = square(3)}, {{1, 3, 8, 8}}),
            "node 'n' (Conv): operand 1 (weights): expected a value, found none");
  EXPECT_EQ(refusal_of(MaxPool{.window = square(9)}, {{1, 3, 8, 8}}),
            "node 'n' (MaxPool): kernel_shape: expected at most the padded input, 8, in spatial "
            "dimension 0, found 9 with dilation 1");
  EXPECT_EQ(refusal_of(Concat{.axis = 1}, {{1, 2, 3}, {1, 2, 4}}),
            "node 'n' (Concat): operand 1: expected the shape [1, 2, 3] except along axis 1, "
            "found [1, 2, 4]");
  EXPECT_EQ(refusal_of(Reshape{{5}}, {{2, 3}}),
            "node 'n' (Reshape): shape: expected 6 elements as in [2, 3], found [5]");
  EXPECT_EQ(refusal_of(Transpose{{0, 0}}, {{2, 3}}),
            "node 'n' (Transpose): perm: expected each axis once, found 0 twice");
  EXPECT_EQ(refusal_of(Softmax{.axis = 2}, {{2, 3}}),
            "node 'n' (Softmax): axis: expected a value in [-2, 2), found 2");
}

TEST(Shapes, refuse_what_no_machine_holds) {
  const std::int64_t huge = std::int64_t{1} << 20;
  EXPECT_EQ(refusal_of(Pad{.begin = {0, 0, 0}, .end = {0, 0, 1}}, {{huge, huge, 1}}),
            "node 'n' (Pad): output: expected at most 1099511627776 elements, found shape "
            "[1048576, 1048576, 2]");
}

TEST(Shapes, a_window_stride_of_zero_is_refused) {
  EXPECT_EQ(refusal_of(MaxPool{.window = square(2, 0)}, {{1, 3, 8, 8}}),
            "node 'n' (MaxPool): strides: expected values in [1, 1048576], found 0");
}

}  // namespace
}  // namespace workbench
