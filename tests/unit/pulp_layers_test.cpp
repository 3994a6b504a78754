// Which layers an integer network becomes, and what is refused.
#include <gtest/gtest.h>

#include "compiler/pulp/compile.h"
#include "compiler/pulp/layer.h"
#include "compiler/pulp/support.h"
#include "tests/support/integer_graphs.h"

namespace workbench::pulp {
namespace {

AffineRequantize affine(std::int64_t multiplier, std::int64_t divisor,
                        Rounding rounding = Rounding::Floor) {
  AffineRequantize a;
  a.multiplier = {multiplier};
  a.divisor = divisor;
  a.rounding = rounding;
  return a;
}

Network layers(IntegerGraph& g, NormBits bits = NormBits::Auto) {
  return layers_of(g.graph(), Machine{}, bits);
}

std::string refusal(IntegerGraph& g, NormBits bits = NormBits::Auto) {
  try {
    layers(g, bits);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(PulpLayers, kinds_follow_from_window_and_groups) {
  IntegerGraph g;
  ValueId x = g.input({1, 8, 9, 9}, kUnsigned8);
  x = g.conv(x, 8, square_window(3, 1, 1), 1, affine(3, 4096), kUnsigned8);
  x = g.conv(x, 8, square_window(3, 2, 1), 8, affine(3, 512), kUnsigned8);
  x = g.conv(x, 12, square_window(1), 1, affine(3, 1024), kUnsigned8);
  x = g.conv(x, 12, square_window(1, 2), 1, affine(3, 1024), kUnsigned8);
  x = g.conv(x, 8, square_window(3, 1, 1), 2, affine(3, 1024), kUnsigned8);
  g.output(g.gemm(g.flatten(x), 5, raw_accumulators(), kInt32));
  const Network network = layers(g);
  std::vector<Family> kinds;
  for (const Layer& layer : network.layers) kinds.push_back(layer.family);
  EXPECT_EQ(kinds, (std::vector<Family>{Family::Conv, Family::Depthwise, Family::Pointwise,
                                        Family::Conv, Family::Conv, Family::Conv, Family::Linear}));
  // The second of two groups reads and writes the upper half of the channels.
  const FeatureMap& in = network.activations[static_cast<std::size_t>(network.layers[5].in)];
  EXPECT_EQ(in.first_channel, 6);
  EXPECT_EQ(in.channels, 6);
  EXPECT_EQ(network.layers[5].macs * 2, network.layers[4].macs + network.layers[5].macs);
}

TEST(PulpLayers, one_multiplier_for_all_channels_needs_no_batch_norm) {
  IntegerGraph g;
  const ValueId x = g.input({1, 4, 4, 4}, kUnsigned8);
  AffineRequantize many = affine(7, 1024);
  many.multiplier = {7, 8, 9, 10};
  g.output(g.conv(g.conv(x, 4, square_window(1), 1, affine(7, 1024), kUnsigned8, true), 4,
                  square_window(1), 1, many, kUnsigned8, true));
  const Network network = layers(g);
  EXPECT_FALSE(network.layers[0].call.norm);
  EXPECT_TRUE(network.layers[0].call.has_bias);
  EXPECT_EQ(network.layers[0].call.multiplier, 7);
  EXPECT_EQ(network.layers[0].call.shift, 10);
  EXPECT_TRUE(network.layers[1].call.norm);
  EXPECT_FALSE(network.layers[1].call.has_bias);  // in lambda
  EXPECT_EQ(network.layers[1].kappa, many.multiplier);
}

// 60000 x 127 channels x 127 x 255 leaves 32 bits; of codes that are 1 at most it does not.
IntegerGraph norm_behind(std::int64_t divisor) {  // codes are up to 255 x 127 / divisor
  IntegerGraph g;
  AffineRequantize second = affine(0, 1 << 24);
  second.multiplier = {60000, 59999};
  ValueId x = g.input({1, 1, 2, 2}, kUnsigned8);
  x = g.conv(x, 127, square_window(1), 1, affine(1, divisor), kUnsigned8);
  g.output(g.conv(x, 2, square_window(1), 1, second, kUnsigned8));
  for (const Node& node : g.graph().nodes) {
    if (!std::holds_alternative<workbench::Conv>(node.op)) continue;
    Tensor& weights = *g.graph().value(node.inputs[1]).constant;
    for (std::int8_t& weight : weights.mutable_values<std::int8_t>()) weight = 127;
  }
  return g;
}
constexpr char kLeaves32Bits[] =
    "channel 0: 60000 x accumulators 0 to 4112895, + 0, leaves 32 bits";

TEST(PulpLayers, codes_that_cannot_occur_keep_batch_norm_in_32_bits) {
  const auto second = [](std::int64_t divisor) {
    IntegerGraph g = norm_behind(divisor);
    return layers_of(g.graph(), Machine{}, NormBits::Auto, NormStyle::Dorys).layers[1];
  };
  EXPECT_EQ(second(1).call.norm_bits, 64);
  EXPECT_EQ(second(1).wide_norm, kLeaves32Bits);
  EXPECT_EQ(second(16384).call.norm_bits, 32);  // 60000 x 16129 = 967740000
  EXPECT_EQ(second(16384).wide_norm, "");
}

TEST(PulpLayers, programs_say_why_batch_norm_is_wide) {
  const auto said = [](std::int64_t divisor) {
    IntegerGraph g = norm_behind(divisor);
    const Machine machine = load_machine("configs/pulp_open.yaml");
    return compile(g.graph(), machine, {.tiler = Tiler::Dory}).tilings.at(1).wide_norm;
  };
  EXPECT_EQ(said(1), std::string("64 bits: ") + kLeaves32Bits);
  EXPECT_EQ(said(16384), "");
}

TEST(PulpLayers, fully_connected_weights_take_pixels_as_they_lie) {
  IntegerGraph g;
  const ValueId x = g.input({1, 2, 1, 3}, kUnsigned8);
  g.output(g.gemm(g.flatten(x), 1, raw_accumulators(), kInt32));
  const Network network = layers(g);
  const auto w = g.graph().value(g.graph().nodes[2].inputs[1]).constant->values<std::int8_t>();
  // Channel by channel 0 1 2, 3 4 5; pixel by pixel 0 3, 1 4, 2 5.
  EXPECT_EQ(network.layers[0].weights,
            (std::vector<std::int8_t>{w[0], w[3], w[1], w[4], w[2], w[5]}));
}

TEST(PulpLayers, fully_connected_layers_write_a_row_as_the_map_that_it_becomes) {
  IntegerGraph g;
  const ValueId row = g.flatten(g.input({1, 1, 1, 1}, kUnsigned8));
  const ValueId map =
      g.node(Reshape{{1, 3, 1, 2}},
             {g.gemm(row, 6, g.random_affine(6, 500, kUnsigned8), kUnsigned8)}, kUnsigned8);
  g.output(g.conv(map, 8, square_window(1), 1, affine(3, 4096), kUnsigned8));
  const Network network = layers(g);
  ASSERT_EQ(network.layers.size(), 2U);
  // The first pixel's three channels are elements 0, 2 and 4 of the row, the second's 1, 3 and 5.
  const auto w = g.graph().value(g.graph().nodes[2].inputs[1]).constant->values<std::int8_t>();
  EXPECT_EQ(network.layers[0].weights,
            (std::vector<std::int8_t>{w[0], w[2], w[4], w[1], w[3], w[5]}));
  EXPECT_EQ(network.layers[0].out, network.layers[1].in);
}

TEST(PulpLayers, a_row_read_as_two_maps_of_different_order_is_turned_around_by_the_host) {
  IntegerGraph g;
  const ValueId row = g.gemm(g.flatten(g.input({1, 1, 1, 1}, kUnsigned8)), 12,
                             g.random_affine(12, 500, kUnsigned8), kUnsigned8);
  for (const Shape& shape : {Shape{1, 3, 2, 2}, Shape{1, 2, 2, 3}}) {
    const ValueId map = g.node(Reshape{shape}, {row}, kUnsigned8);
    g.output(g.conv(map, 8, square_window(1), 1, affine(3, 4096), kUnsigned8));
  }
  std::vector<std::string> turned;
  for (const std::size_t n : layers(g).host_nodes) {
    const Node& node = g.graph().nodes[n];
    if (std::holds_alternative<Reshape>(node.op)) turned.push_back(node.name);
  }
  EXPECT_EQ(turned.size(), 1U);
}

TEST(PulpLayers, concat_parts_lie_in_their_whole_and_copies_are_made_for_the_second_place) {
  IntegerGraph g;
  const ValueId x = g.input({1, 4, 4, 4}, kUnsigned8);
  const ValueId y = g.conv(x, 6, square_window(1), 1, affine(7, 1024), kUnsigned8);
  g.output(g.concat({y, x, y}));
  const Network network = layers(g);
  ASSERT_EQ(network.layers.size(), 2U);
  EXPECT_EQ(network.layers[1].family, Family::Requantize);
  const auto first = [&](std::int32_t a) {
    return network.activations[static_cast<std::size_t>(a)].first_channel;
  };
  EXPECT_EQ(first(network.layers[0].out), 0);
  EXPECT_EQ(first(network.layers[1].out), 10);
}

// Of a float network; empty: the cluster computes it.
std::string host_reason_of(Op op, const Shape& in, const Shape& out, const Shape& weights = {}) {
  Graph graph;
  Node node{.name = "node", .op = std::move(op)};
  node.inputs = {graph.add_value({.name = "x", .shape = in})};
  if (!weights.empty()) {
    node.inputs.push_back(graph.add_constant("w", Tensor::zeros(ElementType::Float32, weights)));
  }
  node.outputs = {graph.add_value({.name = "y", .shape = out})};
  Machine machine;
  machine.name = "small";
  machine.l1.buffer_bytes = 1000, machine.l2.buffer_bytes = 5000;
  return host_reasons(machine)(graph, node).value_or("");
}

TEST(PulpLayers, the_host_has_what_no_memory_holds_at_a_time) {
  const auto gemm = [](std::int64_t ins) {
    return host_reason_of(Gemm{.transpose_b = true}, {1, ins}, {1, 1}, {1, ins});
  };
  EXPECT_EQ(gemm(2500), "");  // in passes through L1
  EXPECT_EQ(gemm(2501), "operands of one result take 5002 bytes of L2, small has 5000");
  // Four channels of 15 x 15 and their means.
  const Shape map{1, 4, 35, 35}, point{1, 4, 1, 1};
  EXPECT_EQ(host_reason_of(AveragePool{.window = square_window(15)}, map, point), "");
  EXPECT_EQ(host_reason_of(AveragePool{.window = square_window(16)}, map, point),
            "operands of one result take 1028 bytes of L1, small has 1000");
  EXPECT_EQ(host_reason_of(MaxPool{.window = square_window(16)}, map, point),
            "operands of one result take 1028 bytes of L1, small has 1000");
}

TEST(PulpLayers, the_host_has_batches_of_maps) {
  const Conv conv{.window = square_window(1)};
  EXPECT_EQ(host_reason_of(conv, {3, 2, 4, 4}, {3, 2, 4, 4}, {2, 2, 1, 1}),
            "takes 3 images at a time, kernels take one");
  EXPECT_EQ(host_reason_of(conv, {1, 2, 4, 4}, {1, 2, 4, 4}, {2, 2, 1, 1}), "");
}

TEST(PulpLayers, refusals_name_the_layer_and_the_figures) {
  IntegerGraph wide;
  wide.output(wide.conv(wide.input({1, 4, 4, 4}, kUnsigned8), 4, square_window(3, 1, 1), 4,
                        raw_accumulators(), kInt32));
  EXPECT_EQ(refusal(wide),
            "integers: node 'n1' (Conv): a result of 32 bits is what only sums over all channels "
            "leave, and unscaled");

  IntegerGraph truncated;
  AffineRequantize toward_zero = affine(1, 8, Rounding::TowardZero);
  toward_zero.low = -128, toward_zero.high = 127;
  truncated.output(
      truncated.rescale(truncated.input({1, 1, 2, 2}, kSigned8), toward_zero, kSigned8));
  EXPECT_EQ(refusal(truncated),
            "integers: node 'n1' (Identity): (x * 1 + 0) / 8 rounded toward zero, -128 to 127 has "
            "no exact form in the batch norm over accumulators from -128 to 127");

  IntegerGraph rows;
  Concat by_rows;
  by_rows.axis = 2;
  const ValueId x = rows.input({1, 4, 4, 4}, kUnsigned8);
  rows.output(rows.node(by_rows, {x, x}, kUnsigned8));
  EXPECT_EQ(refusal(rows),
            "integers: node 'n1' (Concat): joins axis 2, only channels (axis 1) can lie side by "
            "side");
}

TEST(PulpLayers, parts_of_joins_are_whole_bytes) {
  const CodeType four{4, false};
  const auto join = [&](std::int64_t first, std::int64_t second) {
    IntegerGraph g;
    const ValueId x = g.input({1, 8, 4, 4}, four);
    const ValueId a = g.conv(x, first, square_window(1), 1, affine(7, 1024), four);
    const ValueId b = g.conv(x, second, square_window(1), 1, affine(7, 1024), four);
    g.output(g.concat({a, b}));
    return refusal(g);
  };
  EXPECT_EQ(join(2, 6), "");
  EXPECT_EQ(
      join(3, 5),
      "integers: 'v1' begins or ends inside a byte of 'v3', which it is joined to: channels 0 "
      "to 2 of 4 bits each; expected multiples of 2: give the parts other numbers of "
      "channels, or the join codes of 8 bits (--layer NAME:activation-bits=8)");
}

}  // namespace
}  // namespace workbench::pulp
