// Rescalings in kernels' numbers; expected figures by hand.
#include <gtest/gtest.h>

#include "compiler/pulp/requantize.h"

namespace workbench::pulp {
namespace {

constexpr Codes kBytes{};  // 0 to 255

std::optional<Lines> lines(const AffineRequantize& affine, Values range,
                           NormBits bits = NormBits::Auto, const Codes& codes = kBytes) {
  return lines_of(affine, std::span(&range, 1), codes, bits);
}

TEST(PulpRequantize, powers_of_two_keep_their_numbers) {
  const AffineRequantize affine{.multiplier = {514}, .offset = {-7}, .divisor = 65536};
  const auto found = lines(affine, {-1000, 100000});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->multiplier[0], 514);
  EXPECT_EQ(found->offset[0], -7);
  EXPECT_EQ(found->shift, 16);
  EXPECT_EQ(found->bits, 32);
}

TEST(PulpRequantize, half_up_is_half_a_divisor_in_the_offset) {
  const AffineRequantize affine{
      .multiplier = {3}, .offset = {5}, .divisor = 16, .rounding = Rounding::HalfUp};
  EXPECT_EQ(lines(affine, {0, 100})->offset[0], 13);
}

TEST(PulpRequantize, sixty_four_bits_where_thirty_two_could_wrap) {
  // 100000 * 30000 = 3e9 > 2^31.
  const AffineRequantize affine{.multiplier = {30000}, .offset = {1}, .divisor = 1 << 24};
  EXPECT_EQ(lines(affine, {0, 70000})->bits, 32);
  EXPECT_EQ(lines(affine, {-5, 100000}, NormBits::Bits32)->bits, 32);  // as DORY takes it
  EXPECT_EQ(lines(affine, {0, 70000}, NormBits::Bits64)->bits, 64);
}

TEST(PulpRequantize, rounding_toward_zero_is_rounding_down_where_nothing_is_negative) {
  AffineRequantize affine{.divisor = 4, .rounding = Rounding::TowardZero, .low = -128, .high = 127};
  const Codes codes{true, -128, 127};
  EXPECT_EQ(lines(affine, {0, 500}, NormBits::Auto, codes)->shift, 2);
  // -3 to 3 become 0: a step twice as wide as the others, which no line has.
  EXPECT_FALSE(lines(affine, {-500, 500}, NormBits::Auto, codes));
  affine.low = 0, affine.high = 255;
  EXPECT_TRUE(lines(affine, {-500, 500}));
}

TEST(PulpRequantize, divisors_that_are_no_power_of_two_become_one) {
  const AffineRequantize affine{.multiplier = {43}, .offset = {-1000}, .divisor = 8388607};
  const Values range{-20000, 60'000'000};
  const auto found = lines(affine, range);
  ASSERT_TRUE(found);
  for (std::int64_t x = range.low; x <= range.high; x += 997) {
    const std::int64_t line = (found->multiplier[0] * x + found->offset[0]) >> found->shift;
    ASSERT_EQ(std::clamp<std::int64_t>(line, 0, 255), rescaled(affine, 0, x)) << x;
  }
}

TEST(PulpRequantize, a_clamp_of_its_own_becomes_a_flatter_line) {
  // Deeploy halves unsigned codes into signed ones: 255 is 127.5, 128 rounded, 127 clamped.
  const AffineRequantize affine{.multiplier = {32768},
                                .divisor = 65536,
                                .rounding = Rounding::HalfUp,
                                .low = -128,
                                .high = 127};
  const auto found = lines(affine, {0, 255}, NormBits::Auto, {.clipped = false});
  ASSERT_TRUE(found);
  for (std::int64_t x = 0; x <= 255; ++x) {
    EXPECT_EQ((found->multiplier[0] * x + found->offset[0]) >> found->shift,
              std::min<std::int64_t>(127, (x + 1) / 2));
  }
}

TEST(PulpRequantize, pools_divide_by_their_window) {
  const AffineRequantize mean{.divisor = 16, .rounding = Rounding::TowardZero};
  const auto found = pool_line_of(mean, {0, 16 * 255}, 16, kBytes);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->divisor, 16);
  EXPECT_EQ(found->shift, 0);
  // 33 / 4096 of the sum over 125: the product of both before the window divides it out again.
  const AffineRequantize scaled{.multiplier = {33}, .divisor = 4096};
  const auto line = pool_line_of(scaled, {0, 125 * 255}, 125, kBytes);
  ASSERT_TRUE(line);
  EXPECT_EQ(line->multiplier, 33 * 125);
  EXPECT_EQ(line->divisor, 125);
  EXPECT_EQ(line->shift, 12);
}

}  // namespace
}  // namespace workbench::pulp
