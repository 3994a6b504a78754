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

namespace detail {

// Rational approximations of W. J. Cody, Rational Chebyshev Approximations for the Error Function,
// Mathematics of Computation 23 (1969): erf(x) for |x| <= 0.46875, erfc(x) above.
inline double small_erf(double x) {
  constexpr double kA[] = {3.16112374387056560e00, 1.13864154151050156e02, 3.77485237685302021e02,
                           3.20937758913846947e03, 1.85777706184603153e-1};
  constexpr double kB[] = {2.36012909523441209e01, 2.44024637934444173e02, 1.28261652607737228e03,
                           2.84423683343917062e03};
  const double z = x * x;
  double top = kA[4] * z, bottom = z;
  for (int i = 0; i < 3; ++i) {
    top = (top + kA[i]) * z;
    bottom = (bottom + kB[i]) * z;
  }
  return x * (top + kA[3]) / (bottom + kB[3]);
}
inline double middle_erfc(double y) {  // without the factor exp(-y * y), y <= 4
  constexpr double kC[] = {5.64188496988670089e-1, 8.88314979438837594e0,  6.61191906371416295e01,
                           2.98635138197400131e02, 8.81952221241769090e02, 1.71204761263407058e03,
                           2.05107837782607147e03, 1.23033935479799725e03, 2.15311535474403846e-8};
  constexpr double kD[] = {1.57449261107098347e01, 1.17693950891312499e02, 5.37181101862009858e02,
                           1.62138957456669019e03, 3.29079923573345963e03, 4.36261909014324716e03,
                           3.43936767414372164e03, 1.23033935480374942e03};
  double top = kC[8] * y, bottom = y;
  for (int i = 0; i < 7; ++i) {
    top = (top + kC[i]) * y;
    bottom = (bottom + kD[i]) * y;
  }
  return (top + kC[7]) / (bottom + kD[7]);
}
inline double large_erfc(double y) {  // the same, y > 4
  constexpr double kP[] = {3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
                           1.60837851487422766e-2, 6.58749161529837803e-4, 1.63153871373020978e-2};
  constexpr double kQ[] = {2.56852019228982242e00, 1.87295284992346725e00, 5.27905102951428412e-1,
                           6.05183413124413191e-2, 2.33520497626869185e-3};
  constexpr double kPerRootPi = 5.6418958354775628695e-1;
  const double z = 1 / (y * y);
  double top = kP[5] * z, bottom = z;
  for (int i = 0; i < 4; ++i) {
    top = (top + kP[i]) * z;
    bottom = (bottom + kQ[i]) * z;
  }
  return (kPerRootPi - z * (top + kP[4]) / (bottom + kQ[4])) / y;
}

// x = quadrant * pi / 2 + rest, |rest| <= pi / 4 (1 + 2^-40). Of |x| below 2^45 to the last digits;
// larger ones, which a float has no fraction of, are first brought below it by the double next to
// 2 pi.
struct Angle {
  int quadrant = 0;
  Pair rest;
};
inline Angle reduced_angle(double x) {
  constexpr double kPerHalfPi = 0.63661977236758134308;
  constexpr double kHigh = 1.57079632679489655800, kLow = 6.12323399573676603587e-17;
  constexpr double kTwoPi = 6.28318530717958623200;
  if (x > 0x1p45 || x < -0x1p45) x -= kTwoPi * __builtin_floor(x / kTwoPi);
  const double n = (x * kPerHalfPi + kRound) - kRound;
  const Pair high = product(n, kHigh), low = product(n, kLow);
  const Pair first = sum(x, -high.high);
  const Pair rest = sum(first.high, first.low - high.low - low.high);
  return {static_cast<int>(static_cast<std::int64_t>(n) & 3), rest};
}

// Taylor's series for |x| <= pi / 4: the next terms are below 2^-57.
inline double sine_series(const Pair& x) {
  const double z = x.high * x.high;
  double series = 1.0 / 355687428096000.0;
  series = 1.0 / 1307674368000.0 - series * z;
  series = 1.0 / 6227020800.0 - series * z;
  series = 1.0 / 39916800.0 - series * z;
  series = 1.0 / 362880.0 - series * z;
  series = 1.0 / 5040.0 - series * z;
  series = 1.0 / 120.0 - series * z;
  series = 1.0 / 6.0 - series * z;
  return x.high + (x.low - x.high * z * series);
}
inline double cosine_series(const Pair& x) {
  const double z = x.high * x.high;
  double series = 1.0 / 6402373705728000.0;
  series = 1.0 / 20922789888000.0 - series * z;
  series = 1.0 / 87178291200.0 - series * z;
  series = 1.0 / 479001600.0 - series * z;
  series = 1.0 / 3628800.0 - series * z;
  series = 1.0 / 40320.0 - series * z;
  series = 1.0 / 720.0 - series * z;
  series = 1.0 / 24.0 - series * z;
  return 1.0 - (0.5 * z + (x.high * x.low - z * z * series));
}

inline bool is_finite(double x) { return x - x == 0; }

}  // namespace detail

