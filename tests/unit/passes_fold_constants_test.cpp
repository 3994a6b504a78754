#include <gtest/gtest.h>

#include "compiler/passes/passes.h"
#include "tests/support/graph_builder.h"

namespace workbench {
namespace {

TEST(FoldConstants, a_chain_of_constants_is_evaluated_once) {
  GraphBuilder b;
  const ValueId sum = b.binary("sum", Binary::Kind::Add, b.constant("a", {2}, {1, 2}),
                               b.constant("b", {2}, {10, 20}));
  const ValueId scaled = b.binary("scaled", Binary::Kind::Mul, sum, b.constant("c", {}, {2}));
  b.output(b.binary("y", Binary::Kind::Mul, b.input("x", {3, 2}), scaled));
  Graph graph = b.graph();
  EXPECT_TRUE(fold_constants(graph));
  ASSERT_EQ(graph.nodes.size(), 1U);
  const auto folded = graph.value(scaled).constant->values<float>();
  EXPECT_EQ(folded[0], 22);  // (1 + 10) * 2
  EXPECT_EQ(folded[1], 44);  // (2 + 20) * 2
}

TEST(FoldConstants, a_node_that_reads_the_network_or_is_its_output_stays) {
  GraphBuilder b;
  const ValueId k = b.constant("k", {}, {2});
  b.output(b.binary("y", Binary::Kind::Mul, b.input("x", {3}), k));
  b.output(b.relu("constant_result", k));
  EXPECT_FALSE(fold_constants(b.graph()));
}

// codes -2 and 3, threshold 127: one step is 1
TEST(FoldConstants, quantized_weights_become_real_and_remember_their_threshold) {
  GraphBuilder b;
  Graph& graph = b.graph();
  const std::vector<std::int8_t> codes{-2, 3};
  const ValueId q = graph.add_constant("codes", Tensor::from(Shape{2}, codes));
  graph.value(q).quantization = Quantization{.thresholds = {127}};
  const ValueId w = b.add("w", Dequantize{}, {q});
  b.output(b.binary("y", Binary::Kind::Mul, b.input("x", {3, 2}), w));
  EXPECT_TRUE(fold_constants(graph));
  ASSERT_EQ(graph.nodes.size(), 1U);
  const auto real = graph.value(w).constant->values<float>();
  EXPECT_EQ(real[0], -2);
  EXPECT_EQ(real[1], 3);
  EXPECT_EQ(graph.value(w).quantization->thresholds, std::vector<double>{127});
}

// Steps 1 and 0.5 of the rows, which become columns.
TEST(FoldConstants, quantized_weights_that_are_transposed_remember_them_along_the_other_axis) {
  GraphBuilder b;
  Graph& graph = b.graph();
  const std::vector<std::int8_t> codes{-2, 3, 4, 6};
  const ValueId q = graph.add_constant("codes", Tensor::from(Shape{2, 2}, codes));
  graph.value(q).quantization = Quantization{.thresholds = {127, 63.5}};
  const ValueId w = b.add("w", Transpose{.permutation = {1, 0}}, {b.add("r", Dequantize{}, {q})});
  b.output(b.binary("y", Binary::Kind::Mul, b.input("x", {3, 2, 2}), w));
  EXPECT_TRUE(fold_constants(graph));
  ASSERT_EQ(graph.nodes.size(), 1U);
  const auto real = graph.value(w).constant->values<float>();
  EXPECT_EQ(std::vector<float>(real.begin(), real.end()), (std::vector<float>{-2, 2, 3, 3}));
  ASSERT_TRUE(graph.value(w).quantization);
  EXPECT_EQ(graph.value(w).quantization->axis, 1);
  EXPECT_EQ(graph.value(w).quantization->thresholds, (std::vector<double>{127, 63.5}));
}

}  // namespace
}  // namespace workbench
