// The quantizer's closed forms (TQT, equations 4 to 8) on each side of each threshold, and finite
// differences where it is smooth.
#include "train/quantizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <random>
#include <vector>

namespace workbench::train {
namespace {

constexpr Codes kSigned4{.low = -8, .high = 7, .rounding = Rounding::HalfEven};
constexpr Codes kUnsigned8{.low = 0, .high = 255, .rounding = Rounding::HalfUp};

float quantized(float x, const Codes& codes, double step) {
  float y = 0;
  quantize({&x, 1}, codes, step, {&y, 1});
  return y;
}

struct Gradients {
  float into_x = 0;
  double into_step = 0;
};
Gradients gradients_at(float x, const Codes& codes, double step, float upstream = 1) {
  Gradients found;
  found.into_step = gradients({&x, 1}, codes, step, {&upstream, 1}, {&found.into_x, 1});
  return found;
}

TEST(Quantizer, rounds_ties_as_it_is_told) {
  const auto round = [](float x, Rounding rounding) {
    return quantized(x, {.low = -128, .high = 127, .rounding = rounding}, 1.0);
  };
  for (const float x : {2.5F, -2.5F, 3.5F, -3.5F, 0.25F, -0.25F, 0.49999997F}) {
    const auto v = static_cast<double>(x);
    EXPECT_EQ(round(x, Rounding::HalfEven), static_cast<float>(std::nearbyint(v)));
    EXPECT_EQ(round(x, Rounding::HalfUp), static_cast<float>(std::floor(v + 0.5)));
    EXPECT_EQ(round(x, Rounding::HalfAwayFromZero), static_cast<float>(std::round(v)));
    EXPECT_EQ(round(x, Rounding::Floor), static_cast<float>(std::floor(v)));
    EXPECT_EQ(round(x, Rounding::TowardZero), static_cast<float>(std::trunc(v)));
  }
}

TEST(Quantizer, saturates_at_both_ends) {
  EXPECT_EQ(quantized(100, kSigned4, 0.5), 3.5F);
  EXPECT_EQ(quantized(-100, kSigned4, 0.5), -4.0F);
  EXPECT_EQ(quantized(1e30F, kUnsigned8, 0.25), 63.75F);
  EXPECT_EQ(quantized(-1, kUnsigned8, 0.25), 0.0F);
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(quantized(infinity, kSigned4, 0.5), 3.5F);
  EXPECT_EQ(quantized(-infinity, kSigned4, 0.5), -4.0F);
  EXPECT_EQ(quantized(std::nanf(""), kSigned4, 0.5), -4.0F);
}

TEST(Quantizer, gradients_are_the_closed_forms_on_each_side_of_each_threshold) {
  constexpr double kStep = 0.5, kLn2 = std::numbers::ln2;
  struct Case {
    float x, into_x;
    double into_step;  // over s * ln 2
  };
  // x / s of the last code is 7; 7.5 is a tie that goes to 8, which is outside; 7.4 stays inside.
  const Case cases[] = {{0.6F, 1, 1 - 1.2}, {-0.6F, 1, -1 + 1.2}, {3.7F, 1, 7 - 7.4},
                        {3.75F, 0, 7},      {100, 0, 7},          {-4.2F, 1, -8 + 8.4},
                        {-4.3F, 0, -8},     {-100, 0, -8},        {0, 1, 0}};
  for (const Case& one : cases) {
    const Gradients found = gradients_at(one.x, kSigned4, kStep);
    EXPECT_EQ(found.into_x, one.into_x) << one.x;
    EXPECT_NEAR(found.into_step, kStep * kLn2 * one.into_step, 1e-6) << one.x;
  }
  // Unsigned codes: below 0 the lowest code is 0, and nothing pulls.
  EXPECT_EQ(gradients_at(-3, kUnsigned8, kStep).into_step, 0);
  EXPECT_EQ(gradients_at(-3, kUnsigned8, kStep).into_x, 0);
  EXPECT_NEAR(gradients_at(1000, kUnsigned8, kStep).into_step, kStep * kLn2 * 255, 1e-9);
}

TEST(Quantizer, gradients_carry_what_comes_from_above) {
  const Gradients found = gradients_at(100, kSigned4, 0.25, -3);
  EXPECT_NEAR(found.into_step, -3 * 0.25 * std::numbers::ln2 * 7, 1e-9);
  EXPECT_EQ(gradients_at(0.3F, kSigned4, 0.25, -3).into_x, -3);
}

// Beyond the ends the result is high * 2^p (low * 2^p), a smooth function of p.
TEST(Quantizer, clipped_numbers_move_with_the_threshold_as_finite_differences_say) {
  constexpr double kDelta = 1e-3;
  for (const double log2_step : {-1.25, 0.0, 0.7, 2.2}) {
    for (const float x : {-1000.0F, 1000.0F}) {
      const auto y = [&](double p) {
        return static_cast<double>(quantized(x, kSigned4, std::exp2(p)));
      };
      const double difference = (y(log2_step + kDelta) - y(log2_step - kDelta)) / (2 * kDelta);
      const double found = gradients_at(x, kSigned4, std::exp2(log2_step)).into_step;
      EXPECT_NEAR(found, difference, 1e-3 * std::abs(difference)) << log2_step << " " << x;
    }
  }
}

// The rounding's error apart, the result is x, then the end: with an error that is averaged out
// over a whole step, finite differences in x are 1 inside and 0 outside.
TEST(Quantizer, over_a_step_results_rise_as_the_gradient_says) {
  constexpr double kStep = 0.25;
  for (const float x : {-1.5F, -0.5F, 0.25F, 1.0F}) {
    const float rise = quantized(x + 0.25F, kSigned4, kStep) - quantized(x, kSigned4, kStep);
    EXPECT_EQ(rise / 0.25F, gradients_at(x, kSigned4, kStep).into_x);
  }
  EXPECT_EQ(quantized(3.25F, kSigned4, kStep) - quantized(3.0F, kSigned4, kStep), 0);
  EXPECT_EQ(gradients_at(3.0F, kSigned4, kStep).into_x, 0);
}

TEST(Quantizer, arrays_are_their_elements) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> x(1003), g(1003), y(1003), into_x(1003);
  for (float& one : x) one = normal(random);
  for (float& one : g) one = normal(random);
  for (const double step : {0.25, 0.3}) {  // a power of two and another
    quantize(x, kSigned4, step, y);
    const double sum = gradients(x, kSigned4, step, g, into_x);
    double expected = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_EQ(y[i], quantized(x[i], kSigned4, step));
      const Gradients one = gradients_at(x[i], kSigned4, step, g[i]);
      EXPECT_EQ(into_x[i], one.into_x);
      expected += one.into_step;
    }
    EXPECT_NEAR(sum, expected, 1e-4);  // terms of up to 40, of powers of two added up in float
  }
}

