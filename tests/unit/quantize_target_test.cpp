// Targets: what annotate() writes onto a float network, and that lower() takes it at its word.
#include "compiler/quantize/quantize_target.h"

#include <gtest/gtest.h>

#include "compiler/quantize/fake_quantize.h"
#include "tests/support/float_graph.h"

namespace workbench {
namespace {

const Activation kRelu{.kind = Activation::Kind::Relu};

const Value& value(const Graph& graph, const std::string& name) {
  return graph.value(values_by_name(graph).at(name));
}

double threshold(const Graph& graph, const std::string& name) {
  return value(graph, name).quantization->thresholds.at(0);
}

// x -> conv a, conv b -> concat c -> y = c + d
Graph concat_and_sum() {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 4, 4});
  const ValueId a = build.conv("a", x, 1, {1}, kRelu);
  const ValueId b = build.conv("b", x, 1, {2}, kRelu);
  const ValueId c = build.add("c", Concat{.axis = 1}, {a, b});
  const ValueId d = build.conv("d", x, 2, {1, 1}, kRelu);
  build.output(build.add("y", Binary{.activation = kRelu}, {c, d}));
  return build.graph();
}

const Thresholds kThresholds = {{"x", 1}, {"a", 7}, {"b", 9}, {"c", 5}, {"d", 6}, {"y", 12}};

TEST(QuantizeTarget, xdnn_shares_by_concat_and_add_and_says_so) {
  const QuantizeTarget target = xdnn_quantize_target({});
  const Graph graph = target.annotate(concat_and_sum(), kThresholds);
  for (const char* name : {"a", "b", "c", "d"}) EXPECT_NEAR(threshold(graph, name), 6, 1e-6);
  ASSERT_EQ(graph.scale_groups.size(), 1U);
  EXPECT_EQ(graph.scale_groups[0].reason, "concat 'c', add 'y'");
  std::vector<ValueId> members;
  for (const char* name : {"a", "b", "c", "d"}) members.push_back(values_by_name(graph).at(name));
  EXPECT_EQ(graph.scale_groups[0].members, members);
  EXPECT_EQ(value(graph, "x").quantization->rounding, Rounding::TowardZero);
  EXPECT_EQ(value(graph, "y").quantization->rounding, Rounding::HalfUp);
  EXPECT_TRUE(value(graph, "y").quantization->is_signed);
  EXPECT_FALSE(value(graph, "a.w").quantization) << "weights are left alone";
}

TEST(QuantizeTarget, pulp_adds_rescale_their_operands) {
  const Graph graph = pulp_quantize_target({}).annotate(concat_and_sum(), kThresholds);
  for (const char* name : {"a", "b", "c"}) EXPECT_NEAR(threshold(graph, name), 9, 1e-6);
  EXPECT_NEAR(threshold(graph, "d"), 6, 1e-6);
  ASSERT_EQ(graph.scale_groups.size(), 1U);
  EXPECT_EQ(graph.scale_groups[0].reason, "concat 'c'");
  EXPECT_FALSE(value(graph, "a").quantization->is_signed);
  EXPECT_TRUE(value(graph, "x").quantization->is_signed);
  EXPECT_EQ(value(graph, "x").quantization->rounding, Rounding::HalfAwayFromZero);
}

TEST(QuantizeTarget, steps_are_numbers_of_float32) {
  for (const QuantizeTarget& target :
       {xdnn_quantize_target({}), pulp_quantize_target({}), free_quantize_target(8)}) {
    const Graph graph = target.annotate(concat_and_sum(), kThresholds);
    for (const Value& v : graph.values) {
      if (!v.quantization) continue;
      const double step = v.quantization->step();
      EXPECT_EQ(static_cast<double>(static_cast<float>(step)), step) << target.name << v.name;
    }
  }
}

TEST(QuantizeTarget, a_clip_caps_the_threshold_and_lowering_keeps_it) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 4, 4});
  build.output(build.conv("y", x, 1, {1}, {.kind = Activation::Kind::Clip, .beta = 6}));
  const QuantizeTarget target = xdnn_quantize_target({});
  Graph graph = target.annotate(build.graph(), {{"x", 4}, {"y", 8}});
  EXPECT_NEAR(threshold(graph, "y"), 6, 1e-6);
  EXPECT_EQ(threshold(target.lower(graph), "y_int8"), threshold(graph, "y"));
  // An edited annotation is taken as it is.
  graph.value(values_by_name(graph).at("y")).quantization->thresholds = {8};
  EXPECT_EQ(threshold(target.lower(graph), "y_int8"), 8);
}

TEST(QuantizeTarget, weights_of_four_bits_are_codes_of_smaller_range) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 2, 4, 4});
  build.output(build.conv("y", x, 2, {0.7F, -0.31F, -3, 1}, kRelu));
  const Quantization four{.bits = 4, .thresholds = {0.7, 1.4}};
  for (const QuantizeTarget& target :
       {xdnn_quantize_target({}), pulp_quantize_target({}), free_quantize_target(8)}) {
    Graph graph = target.annotate(build.graph(), {{"x", 4}, {"y", 8}});
    graph.value(values_by_name(graph).at("y.w")).quantization = four;
    const Graph integers = target.lower(graph);
    const Value& weights = value(integers, target.name == "none" ? "y.w_int8" : "y.w");
    ASSERT_TRUE(weights.quantization) << target.name;
    EXPECT_EQ(weights.quantization->bits, 4) << target.name;
    EXPECT_EQ(weights.quantization->thresholds, four.thresholds) << target.name;
    // Steps 0.1 and 0.2; -3 is beyond -7 * 0.2.
    const auto codes = weights.constant->values<std::int8_t>();
    EXPECT_EQ(std::vector<int>(codes.begin(), codes.end()), (std::vector<int>{7, -3, -7, 5}));
  }
}

