#include <gtest/gtest.h>

#include "compiler/passes/passes.h"
#include "tests/support/graph_builder.h"
#include "tests/support/same_network.h"

namespace workbench {
namespace {

// The float values of operand `slot` of node `n`.
std::vector<float> constant_at(const Graph& graph, std::size_t n, std::size_t slot) {
  const auto values = graph.value(graph.nodes[n].inputs.at(slot)).constant->values<float>();
  return {values.begin(), values.end()};
}

TEST(FoldScaleAfter, batch_norm_becomes_weights_and_bias_of_the_conv_before) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 1, 2, 2});
  const ValueId w = b.constant("w", {1, 1, 1, 1}, {3});
  const ValueId y = b.add("conv", Conv{.window = square_window(1)}, {x, w});
  // variance + epsilon = 4, so the factor is 8 / 2 = 4 and the shift 1 - 0.5 * 4 = -1
  const ValueId bn = b.add("bn", BatchNorm{.epsilon = 1},
                           {y, b.constant("scale", {1}, {8}), b.constant("bias", {1}, {1}),
                            b.constant("mean", {1}, {0.5F}), b.constant("variance", {1}, {3})});
  b.output(bn);
  Graph graph = b.graph();

  EXPECT_TRUE(fold_scale_after(graph));

  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_EQ(graph.nodes[0].name, "conv");
  EXPECT_EQ(graph.nodes[0].merged, std::vector<std::string>{"bn"});
  EXPECT_EQ(graph.value(graph.nodes[0].outputs[0]).name, "bn");
  EXPECT_EQ(constant_at(graph, 0, 1), std::vector<float>{12});
  EXPECT_EQ(constant_at(graph, 0, 2), std::vector<float>{-1});
}

// Steps of 0.5: codes 6, -8 and 3, 7. By -2 the code -8 would become 8, which is none.
TEST(FoldScaleAfter, weights_keep_the_codes_that_they_came_with) {
  const auto codes_by = [](const std::vector<float>& factors) {
    GraphBuilder b;
    const ValueId x = b.input("x", {1, 2, 2, 2});
    const ValueId w = b.constant("w", {2, 2, 1, 1}, {3, -4, 1.5F, 3.5F});
    b.graph().value(w).quantization = {.bits = 4, .thresholds = {3.5}};
    const ValueId y = b.add("conv", Conv{.window = square_window(1)}, {x, w});
    b.output(b.binary("mul", Binary::Kind::Mul, y, b.constant("k", {2, 1, 1}, factors)));
    Graph graph = b.graph();
    EXPECT_TRUE(fold_scale_after(graph));
    return graph.value(graph.nodes.at(0).inputs[1]).quantization;
  };
  const auto kept = codes_by({4, -2});
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->bits, 4);
  EXPECT_EQ(kept->thresholds, (std::vector<double>{14, 7}));
  EXPECT_EQ(kept->axis, 0);
  EXPECT_FALSE(codes_by({-2, 4}));
  EXPECT_FALSE(codes_by({4, 0}));
}

TEST(FoldScaleAfter, every_kind_of_constant_scale_folds_in_either_order) {
  GraphBuilder b;
  ValueId y = b.conv("conv", b.input("x", {2, 3, 4, 4}), 4, square_window(3));
  y = b.binary("mul", Binary::Kind::Mul, b.random_constant("k1", {4, 1, 1}), y);
  y = b.binary("add", Binary::Kind::Add, y, b.random_constant("k2", {1, 4, 1, 1}));
  y = b.binary("sub", Binary::Kind::Sub, b.random_constant("k3", {}), y);
  y = b.binary("sub2", Binary::Kind::Sub, y, b.random_constant("k4", {1}));
  y = b.binary("div", Binary::Kind::Div, y, b.random_constant("k5", {4, 1, 1}, 1, 2));
  b.output(y);
  Graph graph = b.graph();

  EXPECT_TRUE(fold_scale_after(graph));

  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_EQ(graph.nodes[0].merged, (std::vector<std::string>{"mul", "add", "sub", "sub2", "div"}));
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
}

