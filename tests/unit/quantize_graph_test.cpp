// quantize(): where Quantize and Dequantize stand, what is named how, which thresholds are shared.
#include <gtest/gtest.h>

#include <limits>

#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/quantize.h"
#include "compiler/quantize/table.h"
#include "tests/support/float_graph.h"

namespace workbench {
namespace {

const Activation kRelu{.kind = Activation::Kind::Relu};

Thresholds thresholds_of(const Graph& graph, const Thresholds& special) {
  Thresholds thresholds;
  for (const Value& value : graph.values) {
    if (!value.constant) thresholds[value.name] = 1;
  }
  for (const auto& [name, threshold] : special) thresholds[name] = threshold;
  return thresholds;
}

Graph quantized(FloatGraph& build, const Thresholds& special, const QuantizeOptions& options = {}) {
  return quantize(build.graph(), thresholds_of(build.graph(), special), options);
}

double threshold(const Graph& graph, const std::string& name) {
  return graph.value(values_by_name(graph).at(name)).quantization->thresholds.at(0);
}

ElementType type(const Graph& graph, const std::string& name) {
  return graph.value(values_by_name(graph).at(name)).type;
}

std::string ops(const Graph& graph) {
  std::string text;
  for (const Node& node : graph.nodes) {
    if (!text.empty()) text += ' ';
    text += op_name(node.op);
  }
  return text;
}

QuantizeOptions hosting(const std::string& op) {
  QuantizeOptions options;
  options.host_reason = [op](const Graph&, const Node& node) -> std::optional<std::string> {
    if (op_name(node.op) == op || op_name(node.op) == "Softmax") return "a test says so";
    return std::nullopt;
  };
  return options;
}

TEST(QuantizeGraph, codes_of_16_bits_are_int16) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 2, 2});
  build.output(build.conv("y", x, 1, {1}, kRelu));
  const Graph got = quantized(build, {{"x", 4}, {"y", 2}}, {.bits = 16});
  EXPECT_EQ(ops(got), "Quantize Conv Dequantize");
  EXPECT_EQ(type(got, "x_int8"), ElementType::Int16) << "the name tells codes from reals only";
  EXPECT_EQ(type(got, "y_int8"), ElementType::Int16);
  EXPECT_EQ(got.value(got.nodes[1].inputs[1]).type, ElementType::Int16);
  EXPECT_EQ(got.value(values_by_name(got).at("x_int8")).quantization->high(), 32767);
  EXPECT_EQ(quantizer_table(got).layers.at(0).bits, 16);
}

TEST(QuantizeGraph, one_conv_stands_between_quantize_and_dequantize) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 2, 2});
  build.output(build.conv("y", x, 1, {1}, kRelu));
  const Graph got = quantized(build, {{"x", 4}, {"y", 2}});
  EXPECT_EQ(ops(got), "Quantize Conv Dequantize");
  EXPECT_EQ(got.name, "net");
  EXPECT_EQ(got.value(got.inputs[0]).name, "x");
  EXPECT_EQ(got.value(got.outputs[0]).name, "y");
  EXPECT_EQ(type(got, "y"), ElementType::Float32);
  EXPECT_EQ(type(got, "x_int8"), ElementType::Int8);
  EXPECT_EQ(type(got, "y_int8"), ElementType::Int8);
  EXPECT_EQ(threshold(got, "x_int8"), 4);
  EXPECT_EQ(threshold(got, "y_int8"), 2);
  const Value& codes = got.value(values_by_name(got).at("x_int8"));
  EXPECT_EQ(codes.quantization->rounding, Rounding::TowardZero);
  EXPECT_EQ(got.value(got.nodes[1].inputs[1]).name, "y.w");
  EXPECT_EQ(got.value(got.nodes[1].inputs[1]).constant->layout(), Layout::Oihw);
  // m = (4/127) * (1/127) / (2/127) = 2/127 = 0.504 * 2^-5: scale = round(2/127 * 2^20) = 16513.
  EXPECT_EQ(got.nodes[1].requantize->scale[0], 16513);
  EXPECT_EQ(got.nodes[1].requantize->shift[0], 20);
}

