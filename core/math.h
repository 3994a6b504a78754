// Elementary functions whose results decide codes, files or figures: sums, products and quotients
// of double in one fixed order, so that every CPU gives the same bits (docs/determinism.md). Those
// of a C library are chosen by CPU, with and without fused multiply-add, and differ in the last
// digit. Accuracy is about one unit in the last place; methods are textbook ones (Muller,
// Elementary Functions, 2016, chapters 3 and 11).
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

namespace workbench::math {

namespace detail {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kRound = 0x1.8p52;  // added and subtracted: the nearest integer

// A value to about 100 bits: high is its rounding, low the rest.
struct Pair {
  double high = 0, low = 0;
};

inline Pair sum(double a, double b) {
  const double s = a + b, of_b = s - a;
  return {s, (a - (s - of_b)) + (b - of_b)};
}
inline Pair product(double a, double b) {
  constexpr double kSplit = 134217729;  // 2^27 + 1
  const double a1 = a * kSplit, b1 = b * kSplit;
  const double ah = a1 - (a1 - a), bh = b1 - (b1 - b), al = a - ah, bl = b - bh, p = a * b;
  return {p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
}

inline double power_of_two(std::int64_t exponent) {  // -1022 <= exponent <= 1023
  return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
}

// e^r * 2^n for |r| <= 0.35. Straight arithmetic, which loops turn into vector code. `shifted` is
// kRound + n, |n| <= 1080; two factors, so that only the last product may leave the normal range.
[[gnu::always_inline]] inline double scaled_exp(double r, double shifted) {
  double q = 1.0 / 6227020800.0;  // Taylor's series: the next term is below 2^-57
  q = q * r + 1.0 / 479001600.0;
  q = q * r + 1.0 / 39916800.0;
  q = q * r + 1.0 / 3628800.0;
  q = q * r + 1.0 / 362880.0;
  q = q * r + 1.0 / 40320.0;
  q = q * r + 1.0 / 5040.0;
  q = q * r + 1.0 / 720.0;
  q = q * r + 1.0 / 120.0;
  q = q * r + 1.0 / 24.0;
  q = q * r + 1.0 / 6.0;
  q = q * r + 0.5;
  const double power = 1.0 + (r + r * r * q);
  const std::uint64_t n =
      std::bit_cast<std::uint64_t>(shifted) - std::bit_cast<std::uint64_t>(kRound);
  const std::uint64_t half = ((n + 2048) >> 1) - 1024;  // of negative n, too
  return power * std::bit_cast<double>((half + 1023) << 52) *
         std::bit_cast<double>((n - half + 1023) << 52);
}

// ln x = exponent * ln 2 + ln m, 0.7 < m < 1.42; x is positive and finite.
struct Logarithm {
  double exponent = 0;
  Pair of_mantissa;
};
inline Logarithm logarithm(double x) {
  constexpr std::uint64_t kMantissa = (std::uint64_t{1} << 52) - 1;
  const bool subnormal = x < std::numeric_limits<double>::min();
  const auto bits = std::bit_cast<std::uint64_t>(subnormal ? x * 0x1p54 : x);
  double exponent = static_cast<double>(static_cast<std::int64_t>(bits >> 52) - 1023);
  double m = std::bit_cast<double>((bits & kMantissa) | std::bit_cast<std::uint64_t>(1.0));
  if (subnormal) exponent -= 54;
  if (m > 1.4142135623730951) {
    m *= 0.5;
    exponent += 1;
  }
  // ln m = 2 artanh(s), s = (m - 1) / (m + 1), |s| <= 0.1716; the first term to 100 bits.
  const double above = m - 1;
  const Pair below = sum(m, 1);
  const double s = above / below.high;
  const Pair back = product(s, below.high);
  const double rest = ((above - back.high) - back.low - s * below.low) / below.high;
  const double z = s * s;
  double series = 1.0 / 25.0;
  for (double odd = 23; odd >= 3; odd -= 2) series = series * z + 1.0 / odd;
  const Pair value = sum(2 * s, 2 * (rest + s * (z * series)));
  return {exponent, value};
}

// Logarithm to a base b: 1 / ln b and ln 2 / ln b, the latter's high part short enough that its
// products with exponents are exact.
struct Base {
  Pair of_e, of_two;
};
inline constexpr Base kNatural{{1, 0}, {0x1.62e42fefa38p-1, 0x1.ef35793c7673p-45}};
inline constexpr Base kBinary{{0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56}, {1, 0}};
inline constexpr Base kDecimal{{0x1.bcb7b1526e50ep-2, 0x1.95355baaafad3p-57},
                               {0x1.34413509f78p-2, 0x1.fef311f12b358p-46}};

inline Pair logarithm(double x, const Base& base) {
  const auto [exponent, ln] = logarithm(x);
  const Pair of_mantissa = product(ln.high, base.of_e.high);
  const Pair total = sum(exponent * base.of_two.high, of_mantissa.high);
  const double rest = exponent * base.of_two.low +
                      (of_mantissa.low + (ln.high * base.of_e.low + ln.low * base.of_e.high));
  return sum(total.high, total.low + rest);
}

inline double checked_logarithm(double x, const Base& base) {
  if (!(x > 0)) return x == 0 ? -kInfinity : kNan;
  if (x == kInfinity) return kInfinity;
  return logarithm(x, base).high;
}

}  // namespace detail

[[gnu::always_inline]] inline double exp(double x) {
  constexpr double kPerLn2 = 1.4426950408889634;
  constexpr double kLn2High = 0x1.62e42fefa38p-1, kLn2Low = 0x1.ef35793c7673p-45;
  x = x < -746.0 ? -746.0 : x;  // 0 from here on
  x = x > 710.0 ? 710.0 : x;    // infinity from here on
  const double shifted = x * kPerLn2 + detail::kRound, n = shifted - detail::kRound;
  return detail::scaled_exp((x - n * kLn2High) - n * kLn2Low, shifted);
}

inline double log(double x) { return detail::checked_logarithm(x, detail::kNatural); }
inline double log2(double x) {
  return detail::checked_logarithm(x, detail::kBinary);
}  // exact for 2^n
inline double log10(double x) { return detail::checked_logarithm(x, detail::kDecimal); }

// x^y for x >= 0; not a number for smaller x.
inline double pow(double x, double y) {
  if (y == 0) return 1;
  if (x == 0 || x == detail::kInfinity) return (x == 0) == (y > 0) ? 0 : detail::kInfinity;
  if (!(x > 0)) return detail::kNan;
  const detail::Pair log = detail::logarithm(x, detail::kBinary);
  const double rough = log.high * y;
  if (!(rough < 1100)) return rough >= 1100 ? detail::kInfinity : detail::kNan;
  if (rough < -1100) return 0;
  const detail::Pair exponent = detail::product(log.high, y);
  const double shifted = exponent.high + detail::kRound, n = shifted - detail::kRound;
  const double rest = (exponent.high - n) + (exponent.low + log.low * y);
  return detail::scaled_exp(rest * 0.6931471805599453, shifted);
}

inline double tanh(double x) {
  const double a = x < 0 ? -x : x;
  if (a < 0.5) {  // sinh / cosh
    const double z = a * a;
    double sinh = 1.0 / 355687428096000.0, cosh = 1.0 / 20922789888000.0;
    sinh = sinh * z + 1.0 / 1307674368000.0, cosh = cosh * z + 1.0 / 87178291200.0;
    sinh = sinh * z + 1.0 / 6227020800.0, cosh = cosh * z + 1.0 / 479001600.0;
    sinh = sinh * z + 1.0 / 39916800.0, cosh = cosh * z + 1.0 / 3628800.0;
    sinh = sinh * z + 1.0 / 362880.0, cosh = cosh * z + 1.0 / 40320.0;
    sinh = sinh * z + 1.0 / 5040.0, cosh = cosh * z + 1.0 / 720.0;
    sinh = sinh * z + 1.0 / 120.0, cosh = cosh * z + 1.0 / 24.0;
    sinh = sinh * z + 1.0 / 6.0, cosh = cosh * z + 0.5;
    return (x + x * (z * sinh)) / (1.0 + z * cosh);
  }
  const double result = 1.0 - 2.0 / (exp(2 * a) + 1.0);
  return x < 0 ? -result : result;
}

// Probability of at most `heads` among n fair coins, in logarithms: 2^-n alone leaves the range of
// double from n = 1075 on.
inline double fair_coins_at_most(std::int64_t heads, std::int64_t n) {
  double probability = 0, log_choose = 0;
  const auto coins = static_cast<double>(n);
  for (std::int64_t i = 0; i <= heads; ++i) {
    const auto k = static_cast<double>(i);
    if (i > 0) log_choose += log(coins - k + 1) - log(k);
    probability += exp(log_choose - coins * log(2.0));
  }
  return probability;
}

}  // namespace workbench::math
