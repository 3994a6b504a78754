// Convolutions and pools: padding, kernels, global pools.
#include <gtest/gtest.h>

#include "tests/support/onnx_model.h"

namespace workbench::test {
namespace {

using Integers = std::vector<std::int64_t>;

OnnxModel conv_model(const Shape& x, const Shape& w) {
  OnnxModel model;
  model.input("x", x).output("y");
  model.floats("w", w, std::vector<float>(static_cast<std::size_t>(element_count(w)), 1.0F));
  return model;
}

// 6 inputs, stride 2: 3 outputs need (3-1)*2 + 3 = 7 cells, so one zero is added.
TEST(ImportWindow, same_upper_puts_the_odd_zero_at_the_end) {
  OnnxModel model = conv_model({1, 1, 6, 6}, {1, 1, 3, 3});
  model.node("Conv", {"x", "w"}, {"y"})
      .with("auto_pad", "SAME_UPPER")
      .with("strides", Integers{2, 2});
  const Graph graph = model.import();
  EXPECT_EQ(op_of<Conv>(graph).window.pads_begin, (Integers{0, 0}));
  EXPECT_EQ(op_of<Conv>(graph).window.pads_end, (Integers{1, 1}));
  EXPECT_EQ(graph.value(graph.outputs[0]).shape, (Shape{1, 1, 3, 3}));
}

TEST(ImportWindow, same_lower_puts_the_odd_zero_at_the_beginning) {
  OnnxModel model = conv_model({1, 1, 6, 6}, {1, 1, 3, 3});
  model.node("Conv", {"x", "w"}, {"y"})
      .with("auto_pad", "SAME_LOWER")
      .with("strides", Integers{2, 2});
  const Graph graph = model.import();
  EXPECT_EQ(op_of<Conv>(graph).window.pads_begin, (Integers{1, 1}));
  EXPECT_EQ(op_of<Conv>(graph).window.pads_end, (Integers{0, 0}));
}

// Extent of a dilated kernel: 2*(3-1)+1 = 5; 7 inputs, stride 1: 7 outputs need 11 cells.
TEST(ImportWindow, same_padding_counts_dilation) {
  OnnxModel model = conv_model({1, 1, 7}, {1, 1, 3});
  model.node("Conv", {"x", "w"}, {"y"})
      .with("auto_pad", "SAME_UPPER")
      .with("dilations", Integers{2});
  const Graph graph = model.import();
  EXPECT_EQ(op_of<Conv>(graph).window.pads_begin, (Integers{2}));
  EXPECT_EQ(op_of<Conv>(graph).window.pads_end, (Integers{2}));
}

TEST(ImportWindow, valid_means_no_padding) {
  OnnxModel model = conv_model({1, 1, 5, 5}, {1, 1, 3, 3});
  model.node("Conv", {"x", "w"}, {"y"}).with("auto_pad", "VALID");
  const Graph graph = model.import();
  EXPECT_EQ(graph.value(graph.outputs[0]).shape, (Shape{1, 1, 3, 3}));
}

TEST(ImportWindow, auto_pad_beside_pads_is_refused) {
  OnnxModel model = conv_model({1, 1, 5, 5}, {1, 1, 3, 3});
  model.node("Conv", {"x", "w"}, {"y"})
      .named("c")
      .with("auto_pad", "SAME_UPPER")
      .with("pads", Integers{1, 1, 1, 1});
  EXPECT_EQ(model.import_error(),
            "test: node 'c' (Conv): attribute 'pads': expected none beside auto_pad, found [1, 1] "
            "and [1, 1]");
}

TEST(ImportWindow, three_spatial_dimensions_stay_three) {
  OnnxModel model = conv_model({1, 2, 4, 4, 4}, {3, 2, 2, 2, 2});
  model.node("Conv", {"x", "w"}, {"y"}).with("pads", Integers{1, 0, 0, 0, 1, 0});
  const Graph graph = model.import();
  EXPECT_EQ(graph.value(graph.outputs[0]).shape, (Shape{1, 3, 4, 4, 3}));
  EXPECT_EQ(op_of<Conv>(graph).window.pads_begin, (Integers{1, 0, 0}));
}

TEST(ImportWindow, pool_without_kernel_is_refused) {
  OnnxModel model;
  model.input("x", {1, 1, 4, 4}).output("y");
  model.node("MaxPool", {"x"}, {"y"}).named("p");
  EXPECT_EQ(model.import_error(),
            "test: node 'p' (MaxPool): attribute 'kernel_shape': expected 2 entries, found none");
}

TEST(ImportWindow, global_pools_become_windows_of_the_whole_map) {
  OnnxModel model;
  model.input("x", {1, 2, 3, 5}).output("a").output("m");
  model.node("GlobalAveragePool", {"x"}, {"a"});
  model.node("GlobalMaxPool", {"x"}, {"m"});
  const Graph graph = model.import();
  EXPECT_EQ(op_of<AveragePool>(graph, 0).window.kernel, (Integers{3, 5}));
  EXPECT_EQ(op_of<MaxPool>(graph, 1).window.kernel, (Integers{3, 5}));
}

TEST(ImportWindow, max_pool_indices_are_int64) {
  OnnxModel model;
  model.input("x", {1, 1, 4, 4}).output("y").output("i");
  model.node("MaxPool", {"x"}, {"y", "i"}).with("kernel_shape", Integers{2, 2});
  const Graph graph = model.import();
  EXPECT_EQ(graph.value(graph.outputs[1]).type, ElementType::Int64);
  EXPECT_EQ(graph.value(graph.outputs[1]).shape, (Shape{1, 1, 3, 3}));
}

// Uncut: 2*(3-1) + 3 = 7 columns; 6 wanted: one is cut, at the beginning when auto_pad is not set.
TEST(ImportWindow, conv_transpose_cuts_to_the_output_shape) {
  OnnxModel model = conv_model({1, 1, 3, 3}, {1, 1, 3, 3});
  model.node("ConvTranspose", {"x", "w"}, {"y"})
      .with("strides", Integers{2, 2})
      .with("output_shape", Integers{6, 6});
  const Graph graph = model.import();
  EXPECT_EQ(op_of<ConvTranspose>(graph).window.pads_begin, (Integers{1, 1}));
  EXPECT_EQ(op_of<ConvTranspose>(graph).window.pads_end, (Integers{0, 0}));
  EXPECT_EQ(graph.value(graph.outputs[0]).shape, (Shape{1, 1, 6, 6}));
}

TEST(ImportWindow, conv_transpose_fills_up_to_a_larger_output_shape) {
  OnnxModel model = conv_model({1, 1, 3, 3}, {1, 1, 3, 3});
  model.node("ConvTranspose", {"x", "w"}, {"y"})
      .with("strides", Integers{2, 2})
      .with("output_shape", Integers{8, 7});
  const Graph graph = model.import();
  EXPECT_EQ(op_of<ConvTranspose>(graph).output_padding, (Integers{1, 0}));
  EXPECT_EQ(graph.value(graph.outputs[0]).shape, (Shape{1, 1, 8, 7}));
}

TEST(ImportWindow, conv_transpose_same_gives_input_times_stride) {
  OnnxModel model = conv_model({1, 1, 3, 3}, {1, 1, 3, 3});
  model.node("ConvTranspose", {"x", "w"}, {"y"})
      .with("strides", Integers{2, 2})
      .with("auto_pad", "SAME_UPPER");
  EXPECT_EQ(model.import().value(model.import().outputs[0]).shape, (Shape{1, 1, 6, 6}));
}

TEST(ImportWindow, channels_that_do_not_fit_are_named) {
  OnnxModel model = conv_model({1, 4, 5, 5}, {2, 3, 3, 3});
  model.node("Conv", {"x", "w"}, {"y"}).named("c");
  EXPECT_EQ(model.import_error(),
            "test: node 'c' (Conv): operand 1 (weights): expected 4 channels / 1 groups input "
            "channels, found 3");
}

}  // namespace
}  // namespace workbench::test
