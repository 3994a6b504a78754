// What each instruction computes (docs/facts/xdnn.md 3), by hand and, where sums are long, against
// naive 64-bit loops.
#include <gtest/gtest.h>

#include "isa/xdnn/filters.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/semantics.h"
#include "tests/support/naive_xdnn.h"

namespace workbench::xdnn {
namespace {

const Machine kV3;
constexpr std::int64_t kResult = 64;  // AM word of results

Memory blank() {
  return {.geometry = {96}, .am = Pixels(4096 * 96, 55), .ddr = Pixels(1 << 20, 55)};
}

// Executes and reads the result back from the AM.
Pixels run(const Step& step, Memory& memory) {
  commit(execute(step, kV3, memory, 1), memory);
  return read_am(memory, am_operands(step, kV3).results.at(0));
}

// Square convolution with a full word per pixel at both ends.
Conv convolution(std::int64_t in_ch, std::int64_t out_ch, std::int64_t in, std::int64_t out) {
  Conv conv{.bias = true};
  conv.in_w = conv.in_h = in, conv.in_ch = in_ch;
  conv.out_w = conv.out_h = out, conv.out_ch = out_ch, conv.outaddr = kResult;
  conv.tail.source = plain_layout(in_ch, 96), conv.tail.destination = plain_layout(out_ch, 96);
  return conv;
}

Pixels convolve_codes(const Conv& conv, const Pixels& in, const Pixels& weights,
                      const std::vector<ChannelConfig>& configs) {
  Memory memory = blank();
  write_am(memory, {conv.inaddr, conv.in_ch, conv.in_h, conv.in_w, conv.tail.source}, in);
  std::string image;
  pack_filters(filter_shape(conv), weights, configs, kV3, image);
  memory.ddr.assign(image.begin(), image.end());
  return run({conv, 0}, memory);
}

Pool pool3x3(std::int64_t in, std::int64_t out, bool average) {
  Pool pool{.average = average, .kernel_w = 3, .kernel_h = 3, .stride_w = 2, .stride_h = 2};
  pool.in_w = pool.in_h = in, pool.out_w = pool.out_h = out, pool.channels = 1;
  pool.outaddr = kResult, pool.tail.source = pool.tail.destination = {1, 0, 0, 0};
  return pool;
}

TEST(XdnnSemantics, round_shift_rounds_halves_toward_plus_infinity) {
  EXPECT_EQ(round_shift(-7, 0), -7);
  // x / 4: 1.25 1.5 1.75 | -1.25 -1.5 -1.75
  EXPECT_EQ(round_shift(5, 2), 1);
  EXPECT_EQ(round_shift(6, 2), 2);
  EXPECT_EQ(round_shift(7, 2), 2);
  EXPECT_EQ(round_shift(-5, 2), -1);
  EXPECT_EQ(round_shift(-6, 2), -1);
  EXPECT_EQ(round_shift(-7, 2), -2);
  EXPECT_EQ(round_shift(-1, 1), 0);
  EXPECT_EQ(round_shift(1, 1), 1);
}

TEST(XdnnSemantics, round_shift_is_what_xdnn_md_defines_for_every_small_value) {
  for (std::int64_t value = -1000; value <= 1000; ++value) {
    for (std::int64_t shift = 0; shift <= 12; ++shift) {
      EXPECT_EQ(round_shift(value, shift), naive_round_shift(value, shift))
          << value << " " << shift;
    }
  }
}

TEST(XdnnSemantics, a_convolution_adds_bias_then_scales_then_shifts) {
  // One pixel, two channels 3 and -5, weights 7 and 2: 21 - 10 = 11, bias 4: 15, * 3 = 45, / 8 =
  // 5.6 -> 6.
  const Pixels out = convolve_codes(convolution(2, 1, 1, 1), {3, -5}, {7, 2},
                                    {{.enable = true, .scale = 3, .bias = 4, .postshift = 3}});
  EXPECT_EQ(out, Pixels{6});
}

TEST(XdnnSemantics, bias_counts_only_when_the_instruction_says_so) {
  Conv conv = convolution(1, 1, 1, 1);
  conv.bias = false;
  EXPECT_EQ(convolve_codes(conv, {3}, {7}, {{.scale = 1, .bias = 50}}), Pixels{21});
}

TEST(XdnnSemantics, results_saturate_and_relu_comes_last) {
  Conv conv = convolution(1, 3, 1, 1);
  const std::vector<ChannelConfig> configs(3, {.scale = 1});
  // 100 * (2, -2, -1) = 200, -200, -100
  EXPECT_EQ(convolve_codes(conv, {100}, {2, -2, -1}, configs), (Pixels{127, -128, -100}));
  conv.relu = true;
  EXPECT_EQ(convolve_codes(conv, {100}, {2, -2, -1}, configs), (Pixels{127, 0, 0}));
}

TEST(XdnnSemantics, padding_is_zero_on_all_sides) {
  // 3x3 of ones over a 2x2 map 1 2 / 3 4 with padding 1: each output sees all four: 10.
  Conv conv = convolution(1, 1, 2, 2);
  conv.kernel_w = conv.kernel_h = 3, conv.pad_w = conv.pad_h = 1;
  EXPECT_EQ(convolve_codes(conv, {1, 2, 3, 4}, Pixels(9, 1), {{.scale = 1}}), Pixels(4, 10));
}

TEST(XdnnSemantics, stride_and_dilation_pick_every_other_pixel) {
  // 5x5 map of 0..24, 2x2 ones, dilation 2, stride 2: out(0,0) = 0 + 2 + 10 + 12 = 24, then + 2 * 4
  // to the right, + 10 * 4 down.
  Conv conv = convolution(1, 1, 5, 2);
  conv.kernel_w = conv.kernel_h = conv.stride_w = conv.stride_h = 2;
  conv.dilation_w = conv.dilation_h = 2;
  Pixels in(25);
  for (std::size_t i = 0; i < 25; ++i) in[i] = static_cast<std::int8_t>(i);
  EXPECT_EQ(convolve_codes(conv, in, Pixels(4, 1), {{.scale = 1}}), (Pixels{24, 32, 64, 72}));
}

TEST(XdnnSemantics, prelu_scales_negative_sums_with_the_second_byte) {
  // docs/facts/xdnn.md 1.6: positive scale in the low byte, negative in the next: 64 / 2^7 and 16 /
  // 2^7.
  Conv conv = convolution(1, 2, 1, 1);
  conv.prelu = true;
  const ChannelConfig config{.scale = 64 | 16 << 8, .postshift = 7};
  // 80 -> 40; -80 -> -10
  EXPECT_EQ(convolve_codes(conv, {80}, {1, -1}, {config, config}), (Pixels{40, -10}));
}

TEST(XdnnSemantics, pre_relu_clamps_what_is_read) {
  Conv conv = convolution(2, 1, 1, 1);
  conv.tail.pre_relu = true;
  EXPECT_EQ(convolve_codes(conv, {-50, 3}, {1, 1}, {{.scale = 1}}), Pixels{3});
}

TEST(XdnnSemantics, deconvolution_spreads_each_pixel) {
  // Stride 2, 3x3 kernel, padding 1, 2x2 -> 3x3. Input only at (0,0) and (0,1) = 1, 2:
  // out(y, x) = sum of in * w(y + 1 - 2 iy, x + 1 - 2 ix), w = 1..9 row by row:
  // row 0 takes kernel row 1: w4 w5 w6 -> 1*5, 1*6 + 2*4, 2*5; row 1 kernel row 2: 8, 9 + 14, 16.
  Conv conv = convolution(1, 1, 2, 3);
  conv.transposed = true;
  conv.kernel_w = conv.kernel_h = 3, conv.stride_w = conv.stride_h = 2;
  conv.pad_w = conv.pad_h = 1;
  EXPECT_EQ(convolve_codes(conv, {1, 2, 0, 0}, {1, 2, 3, 4, 5, 6, 7, 8, 9}, {{.scale = 1}}),
            (Pixels{5, 14, 10, 8, 23, 16, 0, 0, 0}));
}

TEST(XdnnSemantics, a_tiled_convolution_reads_its_input_from_ddr) {
  Conv conv = convolution(3, 1, 1, 1);
  conv.inaddr = 512 * 1024;
  conv.tail.source_in_ddr = true;
  conv.tail.source = {0, 1, 12, 8};
  Memory memory = blank();
  write_ddr(memory, conv.inaddr, 3, 1, 1, Pixels{1, 2, 3});
  std::string image;
  pack_filters(filter_shape(conv), Pixels{10, 20, 30}, std::vector<ChannelConfig>{{.scale = 1}},
               kV3, image);
  std::copy(image.begin(), image.end(), memory.ddr.begin());
  EXPECT_EQ(run({conv, 0}, memory), Pixels{127});  // 10 + 40 + 90 = 140, saturated
}

TEST(XdnnSemantics, sums_that_no_float_holds_are_exact) {
  // 4608 products of 127 * -128 are -74907648, beyond 2^24. With one input -127 the sum is 127 more
  // and odd, which no float32 of that size is; with that weight 126 it is 254 more. The bias brings
  // both back into the 8 bits that are kept: 127 - 200 and 254 - 200.
  constexpr std::int64_t kDepth = 512 * 9;
  Conv conv = convolution(512, 2, 3, 1);
  conv.kernel_w = conv.kernel_h = 3;
  Pixels weights(2 * kDepth, 127), in(kDepth, -128);
  in[0] = -127;
  weights[kDepth] = 126;
  const std::vector<ChannelConfig> configs(2, {.scale = 1, .bias = kDepth * 127 * 128 - 200});
  EXPECT_EQ(convolve_codes(conv, in, weights, configs), (Pixels{-73, 54}));
}

TEST(XdnnSemantics, sums_beyond_24_bits_are_counted) {
  // docs/facts/xdnn.md 3.3: hardware may overflow. 2^23 = 8388608; 517 products of 16256 = 8404352
  // exceed it, 516 = 8388096 do not.
  Conv conv = convolution(517, 2, 1, 1);
  Pixels weights(2 * 517, -128);
  weights[517] = 0;
  Memory memory = blank();
  write_am(memory, {0, 517, 1, 1, conv.tail.source}, Pixels(517, -127));
  std::string image;
  pack_filters(filter_shape(conv), weights, std::vector<ChannelConfig>(2), kV3, image);
  memory.ddr.assign(image.begin(), image.end());
  EXPECT_EQ(execute({conv, 0}, kV3, memory, 1).wide_accumulators, 1);
}

TEST(XdnnSemantics, max_pool_ignores_the_padding) {
  Pool pool = pool3x3(3, 2, false);
  pool.pad_w = pool.pad_h = 1;
  Memory memory = blank();
  // All negative: a padding of 0 would win.
  write_am(memory, {0, 1, 3, 3, {1, 0, 0, 0}}, Pixels{-9, -8, -7, -6, -5, -4, -3, -2, -1});
  EXPECT_EQ(run({pool}, memory), (Pixels{-5, -4, -2, -1}));
}

TEST(XdnnSemantics, average_pool_scales_the_sum) {
  // 45 * 7282 / 2^16 = 5.0002 -> 5 (7282 / 65536 is about 1/9); the padding adds nothing.
  Pool pool = pool3x3(3, 1, true);
  Memory memory = blank();
  write_am(memory, {0, 1, 3, 3, {1, 0, 0, 0}}, Pixels{1, 2, 3, 4, 5, 6, 7, 8, 9});
  EXPECT_EQ(run({pool, 0, {7282, 16}}, memory), Pixels{5});
  // docs/facts/xdnn.md 3.4: scale 21400, post 20 is 1/49: 4900 -> 100.002 -> 100
  Pool whole = pool3x3(7, 1, true);
  whole.kernel_w = whole.kernel_h = 7;
  write_am(memory, {0, 1, 7, 7, {1, 0, 0, 0}}, Pixels(49, 100));
  EXPECT_EQ(run({whole, 0, {21400, 20}}, memory), Pixels{100});
}

TEST(XdnnSemantics, eltwise_adds_scales_saturates_and_clamps) {
  Eltwise add{.inaddr_a = 0, .inaddr_b = 8, .width = 1, .height = 1, .channels = 4};
  add.outaddr = kResult, add.tail.source = add.tail.destination = {1, 0, 0, 0};
  Memory memory = blank();
  write_am(memory, {0, 4, 1, 1, {1, 0, 0, 0}}, Pixels{100, -100, 3, -3});
  write_am(memory, {8, 4, 1, 1, {1, 0, 0, 0}}, Pixels{100, -100, 4, -4});
  // docs/facts/xdnn.md 3.4: 32768, 15 is 1.0; 16384, 15 is 1/2: 3.5 -> 4, -3.5 -> -3.
  EXPECT_EQ(run({add, 0, {32768, 15}}, memory), (Pixels{127, -128, 7, -7}));
  EXPECT_EQ(run({add, 0, {16384, 15}}, memory), (Pixels{100, -100, 4, -3}));
  add.relu = true;
  EXPECT_EQ(run({add, 0, {16384, 15}}, memory), (Pixels{100, 0, 4, 0}));
}

TEST(XdnnSemantics, upsample_repeats_pixels) {
  Upsample up{.factor_h = 1, .factor_w = 2, .in_h = 2, .in_w = 2, .channels = 1};
  up.outaddr = kResult, up.out_w = 4, up.out_h = 2;
  up.tail.source = up.tail.destination = {1, 0, 0, 0};
  Memory memory = blank();
  write_am(memory, {0, 1, 2, 2, {1, 0, 0, 0}}, Pixels{1, 2, 3, 4});
  EXPECT_EQ(run({up}, memory), (Pixels{1, 1, 2, 2, 3, 3, 4, 4}));
}

TEST(XdnnSemantics, a_download_of_some_rows_leaves_out_the_others) {
  Gather down{.am_address = kResult, .width = 1, .height = 4, .channels = 1};
  down.start_row = 1, down.end_row = 2, down.tail.destination = {0, 1, 3, 32};
  Memory memory = blank();
  write_ddr(memory, 0, 1, 4, 1, Pixels{1, 2, 3, 4});
  EXPECT_EQ(run({down}, memory), (Pixels{2, 3}));
}

TEST(XdnnSemantics, an_upload_of_some_rows_keeps_the_others) {
  Scatter up{.am_address = 0, .ddr_address = 0, .width = 1, .height = 4, .channels = 1};
  up.start_row = 1, up.end_row = 2, up.tail.source = {1, 0, 0, 0};
  Memory memory = blank();
  write_ddr(memory, 0, 1, 4, 1, Pixels{1, 2, 3, 4});
  write_am(memory, {0, 1, 2, 1, {1, 0, 0, 0}}, Pixels{8, 9});
  commit(execute({up}, kV3, memory, 1), memory);
  EXPECT_EQ(read_ddr(memory, 0, 1, 4, 1), (Pixels{1, 8, 9, 4}));
}

TEST(XdnnSemantics, inputs_are_clamped_scaled_in_float_and_truncated) {
  // docs/facts/xdnn.md 3.1, threshold 63.5: two codes per unit.
  const Quantization q{.thresholds = {63.5}};
  const Tensor real = Tensor::from<float>(
      {1, 1, 1, 7}, std::vector<float>{0.0F, 0.9F, -0.9F, 1.0F, 63.5F, 100.0F, -100.0F});
  EXPECT_EQ(quantize_input(real, q),
            Tensor::from<std::int8_t>({1, 1, 1, 7}, Pixels{0, 1, -1, 2, 127, 127, -127}));
  EXPECT_EQ(dequantize_output(Tensor::from<std::int8_t>({1, 1, 1, 2}, Pixels{127, -2}), q),
            Tensor::from<float>({1, 1, 1, 2}, std::vector<float>{63.5F, -2.0F / 127.0F * 63.5F}));
}

}  // namespace
}  // namespace workbench::xdnn