TEST(QuantizeTarget, weights_round_as_their_annotation_says) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 3, 4, 4});
  build.output(build.conv("y", x, 1, {0.5F, -1.5F, 2.25F}));  // of steps of 1
  for (const QuantizeTarget& target : {xdnn_quantize_target({}), pulp_quantize_target({})}) {
    const auto codes_of = [&](Rounding rounding) {
      Graph graph = target.annotate(build.graph(), {{"x", 4}, {"y", 8}});
      graph.value(values_by_name(graph).at("y.w")).quantization =
          Quantization{.thresholds = {127}, .rounding = rounding};
      const Graph integers = target.lower(graph);
      const auto codes = value(integers, "y.w").constant->values<std::int8_t>();
      return std::vector<int>(codes.begin(), codes.end());
    };
    EXPECT_EQ(codes_of(Rounding::HalfAwayFromZero), (std::vector<int>{1, -2, 2})) << target.name;
    EXPECT_EQ(codes_of(Rounding::HalfEven), (std::vector<int>{0, -2, 2})) << target.name;
    EXPECT_EQ(codes_of(Rounding::TowardZero), (std::vector<int>{0, -1, 2})) << target.name;
  }
}

TEST(QuantizeTarget, a_table_of_four_bit_weights_gives_the_same_codes_again) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 4, 4});
  build.output(build.conv("y", x, 1, {0.5F}, kRelu));
  Graph graph = annotate_xfdnn(build.graph(), {{"x", 4}, {"y", 8}}, {});
  graph.value(values_by_name(graph).at("y.w")).quantization =
      Quantization{.bits = 4, .thresholds = {0.7}};
  const Graph first = lower_xfdnn(graph, {});
  const QuantizerTable table = quantizer_table(first);
  EXPECT_DOUBLE_EQ(table.layers.at(0).threshold_params.at(0), 0.1 * 127);
  const Graph again = quantize(build.graph(), {{"x", 4}, {"y", 8}}, {}, &table);
  EXPECT_EQ(*value(again, "y.w").constant, *value(first, "y.w").constant);
}

TEST(QuantizeTarget, logits_have_a_scale_per_channel_where_their_weights_do) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 2});
  const ValueId w = build.graph().add_constant(
      "w", Tensor::from<float>({2, 2}, std::vector<float>{1, 0, 0, 0.5F}));
  build.output(build.add("y", Gemm{.transpose_b = true}, {x, w}));
  const QuantizeTarget target = pulp_quantize_target({});
  Graph graph = target.annotate(build.graph(), {{"x", 127}, {"y", 1}});
  EXPECT_FALSE(value(graph, "y").quantization) << "32 bits are as good as real";
  graph.value(w).quantization = Quantization{.thresholds = {1, 0.5}};
  const Graph integers = target.lower(graph);
  const Quantization& logits = *value(integers, "y_int8").quantization;
  ASSERT_EQ(logits.thresholds.size(), 2U);
  EXPECT_EQ(logits.axis, 1);
  EXPECT_DOUBLE_EQ(logits.step(0), 1.0 / 127);
  EXPECT_DOUBLE_EQ(logits.step(1), 0.5 / 127);
}

TEST(QuantizeTarget, without_hardware_saturation_may_differ_per_channel) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 4, 4});
  Activation clip{.kind = Activation::Kind::Clip, .beta = 6};
  clip.bounds = {3, 12};
  build.output(build.conv("y", x, 2, {1, 1}, clip));
  const QuantizeTarget target = free_quantize_target(8);
  const Graph graph = target.annotate(build.graph(), {{"x", 4}, {"y", 12}});
  ASSERT_TRUE(value(graph, "y").quantization);
  EXPECT_NEAR(threshold(graph, "y"), 12, 1e-5);
  EXPECT_FALSE(value(pulp_quantize_target({}).annotate(build.graph(), {}), "y").quantization);
}

TEST(FakeQuantize, readers_read_rounded_values_and_outputs_keep_their_names) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 1, 2});
  const ValueId a = build.conv("a", x, 1, {0.26F}, kRelu);
  build.output(build.conv("y", a, 1, {1}));
  Graph graph = build.graph();
  graph.value(a).quantization = Quantization{.is_signed = false, .thresholds = {255}};
  graph.value(values_by_name(graph).at("a.w")).quantization =
      Quantization{.bits = 2, .thresholds = {0.25}};
  graph.value(graph.outputs[0]).quantization =
      Quantization{.bits = 16, .thresholds = {32767.0 * 2}};
  for (const bool folded : {false, true}) {
    const Graph fake = folded ? rounded(graph) : fake_quantized(graph);
    std::string ops;
    for (const Node& node : fake.nodes) ops += op_name(node.op) + " ";
    EXPECT_EQ(ops, std::string(folded ? "" : "Dequantize ") +
                       "Conv Quantize Dequantize Conv Quantize Dequantize ");
    EXPECT_EQ(fake.value(fake.outputs[0]).name, "y");
    EXPECT_EQ(value(fake, "a_int8").type, ElementType::Uint8);
    EXPECT_EQ(value(fake, "y_int8").type, ElementType::Int16);
    EXPECT_EQ(fake.value(a).name, "a");
    EXPECT_EQ(fake.nodes.back().outputs, fake.outputs);
    EXPECT_EQ(values_by_name(fake).contains("a.w_int8"), !folded);
  }
  EXPECT_EQ(value(rounded(graph), "a.w").constant->values<float>()[0], 0.25F);
}

}  // namespace
}  // namespace workbench
