// Whatever lines_of() gives equals the rescaling for every accumulator, in the bits it says.
#include <gtest/gtest.h>

#include <random>

#include "compiler/pulp/layer_parts.h"
#include "compiler/pulp/requantize.h"

namespace workbench::pulp {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr int kCases = 40;
#else
constexpr int kCases = 400;
#endif

class Cases {
 public:
  explicit Cases(std::uint64_t seed) : random_(seed) {}
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(high - low + 1));
  }
  Values range() {
    const std::int64_t reach = between(10, 40000);
    const std::int64_t low = between(0, 2) == 0 ? 0 : -between(1, reach);
    return {low, between(1, reach)};
  }
  AffineRequantize affine(const Values& range, const Codes& codes) {
    AffineRequantize a;
    a.low = codes.low, a.high = codes.high;
    a.divisor = between(0, 1) == 0 ? std::int64_t{1} << between(0, 24) : between(1, 1 << 24);
    const std::int64_t most = std::max<std::int64_t>(1, a.divisor * 300 / (range.high - range.low));
    a.multiplier = {between(-most / 4, 2 * most)};
    a.offset = {between(-100, 100) * (a.divisor / 2 + 1)};
    constexpr Rounding kRoundings[] = {Rounding::Floor, Rounding::HalfUp, Rounding::TowardZero};
    a.rounding = kRoundings[between(0, 2)];
    return a;
  }

 private:
  std::mt19937_64 random_;
};

std::int64_t line_at(const Lines& line, std::int64_t x) {
  const std::int64_t sum = line.multiplier[0] * x + line.offset[0];
  if (line.bits == 32) {
    EXPECT_EQ(sum, static_cast<std::int32_t>(sum));
    EXPECT_EQ(line.multiplier[0] * x, static_cast<std::int32_t>(line.multiplier[0] * x));
  }
  EXPECT_EQ(sum >> line.shift, static_cast<std::int32_t>(sum >> line.shift));
  return sum >> line.shift;
}

TEST(PulpRequantizeProperty, lines_equal_the_rescaling_everywhere) {
  Cases cases(7);
  int found = 0, powers = 0;
  for (int i = 0; i < kCases; ++i) {
    const Codes codes = cases.between(0, 1) == 0 ? Codes{} : Codes{true, -128, 127};
    const Values range = cases.range();
    const AffineRequantize affine = cases.affine(range, codes);
    const auto line = lines_of(affine, std::span(&range, 1), codes, NormBits::Auto);
    const bool must =
        affine.rounding != Rounding::TowardZero && (affine.divisor & (affine.divisor - 1)) == 0;
    powers += must ? 1 : 0;
    EXPECT_TRUE(line || !must) << "case " << i;
    if (!line) continue;
    ++found;
    for (std::int64_t x = range.low; x <= range.high; ++x) {
      ASSERT_EQ(std::clamp(line_at(*line, x), codes.low, codes.high), rescaled(affine, 0, x))
          << "case " << i << ", accumulator " << x;
    }
  }
  EXPECT_GT(found, kCases * 3 / 4);
  EXPECT_GT(powers, kCases / 5);
}

// As the cores compute it: 32 bits, modulo 2^32.
std::int64_t clamped_at(const Lines& line, std::int64_t x) {
  const std::int64_t bounded = std::min(std::max(x, line.low[0]), line.high[0]);
  const auto product = static_cast<std::uint32_t>(line.multiplier[0] * bounded);
  const auto sum = static_cast<std::int32_t>(product + static_cast<std::uint32_t>(line.offset[0]));
  return sum >> line.shift;
}

