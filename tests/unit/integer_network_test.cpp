// Integer networks of every dialect become the same integer graph.
#include "compiler/quantize/integer_network.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "compiler/passes/passes.h"
#include "sim/golden/golden.h"
#include "tests/support/onnx_model.h"

namespace workbench::test {
namespace {

using Type = onnx::TensorProto;
using Numbers = std::vector<float>;

// x [1,C,H,W] -> 1x1 Conv by `weights` (one per channel, depthwise) -> "acc".
OnnxModel conv_model(const Shape& x, const Numbers& weights, std::int64_t opset = 9) {
  OnnxModel model(opset);
  model.input("x", x).output("y");
  const auto channels = static_cast<std::int64_t>(weights.size());
  model.floats("w", {channels, x[1] / channels, 1, 1}, weights);
  model.node("Conv", {"x", "w"}, {"acc"}).named("conv").with("group", channels);
  return model;
}

Tensor sample(const Graph& graph, const Numbers& values) {
  return Tensor::from<float>(graph.value(graph.inputs[0]).shape, values);
}

Graph integers(const OnnxModel& model, const Numbers& x) {
  const Graph imported = model.import();
  EXPECT_TRUE(is_integer_network(imported));
  return integer_network(imported, {sample(imported, x)});
}

Numbers result(const Graph& graph, const Numbers& x, std::size_t output = 0) {
  const std::vector<Tensor> values = golden::run(graph, std::vector{sample(graph, x)});
  return floats_of(values.at(static_cast<std::size_t>(graph.outputs.at(output))));
}

const Node& node_named(const Graph& graph, const std::string& name) {
  for (const Node& node : graph.nodes) {
    if (node.name == name) return node;
  }
  ADD_FAILURE() << name << " is not in\n" << print_graph(graph);
  return graph.nodes.at(0);
}

std::size_t integer_nodes(const Graph& graph) {
  std::size_t count = 0;
  for (const Node& node : graph.nodes) count += node.affine.has_value() ? 1 : 0;
  return count;
}

TEST(IntegerNetwork, nemo_chain_is_one_rescaling) {
  OnnxModel model = conv_model({1, 2, 1, 2}, {3, -2});
  model.floats("kappa", {1, 2, 1, 1}, {5, 7});
  model.floats("lambda", {1, 2, 1, 1}, {100, -4});
  model.integers("m", {43});
  model.integers("d", {256});
  model.node("Mul", {"kappa", "acc"}, {"a"}).named("mul");
  model.node("Add", {"a", "lambda"}, {"b"}).named("add");
  model.node("Cast", {"b"}, {"c"}).named("cast").with("to", Type::INT64);
  model.node("Mul", {"c", "m"}, {"e"}).named("mul2");
  model.node("Div", {"e", "d"}, {"f"}).named("div");
  model.node("Cast", {"f"}, {"g"}).named("cast2").with("to", Type::FLOAT);
  model.node("Clip", {"g"}, {"y"}).named("clip").with("min", 0.0F).with("max", 255.0F);
  const Graph graph = integers(model, {1, 2, 3, 4});
  const Node& conv = node_named(graph, "conv");
  const AffineRequantize expected{.multiplier = {215, 301}, .offset = {4300, -172}, .divisor = 256};
  EXPECT_EQ(conv.affine, expected);
  EXPECT_EQ(conv.merged,
            (std::vector<std::string>{"mul", "add", "cast", "mul2", "div", "cast2", "clip"}));
  EXPECT_EQ(integer_nodes(graph), 1U);
  // (3 * 1 * 215 + 4300) / 256 = 19.3; (-2 * 4 * 301 - 172) / 256 < 0
  EXPECT_EQ(result(graph, {1, 2, 0, 4}), (Numbers{19, 21, 0, 0}));
}

TEST(IntegerNetwork, clip_before_floor_is_the_same) {
  OnnxModel model = conv_model({1, 1, 1, 3}, {3});
  model.floats("d", {}, {4});
  model.node("Div", {"acc", "d"}, {"q"});
  model.node("Clip", {"q"}, {"c"}).with("min", -128.0F).with("max", 127.0F);
  model.node("Floor", {"c"}, {"y"});
  const Graph graph = integers(model, {-3, 3, 1});
  EXPECT_EQ(node_named(graph, "conv").affine->rounding, Rounding::Floor);
  EXPECT_EQ(result(graph, {-3, 3, 1}), (Numbers{-3, 2, 0}));  // floor(-9 / 4) = -3
}

TEST(IntegerNetwork, integer_division_of_negative_codes_truncates) {
  OnnxModel model(13);
  model.input("x", {1, 1, 1, 2}, Type::INT8).output("y");
  model.codes("w", {1, 1, 1, 1}, Type::INT8, {3});
  model.codes("d", {}, Type::INT32, {4});
  model.codes("low", {}, Type::INT32, {-128});
  model.codes("high", {}, Type::INT32, {127});
  model.node("ConvInteger", {"x", "w"}, {"acc"}).named("conv");
  model.node("Div", {"acc", "d"}, {"q"});
  model.node("Clip", {"q", "low", "high"}, {"c"});
  model.node("Cast", {"c"}, {"y"}).with("to", Type::INT8);
  const Graph graph = integers(model, {1, 2});
  EXPECT_EQ(node_named(graph, "conv").affine->rounding, Rounding::TowardZero);
  EXPECT_EQ(graph.value(graph.inputs[0]).type, ElementType::Float32);
  EXPECT_EQ(result(graph, {-3, 3}), (Numbers{-2, 2}));  // -9 / 4
}

TEST(IntegerNetwork, requant_shift_rounds_half_up) {
  OnnxModel model = conv_model({1, 1, 1, 3}, {1}, 10);
  model.floats("mul", {1, 1, 1}, {3});
  model.floats("add", {1, 1, 1}, {1});
  NodeBuilder node = model.node("RequantShift", {"acc", "mul", "add"}, {"y"});
  node.with("div", 4.0F).with("n_levels_out", 16.0F).with("signed", 1.0F).named("shift");
  node.proto().set_domain("PACTOps");
  const Graph graph = integers(model, {-3, 3, 1});
  const AffineRequantize expected{.multiplier = {3},
                                  .offset = {1},
                                  .divisor = 4,
                                  .rounding = Rounding::HalfUp,
                                  .low = -8,
                                  .high = 7};
  EXPECT_EQ(node_named(graph, "conv").affine, expected);
  // (-3 * 3 + 1) / 4 = -2; 10 / 4 = 2.5 -> 3; 4 / 4 = 1
  EXPECT_EQ(result(graph, {-3, 3, 1}), (Numbers{-2, 3, 1}));
  EXPECT_EQ(graph.value(node_named(graph, "conv").outputs[0]).quantization->bits, 4);
}

// x [2,2] -> Gemm by 1 -> RequantShift over 4.
OnnxModel requantized_rows(const Shape& shape, const Numbers& multipliers) {
  OnnxModel model(10);
  model.input("x", {2, 2}).output("y");
  model.floats("w", {2, 2}, {1, 0, 0, 1});
  model.floats("mul", shape, multipliers);
  model.floats("add", {}, {0});
  model.node("Gemm", {"x", "w"}, {"acc"}).named("product");
  NodeBuilder node = model.node("RequantShift", {"acc", "mul", "add"}, {"y"});
  node.with("div", 4.0F).with("n_levels", 256.0F).with("signed", 0.0F).named("shift");
  return model;
}

TEST(IntegerNetwork, multipliers_per_column_and_equal_ones_per_row) {
  const Numbers x{4, 8, 12, 16};
  const Graph columns = integers(requantized_rows({2}, {3, 5}), x);
  EXPECT_EQ(node_named(columns, "product").affine->multiplier, (std::vector<std::int64_t>{3, 5}));
  EXPECT_EQ(result(columns, x), (Numbers{3, 10, 9, 20}));
  const Graph rows = integers(requantized_rows({2, 1}, {3, 3}), x);
  EXPECT_EQ(node_named(rows, "product").affine->multiplier, std::vector<std::int64_t>{3});
  EXPECT_EQ(result(rows, x), (Numbers{3, 6, 9, 12}));
}

TEST(IntegerNetwork, requant_shift_takes_a_plain_list_of_one_per_channel) {
  OnnxModel model = conv_model({1, 2, 1, 1}, {1, 1}, 10);
  model.floats("mul", {2}, {4, 8});
  model.floats("add", {2}, {0, 4});
  NodeBuilder node = model.node("RequantShift", {"acc", "mul", "add"}, {"y"});
  node.with("div", 4.0F).with("n_levels", 256.0F).with("signed", 0.0F).named("shift");
  EXPECT_EQ(result(integers(model, {5, 7}), {5, 7}), (Numbers{5, 15}));
}

// floor(kappa[c] * x / divisor[c]), the divisors of two channels 4 and 8.
TEST(IntegerNetwork, divisors_per_channel_have_a_common_multiple) {
  OnnxModel model = conv_model({1, 2, 1, 1}, {1, 1});
  model.floats("kappa", {1, 2, 1, 1}, {3, 5});
  model.floats("d", {1, 2, 1, 1}, {4, 8});
  model.node("Mul", {"acc", "kappa"}, {"m"});
  model.node("Div", {"m", "d"}, {"q"});
  model.node("Floor", {"q"}, {"f"});
  model.node("Clip", {"f"}, {"y"}).with("min", 0.0F).with("max", 255.0F);
  const Graph graph = integers(model, {10, 10});
  EXPECT_EQ(node_named(graph, "conv").affine->multiplier, (std::vector<std::int64_t>{6, 5}));
  EXPECT_EQ(node_named(graph, "conv").affine->divisor, 8);
  EXPECT_EQ(result(graph, {10, 10}), (Numbers{7, 6}));  // 30 / 4, 50 / 8
}

TEST(IntegerNetwork, a_map_of_equal_factors_is_one) {
  OnnxModel model = conv_model({1, 1, 1, 2}, {1});
  model.floats("map", {1, 1, 1, 2}, {3, 3});
  model.node("Mul", {"acc", "map"}, {"m"});
  model.node("Clip", {"m"}, {"y"}).with("min", 0.0F).with("max", 255.0F);
  const Graph graph = integers(model, {5, 100});
  EXPECT_EQ(node_named(graph, "conv").affine->multiplier, std::vector<std::int64_t>{3});
  EXPECT_EQ(result(graph, {5, 100}), (Numbers{15, 255}));
}

TEST(IntegerNetwork, two_cuts_that_are_no_one_map_are_two_nodes) {
  OnnxModel model = conv_model({1, 1, 1, 2}, {1});
  model.floats("d", {}, {4});
  model.floats("m", {}, {3});
  model.node("Div", {"acc", "d"}, {"a"});
  model.node("Floor", {"a"}, {"b"});
  model.node("Mul", {"b", "m"}, {"c"}).named("second");
  model.node("Div", {"c", "d"}, {"e"});
  model.node("Floor", {"e"}, {"f"});
  model.node("Clip", {"f"}, {"y"}).with("min", 0.0F).with("max", 255.0F);
  const Graph graph = integers(model, {7, 255});
  EXPECT_EQ(integer_nodes(graph), 2U);
  EXPECT_TRUE(std::holds_alternative<Identity>(node_named(graph, "second").op));
  EXPECT_EQ(result(graph, {7, 255}), (Numbers{0, 47}));  // floor(3 / 4), floor(63 * 3 / 4)
}

TEST(IntegerNetwork, second_cut_that_changes_nothing_joins_the_first) {
  OnnxModel model = conv_model({1, 1, 1, 2}, {1});
  model.floats("d", {}, {4});
  model.node("Div", {"acc", "d"}, {"a"});
  model.node("Floor", {"a"}, {"b"});
  model.node("Mul", {"b", "d"}, {"c"});
  model.node("Div", {"c", "d"}, {"e"});
  model.node("Floor", {"e"}, {"f"});
  model.node("Clip", {"f"}, {"y"}).with("min", 0.0F).with("max", 15.0F);
  const Graph graph = integers(model, {7, 255});
  EXPECT_EQ(integer_nodes(graph), 1U);
  EXPECT_EQ(result(graph, {7, 255}), (Numbers{1, 15}));
}

// relu of x and of 2x, m1 = 3, m2 = 5, over 8: NEMO's QAdd.
OnnxModel residual_model(bool clips) {
  OnnxModel model = conv_model({1, 1, 1, 2}, {2});
  model.floats("m1", {}, {3});
  model.floats("m2", {}, {5});
  model.floats("d", {}, {8});
  model.floats("w2", {1, 1, 1, 1}, {1});
  model.node("Clip", {"acc"}, {"a"}).with("min", 0.0F).with("max", 255.0F);
  model.node("Mul", {"a", "m1"}, {"b"}).named("m_1");
  model.node("Mul", {"x", "m2"}, {"c"}).named("m_2");
  model.node("Add", {"b", "c"}, {"s"}).named("add");
  model.node("Div", {"s", "d"}, {"e"}).named("div");
  model.node("Floor", {"e"}, {"f"}).named("floor");
  if (clips) model.node("Clip", {"f"}, {"g"}).with("min", 0.0F).with("max", 255.0F);
  model.node("Conv", {clips ? "g" : "f", "w2"}, {"y"}).named("last");
  return model;
}

TEST(IntegerNetwork, residual_add_takes_its_operands_scales) {
  const Graph graph = integers(residual_model(true), {7, 100});
  const Node& add = node_named(graph, "add");
  ASSERT_EQ(add.operand_affine.size(), 2U);
  EXPECT_EQ(add.operand_affine[0].multiplier, std::vector<std::int64_t>{3});
  EXPECT_EQ(add.operand_affine[1].multiplier, std::vector<std::int64_t>{5});
  EXPECT_EQ(add.operand_affine[1].divisor, 1);
  EXPECT_EQ(add.affine->divisor, 8);
  // (14 * 3 + 7 * 5) / 8 = 9.6; (200 * 3 + 100 * 5) / 8 = 137.5
  EXPECT_EQ(result(graph, {7, 100}), (Numbers{9, 137}));
}

TEST(IntegerNetwork, sum_without_clip_saturates_where_a_layer_reads_it) {
  OnnxModel model = residual_model(false);
  const Graph graph = integers(model, {7, 255});
  const Node& add = node_named(graph, "add");
  EXPECT_EQ(graph.value(add.outputs[0]).type, ElementType::Uint8);
  EXPECT_EQ(result(graph, {7, 255}), (Numbers{9, 255}));  // (255 * 3 + 255 * 5) / 8 = 255
}

TEST(IntegerNetwork, operand_with_a_cut_of_its_own_is_rescaled_in_the_add) {
  OnnxModel model(10);
  model.input("x", {1, 1, 1, 2}).output("y");
  model.floats("half", {}, {32768});
  model.floats("one", {}, {65536});
  model.floats("zero", {}, {0});
  const auto shift = [&](const std::string& x, const std::string& mul, const std::string& y) {
    NodeBuilder node = model.node("RequantShift", {x, mul, "zero"}, {y});
    node.with("div", 65536.0F).with("n_levels_out", 256.0F).with("signed", 1.0F).named("to_" + y);
  };
  shift("x", "half", "a");
  shift("x", "half", "b");
  model.node("Add", {"a", "b"}, {"s"}).named("add");
  shift("s", "one", "y");
  const Graph graph = integers(model, {-3, 3});
  EXPECT_EQ(integer_nodes(graph), 1U);
  EXPECT_EQ(node_named(graph, "add").operand_affine[0].rounding, Rounding::HalfUp);
  EXPECT_EQ(result(graph, {-3, 3}), (Numbers{-2, 4}));  // -1.5 -> -1, 1.5 -> 2, twice
}

TEST(IntegerNetwork, value_that_others_read_too_is_a_node_of_its_own) {
  OnnxModel model = conv_model({1, 1, 1, 2}, {1});
  model.output("z");
  model.floats("d", {}, {4});
  model.floats("e", {}, {3});
  model.node("Div", {"acc", "d"}, {"fraction"}).named("div");
  model.node("Floor", {"fraction"}, {"a"}).named("floor_a");
  model.node("Mul", {"fraction", "e"}, {"m"}).named("mul");
  model.node("Floor", {"m"}, {"b"}).named("floor_b");
  model.node("Clip", {"a"}, {"y"}).named("clip_a").with("min", 0.0F).with("max", 255.0F);
  model.node("Clip", {"b"}, {"z"}).named("clip_b").with("min", 0.0F).with("max", 255.0F);
  const Graph graph = integers(model, {7, 9});
  EXPECT_EQ(integer_nodes(graph), 3U);  // raw accumulators, and two rescalings of them
  EXPECT_EQ(result(graph, {7, 9}, 0), (Numbers{1, 2}));
  EXPECT_EQ(result(graph, {7, 9}, 1), (Numbers{5, 6}));  // 21 / 4, 27 / 4
}

TEST(IntegerNetwork, pads_join_convolution_and_pools) {
  OnnxModel model(9);
  model.input("x", {1, 1, 2, 2}).output("y");
  model.floats("w", {1, 1, 3, 3}, {1, 1, 1, 1, 1, 1, 1, 1, 1});
  const std::vector<std::int64_t> ring{0, 0, 1, 1, 0, 0, 1, 1};
  model.node("Pad", {"x"}, {"p"}).with("pads", ring).with("mode", "constant");
  model.node("Conv", {"p", "w"}, {"a"}).named("conv");
  model.node("Clip", {"a"}, {"b"}).with("min", 0.0F).with("max", 255.0F);
  model.node("Pad", {"b"}, {"q"}).with("pads", ring).with("mode", "constant");
  model.node("MaxPool", {"q"}, {"m"}).named("max").with("kernel_shape", Shape{2, 2});
  model.node("Pad", {"m"}, {"r"}).with("pads", ring).with("mode", "constant");
  model.floats("four", {}, {4});
  model.node("AveragePool", {"r"}, {"v"}).named("average").with("kernel_shape", Shape{2, 2});
  model.node("Floor", {"v"}, {"y"});
  const Graph graph = integers(model, {1, 2, 3, 4});
  for (const Node& node : graph.nodes) EXPECT_FALSE(std::holds_alternative<Pad>(node.op));
  EXPECT_EQ(std::get<MaxPool>(node_named(graph, "max").op).window.pads_begin[0], 1);
  EXPECT_EQ(node_named(graph, "average").affine->divisor, 4);
  // The sum of all, 10, everywhere: 3x3 of them; averages of 1, 2 and 4 of 4 cells.
  EXPECT_EQ(result(graph, {1, 2, 3, 4}),
            (Numbers{2, 5, 5, 2, 5, 10, 10, 5, 5, 10, 10, 5, 2, 5, 5, 2}));
}

TEST(IntegerNetwork, one_dimensional_convolution_becomes_two_dimensional) {
  OnnxModel model(10);
  model.input("x", {1, 1, 6}).output("y");
  model.floats("w", {2, 1, 2}, {1, 2, 3, -1});
  model.floats("mul", {1, 2, 1}, {1, 2});
  model.floats("add", {1, 2, 1}, {1, 0});
  model.node("Conv", {"x", "w"}, {"a"}).named("conv").with("dilations", Shape{3});
  NodeBuilder node = model.node("RequantShift", {"a", "mul", "add"}, {"y"});
  node.with("div", 2.0F).with("n_levels", 256.0F).with("signed", 0.0F);
  const Graph graph = integers(model, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(std::get<Conv>(node_named(graph, "conv").op).window.dilations, (Shape{1, 3}));
  // x[i] + 2 x[i+3] + 1 over 2: 10/2, 13/2 -> 7, 16/2; 3 x[i] - x[i+3]: -1, 1, 3
  EXPECT_EQ(result(graph, {1, 2, 3, 4, 5, 6}), (Numbers{5, 7, 8, 0, 1, 3}));
}

TEST(IntegerNetwork, product_and_float_tail) {
  OnnxModel model(9);
  model.input("x", {1, 3}).output("y").output("z");
  model.floats("w", {3, 2}, {1, 2, 3, 4, 5, -6});
  model.floats("b", {2}, {0.5F, 0.25F});
  model.floats("d", {}, {2});
  model.integers("one", {1});
  model.node("Floor", {"x"}, {"f"});
  model.node("MatMul", {"f", "w"}, {"a"}).named("product");
  model.node("Mul", {"a", "b"}, {"s"}).named("scale");
  model.node("Sigmoid", {"s"}, {"y"}).named("sigmoid");
  model.node("Gather", {"a", "one"}, {"z"}).named("gather").with("axis", 1);
  const Graph graph = integers(model, {1, 2, 3});
  const Node& product = node_named(graph, "product");
  EXPECT_TRUE(std::get<Gemm>(product.op).transpose_b);
  EXPECT_EQ(graph.value(product.inputs[1]).shape, (Shape{2, 3}));
  EXPECT_EQ(graph.value(product.outputs[0]).type, ElementType::Int32);
  EXPECT_EQ(result(graph, {1, 2, 3}, 1), (Numbers{-8}));      // 2 + 8 - 18
  EXPECT_FLOAT_EQ(result(graph, {1, 2, 3})[0], 0.99998325F);  // sigmoid(22 / 2)
}

TEST(IntegerNetwork, quantlab_add_rescales_operands_and_sum) {
  OnnxModel model = conv_model({1, 1, 1, 2}, {1}, 10);
  model.node("Clip", {"acc"}, {"a"}).with("min", 0.0F).with("max", 255.0F);
  NodeBuilder add = model.node("Add", {"a", "x"}, {"y"});
  add.named("add").with("add_bits", 32);
  for (const std::string in : {"in1", "in2", "out"}) {
    add.with(in + "_mul", in == "in1" ? 3 : 1).with(in + "_add", 2).with(in + "_shift", 2);
    add.with(in + "_n_levels", 256).with(in + "_rq", 1);
  }
  const Graph graph = integers(model, {10, 200});
  EXPECT_EQ(node_named(graph, "add").affine->high, 255);
  EXPECT_EQ(node_named(graph, "add").affine->low, 0);
  // (32 >> 2) + (12 >> 2) = 11, 13 >> 2 = 3; (602 >> 2) + (202 >> 2) = 200, 202 >> 2 = 50
  EXPECT_EQ(result(graph, {10, 200}), (Numbers{3, 50}));
}

TEST(IntegerNetwork, concat_joins_equal_codes) {
  OnnxModel model = conv_model({1, 1, 1, 2}, {2}, 10);
  model.floats("w2", {1, 2, 1, 1}, {1, -1});
  model.node("Clip", {"acc"}, {"a"}).with("min", 0.0F).with("max", 255.0F);
  model.node("Concat", {"a", "x"}, {"c"}).named("concat").with("axis", 1);
  model.node("Conv", {"c", "w2"}, {"y"}).named("last");
  const Graph graph = integers(model, {7, 100});
  EXPECT_EQ(graph.value(node_named(graph, "concat").outputs[0]).type, ElementType::Uint8);
  EXPECT_EQ(result(graph, {7, 100}), (Numbers{7, 100}));  // 2x - x
}

TEST(IntegerNetwork, mean_over_space_without_kept_dimensions) {
  OnnxModel model(10);
  model.input("x", {1, 2, 1, 3}).output("y");
  model.floats("m", {}, {0.5F});
  model.floats("w", {2, 1}, {1, 10});
  NodeBuilder mean = model.node("ReduceMean", {"x"}, {"a"});
  mean.named("mean").with("axes", Shape{2, 3}).with("keepdims", 0);
  model.node("Mul", {"a", "m"}, {"b"});
  model.node("Floor", {"b"}, {"c"});
  model.node("MatMul", {"c", "w"}, {"y"});
  const Graph graph = integers(model, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(node_named(graph, "mean").affine->divisor, 6);
  EXPECT_EQ(result(graph, {1, 2, 3, 4, 5, 6}), (Numbers{21}));  // floor(6 / 6) + 10 floor(15 / 6)
}

TEST(IntegerNetwork, zeros_around_signed_codes_can_win_a_maximum) {
  OnnxModel model(10);
  model.input("x", {1, 1, 1, 2}).output("y");
  const std::vector<std::int64_t> left{0, 0, 0, 1, 0, 0, 0, 0};
  model.node("Pad", {"x"}, {"p"}).with("pads", left).with("mode", "constant");
  model.node("MaxPool", {"p"}, {"y"}).named("max").with("kernel_shape", Shape{1, 2});
  const Graph graph = integers(model, {-3, -4});
  EXPECT_EQ(std::get<MaxPool>(node_named(graph, "max").op).window.pads_begin[1], 0);
  EXPECT_EQ(result(graph, {-3, -4}), (Numbers{0, -3}));
}

TEST(IntegerNetwork, products_beyond_32_bits_at_the_end_are_the_hosts) {
  OnnxModel model(13);
  model.input("x", {1, 1}, Type::UINT8).output("y");
  model.codes("w", {1, 1}, Type::INT8, {127});
  model.codes("k", {1}, Type::INT32, {131073});
  model.node("MatMulInteger", {"x", "w"}, {"a"});
  model.node("Mul", {"a", "k"}, {"y"}).named("mul");
  const Graph graph = integers(model, {255});
  EXPECT_FALSE(node_named(graph, "mul").affine);
  EXPECT_EQ(integer_nodes(graph), 1U);
  EXPECT_EQ(result(graph, {2}), (Numbers{33292542}));  // 254 * 131073
}

TEST(IntegerNetwork, weight_bits_of_the_file_are_kept) {
  OnnxModel model(10);
  model.input("x", {1, 1, 1, 2}).output("y");
  model.floats("w", {1, 1, 1, 1}, {-8});
  model.node("Conv", {"x", "w"}, {"a"}).named("conv").with("weight_bits", 4).with("bias_bits", 32);
  model.node("Clip", {"a"}, {"y"}).with("min", -128.0F).with("max", 127.0F);
  const Graph graph = integers(model, {1, 2});
  EXPECT_EQ(graph.value(node_named(graph, "conv").inputs[1]).quantization->bits, 4);
}

TEST(IntegerNetwork, float_networks_are_none) {
  OnnxModel model = conv_model({1, 1, 1, 1}, {0.5F});
  model.node("Floor", {"acc"}, {"y"});
  EXPECT_FALSE(is_integer_network(model.import()));
  OnnxModel whole = conv_model({1, 1, 1, 1}, {2});
  whole.node("Relu", {"acc"}, {"y"});
  EXPECT_FALSE(is_integer_network(whole.import()));
}

// x [1,2,256,256], every pair of codes -> a, b [1,1,256,256] -> floor((53 a + 128 b) / 128), "f1".
OnnxModel rescaled_sum() {
  OnnxModel model(9);
  model.input("x", {1, 2, 256, 256}).output("y");
  model.floats("wa", {1, 2, 1, 1}, {1, 0});
  model.floats("wb", {1, 2, 1, 1}, {0, 1});
  for (const auto& [name, number] :
       {std::pair{"m1", 53.0F}, {"d1", 128.0F}, {"m2", 54.0F}, {"d2", 64.0F}}) {
    model.floats(name, {}, {number});
  }
  for (const std::string& one : {std::string("a"), std::string("b")}) {
    model.node("Conv", {"x", "w" + one}, {"acc_" + one});
    model.node("Clip", {"acc_" + one}, {one}).with("min", 0.0F).with("max", 255.0F);
  }
  model.node("Mul", {"a", "m1"}, {"am"});
  model.node("Mul", {"b", "d1"}, {"bm"});
  model.node("Add", {"am", "bm"}, {"sum"});
  model.node("Div", {"sum", "d1"}, {"q1"});
  model.node("Floor", {"q1"}, {"f1"});
  return model;
}

Numbers all_pairs() {
  Numbers x;
  for (int i = 0; i < 65536; ++i) x.push_back(static_cast<float>(i / 256));
  for (int i = 0; i < 65536; ++i) x.push_back(static_cast<float>(i % 256));
  return x;
}

// "f1" -> floor(54 / 64 of it), as NEMO writes a sum whose result is requantized again.
TEST(IntegerNetwork, a_sum_that_is_rescaled_twice_is_exact_for_every_pair_of_codes) {
  OnnxModel model = rescaled_sum();
  model.node("Mul", {"f1", "m2"}, {"scaled"});
  model.node("Div", {"scaled", "d2"}, {"q2"});
  model.node("Floor", {"q2"}, {"s"});
  model.node("Clip", {"s"}, {"y"}).with("min", 0.0F).with("max", 255.0F);
  const Numbers x = all_pairs();
  const Numbers found = result(integers(model, x), x);
  ASSERT_EQ(found.size(), 65536U);
  for (int i = 0; i < 65536; ++i) {
    const int once = (53 * (i / 256) + 128 * (i % 256)) / 128;  // of numbers from 0 on
    ASSERT_EQ(found[static_cast<std::size_t>(i)], static_cast<float>(std::min(255, once * 54 / 64)))
        << i;
  }
}

// floor((53 + 128) * 255 / 128) = 360.
TEST(IntegerNetwork, sums_that_nothing_clips_and_codes_do_not_hold_are_named) {
  OnnxModel model = rescaled_sum();
  model.floats("w", {1, 1, 1, 1}, {1});
  model.node("Conv", {"f1", "w"}, {"acc"});
  model.node("Clip", {"acc"}, {"y"}).with("min", 0.0F).with("max", 255.0F);
  const Graph imported = model.import();
  std::vector<std::string> saturations;
  integer_network(imported, {sample(imported, all_pairs())}, {.saturations = &saturations});
  EXPECT_EQ(saturations,
            std::vector<std::string>{
                "'f1': sums from 0 to 360 without a Clip are kept as codes from 0 to 255: what "
                "exceeds them saturates, as in the kernels, in the golden model too"});
}

// floor(360 * 54 / 64) = 303: what the kernel behind it saturates at 255, as it does a sum that is
// rescaled once.
TEST(IntegerNetwork, a_sum_that_is_rescaled_twice_without_a_clip_saturates_at_the_end) {
  OnnxModel model = rescaled_sum();
  model.node("Mul", {"f1", "m2"}, {"scaled"});
  model.node("Div", {"scaled", "d2"}, {"q2"});
  model.node("Floor", {"q2"}, {"s"});
  model.floats("w", {1, 1, 1, 1}, {1});
  model.node("Conv", {"s", "w"}, {"acc"});
  model.node("Clip", {"acc"}, {"y"}).with("min", 0.0F).with("max", 255.0F);
  const Numbers x = all_pairs();
  std::vector<std::string> saturations;
  const Graph imported = model.import();
  const Graph graph =
      integer_network(imported, {sample(imported, x)}, {.saturations = &saturations});
  EXPECT_EQ(saturations,
            std::vector<std::string>{
                "'s': sums from 0 to 303 without a Clip are kept as codes from 0 to 255: what "
                "exceeds them saturates, as in the kernels, in the golden model too"});
  const Numbers found = result(graph, x);
  for (int i = 0; i < 65536; ++i) {
    const int once = (53 * (i / 256) + 128 * (i % 256)) / 128;
    ASSERT_EQ(found[static_cast<std::size_t>(i)], static_cast<float>(std::min(255, once * 54 / 64)))
        << i;
  }
}

}  // namespace
}  // namespace workbench::test
