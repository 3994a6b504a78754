// What changed between opsets 1 and 24, operator by operator.
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

TEST(ImportVersion, no_opset_is_refused_by_its_number) {
  for (const std::int64_t opset : {1, 6, 7, 17, 18, 24, 30}) {
    OnnxModel model = model_of(opset, {1});
    model.node("Relu", {"x"}, {"y"});
    EXPECT_EQ(model.import_error(), "") << opset;
  }
  EXPECT_EQ(model_of(0, {1}).import_error(),
            "test: opset_import: expected a version of ONNX's operators, found 0");
}

TEST(ImportVersion, an_opset_that_is_newer_than_what_is_known_is_said) {
  OnnxModel model = model_of(30, {1});
  model.node("Relu", {"x"}, {"y"});
  EXPECT_EQ(model.notes(),
            (std::vector<std::string>{"opset 30: operators are known as of 24, what came later is "
                                      "refused where it is an operator or an attribute"}));
  model.proto().mutable_opset_import(0)->set_version(24);
  EXPECT_TRUE(model.notes().empty());
}

TEST(ImportVersion, models_before_ir_3_are_of_opset_1) {
  OnnxModel model = model_of(1, {1, 2});
  model.proto().clear_opset_import();
  model.proto().set_ir_version(2);
  model.node("Reshape", {"x"}, {"y"})
      .with("shape", Integers{2, 1})
      .with("consumed_inputs", Integers{0});
  EXPECT_EQ(output_shape(model), (Shape{2, 1}));
  model.proto().set_ir_version(3);
  EXPECT_EQ(model.import_error(),
            "test: opset_import: expected a version of ONNX's operators, found 0");
}

TEST(ImportVersion, attributes_without_a_type_have_that_of_their_value) {
  OnnxModel model = model_of(1, {1, 2});
  NodeBuilder node = model.node("Reshape", {"x"}, {"y"}).with("shape", Integers{2, 1});
  node.proto().mutable_attribute(0)->clear_type();
  EXPECT_EQ(output_shape(model), (Shape{2, 1}));
}

TEST(ImportVersion, domain_ai_onnx_is_the_standards) {
  OnnxModel model = model_of(13, {1});
  model.proto().mutable_opset_import(0)->set_domain("ai.onnx");
  model.node("Relu", {"x"}, {"y"}).proto().set_domain("ai.onnx");
  EXPECT_EQ(model.import_error(), "");
}

// x of [1, 2, 2] = 0 1 | 2 3, b = 10 20. Along axis 1 b[c] goes to row c; without an axis, and
// since opset 7, to column c.
TEST(ImportVersion, operand_b_stands_at_an_axis_before_opset_7) {
  for (const bool at_axis : {true, false}) {
    OnnxModel model = model_of(6, {1, 2, 2});
    model.floats("b", {2}, {10, 20});
    NodeBuilder node = model.node("Add", {"x", "b"}, {"y"}).with("broadcast", 1);
    if (at_axis) node.with("axis", 1);
    EXPECT_EQ(
        floats_of(evaluate_one(model.import(), {0, 1, 2, 3})),
        at_axis ? (std::vector<float>{10, 11, 22, 23}) : (std::vector<float>{10, 21, 12, 23}));
  }
  OnnxModel model = model_of(7, {1, 2, 2});
  model.floats("b", {2}, {10, 20});
  model.node("Add", {"x", "b"}, {"y"}).named("a").with("broadcast", 1);
  EXPECT_EQ(model.import_error(),
            "test: node 'a' (Add): attribute 'broadcast' = 1 is not supported");
}

// -1 -2 | -3 -4 with slopes 10 and 100 per channel.
TEST(ImportVersion, prelu_slopes_are_per_channel_before_opset_7) {
  OnnxModel model = model_of(6, {1, 2, 2});
  model.floats("s", {2}, {10, 100});
  model.node("PRelu", {"x", "s"}, {"y"});
  EXPECT_EQ(floats_of(evaluate_one(model.import(), {-1, -2, -3, -4})),
            (std::vector<float>{-10, -20, -300, -400}));
}

