// Whatever lines_of() gives equals the rescaling for every accumulator, in the bits it says.
#include <gtest/gtest.h>

#include <random>

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
