// Every expected number follows from docs/facts/xdnn.md 3.1, 3.3 and 3.4, by hand in the comment
// beside it.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "sim/golden/golden.h"
#include "tests/support/one_node.h"

namespace workbench {
namespace {

using Codes = std::vector<std::int8_t>;

Tensor codes(Shape shape, const Codes& values) { return Tensor::from(std::move(shape), values); }

Codes result_codes(const OneNode& one) {
  const Graph graph = graph_of(one);
  const std::vector<Tensor> values = golden::run(graph, {&one.operands[0], 1});
  const auto result = values[static_cast<std::size_t>(graph.outputs[0])].values<std::int8_t>();
  return {result.begin(), result.end()};
}

Requantize rescale(std::int32_t scale, std::int32_t shift) {
  return {.scale = {scale}, .shift = {shift}};
}
const Requantize kUnchanged = rescale(1, 0);

Window window(std::int64_t kernel, std::int64_t stride = 1, std::int64_t pad = 0,
              std::int64_t dilation = 1) {
  return {.kernel = {kernel, kernel},
          .strides = {stride, stride},
          .dilations = {dilation, dilation},
          .pads_begin = {pad, pad},
          .pads_end = {pad, pad}};
}

Codes sums(const Codes& a, const Codes& b, const Requantize& how, Activation activation = {}) {
  const Shape shape{1, static_cast<std::int64_t>(a.size()), 1, 1};
  return result_codes({.op = Binary{.kind = Binary::Kind::Add, .activation = activation},
                       .operands = {codes(shape, a), codes(shape, b)},
                       .result = ElementType::Int8,
                       .requantize = how});
}

// 1x1 convolution of one channel by the weight 1: the accumulator is x + bias.
Codes rescaled(const Codes& x, std::int32_t bias, const Requantize& how,
               Activation activation = {}) {
  const Shape shape{1, 1, 1, static_cast<std::int64_t>(x.size())};
  return result_codes({.op = Conv{.window = window(1), .activation = activation},
                       .operands = {codes(shape, x), codes({1, 1, 1, 1}, {1}),
                                    Tensor::from<std::int32_t>({1}, std::vector{bias})},
                       .result = ElementType::Int8,
                       .requantize = how});
}

TEST(GoldenInteger, requantization_rounds_halves_toward_plus_infinity) {
  // /2: 0.5 -> 1, -0.5 -> 0, 1.5 -> 2, -1.5 -> -1
  EXPECT_EQ(sums({1, -1, 3, -3}, {0, 0, 0, 0}, rescale(1, 1)), (Codes{1, 0, 2, -1}));
  // /4: 1.25 -> 1, 1.5 -> 2, -1.5 -> -1, -1.75 -> -2, -1.25 -> -1
  EXPECT_EQ(sums({5, 6, -6, -7, -5}, {0, 0, 0, 0, 0}, rescale(1, 2)), (Codes{1, 2, -1, -2, -1}));
}

TEST(GoldenInteger, codes_saturate_at_minus_128_and_127) {
  EXPECT_EQ(sums({100, -100, -64, -64}, {100, -100, -64, -65}, kUnchanged),
            (Codes{127, -128, -128, -128}));
}

TEST(GoldenInteger, the_largest_scale_is_not_signed) {
  // 100 * 65535 / 65536 = 99.998 -> 100; -1 * 65535 / 65536 -> -1; unshifted, 65535 saturates
  EXPECT_EQ(rescaled({100, -1}, 0, rescale(65535, 16)), (Codes{100, -1}));
  EXPECT_EQ(rescaled({1, -1}, 0, rescale(65535, 0)), (Codes{127, -128}));
}

TEST(GoldenInteger, accumulator_times_scale_is_exact_beyond_32_bits) {
  // 9 * 127 * 127 = 145161; * 65535 = 9513126135; / 2^27 = 70.878 -> 71
  EXPECT_EQ(result_codes({.op = Conv{.window = window(3)},
                          .operands = {codes({1, 1, 3, 3}, Codes(9, 127)),
                                       codes({1, 1, 3, 3}, Codes(9, 127))},
                          .result = ElementType::Int8,
                          .requantize = rescale(65535, 27)}),
            (Codes{71}));
}

TEST(GoldenInteger, accumulator_is_exact_beyond_32_bits) {
  // 140000 * 128 * 128 = 2293760000 > 2^31; / 2^25 = 68.36 -> 68
  constexpr std::int64_t kChannels = 140000;
  EXPECT_EQ(result_codes({.op = Conv{.window = window(1)},
                          .operands = {codes({1, kChannels, 1, 1}, Codes(kChannels, -128)),
                                       codes({1, kChannels, 1, 1}, Codes(kChannels, -128))},
                          .result = ElementType::Int8,
                          .requantize = rescale(1, 25)}),
            (Codes{68}));
}

TEST(GoldenInteger, bias_is_added_before_scaling) {
  // (10 + 7) / 4 = 4.25 -> 4, (-10 + 7) / 4 = -0.75 -> -1
  EXPECT_EQ(rescaled({10, -10}, 7, rescale(1, 2)), (Codes{4, -1}));
}

TEST(GoldenInteger, relu_comes_after_the_clamp) {
  const Activation relu{.kind = Activation::Kind::Relu};
  EXPECT_EQ(rescaled({-5, 0, 5, 127}, 0, rescale(2, 0), relu), (Codes{0, 0, 10, 127}));
  EXPECT_EQ(sums({-5, 5}, {-5, 5}, kUnchanged, relu), (Codes{0, 10}));
}

TEST(GoldenInteger, prelu_scales_negative_accumulators_by_the_other_scale) {
  Requantize how = rescale(4, 2);
  how.negative_scale = {1};
  // 50 * 4 / 4 = 50; -50 * 1 / 4 = -12.5 -> -12; the sign is that of acc with its bias: -3 + 5 = 2
  const Activation prelu{.kind = Activation::Kind::PRelu, .slopes = {0.25F}};
  EXPECT_EQ(rescaled({50, -50}, 0, how, prelu), (Codes{50, -12}));
  EXPECT_EQ(rescaled({-3}, 5, how, prelu), (Codes{2}));
}

// docs/facts/xdnn.md 3.2.
Requantize v2(std::int32_t prescale, std::int32_t scale, std::int32_t shift) {
  return {.scale = {scale}, .shift = {shift}, .prescale = {prescale}, .bias_after = true};
}

TEST(GoldenInteger, v2_rounds_before_and_after_the_scale) {
  // 5 / 4 = 1.25 -> 1, * 96 / 128 = 0.75 -> 1; 6 / 4 = 1.5 -> 2 -> 1.5 -> 2; -6 / 4 = -1.5 -> -1
  // -> -0.75 -> -1. In one go the second would be 6 * 96 / 512 = 1.125 -> 1.
  EXPECT_EQ(rescaled({5, 6, -6}, 0, v2(2, 96, 7)), (Codes{1, 2, -1}));
}

TEST(GoldenInteger, v2_clamps_before_the_scale) {
  // 9 * 127 * 127 = 145161; / 2^4 = 9072.6 -> 127; * 64 / 128 = 63.5 -> 64, and / 2^11 = 70.9 -> 71
  // * 128 / 128 is not clamped.
  const auto sum = [](const Requantize& how) {
    return result_codes(
        {.op = Conv{.window = window(3)},
         .operands = {codes({1, 1, 3, 3}, Codes(9, 127)), codes({1, 1, 3, 3}, Codes(9, 127))},
         .result = ElementType::Int8,
         .requantize = how});
  };
  EXPECT_EQ(sum(v2(4, 64, 7)), (Codes{64}));
  EXPECT_EQ(sum(v2(11, 128, 7)), (Codes{71}));
}

TEST(GoldenInteger, v2_adds_the_bias_to_the_code_and_clamps_again) {
  // 10 + 7 and -10 + 7 with no scale between; 100 * 2 -> 127, + 7 -> 127, - 7 -> 120; -100 * 2
  // -> -128, + 7 -> -121.
  EXPECT_EQ(rescaled({10, -10, 100, -100}, 7, v2(0, 2, 1)), (Codes{17, -3, 107, -93}));
  EXPECT_EQ(rescaled({100, -100}, 7, v2(0, 2, 0)), (Codes{127, -121}));
  EXPECT_EQ(rescaled({100, -100}, -7, v2(0, 2, 0)), (Codes{120, -128}));
  const Activation relu{.kind = Activation::Kind::Relu};
  EXPECT_EQ(rescaled({-10, -5}, 7, v2(0, 1, 0), relu), (Codes{0, 2})) << "the bias, then Relu";
}

TEST(GoldenInteger, each_output_channel_has_its_scale_shift_and_bias) {
  // channel 0: (8*1 + 2) * 3 / 2 = 15; channel 1: (8*-1 - 1) * 1 / 4 = -2.25 -> -2
  EXPECT_EQ(result_codes({.op = Conv{.window = window(1)},
                          .operands = {codes({1, 1, 1, 1}, {8}), codes({2, 1, 1, 1}, {1, -1}),
                                       Tensor::from<std::int32_t>({2}, std::vector{2, -1})},
                          .result = ElementType::Int8,
                          .requantize = Requantize{.scale = {3, 1}, .shift = {1, 2}}}),
            (Codes{15, -2}));
}

const Codes kNine{1, 2, 3, 4, 5, 6, 7, 8, 9};

Codes convolved(const Window& w, const Codes& kernel) {
  return result_codes(
      {.op = Conv{.window = w},
       .operands = {codes({1, 1, 3, 3}, kNine), codes({1, 1, w.kernel[0], w.kernel[1]}, kernel)},
       .result = ElementType::Int8,
       .requantize = kUnchanged});
}

TEST(GoldenInteger, conv_reads_zeros_in_the_padding_and_steps_by_the_stride) {
  // corners of the 3x3 map, all weights 1: 1+2+4+5, 2+3+5+6, 4+5+7+8, 5+6+8+9
  EXPECT_EQ(convolved(window(3, 2, 1), Codes(9, 1)), (Codes{12, 16, 24, 28}));
}

TEST(GoldenInteger, conv_padding_may_differ_by_side) {
  Window w = window(2);
  w.pads_begin = {1, 0};  // one row above only
  // first row sees 0 0 / 1 2 and 0 0 / 2 3: with weights 1 2 / 3 4: 11, 18
  // then 1 2 / 4 5: 1+4+12+20 = 37, 2+6+15+24 = 47, and 4+10+21+32 = 67, 5+12+24+36 = 77
  EXPECT_EQ(convolved(w, {1, 2, 3, 4}), (Codes{11, 18, 37, 47, 67, 77}));
}

TEST(GoldenInteger, conv_taps_are_dilation_apart) {
  // the four corners: 1*1 + 2*3 + 3*7 + 4*9 = 64
  EXPECT_EQ(convolved(window(2, 1, 0, 2), {1, 2, 3, 4}), (Codes{64}));
}

TEST(GoldenInteger, conv_groups_see_only_their_channels) {
  EXPECT_EQ(result_codes({.op = Conv{.window = window(1), .groups = 2},
                          .operands = {codes({1, 4, 1, 1}, {3, 5, 7, 9}),
                                       codes({2, 2, 1, 1}, {2, 1, -1, -2})},
                          .result = ElementType::Int8,
                          .requantize = kUnchanged}),
            (Codes{3 * 2 + 5 * 1, 7 * -1 + 9 * -2}));
}

TEST(GoldenInteger, transposed_conv_spreads_each_input_over_its_kernel) {
  // 1 2 / 3 4 spread by 1 2 / 3 4, overlaps summed:
  //  1       2+2       4
  //  3+3     4+6+6+4   8+8
  //  9       12+12     16
  EXPECT_EQ(result_codes(
                {.op = ConvTranspose{.window = window(2), .output_padding = {0, 0}},
                 .operands = {codes({1, 1, 2, 2}, {1, 2, 3, 4}), codes({1, 1, 2, 2}, {1, 2, 3, 4})},
                 .result = ElementType::Int8,
                 .requantize = kUnchanged}),
            (Codes{1, 4, 4, 6, 20, 16, 9, 24, 16}));
}

TEST(GoldenInteger, transposed_conv_weights_are_input_channel_first) {
  // w [Ci = 2, Co = 2]: y0 = 3*1 + 5*10 = 53, y1 = 3*2 + 5*20 = 106
  EXPECT_EQ(
      result_codes({.op = ConvTranspose{.window = window(1), .output_padding = {0, 0}},
                    .operands = {codes({1, 2, 1, 1}, {3, 5}), codes({2, 2, 1, 1}, {1, 2, 10, 20})},
                    .result = ElementType::Int8,
                    .requantize = kUnchanged}),
      (Codes{53, 106}));
}

TEST(GoldenInteger, average_pool_scales_the_window_sum) {
  // ResNet pool5 (docs/facts/xdnn.md 3.4): 49 * 10 * 21400 / 2^20 = 10.0002 -> 10
  EXPECT_EQ(result_codes({.op = AveragePool{.window = window(7)},
                          .operands = {codes({1, 1, 7, 7}, Codes(49, 10))},
                          .result = ElementType::Int8,
                          .requantize = rescale(21400, 20)}),
            (Codes{10}));
  // padding adds nothing to the sum: (1 + 2 + 4 + 5) / 8 = 1.5 -> 2
  EXPECT_EQ(result_codes({.op = AveragePool{.window = window(3, 3, 1)},
                          .operands = {codes({1, 1, 3, 3}, kNine)},
                          .result = ElementType::Int8,
                          .requantize = rescale(1, 3)}),
            (Codes{2}));
}

TEST(GoldenInteger, eltwise_without_rescaling_is_32768_shifted_by_15) {
  EXPECT_EQ(sums({20, -20, 100}, {3, -3, 100}, rescale(32768, 15)), (Codes{23, -23, 127}));
}

TEST(GoldenInteger, max_pool_padding_never_wins) {
  Codes negative = kNine;
  for (std::int8_t& code : negative) code = static_cast<std::int8_t>(-code);
  // windows at the corners of -1..-9: -1, -2, -4, -5
  EXPECT_EQ(result_codes({.op = MaxPool{.window = window(3, 2, 1)},
                          .operands = {codes({1, 1, 3, 3}, negative)},
                          .result = ElementType::Int8}),
            (Codes{-1, -2, -4, -5}));
}

TEST(GoldenInteger, concat_resize_and_pad_move_codes_untouched) {
  EXPECT_EQ(result_codes(
                {.op = Concat{},
                 .operands = {codes({1, 1, 1, 2}, {-128, 1}), codes({1, 2, 1, 2}, {2, 3, 4, 127})},
                 .result = ElementType::Int8}),
            (Codes{-128, 1, 2, 3, 4, 127}));
  EXPECT_EQ(result_codes({.op = Resize{.scales = {1, 1, 2, 2}, .sizes = {1, 1, 2, 4}},
                          .operands = {codes({1, 1, 1, 2}, {-7, 9})},
                          .result = ElementType::Int8}),
            (Codes{-7, -7, 9, 9, -7, -7, 9, 9}));
  // the constant -1 at threshold 127 is code -1
  EXPECT_EQ(result_codes({.op = Pad{.begin = {0, 1}, .end = {0, 1}, .value = -1},
                          .operands = {codes({1, 2}, {5, 6})},
                          .result = ElementType::Int8,
                          .result_quantization = Quantization{.thresholds = {127}}}),
            (Codes{-1, 5, 6, -1}));
}

TEST(GoldenInteger, relu_on_codes_keeps_the_positive_ones) {
  EXPECT_EQ(result_codes({.op = Activate{{.kind = Activation::Kind::Relu}},
                          .operands = {codes({1, 3}, {-128, 0, 127})},
                          .result = ElementType::Int8}),
            (Codes{0, 0, 127}));
}

Codes quantized(const std::vector<float>& x, double threshold, Rounding rounding) {
  return result_codes(
      {.op = Quantize{},
       .operands = {Tensor::from({1, static_cast<std::int64_t>(x.size())}, x)},
       .result = ElementType::Int8,
       .result_quantization = Quantization{.thresholds = {threshold}, .rounding = rounding}});
}

TEST(GoldenInteger, inputs_are_clamped_to_the_threshold_and_truncated_toward_zero) {
  // threshold 127: one unit is one code; the clamp stops at -127, before the code -128
  EXPECT_EQ(quantized({1.9F, -1.9F, 200, -200, 0.99F}, 127, Rounding::TowardZero),
            (Codes{1, -1, 127, -127, 0}));
  // threshold 2: one unit is 63.5 codes
  EXPECT_EQ(quantized({1, -1, 2, -2}, 2, Rounding::TowardZero), (Codes{63, -63, 127, -127}));
  EXPECT_EQ(quantized({std::numeric_limits<float>::quiet_NaN()}, 2, Rounding::TowardZero),
            (Codes{0}));
}

TEST(GoldenInteger, quantize_rounds_as_its_value_says) {
  // 63.5 and -63.5
  EXPECT_EQ(quantized({1, -1}, 2, Rounding::HalfAwayFromZero), (Codes{64, -64}));
  EXPECT_EQ(quantized({1, -1}, 2, Rounding::HalfUp), (Codes{64, -63}));
  EXPECT_EQ(quantized({1, -1}, 2, Rounding::HalfEven), (Codes{64, -64}));
  EXPECT_EQ(quantized({1, -1}, 2, Rounding::Floor), (Codes{63, -64}));
}

TEST(GoldenInteger, dequantize_divides_by_127_then_multiplies_in_float32) {
  const OneNode one{.op = Dequantize{},
                    .operands = {codes({1, 3}, {127, -128, 1})},
                    .operand_quantization = Quantization{.thresholds = {3}}};
  const std::vector<Tensor> values = golden::run(graph_of(one), {&one.operands[0], 1});
  const auto y = values[1].values<float>();
  EXPECT_EQ(y[0], 3.0F);
  EXPECT_EQ(y[1], -128.0F / 127.0F * 3.0F);
  // 1/127 = 0x3c010204 (1 + 2^-7 + 2^-14 + 2^-21) * 2^-7, its mantissa times 3 is exact in 25
  // bits, rounded to 24
  EXPECT_EQ(y[2], std::ldexp(3.0F * 0x810204, -30));
}

TEST(GoldenInteger, a_network_keeps_every_value) {
  // input 1.5 -(threshold 127)-> 1 -conv by 20-> 20 -(threshold 254)-> 40
  Graph graph{.name = "tiny"};
  const Shape one{1, 1, 1, 1};
  const ValueId x = graph.add_value({.name = "x", .shape = one});
  const ValueId x8 = graph.add_value({.name = "x_int8", .shape = one, .type = ElementType::Int8});
  const ValueId w = graph.add_constant("w", codes(one, {20}));
  const ValueId y8 = graph.add_value({.name = "y_int8", .shape = one, .type = ElementType::Int8});
  const ValueId y = graph.add_value({.name = "y", .shape = one});
  graph.value(x8).quantization = {.thresholds = {127}, .rounding = Rounding::TowardZero};
  graph.value(y8).quantization = {.thresholds = {254}};
  graph.inputs = {x};
  graph.outputs = {y};
  graph.nodes = {{.name = "in", .op = Quantize{}, .inputs = {x}, .outputs = {x8}},
                 {.name = "conv",
                  .op = Conv{.window = window(1)},
                  .inputs = {x8, w},
                  .outputs = {y8},
                  .requantize = kUnchanged},
                 {.name = "out", .op = Dequantize{}, .inputs = {y8}, .outputs = {y}}};
  const std::vector<Tensor> input{Tensor::from<float>(one, std::vector{1.5F})};
  const std::vector<Tensor> values = golden::run(graph, input);
  ASSERT_EQ(values.size(), 5U);
  EXPECT_EQ(values[static_cast<std::size_t>(x)], input[0]);
  EXPECT_EQ(values[static_cast<std::size_t>(x8)], codes(one, {1}));
  EXPECT_EQ(values[static_cast<std::size_t>(w)], codes(one, {20}));
  EXPECT_EQ(values[static_cast<std::size_t>(y8)], codes(one, {20}));
  EXPECT_FLOAT_EQ(values[static_cast<std::size_t>(y)].values<float>()[0], 40);
}

}  // namespace
}  // namespace workbench
