#include <gtest/gtest.h>

#include "compiler/passes/passes.h"
#include "tests/support/graph_builder.h"

namespace workbench {
namespace {

// x -> Quantize -> Dequantize -> relu, as an exporter writes a quantized activation.
Graph quantized_activation(const Quantization& codes, bool real_is_output = false) {
  GraphBuilder b;
  const ValueId x = b.relu("x", b.input("input", {1, 2, 3, 3}));
  Graph& graph = b.graph();
  const ValueId q = graph.add_value(
      {.name = "q", .shape = b.shape(x), .type = storage_type(codes), .quantization = codes});
  graph.nodes.push_back({.name = "q", .op = Quantize{}, .inputs = {x}, .outputs = {q}});
  const ValueId real = b.add("dq", Dequantize{}, {q});
  b.output(real_is_output ? real : b.relu("y", real));
  return b.graph();
}

Quantization hint_for(const Quantization& codes) {
  Graph graph = quantized_activation(codes);
  EXPECT_TRUE(absorb_qdq(graph));
  EXPECT_TRUE(remove_dead(graph));
  EXPECT_EQ(graph.nodes.size(), 2U);
  EXPECT_TRUE(verify(graph).empty());
  const auto& hint = graph.value(graph.nodes[0].outputs[0]).quantization;
  EXPECT_TRUE(hint && hint->thresholds.size() == 1);
  return hint.value_or(Quantization{.thresholds = {0}});
}

TEST(AbsorbQdq, symmetric_codes_leave_their_threshold) {
  EXPECT_EQ(hint_for({.is_signed = true, .thresholds = {6.35}}).thresholds[0], 6.35);
}

// step 0.1; uint8 centred at 128 is int8 with other names for the codes: 127 steps
TEST(AbsorbQdq, centred_uint8_codes_keep_their_step) {
  const Quantization hint =
      hint_for({.is_signed = false, .thresholds = {25.5}, .zero_points = {128}});
  EXPECT_TRUE(hint.is_signed);
  EXPECT_DOUBLE_EQ(hint.thresholds[0], 12.7);
}

TEST(AbsorbQdq, asymmetric_codes_stay_as_they_are) {
  for (const Quantization& codes :
       {Quantization{.is_signed = false, .thresholds = {5.1}},
        Quantization{.is_signed = false, .thresholds = {25.5}, .zero_points = {55}},
        Quantization{.thresholds = {12.7}, .zero_points = {27}}}) {
    EXPECT_EQ(hint_for(codes), codes);
  }
}

// step 0.1, of 16 bits, which no target has with a zero point: from -3276.9 to 3276.6
TEST(AbsorbQdq, other_asymmetric_codes_leave_the_wider_side_of_their_range) {
  const Quantization hint = hint_for({.bits = 16, .thresholds = {3276.7}, .zero_points = {1}});
  EXPECT_NEAR(hint.thresholds[0], 3276.9, 1e-9);
  EXPECT_TRUE(hint.zero_points.empty());
}

TEST(AbsorbQdq, a_graph_output_keeps_its_name_and_has_the_hint) {
  Graph graph = quantized_activation({.thresholds = {4}}, true);
  EXPECT_TRUE(absorb_qdq(graph));
  EXPECT_TRUE(remove_dead(graph));
  ASSERT_EQ(graph.nodes.size(), 1U);
  const Value& output = graph.value(graph.nodes[0].outputs[0]);
  EXPECT_EQ(output.name, "dq");
  EXPECT_EQ(output.quantization->thresholds, std::vector<double>{4});
}

TEST(AbsorbQdq, the_hint_of_a_fused_activation_is_the_one_that_counts) {
  GraphBuilder b;
  ValueId y = b.conv("conv", b.input("x", {1, 2, 3, 3}), 2, square_window(1));
  b.graph().value(y).quantization = Quantization{.thresholds = {9}};
  y = b.relu("relu", y);
  b.graph().value(y).quantization = Quantization{.thresholds = {5}};
  b.output(y);
  run_passes(b.graph(), float_pipeline());
  const Graph& graph = b.graph();
  EXPECT_EQ(graph.value(graph.outputs[0]).quantization->thresholds, std::vector<double>{5});
}

TEST(AbsorbQdq, codes_the_user_asked_for_stay) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 2});
  Graph& graph = b.graph();
  const ValueId q = graph.add_value({.name = "q",
                                     .shape = {1, 2},
                                     .type = ElementType::Int8,
                                     .quantization = Quantization{.thresholds = {1}}});
  graph.nodes.push_back({.name = "q", .op = Quantize{}, .inputs = {x}, .outputs = {q}});
  b.output(q);
  EXPECT_FALSE(absorb_qdq(graph));
}

}  // namespace
}  // namespace workbench