TEST(ImportVersion, first_versions_of_normalization_dropout_and_gemm) {
  OnnxModel model = model_of(6, {1, 2});
  for (const char* name : {"s", "b", "m", "v"}) model.floats(name, {2}, {1, 1});
  model.floats("w", {2, 2}, {1, 0, 0, 1});
  model.node("BatchNormalization", {"x", "s", "b", "m", "v"}, {"h"})
      .with("is_test", 1)
      .with("epsilon", 0.0F);
  model.node("Dropout", {"h"}, {"d"}).with("is_test", 1);
  model.node("Gemm", {"d", "w", "b"}, {"y"}).with("broadcast", 1);
  // (x - 1) / sqrt(1) * 1 + 1 = x, + 1.
  EXPECT_EQ(floats_of(evaluate_one(model.import(), {3, 5})), (std::vector<float>{4, 6}));
}

TEST(ImportVersion, cast_targets_are_names_before_opset_6) {
  OnnxModel model = model_of(5, {2});
  model.node("Cast", {"x"}, {"y"}).with("to", "INT32");
  EXPECT_EQ(model.import().value(model.import().outputs[0]).type, ElementType::Int32);
}

// 5 in 2 parts: ceil(5 / 2) = 3 and the rest.
TEST(ImportVersion, split_counts_outputs_from_18) {
  OnnxModel model = model_of(18, {5});
  model.output("z");
  model.node("Split", {"x"}, {"y", "z"}).with("num_outputs", 2);
  const Graph graph = model.import();
  EXPECT_EQ(op_of<Slice>(graph, 0).ends, (Integers{3}));
  EXPECT_EQ(op_of<Slice>(graph, 1).starts, (Integers{3}));
  OnnxModel old_model = model_of(17, {5});
  old_model.output("z");
  old_model.node("Split", {"x"}, {"y", "z"}).named("s");
  EXPECT_EQ(old_model.import_error(),
            "test: node 's' (Split): expected an axis of 5 divisible by 2 outputs");
}

TEST(ImportVersion, pads_belong_to_axes_from_18) {
  OnnxModel model = model_of(18, {1, 2, 2});
  model.integers("pads", {1, 2});
  model.integers("axes", {-2});
  model.node("Pad", {"x", "pads", "", "axes"}, {"y"});
  const Pad pad = op_of<Pad>(model.import());
  EXPECT_EQ(pad.begin, (Integers{0, 1, 0}));
  EXPECT_EQ(pad.end, (Integers{0, 2, 0}));
}

TEST(ImportVersion, resize_sizes_belong_to_axes_from_18) {
  OnnxModel model = model_of(18, {1, 1, 2, 2});
  model.integers("sizes", {6, 4});
  model.node("Resize", {"x", "", "", "sizes"}, {"y"}).with("axes", Integers{3, 2});
  const Resize resize = op_of<Resize>(model.import());
  EXPECT_EQ(resize.sizes, (Integers{1, 1, 4, 6}));
  EXPECT_EQ(resize.scales, (std::vector<float>{1, 1, 2, 3}));
}

// [4, 2] asked to become [12, 4]: scales 3 and 2. One scale for both: 2 gives [8, 4], 3 gives
// [12, 6].
TEST(ImportVersion, resize_keeps_proportions_from_18) {
  for (const auto& [policy, sizes] : {std::pair("not_larger", Integers{1, 1, 8, 4}),
                                      std::pair("not_smaller", Integers{1, 1, 12, 6})}) {
    OnnxModel model = model_of(18, {1, 1, 4, 2});
    model.integers("sizes", {12, 4});
    model.node("Resize", {"x", "", "", "sizes"}, {"y"})
        .with("axes", Integers{2, 3})
        .with("keep_aspect_ratio_policy", policy);
    EXPECT_EQ(op_of<Resize>(model.import()).sizes, sizes) << policy;
  }
}

TEST(ImportVersion, antialias_matters_only_where_a_map_shrinks) {
  OnnxModel model = model_of(18, {1, 1, 2, 2});
  model.integers("sizes", {1, 1, 4, 4});
  model.node("Resize", {"x", "", "", "sizes"}, {"y"}).with("antialias", 1);
  EXPECT_EQ(model.import_error(), "");
}

