// Integer weights, bias and scales of single nodes.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "compiler/quantize/parameters.h"

namespace workbench {
namespace {

struct ConvSpec {
  Shape weight_shape;
  std::vector<float> weights, bias;
  Activation activation = {};
};

// x [1, Ci, 4, 4] -> Conv 1x1 "conv" -> y
Graph conv_graph(const ConvSpec& spec) {
  Graph graph{.name = "one"};
  const ValueId x = graph.add_value({.name = "x", .shape = {1, spec.weight_shape[1], 4, 4}});
  const ValueId w =
      graph.add_constant("w", Tensor::from<float>(spec.weight_shape, spec.weights, Layout::Oihw));
  const std::int64_t channels = spec.weight_shape[0];
  const ValueId y = graph.add_value({.name = "y", .shape = {1, channels, 4, 4}});
  Node node{.name = "conv", .inputs = {x, w}, .outputs = {y}};
  node.op = Conv{.window = {.kernel = {1, 1},
                            .strides = {1, 1},
                            .dilations = {1, 1},
                            .pads_begin = {0, 0},
                            .pads_end = {0, 0}},
                 .activation = spec.activation};
  if (!spec.bias.empty()) {
    node.inputs.push_back(graph.add_constant("b", Tensor::from<float>({channels}, spec.bias)));
  }
  graph.nodes.push_back(node);
  graph.inputs = {x};
  graph.outputs = {y};
  return graph;
}

WeightedParameters parameters_of(const Graph& graph, const NodeScales& scales) {
  return weighted_parameters(graph, graph.nodes[0], scales, {});
}

template <typename T>
std::vector<int> as_ints(const Tensor& tensor) {
  const auto values = tensor.values<T>();
  return {values.begin(), values.end()};
}

TEST(QuantizeWeights, each_channel_maps_its_own_maximum_to_127_and_rounds_half_away_from_zero) {
  // Channel 0: threshold 127, so one step is 1: 0.5 -> 1, -0.5 -> -1, 2.4 -> 2.
  // Channel 1: threshold 254, one step is 2.
  const Graph graph = conv_graph(
      {.weight_shape = {2, 4, 1, 1}, .weights = {127, 0.5, -0.5, 2.4F, -254, 1, -1, 254}});
  const WeightedParameters got = parameters_of(graph, {.threshold_in = 1, .threshold_out = 1});
  EXPECT_EQ(as_ints<std::int8_t>(got.weights), (std::vector<int>{127, 1, -1, 2, -127, 1, -1, 127}));
  EXPECT_EQ(got.quantization.thresholds, (std::vector<double>{127, 254}));
  EXPECT_EQ(got.quantization.axis, 0);
  EXPECT_FALSE(got.bias.has_value());
}

TEST(QuantizeWeights, bias_counts_accumulator_units) {
  // sf_in = 254/127 = 2, sf_w = 127/127 = 1: one unit is 2. 5 -> 2.5 -> 3, -5 -> -3, 4.9 -> 2.
  const Graph graph =
      conv_graph({.weight_shape = {3, 1, 1, 1}, .weights = {127, 127, 127}, .bias = {5, -5, 4.9F}});
  const WeightedParameters got = parameters_of(graph, {.threshold_in = 254, .threshold_out = 1});
  EXPECT_EQ(as_ints<std::int32_t>(*got.bias), (std::vector<int>{3, -3, 2}));
}

TEST(QuantizeWeights, tiny_weights_make_room_for_their_bias) {
  // With threshold max|w| = 1e-9 a bias of 1 would need about 1.6e13 units; 24 bits hold 8388607,
  // so the threshold becomes what makes 1.0 exactly that code, and the weights round to nothing.
  const Graph graph =
      conv_graph({.weight_shape = {1, 1, 1, 1}, .weights = {1e-9F}, .bias = {1.0F}});
  const WeightedParameters got = parameters_of(graph, {.threshold_in = 1, .threshold_out = 1});
  EXPECT_NEAR(as_ints<std::int32_t>(*got.bias)[0], 8388607, 1);
  EXPECT_EQ(as_ints<std::int8_t>(got.weights)[0], 0);
  // acc * scale / 2^shift must be 127, the code of 1.0.
  const double code =
      8388607.0 * got.requantize.scale[0] / std::ldexp(1.0, got.requantize.shift[0]);
  EXPECT_NEAR(code, 127, 0.01);
}

TEST(QuantizeWeights, a_channel_of_zeros_has_scale_zero) {
  const Graph graph = conv_graph({.weight_shape = {2, 1, 1, 1}, .weights = {0, 1}, .bias = {0, 0}});
  const WeightedParameters got = parameters_of(graph, {.threshold_in = 1, .threshold_out = 1});
  EXPECT_EQ(got.requantize.scale[0], 0);
  EXPECT_EQ(got.requantize.shift[0], 0);
  EXPECT_GT(got.requantize.scale[1], 0);
  EXPECT_GT(got.quantization.thresholds[0], 0);
}

TEST(QuantizeWeights, an_import_hint_replaces_the_maximum) {
  Graph graph = conv_graph({.weight_shape = {2, 1, 1, 1}, .weights = {0.5, 0.25}});
  graph.value(1).quantization = Quantization{.thresholds = {1.27}};  // steps of 0.01
  const WeightedParameters got = parameters_of(graph, {.threshold_in = 1, .threshold_out = 1});
  EXPECT_EQ(as_ints<std::int8_t>(got.weights), (std::vector<int>{50, 25}));
}

TEST(QuantizeWeights, leaky_relu_gets_two_byte_scales_with_one_shift) {
  // m = 1 (all thresholds 127 but in * w / out = 1): 128 / 2^7; slope 0.25 -> 32 / 2^7.
  const Graph graph =
      conv_graph({.weight_shape = {1, 1, 1, 1},
                  .weights = {127},
                  .activation = {.kind = Activation::Kind::LeakyRelu, .alpha = 0.25}});
  const Requantize got =
      parameters_of(graph, {.threshold_in = 127, .threshold_out = 127}).requantize;
  EXPECT_EQ(got.scale, (std::vector<std::int32_t>{128}));
  EXPECT_EQ(got.negative_scale, (std::vector<std::int32_t>{32}));
  EXPECT_EQ(got.shift, (std::vector<std::int32_t>{7}));
}

TEST(QuantizeWeights, a_prelu_slope_above_one_takes_the_top_byte_range) {
  // m = 1, slope 2: the negative side is the larger, 128 / 2^6; positive 64 / 2^6.
  const Graph graph = conv_graph({.weight_shape = {1, 1, 1, 1},
                                  .weights = {127},
                                  .activation = {.kind = Activation::Kind::PRelu, .slopes = {2}}});
  const Requantize got =
      parameters_of(graph, {.threshold_in = 127, .threshold_out = 127}).requantize;
  EXPECT_EQ(got.scale, (std::vector<std::int32_t>{64}));
  EXPECT_EQ(got.negative_scale, (std::vector<std::int32_t>{128}));
  EXPECT_EQ(got.shift, (std::vector<std::int32_t>{6}));
}

TEST(QuantizeWeights, transposed_convolutions_have_their_channels_on_axis_one) {
  Graph graph = conv_graph({.weight_shape = {2, 2, 1, 1}, .weights = {1, 2, -3, 4}});
  Conv conv = std::get<Conv>(graph.nodes[0].op);
  graph.nodes[0].op = ConvTranspose{.window = conv.window, .output_padding = {0, 0}};
  const WeightedParameters got = parameters_of(graph, {.threshold_in = 1, .threshold_out = 1});
  EXPECT_EQ(got.quantization.axis, 1);
  EXPECT_EQ(got.quantization.thresholds, (std::vector<double>{3, 4}));
  // 1 * 127/3 = 42.33, 2 * 127/4 = 63.5, -3 -> -127, 4 -> 127.
  EXPECT_EQ(as_ints<std::int8_t>(got.weights), (std::vector<int>{42, 64, -127, 127}));
}

TEST(QuantizeWeights, grouped_transposed_convolutions_share_thresholds_between_groups) {
  // [Ci = 2, Co/g = 1], two groups: two output channels, one threshold.
  Graph graph = conv_graph({.weight_shape = {2, 1, 1, 1}, .weights = {2, -4}, .bias = {1, 2}});
  graph.value(0).shape = {1, 2, 4, 4};
  Conv conv = std::get<Conv>(graph.nodes[0].op);
  graph.nodes[0].op = ConvTranspose{.window = conv.window, .groups = 2, .output_padding = {0, 0}};
  const WeightedParameters got = parameters_of(graph, {.threshold_in = 1, .threshold_out = 1});
  EXPECT_EQ(got.quantization.thresholds, (std::vector<double>{4}));
  EXPECT_EQ(as_ints<std::int8_t>(got.weights), (std::vector<int>{64, -127}));
  EXPECT_EQ(got.requantize.scale.size(), 2U);
  EXPECT_EQ(got.bias->size(), 2);
}

// docs/facts/xdnn.md 3.6, 8-bit rows of V2.
QuantizeOptions v2() {
  return {.limits = {.scale_bits = 8,
                     .conv_prescale_max = 16,
                     .conv_shift_max = 8,
                     .other_shift_max = 8,
                     .average_shift_max = 16,
                     .bias_bits = 8,
                     .bias_after = true}};
}

TEST(QuantizeV2, scales_are_those_of_the_worked_example) {
  // docs/facts/xdnn.md 3.6, channel 0 of conv1: thresholds of 3.5; sf_p = 0.394206 / 127.
  const Graph graph = conv_graph({.weight_shape = {1, 1, 1, 1}, .weights = {0.394206F}});
  const Requantize got =
      weighted_parameters(graph, graph.nodes[0],
                          {.threshold_in = 150.708, .threshold_out = 574.528}, v2())
          .requantize;
  EXPECT_EQ(got.prescale, (std::vector<std::int32_t>{10}));
  EXPECT_EQ(got.scale, (std::vector<std::int32_t>{107}));
  EXPECT_EQ(got.shift, (std::vector<std::int32_t>{7}));
  EXPECT_TRUE(got.bias_after);
}

TEST(QuantizeV2, bias_counts_output_codes) {
  // One code is 254 / 127 = 2: 5 -> 2.5 -> 3, -5 -> -3, 4.9 -> 2, and 8 bits end at 127.
  const Graph graph = conv_graph({.weight_shape = {4, 1, 1, 1},
                                  .weights = {127, 127, 127, 1e-9F},
                                  .bias = {5, -5, 4.9F, 1000}});
  const WeightedParameters got =
      weighted_parameters(graph, graph.nodes[0], {.threshold_in = 1, .threshold_out = 254}, v2());
  EXPECT_EQ(as_ints<std::int32_t>(*got.bias), (std::vector<int>{3, -3, 2, 127}));
  EXPECT_FLOAT_EQ(static_cast<float>(got.quantization.thresholds[3]), 1e-9F)
      << "no room is needed for it";
}

TEST(QuantizeV2, adds_have_eight_bit_scales_and_average_pools_wider_ones) {
  Node node{.name = "add", .op = Binary{}};
  const Requantize add = plain_requantize(node, {.threshold_in = 1, .threshold_out = 1}, v2());
  EXPECT_EQ(add.scale, (std::vector<std::int32_t>{128}));
  EXPECT_EQ(add.shift, (std::vector<std::int32_t>{7}));
  EXPECT_TRUE(add.prescale.empty());
  // 2^16 / 49 = 1337.5; the runtime's own default is 1338 (docs/facts/xdnn.md 3.4).
  node.op = AveragePool{.window = {.kernel = {7, 7}}};
  const Requantize average = plain_requantize(node, {.threshold_in = 3, .threshold_out = 3}, v2());
  EXPECT_EQ(average.scale, (std::vector<std::int32_t>{1337}));
  EXPECT_EQ(average.shift, (std::vector<std::int32_t>{16}));
}

TEST(QuantizeV2, a_table_may_have_prescales) {
  const Graph graph = conv_graph({.weight_shape = {1, 1, 1, 1}, .weights = {1}});
  LayerQuantization layer{.name = "conv",
                          .threshold_params = {1},
                          .prescale_shift = {16},
                          .scale = {255},
                          .postscale_shift = {8}};
  const NodeScales scales{.threshold_in = 1, .threshold_out = 1, .layer = &layer};
  const Requantize got = weighted_parameters(graph, graph.nodes[0], scales, v2()).requantize;
  EXPECT_EQ(got.prescale, layer.prescale_shift);
  EXPECT_EQ(got.scale, layer.scale);
  EXPECT_EQ(got.shift, layer.postscale_shift);
  EXPECT_TRUE(got.bias_after);
  layer.scale = {256};
  EXPECT_THROW(weighted_parameters(graph, graph.nodes[0], scales, v2()), Error);
}

// docs/facts/xdnn.md 3.6, 16-bit rows of V3; 3.3.
QuantizeOptions v3_wide() {
  return {.bits = 16,
          .limits = {.conv_prescale_max = 24,
                     .prescaled_bits = 24,
                     .conv_shift_max = 24,
                     .other_shift_max = 32,
                     .average_shift_max = 32,
                     .bias_bits = 48,
                     .bias_shift = 16}};
}

TEST(QuantizeWide, weights_of_16_bits_map_their_maximum_to_32767) {
  const Graph graph =
      conv_graph({.weight_shape = {2, 2, 1, 1}, .weights = {32767, 0.5, -2, 65534}});
  const WeightedParameters got = weighted_parameters(
      graph, graph.nodes[0], {.threshold_in = 1, .threshold_out = 1}, v3_wide());
  EXPECT_EQ(as_ints<std::int16_t>(got.weights), (std::vector<int>{32767, 1, -1, 32767}));
  EXPECT_EQ(got.quantization.bits, 16);
}

TEST(QuantizeWide, v3_drops_16_bits_of_the_bias_and_clamps_it_to_48) {
  // sfAcc = 1 / 32767^2: 0.25 -> 0.25 * 32767^2 / 65536 = 4095.75 -> 4096. 1e6 needs more than
  // 48 bits; the weights' threshold makes room until it is just 2^47 - 1, and a field of 32 bits
  // ends half a unit below what that rounds to.
  const Graph graph =
      conv_graph({.weight_shape = {3, 1, 1, 1}, .weights = {1, 1, 1}, .bias = {0.25, -0.25, 1e6F}});
  const WeightedParameters got = weighted_parameters(
      graph, graph.nodes[0], {.threshold_in = 1, .threshold_out = 1}, v3_wide());
  EXPECT_EQ(as_ints<std::int32_t>(*got.bias), (std::vector<int>{4096, -4096, 2147483647}));
  EXPECT_EQ(got.requantize.bias_shift, 16);
  EXPECT_EQ(got.requantize.prescaled_bits, 24);
  EXPECT_FALSE(got.requantize.bias_after);
  // m = 1 / 32767 = 0.500015 * 2^-14: pre = 14, a = 15, s = 2^29 / 32767 = 16384.50002, which is
  // 16384.5 in single precision, where floats are 2^-9 apart: half to even.
  EXPECT_EQ(got.requantize.prescale[0], 14);
  EXPECT_EQ(got.requantize.scale[0], 16384);
  EXPECT_EQ(got.requantize.shift[0], 15);
}

TEST(QuantizeWide, slopes_prescale_as_far_as_they_can) {
  // m = 1 / 32767 = 0.500015 * 2^-14 again, in 8 bits: 128 * 2^-8, and half of it.
  const Graph graph =
      conv_graph({.weight_shape = {1, 1, 1, 1},
                  .weights = {1},
                  .activation = {.kind = Activation::Kind::LeakyRelu, .alpha = 0.5}});
  const Requantize got =
      weighted_parameters(graph, graph.nodes[0], {.threshold_in = 1, .threshold_out = 1}, v3_wide())
          .requantize;
  EXPECT_EQ(got.prescale, (std::vector<std::int32_t>{14}));
  EXPECT_EQ(got.scale, (std::vector<std::int32_t>{128}));
  EXPECT_EQ(got.negative_scale, (std::vector<std::int32_t>{64}));
  EXPECT_EQ(got.shift, (std::vector<std::int32_t>{8}));
}

TEST(QuantizePlain, average_pool_divides_by_its_window) {
  Node node{.name = "pool", .op = AveragePool{.window = {.kernel = {7, 7}}}};
  const Requantize got = plain_requantize(node, {.threshold_in = 3, .threshold_out = 3}, {});
  EXPECT_EQ(got.scale, (std::vector<std::int32_t>{21400}));  // docs/facts/xdnn.md 3.4
  EXPECT_EQ(got.shift, (std::vector<std::int32_t>{20}));
}

TEST(QuantizePlain, add_rescales_from_operands_to_result) {
  Node node{.name = "add", .op = Binary{}};
  const Requantize got = plain_requantize(node, {.threshold_in = 1, .threshold_out = 2}, {});
  EXPECT_EQ(got.scale, (std::vector<std::int32_t>{32768}));
  EXPECT_EQ(got.shift, (std::vector<std::int32_t>{16}));
}

TEST(QuantizeWeights, weights_that_are_not_finite_are_the_users_error) {
  const Graph graph = conv_graph(
      {.weight_shape = {1, 1, 1, 1}, .weights = {std::numeric_limits<float>::quiet_NaN()}});
  try {
    quantize(graph, {{"x", 1}, {"y", 1}}, {});
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "value 'w': expected finite weights for node 'conv', found NaN or infinity");
  }
}

TEST(QuantizeWeights, slopes_that_are_not_finite_are_the_users_error) {
  const Graph graph =
      conv_graph({.weight_shape = {1, 1, 1, 1},
                  .weights = {1},
                  .activation = {.kind = Activation::Kind::PRelu,
                                 .slopes = {std::numeric_limits<float>::infinity()}}});
  try {
    quantize(graph, {{"x", 1}, {"y", 1}}, {});
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "node 'conv': expected finite PRelu slopes, found NaN or infinity");
  }
}

}  // namespace
}  // namespace workbench