// A ReLU or a Clip as a part of the rounding: results and gradients are those of two passes.
TEST(Quantizer, an_activation_in_front_is_as_one_of_its_own) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> x(3000), g(x.size());
  for (float& one : x) one = normal(random);
  for (float& one : g) one = normal(random);
  x[0] = 0;
  const float infinity = std::numeric_limits<float>::infinity();
  struct Case {
    Codes codes;
    double step;
    float at_least, at_most;
  };
  for (const Case& one : {Case{kUnsigned8, 0.03125, 0, infinity}, Case{kSigned4, 0.5, 0, infinity},
                          Case{kSigned4, 0.5, -1, 2}, Case{kSigned4, 0.3, -0.5F, 6}}) {
    Codes codes = one.codes;
    codes.at_least = one.at_least;
    codes.at_most = one.at_most;
    std::vector<float> y(x.size()), into_x(x.size()), clipped = x, y_alone = y, into_alone = y;
    for (float& value : clipped) value = std::clamp(value, one.at_least, one.at_most);
    quantize(x, codes, one.step, y);
    quantize(clipped, one.codes, one.step, y_alone);
    EXPECT_EQ(y, y_alone);
    const double sum = gradients(x, codes, one.step, g, into_x);
    EXPECT_NEAR(sum, gradients(clipped, one.codes, one.step, g, into_alone), 1e-4);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const bool passes = x[i] > one.at_least && x[i] < one.at_most;
      EXPECT_EQ(into_x[i], passes ? into_alone[i] : 0) << x[i];
    }
  }
}

TEST(Quantizer, thresholds_are_rounded_up_to_powers_of_two) {
  EXPECT_EQ(step_of(-3.0, true), 0.125);
  EXPECT_EQ(step_of(-2.999, true), 0.25);
  EXPECT_EQ(step_of(-2.001, true), 0.25);
  EXPECT_EQ(step_of(1.5, false), static_cast<double>(static_cast<float>(std::exp2(1.5))));
}

}  // namespace
}  // namespace workbench::train