TEST(FoldScaleAfter, a_hard_sigmoid_becomes_weights_bias_and_a_clip) {
  const Activate hard{{.kind = Activation::Kind::HardSigmoid, .alpha = 0.5F, .beta = 0.25F}};
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 1, 2, 2});
  const ValueId w = b.constant("w", {1, 1, 1, 1}, {3});
  const ValueId y = b.add("conv", Conv{.window = square_window(1)}, {x, w});
  b.output(b.add("gate", hard, {y}));
  Graph graph = b.graph();

  EXPECT_TRUE(fold_scale_after(graph));

  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_EQ(graph.nodes[0].merged, std::vector<std::string>{"gate"});
  EXPECT_EQ(constant_at(graph, 0, 1), std::vector<float>{1.5F});
  EXPECT_EQ(constant_at(graph, 0, 2), std::vector<float>{0.25F});
  EXPECT_EQ(activation_of(graph.nodes[0].op),
            (Activation{.kind = Activation::Kind::Clip, .alpha = 0, .beta = 1}));
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));

  Graph shared = b.graph();  // what else reads the convolution wants it as it is
  shared.outputs.push_back(y);
  EXPECT_FALSE(fold_scale_after(shared));
  GraphBuilder fused;
  const ValueId z = fused.conv("conv", fused.input("x", {1, 2, 4, 4}), 3, square_window(3));
  std::get<Conv>(fused.graph().nodes[0].op).activation = {.kind = Activation::Kind::Relu};
  fused.output(fused.add("gate", hard, {z}));
  EXPECT_FALSE(fold_scale_after(fused.graph()));
}

TEST(FoldScaleAfter, grouped_transposed_convolutions_scale_their_own_columns) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 3, 3});
  const ConvTranspose op{.window = square_window(2, 2), .groups = 2, .output_padding = {0, 0}};
  const ValueId y = b.add("deconv", op, {x, b.random_constant("w", {4, 3, 2, 2})});
  b.output(b.batch_norm("bn", y));
  Graph graph = b.graph();
  EXPECT_TRUE(fold_scale_after(graph));
  EXPECT_EQ(graph.nodes.size(), 1U);
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
}

TEST(FoldScaleAfter, gemm_takes_scales_with_its_alpha_beta_and_transposition) {
  for (const bool transposed : {false, true}) {
    GraphBuilder b;
    const ValueId x = b.input("x", {2, 3});
    const ValueId w = b.random_constant("w", transposed ? Shape{4, 3} : Shape{3, 4});
    const ValueId y = b.add("fc", Gemm{.transpose_b = transposed, .alpha = 0.5F, .beta = 3},
                            {x, w, b.random_constant("c", {1, 4})});
    b.output(b.batch_norm("bn", y));
    Graph graph = b.graph();
    EXPECT_TRUE(fold_scale_after(graph));
    EXPECT_EQ(graph.nodes.size(), 1U);
    EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
  }
}

TEST(FoldScaleAfter, shared_weights_are_copied_not_changed) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 2, 4, 4});
  const ValueId w = b.random_constant("w", {2, 2, 3, 3});
  const Conv op{.window = square_window(3)};
  b.output(b.batch_norm("bn", b.add("conv1", op, {x, w})));
  b.output(b.add("conv2", op, {x, w}));
  Graph graph = b.graph();
  EXPECT_TRUE(fold_scale_after(graph));
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
}

TEST(FoldScaleAfter, leaves_a_conv_whose_result_is_read_elsewhere_activated_or_an_output) {
  GraphBuilder shared;
  const ValueId y = shared.conv("conv", shared.input("x", {1, 2, 4, 4}), 2, square_window(1));
  shared.output(shared.binary("sum", Binary::Kind::Add, y, shared.batch_norm("bn", y)));
  EXPECT_FALSE(fold_scale_after(shared.graph()));

  GraphBuilder activated;
  const ValueId z = activated.conv("conv", activated.input("x", {1, 2, 4, 4}), 2, square_window(1));
  activated.output(activated.batch_norm("bn", z));
  std::get<Conv>(activated.graph().nodes[0].op).activation.kind = Activation::Kind::Relu;
  EXPECT_FALSE(fold_scale_after(activated.graph()));

  GraphBuilder output;
  const ValueId v = output.conv("conv", output.input("x", {1, 2, 4, 4}), 2, square_window(1));
  output.output(v);
  output.output(output.batch_norm("bn", v));
  EXPECT_FALSE(fold_scale_after(output.graph()));
}