TEST(QuantizeGraph, each_value_is_converted_once_however_many_read_it) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 2, 2});
  const ValueId a = build.conv("a", x, 1, {1});
  const ValueId b = build.conv("b", x, 1, {1});
  const ValueId s = build.add("s", Softmax{.axis = 1}, {a});
  const ValueId t = build.add("t", Softmax{.axis = 2}, {a});
  build.output(s);
  build.output(t);
  build.output(b);
  const Graph got = quantized(build, {});
  EXPECT_EQ(ops(got), "Quantize Conv Conv Dequantize Softmax Softmax Dequantize");
  EXPECT_EQ(type(got, "a"), ElementType::Int8);  // the producer's value keeps the name
  EXPECT_EQ(type(got, "a_float"), ElementType::Float32);
}

TEST(QuantizeGraph, float_chains_stay_float) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 2, 2});
  const ValueId s = build.add("s", Softmax{.axis = 1}, {x});
  const ValueId t = build.add("t", Softmax{.axis = 1}, {s});
  build.output(build.conv("y", t, 1, {1}));
  const Graph got = quantized(build, {{"t", 0.5}});
  EXPECT_EQ(ops(got), "Softmax Softmax Quantize Conv Dequantize");
  EXPECT_EQ(type(got, "t"), ElementType::Float32);
  EXPECT_EQ(threshold(got, "t_int8"), 0.5);
}

TEST(QuantizeGraph, an_output_that_is_read_inside_is_codes_inside) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 2, 2});
  const ValueId a = build.conv("a", x, 1, {1});
  const ValueId b = build.conv("b", a, 1, {1});
  build.output(a);
  build.output(b);
  const Graph got = quantized(build, {});
  EXPECT_EQ(ops(got), "Quantize Conv Conv Dequantize Dequantize");
  EXPECT_EQ(got.value(got.nodes[2].inputs[0]).name, "a_int8");
}

TEST(QuantizeGraph, names_that_are_taken_are_left_alone) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 2, 2});
  const ValueId y = build.conv("x_int8", x, 1, {1});
  build.output(build.conv("y", y, 1, {1}));
  const Graph got = quantized(build, {});  // verified inside: names are unique
  EXPECT_EQ(got.value(got.nodes[0].outputs[0]).name, "x_int8_");
  EXPECT_EQ(got.value(got.nodes[1].outputs[0]).name, "x_int8");
}

TEST(QuantizeGraph, the_target_decides_who_is_integer) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 4, 4});
  const ValueId a = build.conv("a", x, 1, {1});
  const ValueId p = build.add("p", MaxPool{.window = FloatGraph::window(2, 2)}, {a});
  build.output(build.conv("y", p, 1, {1}));
  const Graph got = quantized(build, {{"a", 3}, {"p", 2}}, hosting("MaxPool"));
  EXPECT_EQ(ops(got), "Quantize Conv Dequantize MaxPool Quantize Conv Dequantize");
  EXPECT_EQ(threshold(got, "a"), 3);
  EXPECT_EQ(threshold(got, "p_int8"), 2);
  EXPECT_EQ(type(got, "p"), ElementType::Float32);
}

TEST(QuantizeThresholds, pools_pass_their_operands_threshold_through) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 4, 4});
  const ValueId a = build.conv("a", x, 1, {1});
  build.output(build.add("p", MaxPool{.window = FloatGraph::window(2, 2)}, {a}));
  const Graph got = quantized(build, {{"a", 3}, {"p", 5}});
  EXPECT_EQ(threshold(got, "p_int8"), 3);
}

TEST(QuantizeThresholds, a_concat_gives_its_threshold_to_all_operands) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 4, 4});
  const ValueId a = build.conv("a", x, 1, {1});
  const ValueId b = build.conv("b", x, 1, {1});
  const ValueId p = build.add("p", MaxPool{.window = FloatGraph::window(1)}, {b});
  const ValueId c = build.add("c", Concat{.axis = 1}, {a, p});
  build.output(build.conv("y", c, 1, {1, 1}));
  const Graph got = quantized(build, {{"a", 7}, {"b", 9}, {"p", 8}, {"c", 5}});
  for (const char* name : {"a", "b", "p", "c"}) EXPECT_EQ(threshold(got, name), 5) << name;
  EXPECT_EQ(threshold(got, "x_int8"), 1);
}