// Positions 0 and 2 of 1 2 3 4 5, then 2 and 4: stride 2, dilation 2.
TEST(ImportVersion, average_pool_has_dilations_from_19) {
  OnnxModel model = model_of(19, {1, 1, 5});
  model.node("AveragePool", {"x"}, {"y"})
      .with("kernel_shape", Integers{2})
      .with("strides", Integers{2})
      .with("dilations", Integers{2});
  EXPECT_EQ(floats_of(evaluate_one(model.import(), {1, 2, 3, 4, 5})), (std::vector<float>{2, 4}));
}

TEST(ImportVersion, a_cast_may_say_how_float8_saturates) {
  OnnxModel model = model_of(19, {2});
  model.node("Cast", {"x"}, {"y"}).with("to", 1).with("saturate", 0);
  EXPECT_EQ(model.import_error(), "");
}

TEST(ImportVersion, quantize_names_its_codes_without_a_zero_point_from_21) {
  OnnxModel model = model_of(21, {2});
  model.floats("s", {}, {0.5F});
  model.node("QuantizeLinear", {"x", "s"}, {"q"}).with("output_dtype", 5).with("saturate", 1);
  model.node("DequantizeLinear", {"q", "s"}, {"y"});
  const Graph graph = model.import();
  EXPECT_EQ(graph.value(graph.nodes[0].outputs[0]).type, ElementType::Int16);
  EXPECT_EQ(floats_of(evaluate_one(graph, {1.3F, -200})), (std::vector<float>{1.5F, -200}));
}

// Codes of 4 bits end at 7: 10 / 1 becomes 7.
TEST(ImportVersion, codes_of_4_bits_saturate_at_their_own_ends) {
  OnnxModel model = model_of(21, {3});
  model.floats("s", {}, {1});
  model.codes("z", {}, 22, {0});
  model.node("QuantizeLinear", {"x", "s", "z"}, {"q"});
  model.node("DequantizeLinear", {"q", "s", "z"}, {"y"});
  EXPECT_EQ(floats_of(evaluate_one(model.import(), {10, -10, 3})), (std::vector<float>{7, -8, 3}));
}

// Blocks of 2 along axis 0 of [4, 1]: (1 - 1) * 2, (2 - 1) * 2, 3 * 10, 4 * 10.
TEST(ImportVersion, constants_with_a_scale_per_block_are_numbers_from_21) {
  OnnxModel model = model_of(21, {4, 1});
  model.codes("w", {4, 1}, onnx::TensorProto::INT8, {1, 2, 3, 4});
  model.floats("s", {2, 1}, {2, 10});
  model.codes("z", {2, 1}, onnx::TensorProto::INT8, {1, 0});
  model.node("DequantizeLinear", {"w", "s", "z"}, {"d"}).with("axis", 0).with("block_size", 2);
  model.node("Add", {"x", "d"}, {"y"});
  EXPECT_EQ(floats_of(evaluate_one(model.import(), {0, 0, 0, 0})),
            (std::vector<float>{0, 2, 30, 40}));
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

TEST(ImportVersion, a_reduction_along_no_axis_still_works_on_each_element) {
  const std::vector<std::pair<const char*, std::vector<float>>> cases = {
      {"ReduceSum", {-2, 4}}, {"ReduceMax", {-2, 4}}, {"ReduceLogSumExp", {-2, 4}},
      {"ReduceL1", {2, 4}},   {"ReduceL2", {2, 4}},   {"ReduceSumSquare", {4, 16}},
  };
  for (const auto& [op, expected] : cases) {
    OnnxModel model = model_of(18, {1, 2});
    model.node(op, {"x"}, {"y"}).with("noop_with_empty_axes", 1);
    EXPECT_EQ(floats_of(evaluate_one(model.import(), {-2, 4})), expected) << op;
  }
  OnnxModel logarithm = model_of(18, {1, 1});
  logarithm.node("ReduceLogSum", {"x"}, {"y"}).with("noop_with_empty_axes", 1);
  EXPECT_FLOAT_EQ(floats_of(evaluate_one(logarithm.import(), {5}))[0], 1.6094379F);
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
