// What changed between opsets 7 and 17, operator by operator.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/onnx_model.h"

namespace workbench::test {
namespace {

using Integers = std::vector<std::int64_t>;

// One node reading x; `model` may hold more operands.
OnnxModel model_of(std::int64_t opset, const Shape& x) {
  OnnxModel model(opset);
  model.input("x", x).output("y");
  return model;
}

Shape output_shape(const OnnxModel& model) {
  const Graph graph = model.import();
  return graph.value(graph.outputs[0]).shape;
}

TEST(ImportVersion, opsets_outside_7_to_17_are_refused) {
  for (const std::int64_t opset : {6, 18}) {
    OnnxModel model = model_of(opset, {1});
    model.node("Relu", {"x"}, {"y"});
    EXPECT_EQ(model.import_error(),
              fmt::format("test: opset_import: expected opset 7 to 17, found {}", opset));
  }
  for (const std::int64_t opset : {7, 17}) {
    OnnxModel model = model_of(opset, {1});
    model.node("Relu", {"x"}, {"y"});
    EXPECT_EQ(model.import_error(), "");
  }
}

TEST(ImportVersion, clip_bounds_are_attributes_before_11) {
  OnnxModel model = model_of(10, {1});
  model.node("Clip", {"x"}, {"y"}).with("min", 0.0F).with("max", 6.0F);
  const Activation activation = op_of<Activate>(model.import()).activation;
  EXPECT_EQ(activation.kind, Activation::Kind::Clip);
  EXPECT_EQ(activation.alpha, 0.0F);
  EXPECT_EQ(activation.beta, 6.0F);
}

TEST(ImportVersion, clip_bounds_are_operands_from_11) {
  OnnxModel model = model_of(11, {1});
  model.floats("high", {}, {6.0F});
  model.node("Clip", {"x", "", "high"}, {"y"});
  const Activation activation = op_of<Activate>(model.import()).activation;
  EXPECT_EQ(activation.alpha, std::numeric_limits<float>::lowest());
  EXPECT_EQ(activation.beta, 6.0F);
}

TEST(ImportVersion, clip_attributes_after_11_are_refused) {
  OnnxModel model = model_of(11, {1});
  model.node("Clip", {"x"}, {"y"}).named("c").with("max", 6.0F);
  EXPECT_EQ(model.import_error(), "test: node 'c' (Clip): attribute 'max' = 6 is not supported");
}

TEST(ImportVersion, clip_from_zero_up_is_relu) {
  OnnxModel model = model_of(13, {1});
  model.floats("low", {}, {0.0F});
  model.node("Clip", {"x", "low"}, {"y"});
  EXPECT_EQ(op_of<Activate>(model.import()).activation.kind, Activation::Kind::Relu);
}

// Softmax-11 over axis 1 of [1, 2, 2] is over all four elements: equal inputs give 1/4 each.
// Softmax-13 over axis 1 is over two: 1/2 each.
TEST(ImportVersion, softmax_before_13_covers_all_dimensions_from_its_axis_on) {
  OnnxModel old_model = model_of(11, {1, 2, 2});
  old_model.node("Softmax", {"x"}, {"y"});
  const Tensor flat = evaluate_one(old_model.import(), {3, 3, 3, 3});
  EXPECT_EQ(flat.shape(), (Shape{1, 2, 2}));
  EXPECT_EQ(floats_of(flat), (std::vector<float>{0.25F, 0.25F, 0.25F, 0.25F}));

  OnnxModel new_model = model_of(13, {1, 2, 2});
  new_model.node("Softmax", {"x"}, {"y"}).with("axis", 1);
  EXPECT_EQ(floats_of(evaluate_one(new_model.import(), {3, 3, 3, 3})),
            (std::vector<float>{0.5F, 0.5F, 0.5F, 0.5F}));
}

TEST(ImportVersion, softmax_over_a_1x1_map_stays_one_node) {
  OnnxModel model = model_of(11, {1, 10, 1, 1});
  model.node("Softmax", {"x"}, {"y"});
  const Graph graph = model.import();
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_EQ(op_of<Softmax>(graph).axis, 1);
}

TEST(ImportVersion, squeeze_and_unsqueeze_take_axes_either_way) {
  for (const std::int64_t opset : {11, 13}) {
    for (const bool squeeze : {true, false}) {
      OnnxModel model = model_of(opset, squeeze ? Shape{1, 3, 1} : Shape{3});
      const Integers axes{0, -1};
      const std::string op = squeeze ? "Squeeze" : "Unsqueeze";
      if (opset >= 13) {
        model.integers("axes", axes);
        model.node(op, {"x", "axes"}, {"y"});
      } else {
        model.node(op, {"x"}, {"y"}).with("axes", axes);
      }
      EXPECT_EQ(output_shape(model), squeeze ? (Shape{3}) : (Shape{1, 3, 1})) << op << opset;
    }
  }
}

TEST(ImportVersion, squeeze_without_axes_drops_every_1) {
  OnnxModel model = model_of(13, {1, 3, 1, 2});
  model.node("Squeeze", {"x"}, {"y"});
  EXPECT_EQ(output_shape(model), (Shape{3, 2}));
}

TEST(ImportVersion, split_sizes_are_an_operand_from_13) {
  for (const std::int64_t opset : {11, 13}) {
    OnnxModel model = model_of(opset, {5});
    model.output("z");
    if (opset >= 13) {
      model.integers("split", {2, 3});
      model.node("Split", {"x", "split"}, {"y", "z"});
    } else {
      model.node("Split", {"x"}, {"y", "z"}).with("split", Integers{2, 3});
    }
    const Graph graph = model.import();
    ASSERT_EQ(graph.nodes.size(), 2U);
    EXPECT_EQ(op_of<Slice>(graph, 1).starts, (Integers{2}));
    EXPECT_EQ(op_of<Slice>(graph, 1).ends, (Integers{5}));
  }
}

TEST(ImportVersion, slice_bounds_are_operands_from_10) {
  OnnxModel old_model = model_of(9, {4, 6});
  old_model.node("Slice", {"x"}, {"y"})
      .with("starts", Integers{1, -3})
      .with("ends", Integers{std::numeric_limits<std::int64_t>::max(), -1});
  EXPECT_EQ(output_shape(old_model), (Shape{3, 2}));

  OnnxModel new_model = model_of(13, {4, 6});
  new_model.integers("starts", {-1});
  new_model.integers("ends", {std::numeric_limits<std::int64_t>::min()});
  new_model.integers("axes", {1});
  new_model.integers("steps", {-2});
  new_model.node("Slice", {"x", "starts", "ends", "axes", "steps"}, {"y"});
  EXPECT_EQ(output_shape(new_model), (Shape{4, 3}));  // columns 5, 3, 1
  EXPECT_EQ(op_of<Slice>(new_model.import()).ends, (Integers{-1}));
}

TEST(ImportVersion, pads_are_an_operand_from_11) {
  OnnxModel old_model = model_of(7, {1, 2});
  old_model.node("Pad", {"x"}, {"y"}).with("pads", Integers{0, 1, 0, 2}).with("value", 7.0F);
  EXPECT_EQ(floats_of(evaluate_one(old_model.import(), {1, 2})),
            (std::vector<float>{7, 1, 2, 7, 7}));

  OnnxModel new_model = model_of(11, {1, 2});
  new_model.integers("pads", {0, 1, 0, 2});
  new_model.floats("value", {}, {7.0F});
  new_model.node("Pad", {"x", "pads", "value"}, {"y"});
  EXPECT_EQ(floats_of(evaluate_one(new_model.import(), {1, 2})),
            (std::vector<float>{7, 1, 2, 7, 7}));
}

TEST(ImportVersion, reduce_sum_axes_are_an_operand_from_13_and_others_keep_the_attribute) {
  OnnxModel sum = model_of(13, {2, 3});
  sum.integers("axes", {-1});
  sum.node("ReduceSum", {"x", "axes"}, {"y"}).with("keepdims", 0);
  EXPECT_EQ(floats_of(evaluate_one(sum.import(), {1, 2, 3, 4, 5, 6})), (std::vector<float>{6, 15}));

  OnnxModel mean = model_of(13, {2, 3});
  mean.node("ReduceMean", {"x"}, {"y"}).with("axes", Integers{1}).with("keepdims", 0);
  EXPECT_EQ(floats_of(evaluate_one(mean.import(), {1, 2, 3, 4, 5, 6})), (std::vector<float>{2, 5}));
}

TEST(ImportVersion, no_axes_reduce_everything_unless_noop_is_asked) {
  OnnxModel all = model_of(13, {2, 3});
  all.node("ReduceSum", {"x"}, {"y"});
  EXPECT_EQ(output_shape(all), (Shape{1, 1}));
  OnnxModel none = model_of(13, {2, 3});
  none.node("ReduceSum", {"x"}, {"y"}).with("noop_with_empty_axes", 1);
  EXPECT_EQ(output_shape(none), (Shape{2, 3}));
}

TEST(ImportVersion, upsample_and_resize_10_repeat_by_asymmetric_floor) {
  const std::vector<float> scales{1, 1, 1, 2};
  OnnxModel seven = model_of(7, {1, 1, 1, 2});
  seven.node("Upsample", {"x"}, {"y"}).with("scales", scales);
  OnnxModel nine = model_of(9, {1, 1, 1, 2});
  nine.floats("scales", {4}, scales);
  nine.node("Upsample", {"x", "scales"}, {"y"});
  OnnxModel ten = model_of(10, {1, 1, 1, 2});
  ten.floats("scales", {4}, scales);
  ten.node("Resize", {"x", "scales"}, {"y"});
  for (const OnnxModel* model : {&seven, &nine, &ten}) {
    EXPECT_EQ(floats_of(evaluate_one(model->import(), {1, 2})), (std::vector<float>{1, 1, 2, 2}));
  }
}

TEST(ImportVersion, resize_13_defaults_to_half_pixel_round_prefer_floor) {
  OnnxModel model = model_of(13, {1, 1, 2, 2});
  model.integers("sizes", {1, 1, 4, 6});
  model.node("Resize", {"x", "", "", "sizes"}, {"y"});
  const Resize resize = op_of<Resize>(model.import());
  EXPECT_EQ(resize.coordinates, Resize::Coordinates::HalfPixel);
  EXPECT_EQ(resize.nearest, Resize::Nearest::RoundPreferFloor);
  EXPECT_EQ(resize.scales, (std::vector<float>{1, 1, 2, 3}));
}

TEST(ImportVersion, an_unknown_mode_of_resize_is_refused_by_name) {
  OnnxModel model = model_of(13, {1, 1, 2, 2});
  model.integers("sizes", {1, 1, 4, 6});
  model.node("Resize", {"x", "", "", "sizes"}, {"y"}).named("r").with("mode", "lanczos");
  EXPECT_EQ(model.import_error(),
            "test: node 'r' (Resize): attribute 'mode': expected nearest, linear or cubic, found "
            "'lanczos'");
}

TEST(ImportVersion, dropout_becomes_identity_and_its_mask_is_true) {
  OnnxModel model = model_of(13, {2});
  model.output("mask");
  model.node("Dropout", {"x"}, {"y", "mask"});
  const Graph graph = model.import();
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<Identity>(graph.nodes[0].op));
  const bool kept[] = {true, true};
  EXPECT_EQ(*graph.value(graph.outputs[1]).constant, Tensor::from<bool>({2}, std::span(kept)));
}

TEST(ImportVersion, batch_normalization_refuses_per_activation_statistics_and_training) {
  for (const auto& [opset, attribute, value] :
       {std::tuple{7, "spatial", 0}, std::tuple{14, "training_mode", 1}}) {
    OnnxModel model = model_of(opset, {1, 2, 1, 1});
    for (const char* name : {"s", "b", "m", "v"}) model.floats(name, {2}, {1, 1});
    model.node("BatchNormalization", {"x", "s", "b", "m", "v"}, {"y"})
        .named("bn")
        .with(attribute, value);
    EXPECT_EQ(model.import_error(),
              fmt::format("test: node 'bn' (BatchNormalization): attribute '{}': only {} is "
                          "supported, found {}",
                          attribute, 1 - value, value));
  }
}

TEST(ImportVersion, sum_becomes_a_chain_of_additions_that_ends_in_its_output) {
  OnnxModel model = model_of(8, {2});
  model.node("Sum", {"x", "x", "x"}, {"y"}).named("s");
  const Graph graph = model.import();
  ASSERT_EQ(graph.nodes.size(), 2U);
  EXPECT_EQ(graph.nodes[0].name, "s");
  EXPECT_EQ(floats_of(evaluate_one(graph, {1, 2})), (std::vector<float>{3, 6}));
}

TEST(ImportVersion, unnamed_nodes_are_named_after_operator_and_output) {
  OnnxModel model = model_of(13, {2});
  model.node("Relu", {"x"}, {"h"});
  model.node("Relu", {"h"}, {"y"}).named("Relu_h");
  const Graph graph = model.import();
  EXPECT_EQ(graph.nodes[0].name, "Relu_h_2");  // the name in the file comes first
  EXPECT_EQ(graph.nodes[1].name, "Relu_h");
}

}  // namespace
}  // namespace workbench::test