inline double erf(double x) {
  const double y = x < 0 ? -x : x;
  if (!(y > 0.46875)) return detail::small_erf(x);
  const double scaled = y <= 4 ? detail::middle_erfc(y) : detail::large_erfc(y);
  const double result = y > 6 ? 1 : 1 - exp(-y * y) * scaled;
  return x < 0 ? -result : result;
}

// Not a number for infinite x.
inline double sin(double x) {
  if (!detail::is_finite(x)) return detail::kNan;
  const detail::Angle angle = detail::reduced_angle(x);
  const double result = (angle.quadrant & 1) == 0 ? detail::sine_series(angle.rest)
                                                  : detail::cosine_series(angle.rest);
  return (angle.quadrant & 2) == 0 ? result : -result;
}
inline double cos(double x) {
  if (!detail::is_finite(x)) return detail::kNan;
  const detail::Angle angle = detail::reduced_angle(x);
  const double result = (angle.quadrant & 1) == 0 ? detail::cosine_series(angle.rest)
                                                  : detail::sine_series(angle.rest);
  return angle.quadrant == 0 || angle.quadrant == 3 ? result : -result;
}
inline double tan(double x) { return sin(x) / cos(x); }

// ln(1 + x), also where 1 + x loses x's digits.
inline double log1p(double x) {
  const double u = 1 + x;
  if (u == 1 || u == detail::kInfinity) return x;
  return log(u) * (x / (u - 1));
}
// e^x - 1, also where e^x is near 1.
inline double expm1(double x) {
  if (x < 0.3 && x > -0.3) {  // e^(x/2) sinh(x/2) * 2, by tanh: no difference of near numbers
    const double t = tanh(x / 2);
    return 2 * t / (1 - t);
  }
  return exp(x) - 1;
}

inline double atan(double x) {
  const double a = x < 0 ? -x : x;
  if (!(a == a)) return x;
  // Of 1 / a above 1; then three times the half angle, atan(t) = 2 atan(t / (1 + sqrt(1 + t^2))).
  double t = a > 1 ? 1 / a : a;
  for (int i = 0; i < 3; ++i) t = t / (1 + __builtin_sqrt(1 + t * t));
  const double z = t * t;  // t <= 0.0985
  double series = 1.0 / 21.0;
  for (double odd = 19; odd >= 1; odd -= 2) series = 1.0 / odd - z * series;
  double result = 8 * t * series;
  constexpr double kHalfPi = 1.57079632679489655800;
  if (a > 1) result = kHalfPi - result;
  return x < 0 ? -result : result;
}
// Not a number beyond [-1, 1].
inline double asin(double x) {
  if (x == 1 || x == -1) return x * 1.57079632679489655800;
  return atan(x / __builtin_sqrt((1 - x) * (1 + x)));
}
inline double acos(double x) {
  return 2 * atan(__builtin_sqrt((1 - x) / (1 + x)));  // atan(infinity) at -1
}

inline double sinh(double x) {
  const double a = x < 0 ? -x : x;
  const double e = expm1(a);
  const double result = a > 40 ? 0.5 * exp(a / 2) * exp(a / 2) : 0.5 * (e + e / (1 + e));
  return x < 0 ? -result : result;
}
inline double cosh(double x) {
  const double a = x < 0 ? -x : x;
  return a > 40 ? 0.5 * exp(a / 2) * exp(a / 2) : 0.5 * (exp(a) + exp(-a));
}
inline double asinh(double x) {
  const double a = x < 0 ? -x : x;
  const double result =
      a > 1e9 ? log(a) + 0.6931471805599453 : log1p(a + a * a / (1 + __builtin_sqrt(1 + a * a)));
  return x < 0 ? -result : result;
}
// Not a number below 1.
inline double acosh(double x) {
  if (x > 1e9) return log(x) + 0.6931471805599453;
  return log1p((x - 1) + __builtin_sqrt((x - 1) * (x + 1)));
}
// Infinite at -1 and 1, not a number beyond.
inline double atanh(double x) { return 0.5 * (log1p(x) - log1p(-x)); }

// x^y of any sign: of a negative x for whole y alone, as IEEE 754's.
inline double signed_pow(double x, double y) {
  if (x >= 0 || x != x) return y == 0 ? 1 : pow(x, y);
  const bool whole = __builtin_floor(y) == y;
  if (!whole) return x == -detail::kInfinity ? pow(-x, y) : detail::kNan;
  const bool odd = __builtin_fabs(y) < 0x1p53 && __builtin_fmod(y, 2) != 0;
  return odd ? -pow(-x, y) : pow(-x, y);
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
