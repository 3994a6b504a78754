#include <gtest/gtest.h>

#include "compiler/passes/passes.h"
#include "core/eval/evaluate.h"
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

// Codes of the operands, concatenated, pooled and flattened.
Graph moved_codes(const Quantization& of_second, bool dequantized) {
  GraphBuilder b;
  const Quantization codes{.thresholds = {4}};
  std::vector<ValueId> parts;
  for (const auto& [name, own] : {std::pair("a", codes), std::pair("b", of_second)}) {
    const ValueId x = b.relu(name, b.input(std::string(name) + "_in", {1, 2, 4, 4}));
    Graph& graph = b.graph();
    parts.push_back(graph.add_value({.name = std::string(name) + "_codes",
                                     .shape = {1, 2, 4, 4},
                                     .type = ElementType::Int8,
                                     .quantization = own}));
    graph.nodes.push_back({.name = std::string(name) + "_q",
                           .op = Quantize{},
                           .inputs = {x},
                           .outputs = {parts.back()}});
  }
  const auto moved = [&](const std::string& name, Op op, const std::vector<ValueId>& from) {
    const ValueId id = b.add(name, std::move(op), from);
    b.graph().value(id).type = ElementType::Int8;
    return id;
  };
  ValueId y = moved("joined", Concat{.axis = 1}, parts);
  y = moved("pool", MaxPool{.window = square_window(2, 2)}, {y});
  y = moved("flat", Reshape{Shape{1, 16}}, {y});
  b.graph().value(y).quantization = codes;
  b.output(dequantized ? b.relu("y", b.add("dq", Dequantize{}, {y})) : y);
  return b.graph();
}

std::vector<std::string> op_names(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) names.emplace_back(op_name(node.op));
  return names;
}

TEST(AbsorbQdq, numbers_are_moved_in_place_of_codes) {
  for (const bool dequantized : {true, false}) {
    Graph graph = moved_codes({.thresholds = {4}}, dequantized);
    const Graph before = graph;
    EXPECT_TRUE(absorb_qdq(graph));
    EXPECT_TRUE(remove_dead(graph));
    EXPECT_TRUE(verify(graph).empty());
    EXPECT_EQ(op_names(graph),
              (std::vector<std::string>{"Relu", "Relu", "Concat", "MaxPool", "Reshape",
                                        dequantized ? "Relu" : "Quantize"}));
    if (dequantized) continue;
    const std::vector<Tensor> inputs = random_inputs(before, 3);
    EXPECT_EQ(evaluate(graph, inputs), evaluate(before, inputs));
  }
}

TEST(AbsorbQdq, codes_of_two_scales_are_moved_as_they_are) {
  Graph graph = moved_codes({.thresholds = {5}}, true);
  const std::vector<std::string> before = op_names(graph);
  absorb_qdq(graph);
  EXPECT_EQ(op_names(graph), before);
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
