// What becomes of a float network in NEMO's integers; numbers follow from
// docs/facts/quantization.md 2 and the rules of nemo.h, by hand in the comment beside them.
#include <gtest/gtest.h>

#include <cmath>

#include "compiler/quantize/nemo.h"
#include "sim/golden/golden.h"
#include "tests/support/float_graph.h"

namespace workbench {
namespace {

const Activation kRelu = {.kind = Activation::Kind::Relu};

const Value& value_of(const Graph& graph, const std::string& name) {
  return graph.value(values_by_name(graph).at(name));
}

const Node& node_of(const Graph& graph, const std::string& name) {
  for (const Node& node : graph.nodes) {
    if (node.name == name) return node;
  }
  throw Error("no node " + name);
}

std::vector<float> golden_output(const Graph& graph, const std::vector<float>& x) {
  const Tensor input = Tensor::from<float>(graph.value(graph.inputs[0]).shape, x);
  const Tensor output = golden::run(graph, {&input, 1})[static_cast<std::size_t>(graph.outputs[0])];
  return {output.values<float>().begin(), output.values<float>().end()};
}

TEST(QuantizeNemo, codes_are_unsigned_where_the_network_says_so) {
  FloatGraph build("signs");
  const ValueId x = build.input("x", {1, 1, 1, 1});
  const ValueId relu = build.conv("relu", x, 1, {1}, kRelu);
  const ValueId pool = build.add("pool", MaxPool{.window = FloatGraph::window(1)}, {relu});
  const ValueId linear = build.conv("linear", pool, 1, {1});
  build.output(build.add("sum", Binary{}, {pool, linear}));
  const Graph graph = quantize_nemo(
      build.graph(), {{"x", 1}, {"relu", 2}, {"pool", 2}, {"linear", 3}, {"sum", 4}}, {});
  EXPECT_EQ(value_of(graph, "x_int8").type, ElementType::Int8);
  EXPECT_EQ(value_of(graph, "relu").type, ElementType::Uint8);
  EXPECT_EQ(value_of(graph, "pool").type, ElementType::Uint8);
  EXPECT_EQ(value_of(graph, "linear").type, ElementType::Int8);
  EXPECT_EQ(value_of(graph, "sum_int8").type, ElementType::Int8);
  EXPECT_EQ(value_of(graph, "relu").quantization->thresholds, std::vector{2.0});
  const Graph unsigned_input =
      quantize_nemo(build.graph(), {{"x", 1}, {"relu", 2}, {"pool", 2}, {"linear", 3}, {"sum", 4}},
                    {.non_negative = {"x"}});
  EXPECT_EQ(value_of(unsigned_input, "x_int8").type, ElementType::Uint8);
}

// What a file rounds to 4 bits has 4 bits; operands of a sum have one width, and signed codes of a
// value that is never negative are not its own.
TEST(QuantizeNemo, widths_of_a_file_are_kept) {
  const auto widths = [](const Quantization& of_a, const Quantization& of_b) {
    FloatGraph build("widths");
    const ValueId x = build.input("x", {1, 1, 1, 1});
    const ValueId a = build.conv("a", x, 1, {1}, kRelu);
    const ValueId b = build.conv("b", a, 1, {1});
    const ValueId sum = build.add("sum", Binary{}, {a, b});
    build.output(build.conv("last", sum, 1, {1}));
    build.graph().value(a).quantization = of_a;
    build.graph().value(b).quantization = of_b;
    const Graph graph = annotate_nemo(build.graph(), {{"x", 1}, {"sum", 3}, {"last", 4}}, {});
    std::vector<int> bits;
    for (const char* name : {"x", "a", "b", "sum", "last"}) {
      bits.push_back(value_of(graph, name).quantization->bits);
    }
    return bits;
  };
  const Quantization four{.bits = 4, .is_signed = false, .thresholds = {7.5}};
  const Quantization signed_four{.bits = 4, .thresholds = {7}}, eight{.thresholds = {7}};
  EXPECT_EQ(widths(four, signed_four), (std::vector<int>{8, 4, 4, 8, 8}));
  EXPECT_EQ(widths(four, eight), (std::vector<int>{8, 8, 8, 8, 8}));
  EXPECT_EQ(widths(signed_four, signed_four), (std::vector<int>{8, 8, 8, 8, 8}));
}

TEST(QuantizeNemo, a_convolution_rounds_half_up_on_a_power_of_two) {
  FloatGraph build("conv");
  build.output(build.conv("y", build.input("x", {1, 1, 1, 1}), 2, {0.5F, -2}));
  const Graph graph = quantize_nemo(build.graph(), {{"x", 127}, {"y", 127}}, {});
  const Node& node = node_of(graph, "y");
  const AffineRequantize& how = *node.affine;
  // steps: x 1, y 1, weights 0.5/127 and 2/127; reach 127 * 128. 15 bits of the larger gain, 2/127:
  // 2^20 gives 16513; 2^21 would give 33026
  EXPECT_EQ(how.divisor, std::int64_t{1} << 20);
  EXPECT_EQ(how.multiplier, (std::vector<std::int64_t>{4128, 16513}));
  EXPECT_EQ(how.offset, (std::vector<std::int64_t>{1 << 19, 1 << 19}));
  EXPECT_EQ(how.rounding, Rounding::Floor);
  EXPECT_EQ(how.low, -128);
  EXPECT_EQ(how.high, 127);
  const auto weights = graph.value(node.inputs[1]).constant->values<std::int8_t>();
  EXPECT_EQ(std::vector<int>(weights.begin(), weights.end()), (std::vector<int>{127, -127}));
  EXPECT_EQ(golden_output(graph, {-3}), (std::vector<float>{-1, 6}));  // -1.5 goes up
}

TEST(QuantizeNemo, a_bias_is_in_the_offset_and_a_clip_is_saturation) {
  FloatGraph build("clip");
  const ValueId y = build.conv("y", build.input("x", {1, 1, 1, 1}), 1, {1},
                               {.kind = Activation::Kind::Clip, .alpha = 0, .beta = 6});
  build.graph().nodes[0].inputs.push_back(
      build.graph().add_constant("b", Tensor::from<float>({1}, std::vector<float>{2})));
  build.output(y);
  const Graph graph = quantize_nemo(build.graph(), {{"x", 127}, {"y", 8}}, {});
  EXPECT_EQ(node_of(graph, "y").inputs.size(), 2U);
  EXPECT_EQ(value_of(graph, "y_int8").quantization->thresholds, std::vector{6.0});
  EXPECT_EQ(golden_output(graph, {100})[0], 6);
  EXPECT_NEAR(golden_output(graph, {0})[0], 2, 6.0 / 255);
  EXPECT_EQ(golden_output(graph, {-3})[0], 0);
}

TEST(QuantizeNemo, long_dot_products_take_64_bits_rather_than_coarse_multipliers) {
  FloatGraph build("long");
  const std::int64_t channels = 4096;
  build.output(build.conv("y", build.input("x", {1, channels, 1, 1}), 1,
                          std::vector<float>(static_cast<std::size_t>(channels), 1)));
  const Graph graph = quantize_nemo(build.graph(), {{"x", 1}, {"y", 4}}, {});
  const AffineRequantize& how = *node_of(graph, "y").affine;
  // |acc| up to 128 * 127 * 4096 = 2^26: 32 bits leave a multiplier of 32. A unit is 31.75 output
  // codes and 127 * 127 of acc: gain 1/508, all 255 codes within an acc of 255 * 508 = 129540;
  // 0.5 / 2^d * 129540 < 1/32 from d = 21 on
  EXPECT_EQ(how.divisor, std::int64_t{1} << 21);
  EXPECT_NEAR(static_cast<double>(how.multiplier[0]), 31.75 / 127 / 127 * (1 << 21), 0.5);
}

TEST(QuantizeNemo, an_add_brings_both_operands_to_its_own_scale_in_one_rounding) {
  FloatGraph build("add");
  const ValueId x = build.input("x", {1, 1, 1, 1});
  const ValueId a = build.conv("a", x, 1, {1}, kRelu);
  const ValueId b = build.conv("b", x, 1, {-1}, kRelu);
  const ValueId both = build.add("both", Binary{}, {a, b});
  build.output(both);
  const Graph graph =
      quantize_nemo(build.graph(), {{"x", 10}, {"a", 10}, {"b", 20}, {"both", 20}}, {});
  const Node& node = node_of(graph, "both");
  const double divisor = static_cast<double>(node.affine->divisor);
  EXPECT_NEAR(static_cast<double>(node.operand_affine[0].multiplier[0]) / divisor, 0.5, 1e-4);
  EXPECT_NEAR(static_cast<double>(node.operand_affine[1].multiplier[0]) / divisor, 1, 1e-4);
  EXPECT_EQ(node.operand_affine[0].divisor, 1);
  EXPECT_EQ(node.affine->offset[0], node.affine->divisor / 2);
  EXPECT_NEAR(golden_output(graph, {7})[0], 7, 0.1);
  EXPECT_NEAR(golden_output(graph, {-7})[0], 7, 0.1);
}

TEST(QuantizeNemo, a_concat_shares_the_larger_scale_and_rescales_what_it_cannot_share) {
  FloatGraph build("concat");
  const ValueId x = build.input("x", {1, 1, 1, 1});
  const ValueId a = build.conv("a", x, 1, {1});
  const ValueId b = build.conv("b", x, 1, {1});
  const ValueId c = build.conv("c", x, 1, {1}, kRelu);
  const ValueId y = build.add("y", Concat{.axis = 1}, {a, b, c});
  build.output(build.conv("z", y, 3, {1, 0, 0, 0, 1, 0, 0, 0, 1}));
  const Graph graph = quantize_nemo(
      build.graph(), {{"x", 4}, {"a", 4}, {"b", 2}, {"c", 3}, {"y", 4}, {"z", 4}}, {});
  EXPECT_EQ(value_of(graph, "a").quantization->thresholds, std::vector{4.0});
  EXPECT_EQ(value_of(graph, "b").quantization->thresholds, std::vector{4.0});
  EXPECT_EQ(value_of(graph, "c").quantization->thresholds, std::vector{3.0});  // unsigned
  EXPECT_EQ(value_of(graph, "c_rescaled").quantization, value_of(graph, "a").quantization);
  EXPECT_TRUE(node_of(graph, "c_rescale").affine.has_value());
  const std::vector<float> parts = golden_output(graph, {2});
  for (const float part : parts) EXPECT_NEAR(part, 2, 0.05);
}

TEST(QuantizeNemo, an_average_pool_divides_once) {
  FloatGraph build("average");
  const ValueId x = build.input("x", {1, 1, 2, 2});
  build.output(build.add("y", AveragePool{.window = FloatGraph::window(2)}, {x}));
  const Graph graph = quantize_nemo(build.graph(), {{"x", 127}, {"y", 127}}, {});
  const AffineRequantize& how = *node_of(graph, "y").affine;
  EXPECT_EQ(how.multiplier[0] * 4, how.divisor);
  EXPECT_EQ(golden_output(graph, {1, 2, 3, 4})[0], 3);  // 2.5 goes up
}

TEST(QuantizeNemo, an_average_pool_that_ignores_padding_stays_float) {
  FloatGraph build("average");
  const ValueId x = build.input("x", {1, 1, 2, 2});
  Window window = FloatGraph::window(2);
  window.pads_begin = {1, 1};
  build.output(build.add("y", AveragePool{.window = window}, {x}));
  const Graph graph = quantize_nemo(build.graph(), {{"x", 4}, {"y", 4}}, {});
  EXPECT_EQ(value_of(graph, "y").type, ElementType::Float32);
  EXPECT_EQ(graph.nodes.size(), 1U);
}

TEST(QuantizeNemo, the_last_gemm_leaves_as_int32) {
  FloatGraph build("classifier");
  const ValueId x = build.input("x", {1, 2, 1, 1});
  const ValueId flat = build.add("flat", Reshape{.shape = {1, 2}}, {x});
  Graph& graph = build.graph();
  const ValueId w =
      graph.add_constant("w", Tensor::from<float>({2, 2}, std::vector<float>{1, 0, 0, -0.5F}));
  const ValueId c = graph.add_constant("c", Tensor::from<float>({2}, std::vector<float>{10, 0}));
  build.output(build.add("y", Gemm{}, {flat, w, c}));
  const Graph integers = quantize_nemo(graph, {{"x", 127}, {"flat", 127}, {"y", 1}}, {});
  EXPECT_EQ(value_of(integers, "y_int8").type, ElementType::Int32);
  // step 1/127: 5 -> 635 + 1270; weight -0.5 is code -64 of 127
  EXPECT_EQ(value_of(integers, "c").constant->values<std::int32_t>()[0], 1270);
  const std::vector<float> y = golden_output(integers, {5, 4});
  EXPECT_NEAR(y[0], 15, 1e-4);
  EXPECT_NEAR(y[1], -4 * 64 / 127.0, 1e-4);
}

TEST(QuantizeNemo, other_activations_are_float_nodes_of_their_own) {
  FloatGraph build("leaky");
  const ValueId x = build.input("x", {1, 1, 1, 1});
  build.output(build.conv("y", x, 1, {1}, {.kind = Activation::Kind::LeakyRelu, .alpha = 0.5F}));
  const Graph form = nemo_form(build.graph());
  ASSERT_EQ(form.nodes.size(), 2U);
  EXPECT_EQ(form.nodes[1].name, "y_activation");
  EXPECT_TRUE(verify(form).empty());
  const Graph graph = quantize_nemo(form, {{"x", 127}, {"y_linear", 127}, {"y", 127}}, {});
  EXPECT_EQ(value_of(graph, "y_linear").type, ElementType::Int8);
  EXPECT_EQ(golden_output(graph, {-8})[0], -4);
}

TEST(QuantizeNemo, a_node_the_target_refuses_stays_float) {
  FloatGraph build("refused");
  build.output(build.conv("y", build.input("x", {1, 1, 1, 1}), 1, {1}));
  const Graph graph = quantize_nemo(
      build.graph(), {}, {.host_reason = [](const Graph&, const Node&) { return "because"; }});
  EXPECT_EQ(graph.nodes.size(), 1U);
  EXPECT_FALSE(graph.nodes[0].affine.has_value());
}

TEST(QuantizeNemo, a_value_without_threshold_is_named) {
  FloatGraph build("forgotten");
  build.output(build.conv("y", build.input("x", {1, 1, 1, 1}), 1, {1}));
  try {
    quantize_nemo(build.graph(), {{"x", 1}}, {});
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "value 'y' has no threshold");
  }
}

}  // namespace
}  // namespace workbench
