#include <gtest/gtest.h>

#include <limits>

#include "tests/support/evaluate_one.h"

namespace workbench {
namespace {

// step 1: the threshold is the highest code
Quantization unit_steps(bool is_signed, Rounding rounding) {
  Quantization q{.is_signed = is_signed, .rounding = rounding};
  q.thresholds = {static_cast<double>(q.high())};
  return q;
}

template <typename T>
std::vector<T> codes(const Quantization& q, const std::vector<float>& reals) {
  const Tensor x = Tensor::from<float>({static_cast<std::int64_t>(reals.size())}, reals);
  return elements<T>(evaluate_one({.op = Quantize{},
                                   .operands = {x},
                                   .result = element_type_of<T>(),
                                   .result_quantization = q}));
}

TEST(EvaluateQuantize, rounds_as_it_is_told) {
  const std::vector<float> halves{-2.5F, -1.5F, -0.75F, 0.5F, 1.5F, 2.5F};
  using Codes = std::vector<std::int8_t>;
  const auto rounded = [&](Rounding rounding) {
    return codes<std::int8_t>(unit_steps(true, rounding), halves);
  };
  EXPECT_EQ(rounded(Rounding::HalfEven), (Codes{-2, -2, -1, 0, 2, 2}));
  EXPECT_EQ(rounded(Rounding::HalfUp), (Codes{-2, -1, -1, 1, 2, 3}));
  EXPECT_EQ(rounded(Rounding::HalfAwayFromZero), (Codes{-3, -2, -1, 1, 2, 3}));
  EXPECT_EQ(rounded(Rounding::Floor), (Codes{-3, -2, -1, 0, 1, 2}));
  EXPECT_EQ(rounded(Rounding::TowardZero), (Codes{-2, -1, 0, 0, 1, 2}));
}

TEST(EvaluateQuantize, saturates) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> reals{-kInfinity, -1000, 1000, kInfinity,
                                 std::numeric_limits<float>::quiet_NaN()};
  EXPECT_EQ(codes<std::int8_t>(unit_steps(true, Rounding::HalfEven), reals),
            (std::vector<std::int8_t>{-128, -128, 127, 127, -128}));
  EXPECT_EQ(codes<std::uint8_t>(unit_steps(false, Rounding::HalfEven), reals),
            (std::vector<std::uint8_t>{0, 0, 255, 255, 0}));
}

TEST(EvaluateQuantize, adds_the_zero_point_after_rounding) {
  Quantization q = unit_steps(false, Rounding::HalfEven);
  q.thresholds = {2.0 * 255};
  q.zero_points = {128};
  // ONNX's example: scale 2, zero point 128; 3 / 2 rounds to 2
  EXPECT_EQ(codes<std::uint8_t>(q, {0, 2, 3, 1000, -254, -1000}),
            (std::vector<std::uint8_t>{128, 129, 130, 255, 1, 0}));
}

TEST(EvaluateQuantize, steps_may_differ_along_an_axis) {
  Quantization q{.thresholds = {127, 1270}, .axis = 1};
  const OneNode one{.op = Quantize{},
                    .operands = {Tensor::from<float>({1, 2, 2}, {10, 20, 10, 20})},
                    .result = ElementType::Int8,
                    .result_quantization = q};
  EXPECT_EQ(elements<std::int8_t>(evaluate_one(one)), (std::vector<std::int8_t>{10, 20, 1, 2}));
}

TEST(EvaluateDequantize, undoes_quantize_on_codes) {
  Quantization q{.is_signed = false, .thresholds = {0.5 * 255}, .zero_points = {100}};
  const OneNode one{.op = Dequantize{},
                    .operands = {Tensor::from<std::uint8_t>({3}, {0, 100, 255})},
                    .operand_quantization = q};
  EXPECT_EQ(elements<float>(evaluate_one(one)), (std::vector<float>{-50, 0, 77.5F}));
}

}  // namespace
}  // namespace workbench
