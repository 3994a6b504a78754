#include "sim/verdict.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

namespace workbench {
namespace {

using Codes = std::vector<std::int8_t>;

Graph two_values() {
  Graph graph;
  graph.add_value({.name = "first", .shape = {1, 2, 1, 2}, .type = ElementType::Int8});
  graph.add_value({.name = "second", .shape = {2}});
  return graph;
}

std::vector<Tensor> golden_tensors(std::vector<float> second = {1, 2}) {
  return {Tensor::from({1, 2, 1, 2}, Codes{1, 2, 3, 4}), Tensor::from({2}, second)};
}

TEST(Verdict, equal_tensors_are_bit_exact) {
  const auto golden = golden_tensors();
  const Verdict verdict =
      compare(two_values(), golden, {{"second", golden[1]}, {"first", golden[0]}});
  EXPECT_TRUE(verdict.bit_exact());
  EXPECT_EQ(verdict.values_compared, 6);
  ASSERT_EQ(verdict.layers.size(), 2U);  // in graph order, not by name or by arrival
  EXPECT_EQ(verdict.layers[0].name, "first");
  EXPECT_EQ(verdict.layers[1].name, "second");
}

TEST(Verdict, first_difference_in_row_major_order_is_located) {
  const Verdict verdict = compare(two_values(), golden_tensors(),
                                  {{"first", Tensor::from({1, 2, 1, 2}, Codes{1, 2, -3, 5})}});
  ASSERT_EQ(verdict.layers.size(), 1U);
  const LayerVerdict& layer = verdict.layers[0];
  EXPECT_EQ(layer.values, 4);
  EXPECT_EQ(layer.mismatches, 2);
  EXPECT_EQ(layer.coordinates, (std::vector<std::int64_t>{0, 1, 0, 0}));
  EXPECT_EQ(layer.expected, 3);
  EXPECT_EQ(layer.got, -3);
  EXPECT_EQ(verdict.mismatches, 2);
  EXPECT_FALSE(verdict.bit_exact());
}

TEST(Verdict, another_shape_or_type_is_wrong_everywhere) {
  const Verdict verdict = compare(two_values(), golden_tensors(),
                                  {{"first", Tensor::from({1, 2, 2, 1}, Codes{1, 2, 3, 4})},
                                   {"second", Tensor::from({2}, Codes{1, 2})}});
  EXPECT_EQ(verdict.layers[0].mismatches, 4);
  EXPECT_EQ(verdict.layers[1].mismatches, 2);
}

TEST(Verdict, a_map_stands_for_what_was_flattened) {
  const Tensor flat = Tensor::from({1, 4}, Codes{1, 2, 3, 4});
  const auto mismatches = [&](const Shape& shape) {
    return compare(two_values(), {flat, golden_tensors()[1]},
                   {{"first", Tensor::from(shape, Codes{1, 2, 3, 4})}})
        .mismatches;
  };
  EXPECT_EQ(mismatches({1, 2, 2, 1}), 0);
  EXPECT_EQ(mismatches({2, 2}), 4);
}

TEST(Verdict, values_that_golden_does_not_know_are_not_compared) {
  const Verdict verdict =
      compare(two_values(), golden_tensors(), {{"third", Tensor::scalar(1.0F)}});
  EXPECT_TRUE(verdict.layers.empty());
  EXPECT_EQ(verdict.values_compared, 0);
}

TEST(Verdict, floats_compare_as_bits_and_nan_equals_nan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto simulated = [](std::vector<float> values) {
    return std::map<std::string, Tensor>{{"second", Tensor::from({2}, values)}};
  };
  const Graph graph = two_values();
  EXPECT_EQ(compare(graph, golden_tensors({0.0F, nan}), simulated({0.0F, -nan})).mismatches, 0);
  EXPECT_EQ(compare(graph, golden_tensors({0.0F, nan}), simulated({-0.0F, nan})).mismatches, 1);
  EXPECT_EQ(compare(graph, golden_tensors({0.0F, 1}), simulated({0.0F, nan})).mismatches, 1);
}

Tensor reals(const std::vector<float>& values) {
  return Tensor::from({1, static_cast<std::int64_t>(values.size())}, values);
}

TEST(SignalToNoise, is_ten_decibels_per_factor_ten_in_power) {
  // signal 3^2 + 4^2 = 25, noise 0.5^2 = 0.25: a factor of 100
  EXPECT_DOUBLE_EQ(signal_to_noise_db(reals({3, 4}), reals({3, 4.5F}), std::nullopt), 20);
}

TEST(SignalToNoise, codes_are_dequantized_first) {
  // threshold 12.7: a step is 0.1. Codes 30, 45 -> 3.0, 4.5: as above
  const Tensor value = Tensor::from({1, 2}, Codes{30, 45});
  EXPECT_NEAR(signal_to_noise_db(reals({3, 4}), value, Quantization{.thresholds = {12.7}}), 20,
              1e-9);
  // per channel, steps 0.1 and 1, zero points 10 and 0: codes 40, 4 -> 3.0, 4
  const Quantization per_channel{.thresholds = {12.7, 127}, .zero_points = {10, 0}, .axis = 1};
  EXPECT_GT(signal_to_noise_db(reals({3, 4}), Tensor::from({1, 2}, Codes{40, 4}), per_channel),
            200);
}

TEST(SignalToNoise, equal_tensors_have_no_noise) {
  EXPECT_EQ(signal_to_noise_db(reals({1, 2}), reals({1, 2}), std::nullopt),
            std::numeric_limits<double>::infinity());
}

TEST(SignalToNoise, what_cannot_be_measured_is_zero) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(signal_to_noise_db(reals({0, 0}), reals({1, 0}), std::nullopt), 0);
  EXPECT_EQ(signal_to_noise_db(reals({1, 0}), reals({nan, 0}), std::nullopt), 0);
}

}  // namespace
}  // namespace workbench
