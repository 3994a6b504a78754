// Scales and shifts against the worked examples of docs/facts/xdnn.md 3.5 and 3.6; every channel of
// the published files: tests/golden/quantizer_files_test.cpp.
#include <gtest/gtest.h>

#include "compiler/quantize/quantize.h"

namespace workbench {
namespace {

void expect_scale(const ScaleShift& got, int pre, int scale, int post) {
  EXPECT_EQ(got.prescale_shift, pre);
  EXPECT_EQ(got.scale, scale);
  EXPECT_EQ(got.postscale_shift, post);
}

TEST(ScaleAndShift, a_multiplier_of_one_is_half_the_scale_range) {
  // c = 0, f = 1, s = 1; a = floor(log2(32768 / 1)) = 15: 32768 / 2^15 (res2a in
  // docs/facts/xdnn.md 3.5).
  expect_scale(scale_and_shift(1.0, 0, 16, 40), 0, 32768, 15);
}

TEST(ScaleAndShift, zero_stays_zero) { expect_scale(scale_and_shift(0, 0, 16, 32), 0, 0, 0); }

TEST(ScaleAndShift, an_average_of_49_is_what_the_published_resnet_has) {
  // 1/49 = f * 2^-5 with f = 0.6531; post = 5, s = f * 2^15 = 21399.5 -> 21400 (half to even:
  // 2^20 / 49 = 21399.51), post = 20.
  expect_scale(scale_and_shift(1.0 / 49.0, 0, 16, 40), 0, 21400, 20);
}

TEST(ScaleAndShift, the_v2_example_uses_its_prescale) {
  // docs/facts/xdnn.md 3.6: m = 8.1424e-4, c = -10, f = .83378, pre = 10, a = 7, s = 106.7 -> 107.
  expect_scale(scale_and_shift(1.18668 * 0.003103985 / 4.523844, 16, 8, 8), 10, 107, 7);
}

TEST(ScaleAndShift, the_shift_stops_at_its_limit_and_the_scale_shrinks) {
  // 2^-40: post takes 32 of the 40, s = 2^-8 and there is no room to grow: rounds to 0.
  expect_scale(scale_and_shift(0x1p-40, 0, 16, 32), 0, 0, 32);
  // 2^-30: s = 1, a = min(15, 32 - 30) = 2.
  expect_scale(scale_and_shift(0x1p-30, 0, 16, 32), 0, 4, 32);
}

TEST(ScaleAndShift, multipliers_above_one_lose_shift_instead) {
  // 5 = 0.625 * 2^3: s = 5, a = floor(log2(32768 / 5)) = 12, s = 20480.
  expect_scale(scale_and_shift(5.0, 0, 16, 40), 0, 20480, 12);
}

TEST(ScaleAndShift, sixteen_bit_convolutions_prescale_on_both_families) {
  // docs/facts/xdnn.md 3.6, V3 16-bit conv (24, 16, 24). 0.75 * 2^-20: pre = 20, s = 0.75, a = 15.
  expect_scale(scale_and_shift(0.75 * 0x1p-20, 24, 16, 24), 20, 24576, 15);
  // 0.75 * 2^-30: pre = 24, post = 6, a = min(15, 24 - 6) = 15.
  expect_scale(scale_and_shift(0.75 * 0x1p-30, 24, 16, 24), 24, 24576, 21);
  // 0.75 * 2^-46: pre = 24, post = 22, a = min(15, 2): s = 3.
  expect_scale(scale_and_shift(0.75 * 0x1p-46, 24, 16, 24), 24, 3, 24);
  // V2 16-bit conv (32, 8, 8). a = floor(log2(128 / 0.75)) = 7, s = 96.
  expect_scale(scale_and_shift(0.75 * 0x1p-20, 32, 8, 8), 20, 96, 7);
  // 0.75 * 2^-37: pre = 32, post = 5, a = min(7, 3) = 3: s = 6.
  expect_scale(scale_and_shift(0.75 * 0x1p-37, 32, 8, 8), 32, 6, 8);
}

TEST(ScaleAndShift, sixteen_bit_sums_and_averages_have_32_bits_of_shift) {
  // V3 16-bit scale/eltwise/pool (0, 16, 32). 0.75 * 2^-20: post = 20, a = min(15, 12) = 12.
  expect_scale(scale_and_shift(0.75 * 0x1p-20, 0, 16, 32), 0, 3072, 32);
}

TEST(ScaleAndShift, in_range_the_scale_is_one_to_two_so_that_the_first_clamp_loses_nothing) {
  // 1/127 = 1.00787 * 2^-7: 1.00787 * 2^7 = 129.008. Published: 2^-6 * 0.50394, of which the first
  // clamp leaves 64 codes.
  expect_scale(scale_and_shift_in_range(1.0 / 127, 16, 8, 8), 7, 129, 7);
  expect_scale(scale_and_shift(1.0 / 127, 16, 8, 8), 6, 65, 7);
  // A power of two is one, and so is what single precision leaves a little short of it.
  expect_scale(scale_and_shift_in_range(0x1p-5, 16, 8, 8), 5, 128, 7);
  expect_scale(scale_and_shift_in_range(0x1p-5 * (1 - 1e-7), 16, 8, 8), 5, 128, 7);
  // Beyond the prescale the scale shrinks; of 3 there is nothing to shift.
  expect_scale(scale_and_shift_in_range(0x1p-18, 16, 8, 8), 16, 64, 8);
  expect_scale(scale_and_shift_in_range(3, 16, 8, 8), 0, 192, 6);
  expect_scale(scale_and_shift_in_range(0, 16, 8, 8), 0, 0, 0);
}

TEST(ScaleAndShift, multipliers_are_of_single_precision_where_it_reaches) {
  // 3 * 3 / 7 of steps that floats hold: one rounding, to the float nearest 9/7.
  EXPECT_EQ(scale_multiplier(3 * 127.0, 3 * 127.0, 7 * 127.0, 127), double{9.0F / 7.0F});
  // 2^-100 * 2^-100 is no float, 2^-200 / 2^-190 is a number all the same.
  EXPECT_EQ(scale_multiplier(127 * 0x1p-100, 127 * 0x1p-100, 127 * 0x1p-190, 127), 0x1p-10);
  EXPECT_EQ(scale_multiplier(127, 0, 127, 127), 0);
}

}  // namespace
}  // namespace workbench
