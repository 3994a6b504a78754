// The reference arithmetic of TensorFlow Lite's int8 layers, on numbers derived by hand, and
// networks made here.
#include <gtest/gtest.h>

#include <cstdlib>

#include "compiler/import/tflite/reference.h"
#include "core/error.h"
#include "tests/support/tflite_model.h"

namespace workbench::importer::tflite {
namespace {

using test::TfliteModel;
namespace wire = test::wire;

TEST(TfliteFixedPoint, factors_are_mantissa_and_exponent) {
  EXPECT_EQ(factor_of(0.5).mantissa, 1 << 30);
  EXPECT_EQ(factor_of(0.5).exponent, 0);
  EXPECT_EQ(factor_of(1).mantissa, 1 << 30);
  EXPECT_EQ(factor_of(1).exponent, 1);
  EXPECT_EQ(factor_of(0.75).mantissa, 1610612736);  // 0.75 * 2^31
  EXPECT_EQ(factor_of(0x1p-33).mantissa, 0);        // below 2^-32 nothing is left
}

// 1 * 0.25: the high half of the product is 0.5, rounded to 1; half of that is 0.5, rounded to 1.
// The exact product is rounded to 0.
TEST(TfliteFixedPoint, rounding_twice_differs_from_rounding_once) {
  EXPECT_EQ(rescaled(1, factor_of(0.25), Rescaling::RoundsTwice), 1);
  EXPECT_EQ(rescaled(1, factor_of(0.25), Rescaling::RoundsOnce), 0);
  for (const Rescaling how : {Rescaling::RoundsOnce, Rescaling::RoundsTwice}) {
    EXPECT_EQ(rescaled(100, factor_of(0.5), how), 50);
    EXPECT_EQ(rescaled(101, factor_of(0.5), how), 51);    // 50.5 goes up
    EXPECT_EQ(rescaled(-101, factor_of(0.5), how), -50);  // and so does -50.5
    EXPECT_EQ(rescaled(7, factor_of(4), how), 28);
  }
}

TEST(TfliteFixedPoint, shifts_round_half_away_from_zero) {
  EXPECT_EQ(shifted_right(3, 1), 2);
  EXPECT_EQ(shifted_right(-3, 1), -2);
  EXPECT_EQ(shifted_right(5, 2), 1);
  EXPECT_EQ(shifted_right(-7, 0), -7);
}

// In units of 2^-31. The series stops at x^4: at the end of its quarter, 1/8 from the centre, 1/8^5
// / 120 = 2.5e-7 of the value are left, 230 units of e^-1.
TEST(TfliteFixedPoint, exponentials_and_reciprocals_are_right_to_their_series) {
  EXPECT_EQ(exponential(0), 2147483647);
  EXPECT_NEAR(exponential(-(1 << 26)), 790015084, 240);  // e^-1
  EXPECT_NEAR(exponential(-(1 << 27)), 290630308, 90);   // e^-2
  EXPECT_NEAR(reciprocal_of_one_plus(0), 2147483647, 16);
  EXPECT_NEAR(reciprocal_of_one_plus(1 << 30), 1431655765, 16);  // 1 / 1.5
}

std::vector<std::int8_t> codes_of(const Tensor& tensor) {
  return {tensor.values<std::int8_t>().begin(), tensor.values<std::int8_t>().end()};
}

// x = (4, 6) with zero point 2; w = (4, -8), bias 8: 2 * 4 - 4 * 8 + 8 = -16, times 0.5 * 0.25 / 1
// = -2, cut to 0 by RELU, whose code is -3. (14, 4): 12 * 4 - 2 * 8 + 8 = 40, is 5: code 2.
TEST(TfliteReference, a_layer_is_codes_times_codes_and_a_factor) {
  TfliteModel model;
  const int x = model.tensor("x", {2, 2}, TfliteModel::kInt8, {0.5F}, {2});
  const int y = model.tensor("y", {2, 1}, TfliteModel::kInt8, {1.0F}, {-3});
  const int w = model.constant<std::int8_t>("w", {1, 2}, {4, -8}, {0.25F}, {0});
  const int b = model.constant<std::int32_t>("b", {1}, {8}, {0.125F}, {0});
  model.op(9, {x, w, b}, {y}, wire::Options::FullyConnected,
           wire::CreateFullyConnected(model.builder(), 1));
  const std::string bytes = model.bytes({x}, {y});
  const Tensor input = Tensor::from<std::int8_t>({2, 2}, std::vector<std::int8_t>{4, 6, 14, 4});
  for (const Rescaling how : {Rescaling::RoundsOnce, Rescaling::RoundsTwice}) {
    EXPECT_EQ(codes_of(evaluate_reference(read_file(bytes), {input}, how).at(0)),
              (std::vector<std::int8_t>{-3, 2}));
  }
}

// Of -3 and 0, each twice: -6 / 4 = -1.5, to -2 by (-6 - 2) / 4; 3 and 0: (6 + 2) / 4 = 2.
TEST(TfliteReference, average_pools_round_half_away_from_zero) {
  TfliteModel model;
  const int x = model.tensor("x", {1, 2, 2, 2}, TfliteModel::kInt8, {0.5F}, {0});
  const int y = model.tensor("y", {1, 1, 1, 2}, TfliteModel::kInt8, {0.5F}, {0});
  model.op(1, {x}, {y}, wire::Options::Pool2D, wire::CreatePool2D(model.builder(), 1, 1, 1, 2, 2));
  const std::string bytes = model.bytes({x}, {y});
  const Tensor input =
      Tensor::from<std::int8_t>({1, 2, 2, 2}, std::vector<std::int8_t>{-3, 3, -3, 3, 0, 0, 0, 0});
  EXPECT_EQ(codes_of(evaluate_reference(read_file(bytes), {input}).at(0)),
            (std::vector<std::int8_t>{-2, 2}));
}

// Equal logits share the probability: a third of 256 codes is 85 above -128.
TEST(TfliteReference, softmax_of_equal_codes_is_uniform) {
  TfliteModel model;
  const int x = model.tensor("x", {1, 3}, TfliteModel::kInt8, {0.1F}, {7});
  const int y = model.tensor("y", {1, 3}, TfliteModel::kInt8, {1.0F / 256}, {-128});
  model.op(25, {x}, {y}, wire::Options::Softmax, wire::CreateSoftmax(model.builder(), 1));
  const std::string bytes = model.bytes({x}, {y});
  const Tensor input = Tensor::from<std::int8_t>({1, 3}, std::vector<std::int8_t>{5, 5, 5});
  EXPECT_EQ(codes_of(evaluate_reference(read_file(bytes), {input}).at(0)),
            (std::vector<std::int8_t>{-43, -43, -43}));
}

TEST(TfliteReference, operators_without_a_reference_are_named) {
  TfliteModel model;
  const int x = model.tensor("x", {1, 3}, TfliteModel::kInt8, {0.1F}, {7});
  const int y = model.tensor("y", {1, 3}, TfliteModel::kInt8, {1.0F / 256}, {-128});
  model.op(14, {x}, {y});
  const std::string bytes = model.bytes({x}, {y});
  const Tensor input = Tensor::from<std::int8_t>({1, 3}, std::vector<std::int8_t>{5, 5, 5});
  try {
    evaluate_reference(read_file(bytes), {input});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "LOGISTIC: has no reference here");
  }
}

}  // namespace
}  // namespace workbench::importer::tflite
