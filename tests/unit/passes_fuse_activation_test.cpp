#include <gtest/gtest.h>

#include <limits>

#include "compiler/passes/passes.h"
#include "tests/support/graph_builder.h"
#include "tests/support/same_network.h"

namespace workbench {
namespace {

TEST(FuseActivation, conv_takes_every_piecewise_linear_activation) {
  const Activation kinds[] = {{Activation::Kind::Relu},
                              {Activation::Kind::Clip, 0, 6},
                              {Activation::Kind::LeakyRelu, 0.125F}};
  for (const Activation& activation : kinds) {
    GraphBuilder b;
    const ValueId y = b.conv("conv", b.input("x", {1, 2, 4, 4}), 3, square_window(3));
    b.output(b.add("act", Activate{activation}, {y}));
    Graph graph = b.graph();
    EXPECT_TRUE(fuse_activation(graph));
    ASSERT_EQ(graph.nodes.size(), 1U);
    EXPECT_EQ(std::get<Conv>(graph.nodes[0].op).activation, activation);
    EXPECT_EQ(graph.value(graph.outputs[0]).name, "act");
    EXPECT_EQ(graph.nodes[0].merged, std::vector<std::string>{"act"});
    EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
  }
}

TEST(FuseActivation, prelu_slopes_per_channel_or_scalar_fuse) {
  for (const Shape& slope : {Shape{3, 1, 1}, Shape{1, 3, 1, 1}, Shape{1}}) {
    GraphBuilder b;
    const ValueId y = b.conv("conv", b.input("x", {1, 2, 4, 4}), 3, square_window(3));
    b.output(b.add("act", PRelu{}, {y, b.random_constant("slope", slope)}));
    Graph graph = b.graph();
    EXPECT_TRUE(fuse_activation(graph));
    EXPECT_EQ(std::get<Conv>(graph.nodes[0].op).activation.slopes.size(), 3U);
    EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
  }
}

TEST(FuseActivation, prelu_slopes_that_vary_over_space_stay) {
  GraphBuilder b;
  const ValueId y = b.conv("conv", b.input("x", {1, 2, 4, 4}), 3, square_window(1));
  b.output(b.add("act", PRelu{}, {y, b.random_constant("slope", {3, 4, 4})}));
  EXPECT_FALSE(fuse_activation(b.graph()));
}

TEST(FuseActivation, clip_without_upper_bound_fuses_as_relu) {
  GraphBuilder b;
  const ValueId y = b.conv("conv", b.input("x", {1, 2, 4, 4}), 3, square_window(3));
  const Activation clip{Activation::Kind::Clip, 0, std::numeric_limits<float>::max()};
  b.output(b.add("clip", Activate{clip}, {y}));
  EXPECT_TRUE(fuse_activation(b.graph()));
  EXPECT_EQ(std::get<Conv>(b.graph().nodes[0].op).activation.kind, Activation::Kind::Relu);
}

// Min(Relu(x), 6), as some exporters write a ReLU6. A Clip that cuts more than that stays.
TEST(FuseActivation, an_upper_bound_joins_a_relu) {
  for (const float low : {std::numeric_limits<float>::lowest(), 0.0F, 1.0F}) {
    GraphBuilder b;
    const ValueId y = b.conv("conv", b.input("x", {1, 2, 4, 4}), 3, square_window(3));
    const ValueId cut = b.relu("relu", y);
    b.output(b.add("min", Activate{{Activation::Kind::Clip, low, 6}}, {cut}));
    Graph graph = b.graph();
    EXPECT_TRUE(fuse_activation(graph));
    const Activation six{Activation::Kind::Clip, 0, 6}, relu{Activation::Kind::Relu};
    EXPECT_EQ(graph.nodes.size(), low > 0 ? 2U : 1U);
    EXPECT_EQ(std::get<Conv>(graph.nodes[0].op).activation, low > 0 ? relu : six);
    EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
  }
}

TEST(FuseActivation, addition_takes_relu_and_clip_but_no_slopes) {
  const auto fuses = [](const Activation& activation, Binary::Kind kind) {
    GraphBuilder b;
    const ValueId x = b.input("x", {1, 2, 4, 4});
    const ValueId sum = b.binary("sum", kind, x, b.input("y", {1, 2, 4, 4}));
    b.output(b.add("act", Activate{activation}, {sum}));
    return fuse_activation(b.graph());
  };
  EXPECT_TRUE(fuses({Activation::Kind::Relu}, Binary::Kind::Add));
  EXPECT_TRUE(fuses({Activation::Kind::Clip, 0, 6}, Binary::Kind::Add));
  EXPECT_FALSE(fuses({Activation::Kind::LeakyRelu, 0.5F}, Binary::Kind::Add));
  EXPECT_FALSE(fuses({Activation::Kind::Relu}, Binary::Kind::Mul));
}

TEST(FuseActivation, gemm_and_transposed_conv_take_it) {
  GraphBuilder b;
  b.output(b.relu("relu", b.gemm("fc", b.input("x", {1, 4}), 3)));
  const ConvTranspose op{.window = square_window(2, 2), .output_padding = {0, 0}};
  const ValueId y = b.input("y", {1, 2, 3, 3});
  b.output(b.relu("relu2", b.add("deconv", op, {y, b.random_constant("w", {2, 3, 2, 2})})));
  Graph graph = b.graph();
  EXPECT_TRUE(fuse_activation(graph));
  EXPECT_EQ(graph.nodes.size(), 2U);
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
}

TEST(FuseActivation, sigmoid_and_a_second_activation_stay) {
  GraphBuilder b;
  const ValueId y = b.conv("conv", b.input("x", {1, 2, 4, 4}), 3, square_window(1));
  b.output(b.add("sigmoid", Activate{{Activation::Kind::Sigmoid}}, {y}));
  EXPECT_FALSE(fuse_activation(b.graph()));

  std::get<Conv>(b.graph().nodes[0].op).activation.kind = Activation::Kind::Relu;
  std::get<Activate>(b.graph().nodes[1].op).activation = {Activation::Kind::Clip, 0.5F, 1};
  EXPECT_FALSE(fuse_activation(b.graph()));
}

TEST(FuseActivation, a_result_that_is_read_elsewhere_or_an_output_stays) {
  GraphBuilder shared;
  const ValueId y = shared.conv("conv", shared.input("x", {1, 2, 4, 4}), 3, square_window(1));
  shared.output(shared.binary("sum", Binary::Kind::Add, y, shared.relu("relu", y)));
  EXPECT_FALSE(fuse_activation(shared.graph()));

  GraphBuilder output;
  const ValueId z = output.conv("conv", output.input("x", {1, 2, 4, 4}), 3, square_window(1));
  output.output(z);
  output.output(output.relu("relu", z));
  EXPECT_FALSE(fuse_activation(output.graph()));
}

}  // namespace
}  // namespace workbench
