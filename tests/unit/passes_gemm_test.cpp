// matmul_to_gemm, gemm_to_conv.
#include <gtest/gtest.h>

#include <algorithm>

#include "compiler/passes/passes.h"
#include "tests/support/graph_builder.h"
#include "tests/support/same_network.h"

namespace workbench {
namespace {

template <typename OpType>
std::ptrdiff_t count(const Graph& graph) {
  return std::count_if(graph.nodes.begin(), graph.nodes.end(),
                       [](const Node& node) { return std::holds_alternative<OpType>(node.op); });
}

TEST(MatMulToGemm, a_product_with_a_constant_takes_the_bias_behind_it) {
  GraphBuilder b;
  const ValueId product =
      b.add("product", MatMul{}, {b.input("x", {2, 3}), b.random_constant("w", {3, 4})});
  b.output(b.binary("bias", Binary::Kind::Add, product, b.random_constant("c", {1, 4})));
  Graph graph = b.graph();
  EXPECT_TRUE(matmul_to_gemm(graph));
  EXPECT_TRUE(fold_scale_after(graph));
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_EQ(graph.nodes[0].name, "product");
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
}

TEST(MatMulToGemm, batched_and_variable_products_stay) {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 3, 3});
  b.output(b.add("batched", MatMul{}, {x, b.random_constant("w", {3, 4})}));
  const ValueId y = b.input("y", {3, 3});
  b.output(b.add("square", MatMul{}, {y, y}));
  EXPECT_FALSE(matmul_to_gemm(b.graph()));
}

// Squeeze and excitation: mean -> fc -> relu -> fc -> sigmoid, multiplied into the map.
GraphBuilder squeeze_excitation() {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 4, 3, 3});
  const Reduce mean{.axes = {2, 3}, .keep_dims = false};
  const ValueId squeezed = b.add("squeeze", mean, {x});
  const ValueId small = b.relu("relu", b.gemm("fc1", squeezed, 2));
  const Gemm transposed{.transpose_b = true, .alpha = 0.5F, .beta = 2};
  const ValueId large =
      b.add("fc2", transposed,
            {small, b.random_constant("fc2_w", {4, 2}), b.random_constant("fc2_b", {1, 4})});
  const ValueId gate = b.add("gate", Activate{{Activation::Kind::Sigmoid}}, {large});
  const ValueId factor = b.add("factor", Reshape{{2, 4, 1, 1}}, {gate});
  b.output(b.binary("y", Binary::Kind::Mul, x, factor));
  return b;
}

TEST(GemmToConv, squeeze_and_excitation_becomes_1x1_convolutions_without_reshapes) {
  const GraphBuilder b = squeeze_excitation();
  Graph graph = b.graph();
  run_passes(graph, float_pipeline());
  EXPECT_EQ(count<Conv>(graph), 2);
  EXPECT_EQ(count<Gemm>(graph), 0);
  EXPECT_EQ(count<Reshape>(graph), 0);
  EXPECT_EQ(graph.nodes.size(), 5U);  // pool, two convolutions, sigmoid, multiplication
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
}

TEST(GemmToConv, swish_between_two_layers_is_carried_along) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 3, 3});
  const ValueId flat = b.add("mean", Reduce{.axes = {2, 3}, .keep_dims = false}, {x});
  const ValueId small = b.gemm("fc1", flat, 3);
  const ValueId sigmoid = b.add("sigmoid", Activate{{Activation::Kind::Sigmoid}}, {small});
  const ValueId swish = b.binary("swish", Binary::Kind::Mul, small, sigmoid);
  const ValueId factor = b.add("factor", Reshape{{1, 4, 1, 1}}, {b.gemm("fc2", swish, 4)});
  b.output(b.conv("conv", factor, 2, square_window(1)));
  Graph graph = b.graph();
  run_passes(graph, float_pipeline());
  EXPECT_EQ(count<Conv>(graph), 3);
  EXPECT_EQ(count<Reshape>(graph), 0);
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
}

TEST(GemmToConv, a_classifier_stays_a_gemm) {
  GraphBuilder b;
  const ValueId x = b.conv("conv", b.input("x", {1, 4, 3, 3}), 6, square_window(1));
  const ValueId flat = b.add("mean", Reduce{.axes = {2, 3}, .keep_dims = false}, {x});
  const ValueId hidden = b.relu("relu", b.gemm("fc1", flat, 5));
  b.output(b.add("softmax", Softmax{.axis = 1}, {b.gemm("fc2", hidden, 3)}));
  Graph graph = b.graph();
  run_passes(graph, float_pipeline());
  EXPECT_EQ(count<Gemm>(graph), 2);
  EXPECT_EQ(count<Conv>(graph), 1);
}

TEST(GemmToConv, a_gemm_on_a_larger_map_stays) {
  GraphBuilder b;
  const ValueId flat = b.add("flatten", Reshape{{1, 36}}, {b.input("x", {1, 4, 3, 3})});
  const ValueId map = b.add("map", Reshape{{1, 2, 2, 2}}, {b.gemm("fc", flat, 8)});
  b.output(b.conv("conv", map, 2, square_window(1)));
  EXPECT_FALSE(gemm_to_conv(b.graph()));
}

}  // namespace
}  // namespace workbench