// Where 32 bits would wrap: all accumulators near the bounds and near every step of the codes.
TEST(PulpRequantizeProperty, clamped_accumulators_become_the_same_codes) {
  Cases cases(9);
  int found = 0;
  for (int i = 0; i < kCases; ++i) {
    const Codes codes = cases.between(0, 1) == 0 ? Codes{} : Codes{true, -128, 127};
    AffineRequantize affine;
    affine.low = codes.low, affine.high = codes.high;
    affine.divisor = std::int64_t{1} << cases.between(12, 24);
    affine.multiplier = {cases.between(-60000, 60000)};
    affine.offset = {cases.between(-(1 << 30), 1 << 30)};
    affine.rounding = cases.between(0, 1) == 0 ? Rounding::Floor : Rounding::HalfUp;
    const Values range{-cases.between(1, 400000), cases.between(1, 400000)};
    const auto line = lines_of(affine, std::span(&range, 1), codes, NormBits::Auto, true);
    ASSERT_TRUE(line) << "case " << i;
    if (line->low.empty()) continue;
    ++found;
    ASSERT_EQ(line->bits, 32);
    ASSERT_FALSE(lines_of(affine, std::span(&range, 1), codes, NormBits::Auto)->bits == 32);
    const auto check = [&](std::int64_t x) {
      if (x < range.low || x > range.high) return;
      ASSERT_EQ(std::clamp(clamped_at(*line, x), codes.low, codes.high), rescaled(affine, 0, x))
          << "case " << i << ", accumulator " << x;
    };
    for (const std::int64_t x : {range.low, range.high, line->low[0], line->high[0]}) {
      for (std::int64_t near = x - 2; near <= x + 2; ++near) check(near);
    }
    for (std::int64_t x = range.low; x <= range.high; x += cases.between(1, 300)) check(x);
  }
  EXPECT_GT(found, kCases / 4);
}

// Inputs at the ends of their ranges, by the signs of the weights, reach the bounds; others stay
// within.
TEST(PulpRequantizeProperty, accumulators_reach_their_bounds_and_no_more) {
  Cases cases(10);
  for (int i = 0; i < kCases / 4; ++i) {
    const bool by_channel = cases.between(0, 2) == 0;
    const std::int64_t taps = cases.between(1, 9), outs = cases.between(1, 6);
    const std::int64_t ins = by_channel ? outs : cases.between(1, 40);
    std::vector<Values> inputs;
    for (std::int64_t c = 0; c < ins; ++c) {
      const std::int64_t low = cases.between(-128, 200);
      inputs.push_back({low, cases.between(low, 255)});
    }
    std::vector<std::int8_t> weights(
        static_cast<std::size_t>(outs * taps * (by_channel ? 1 : ins)));
    for (std::int8_t& w : weights) w = static_cast<std::int8_t>(cases.between(-128, 127));
    const std::vector<Values> ranges = accumulator_ranges(weights, outs, inputs, by_channel);
    const std::int64_t each = static_cast<std::int64_t>(weights.size()) / outs;
    for (std::int64_t o = 0; o < outs; ++o) {
      std::int64_t low = 0, high = 0, any = 0;
      for (std::int64_t k = 0; k < each; ++k) {
        const Values& in = inputs[static_cast<std::size_t>(by_channel ? o : k % ins)];
        const std::int64_t w = weights[static_cast<std::size_t>(o * each + k)];
        low += w * (w > 0 ? in.low : in.high);
        high += w * (w > 0 ? in.high : in.low);
        any += w * cases.between(in.low, in.high);
      }
      const Values& range = ranges[static_cast<std::size_t>(o)];
      ASSERT_EQ(range.low, low) << "case " << i;
      ASSERT_EQ(range.high, high) << "case " << i;
      ASSERT_LE(range.low, any);
      ASSERT_GE(range.high, any);
    }
  }
}

TEST(PulpRequantizeProperty, pools_equal_the_rescaling_everywhere) {
  Cases cases(8);
  int found = 0;
  for (int i = 0; i < kCases; ++i) {
    const std::int64_t window = cases.between(1, 60);
    const Values sums{0, 255 * window};
    AffineRequantize affine = cases.affine(sums, Codes{});
    affine.multiplier[0] = std::abs(affine.multiplier[0]) + 1;
    affine.offset = {cases.between(0, 100)};
    const auto line = pool_line_of(affine, sums, window, Codes{});
    if (!line) continue;
    ++found;
    for (std::int64_t x = 0; x <= sums.high; ++x) {
      const std::int64_t code =
          (x * line->multiplier / line->divisor + line->offset) >> line->shift;
      ASSERT_EQ(std::clamp<std::int64_t>(code, 0, 255), rescaled(affine, 0, x)) << "case " << i;
    }
  }
  EXPECT_GT(found, kCases / 2);
}

}  // namespace
}  // namespace workbench::pulp
