// Elementary functions against those of the C library, which are good to one unit in the last
// place.
#include "core/math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace workbench {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kCases = 100'000;

void expect_near(double found, double wanted, double x) {
  ASSERT_NEAR(found, wanted, 1e-15 * std::abs(wanted)) << "at " << x;
}

class MathTest : public testing::Test {
 protected:
  double between(double low, double high) {
    return std::uniform_real_distribution<>(low, high)(random_);
  }
  std::mt19937_64 random_{7};
};

TEST_F(MathTest, exp_is_that_of_the_library) {
  for (int i = 0; i < kCases; ++i) {
    const double x = between(-700, 700), small = between(-1, 1);
    expect_near(math::exp(x), std::exp(x), x);
    expect_near(math::exp(small), std::exp(small), small);
  }
}

TEST_F(MathTest, exp_ends_in_0_and_infinity) {
  EXPECT_EQ(math::exp(0), 1);
  EXPECT_EQ(math::exp(-800), 0);
  EXPECT_EQ(math::exp(-kInfinity), 0);
  EXPECT_EQ(math::exp(709.7), std::exp(709.7));
  EXPECT_EQ(math::exp(709.8), kInfinity);
  EXPECT_EQ(math::exp(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(math::exp(std::nan(""))));
  // Among subnormal numbers one unit is all there is to be near.
  EXPECT_NEAR(math::exp(-740), std::exp(-740), 0x1p-1074);
}

TEST_F(MathTest, logarithms_are_those_of_the_library) {
  for (int i = 0; i < kCases; ++i) {
    const double x = std::ldexp(between(1, 2), static_cast<int>(random_() % 2000) - 1000);
    const double near = between(0.5, 2);
    for (const double value : {x, near}) {
      expect_near(math::log(value), std::log(value), value);
      expect_near(math::log2(value), std::log2(value), value);
      expect_near(math::log10(value), std::log10(value), value);
    }
  }
  expect_near(math::log(1e-310), std::log(1e-310), 1e-310);
}

TEST_F(MathTest, logarithms_of_powers_of_the_base_are_exact) {
  for (int n = -1074; n <= 1023; ++n) EXPECT_EQ(math::log2(std::ldexp(1.0, n)), n);
  double power = 1;
  for (int n = 0; n <= 22; ++n, power *= 10) EXPECT_EQ(math::log10(power), n);
  EXPECT_EQ(math::log(1), 0);
}

TEST_F(MathTest, logarithms_end_at_0) {
  for (const auto function : {math::log, math::log2, math::log10}) {
    EXPECT_EQ(function(0), -kInfinity);
    EXPECT_EQ(function(kInfinity), kInfinity);
    EXPECT_TRUE(std::isnan(function(-1)));
    EXPECT_TRUE(std::isnan(function(std::nan(""))));
  }
}

TEST_F(MathTest, pow_is_that_of_the_library) {
  for (int i = 0; i < kCases; ++i) {
    const double x = math::exp(between(-20, 20)), y = between(-30, 30);
    expect_near(math::pow(x, y), std::pow(x, y), x);
  }
  EXPECT_EQ(math::pow(2, 10), 1024);
  expect_near(math::pow(2, 0.5), std::sqrt(2.0), 2);
  EXPECT_EQ(math::pow(7, 0), 1);
  EXPECT_EQ(math::pow(0, 2), 0);
  EXPECT_EQ(math::pow(0, -2), kInfinity);
  EXPECT_EQ(math::pow(kInfinity, 0.75), kInfinity);
  EXPECT_EQ(math::pow(kInfinity, -1), 0);
  EXPECT_EQ(math::pow(10, 400), kInfinity);
  EXPECT_EQ(math::pow(10, -400), 0);
  EXPECT_TRUE(std::isnan(math::pow(-1, 0.5)));
}

TEST_F(MathTest, tanh_is_that_of_the_library) {
  for (int i = 0; i < kCases; ++i) {
    const double x = between(-1, 1), large = between(-25, 25), tiny = 1e-12 * x;
    expect_near(math::tanh(x), std::tanh(x), x);
    expect_near(math::tanh(large), std::tanh(large), large);
    expect_near(math::tanh(tiny), std::tanh(tiny), tiny);
  }
  EXPECT_EQ(math::tanh(kInfinity), 1);
  EXPECT_EQ(math::tanh(-kInfinity), -1);
  EXPECT_TRUE(std::isnan(math::tanh(std::nan(""))));
}

TEST_F(MathTest, other_elementary_functions_are_those_of_the_library) {
  struct Function {
    const char* name;
    double (*found)(double);
    double (*wanted)(double);
    double low, high;
  };
  const Function functions[] = {
      {"erf", math::erf, std::erf, -7, 7},         {"sin", math::sin, std::sin, -1e6, 1e6},
      {"sin", math::sin, std::sin, -1, 1},         {"cos", math::cos, std::cos, -1e6, 1e6},
      {"tan", math::tan, std::tan, -10, 10},       {"asin", math::asin, std::asin, -1, 1},
      {"acos", math::acos, std::acos, -1, 1},      {"atan", math::atan, std::atan, -3, 3},
      {"atan", math::atan, std::atan, -1e5, 1e5},  {"sinh", math::sinh, std::sinh, -50, 50},
      {"cosh", math::cosh, std::cosh, -50, 50},    {"asinh", math::asinh, std::asinh, -1e3, 1e3},
      {"acosh", math::acosh, std::acosh, 1, 100},  {"atanh", math::atanh, std::atanh, -1, 1},
      {"log1p", math::log1p, std::log1p, -0.9, 5}, {"log1p", math::log1p, std::log1p, -1e-8, 1e-8},
      {"expm1", math::expm1, std::expm1, -3, 3},   {"expm1", math::expm1, std::expm1, -1e-6, 1e-6}};
  for (const Function& f : functions) {
    SCOPED_TRACE(f.name);
    for (int i = 0; i < kCases / 10; ++i) {
      const double x = between(f.low, f.high), wanted = f.wanted(x);
      ASSERT_NEAR(f.found(x), wanted, 2e-15 * std::abs(wanted)) << "at " << x;
    }
  }
}

TEST_F(MathTest, other_elementary_functions_end_where_they_should) {
  const double nan = std::nan("");
  for (const auto function :
       {math::erf, math::sin, math::cos, math::tan, math::asin, math::acos, math::atan, math::sinh,
        math::cosh, math::asinh, math::acosh, math::atanh, math::log1p, math::expm1}) {
    EXPECT_TRUE(std::isnan(function(nan)));
  }
  EXPECT_EQ(math::erf(kInfinity), 1);
  EXPECT_TRUE(std::isnan(math::sin(kInfinity)));
  EXPECT_EQ(math::atan(kInfinity), std::atan(kInfinity));
  EXPECT_EQ(math::asin(1), std::asin(1));
  EXPECT_EQ(math::acos(-1), std::acos(-1));
  EXPECT_TRUE(std::isnan(math::asin(1.5)));
  EXPECT_EQ(math::sinh(-800), -kInfinity);
  EXPECT_EQ(math::atanh(1), kInfinity);
  EXPECT_EQ(math::log1p(-1), -kInfinity);
  // floats this large have no digit behind the point; the sine still is one
  EXPECT_LE(std::abs(math::sin(3e38)), 1);
}

TEST_F(MathTest, powers_of_negative_numbers) {
  EXPECT_EQ(math::signed_pow(-2, 3), -8);
  EXPECT_EQ(math::signed_pow(-2, -2), 0.25);
  EXPECT_EQ(math::signed_pow(-2, 0), 1);
  EXPECT_TRUE(std::isnan(math::signed_pow(-2, 0.5)));
  EXPECT_EQ(math::signed_pow(-kInfinity, 3), -kInfinity);
}

TEST_F(MathTest, fair_coins_add_up) {
  EXPECT_NEAR(math::fair_coins_at_most(1, 3), 4.0 / 8, 1e-15);
  EXPECT_NEAR(math::fair_coins_at_most(3, 10), 176.0 / 1024, 1e-15);
  EXPECT_NEAR(math::fair_coins_at_most(2000, 2000), 1, 1e-11);
}

}  // namespace
}  // namespace workbench