TEST(QuantizeThresholds, the_operands_of_an_add_share_the_larger_threshold) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 4, 4});
  const ValueId a = build.conv("a", x, 1, {1});
  const ValueId b = build.conv("b", x, 1, {1});
  build.output(build.add("s", Binary{}, {a, b}));
  const Graph got = quantized(build, {{"a", 2}, {"b", 3}, {"s", 4}});
  EXPECT_EQ(threshold(got, "a"), 3);
  EXPECT_EQ(threshold(got, "b"), 3);
  EXPECT_EQ(threshold(got, "s_int8"), 4);
}

TEST(QuantizeThresholds, a_concat_inside_an_add_still_gives_way_to_the_larger) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 2, 4, 4});
  const ValueId a = build.conv("a", x, 1, {1, 1});
  const ValueId b = build.conv("b", x, 1, {1, 1});
  const ValueId c = build.add("c", Concat{.axis = 1}, {a, b});
  const ValueId d = build.conv("d", x, 2, {1, 1, 1, 1});
  build.output(build.add("s", Binary{}, {c, d}));
  // a is a concat operand: its 9 does not count. max(c, d) = 6 does.
  const Graph got = quantized(build, {{"a", 9}, {"b", 1}, {"c", 5}, {"d", 6}});
  for (const char* name : {"a", "b", "c", "d"}) EXPECT_EQ(threshold(got, name), 6) << name;
}

TEST(QuantizeThresholds, a_relu6_caps_the_threshold_at_six) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 4, 4});
  const Activation relu6{.kind = Activation::Kind::Clip, .alpha = 0, .beta = 6};
  build.output(build.conv("y", x, 1, {1}, relu6));
  const Graph got = quantized(build, {{"y", 6.01}});
  EXPECT_EQ(threshold(got, "y_int8"), 6);
  EXPECT_EQ(std::get<Conv>(got.nodes[1].op).activation, kRelu);
  EXPECT_EQ(threshold(quantized(build, {{"y", 5}}), "y_int8"), 5);
}

TEST(QuantizeThresholds, a_symmetric_clip_is_saturation_and_nothing_else) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 4, 4});
  const Activation clip{.kind = Activation::Kind::Clip, .alpha = -2, .beta = 2};
  build.output(build.conv("y", x, 1, {1}, clip));
  const Graph got = quantized(build, {{"y", 3}});
  EXPECT_EQ(threshold(got, "y_int8"), 2);
  EXPECT_EQ(std::get<Conv>(got.nodes[1].op).activation, Activation{});
}

TEST(QuantizeThresholds, a_dead_value_gets_a_threshold_all_the_same) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 4, 4});
  build.output(build.conv("y", x, 1, {0}));
  EXPECT_EQ(threshold(quantized(build, {{"y", 0}}), "y_int8"), 1);
}

TEST(QuantizeThresholds, import_hints_win_over_calibration) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 4, 4});
  const ValueId a = build.conv("a", x, 1, {1}, kRelu);
  build.output(build.add("p", MaxPool{.window = FloatGraph::window(2, 2)}, {a}));
  // Unsigned codes 0..255 of step 0.02 reach 5.1; the pool's hint speaks for the whole class.
  build.graph().value(a + 1).quantization = Quantization{.is_signed = false, .thresholds = {5.1}};
  const Graph got = quantized(build, {{"a", 3}, {"p", 2}});
  EXPECT_DOUBLE_EQ(threshold(got, "a"), 5.1);
  EXPECT_DOUBLE_EQ(threshold(got, "p_int8"), 5.1);
}

TEST(QuantizeThresholds, a_hint_with_a_zero_point_covers_its_larger_side) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 4, 4});
  build.output(build.conv("y", x, 1, {1}));
  // Steps of 0.01, zero point 28: from -1.56 to 0.99.
  build.graph().value(x).quantization = Quantization{.thresholds = {1.27}, .zero_points = {28}};
  EXPECT_DOUBLE_EQ(threshold(quantized(build, {}), "x_int8"), 1.56);
}

TEST(QuantizeThresholds, a_hint_that_is_not_finite_is_the_users_error) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 4, 4});
  build.output(build.conv("y", x, 1, {1}));
  build.graph().value(x).quantization =
      Quantization{.thresholds = {std::numeric_limits<double>::infinity()}};
  try {
    quantized(build, {});
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "value 'x': expected a finite quantization scale, found inf");
  }
}

}  // namespace
}  // namespace workbench