TEST(FoldScaleAfter, leaves_constants_that_vary_over_space_or_enlarge_the_result) {
  GraphBuilder b;
  const ValueId y = b.conv("conv", b.input("x", {1, 2, 4, 4}), 2, square_window(1));
  b.output(b.binary("add", Binary::Kind::Add, y, b.random_constant("k", {4, 1})));
  EXPECT_FALSE(fold_scale_after(b.graph()));

  GraphBuilder wide;
  const ValueId z = wide.conv("conv", wide.input("x", {1, 1, 4, 4}), 1, square_window(1));
  wide.output(wide.binary("add", Binary::Kind::Add, z, wide.random_constant("k", {3, 1, 1})));
  EXPECT_FALSE(fold_scale_after(wide.graph()));
}

TEST(FoldScaleBefore, shift_folds_into_an_unpadded_conv_only) {
  for (const std::int64_t pad : {0, 1}) {
    GraphBuilder b;
    const ValueId x = b.input("x", {1, 4, 5, 5});
    b.output(b.conv("conv", b.batch_norm("bn", x), 6, square_window(3, 1, pad), 2, false));
    Graph graph = b.graph();
    EXPECT_EQ(fold_scale_before(graph), pad == 0);
    if (pad == 1) continue;
    ASSERT_EQ(graph.nodes.size(), 1U);
    EXPECT_EQ(graph.nodes[0].name, "conv");
    EXPECT_EQ(graph.nodes[0].merged, std::vector<std::string>{"bn"});
    EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
  }
}

TEST(FoldScaleBefore, pure_scale_folds_into_a_padded_conv) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 5, 5});
  const ValueId k = b.random_constant("k", {4, 1, 1}, 1, 2);
  const ValueId scaled = b.binary("div", Binary::Kind::Div, x, k);
  b.output(b.conv("conv", scaled, 6, square_window(3, 2, 1), 2));
  Graph graph = b.graph();
  EXPECT_TRUE(fold_scale_before(graph));
  EXPECT_EQ(graph.nodes.size(), 1U);
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
}

TEST(FoldScaleBefore, leaves_a_scale_that_others_read) {
  GraphBuilder b;
  const ValueId scaled = b.batch_norm("bn", b.input("x", {1, 4, 5, 5}));
  b.output(b.conv("conv1", scaled, 2, square_window(1)));
  b.output(b.conv("conv2", scaled, 2, square_window(1)));
  EXPECT_FALSE(fold_scale_before(b.graph()));
}

TEST(ScaleToConv, a_scale_that_is_left_becomes_a_depthwise_conv) {
  GraphBuilder b;
  b.output(b.relu("relu", b.batch_norm("bn", b.input("x", {2, 3, 4, 4}))));
  Graph graph = b.graph();
  EXPECT_TRUE(scale_to_conv(graph));
  const auto* conv = std::get_if<Conv>(&graph.nodes[0].op);
  ASSERT_NE(conv, nullptr);
  EXPECT_EQ(conv->groups, 3);
  EXPECT_EQ(graph.value(graph.nodes[0].inputs[1]).shape, (Shape{3, 1, 1, 1}));
  EXPECT_EQ(graph.nodes[0].name, "bn");
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
}

TEST(ScaleToConv, leaves_what_is_not_a_map_of_constants) {
  GraphBuilder flat;
  flat.output(flat.batch_norm("bn", flat.input("x", {2, 3})));
  EXPECT_FALSE(scale_to_conv(flat.graph()));

  GraphBuilder sum;
  const ValueId x = sum.input("x", {1, 2, 3, 3});
  sum.output(sum.binary("add", Binary::Kind::Add, x, sum.relu("relu", x)));
  EXPECT_FALSE(scale_to_conv(sum.graph()));

  GraphBuilder reciprocal;
  const ValueId k = reciprocal.random_constant("k", {}, 1, 2);
  const ValueId y = reciprocal.input("x", {1, 2, 3, 3});
  reciprocal.output(reciprocal.binary("div", Binary::Kind::Div, k, y));
  EXPECT_FALSE(scale_to_conv(reciprocal.graph()));
}

TEST(ScaleToConv, leaves_a_batch_norm_without_finite_factors) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 1, 2, 2});
  const ValueId one = b.constant("one", {1}, {1});
  const ValueId negative = b.constant("variance", {1}, {-1});
  b.output(b.add("bn", BatchNorm{.epsilon = 0}, {x, one, one, one, negative}));
  EXPECT_FALSE(scale_to_conv(b.graph()));
}

}  // namespace
}  // namespace workbench
