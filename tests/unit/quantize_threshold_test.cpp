// Histogram and J divergence threshold: the early exits and the calibration driver.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/histogram.h"
#include "core/eval/evaluate.h"

namespace workbench {
namespace {

double threshold_of(const std::vector<float>& values) {
  const std::span<const float> all(values);
  return j_divergence_threshold(std::span(&all, 1), 8);
}

TEST(Histogram, bins_are_the_square_root_rounded_up) {
  EXPECT_EQ(histogram_bins(1), 1);
  EXPECT_EQ(histogram_bins(4), 2);
  EXPECT_EQ(histogram_bins(5), 3);
  EXPECT_EQ(histogram_bins(802816), 896);  // 64 x 112 x 112, an exact square
  EXPECT_EQ(histogram_bins(802817), 897);
}

TEST(Histogram, the_largest_magnitude_sees_signs_and_rejects_nan) {
  EXPECT_EQ(max_magnitude(std::vector<float>{1, -3, 2}), 3.0F);
  EXPECT_EQ(max_magnitude(std::vector<float>{}), 0.0F);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isinf(max_magnitude(std::vector<float>{1, nan})));
}

TEST(Histogram, values_on_an_edge_belong_to_the_bin_above_and_the_maximum_to_the_last) {
  MagnitudeHistogram histogram{.max = 48, .counts = std::vector<std::int64_t>(1000)};
  add_magnitudes(histogram, std::vector<float>{0, -12, 24, 48, 47.99F});
  EXPECT_EQ(histogram.counts[0], 1);
  EXPECT_EQ(histogram.counts[250], 1);  // 12 * 1000 / 48
  EXPECT_EQ(histogram.counts[500], 1);
  EXPECT_EQ(histogram.counts[999], 2);
}

TEST(JDivergence, a_dead_tensor_has_threshold_zero) {
  EXPECT_EQ(threshold_of(std::vector<float>(20000, 0.0F)), 0.0);
}

TEST(JDivergence, too_few_values_give_the_maximum) {
  // 128 levels need more than 128 bins, so more than 128^2 = 16384 values.
  std::vector<float> values;
  for (int i = 0; i < 16384; ++i) values.push_back(static_cast<float>(i % 100));
  EXPECT_EQ(threshold_of(values), 99.0);
}

TEST(JDivergence, an_empty_first_bin_gives_the_maximum) {
  std::vector<float> values;
  for (int i = 0; i < 40000; ++i) values.push_back(static_cast<float>(50 + i % 50));
  EXPECT_EQ(threshold_of(values), 99.0);
}

TEST(JDivergence, an_outlier_is_cut_off) {
  // 160000 values: 400 bins. Half are 0, half uniform below 1, and one is 2. From bin 200 on the
  // cumulative histogram is within 1/160000 of 1, so clipping there costs next to nothing, and the
  // levels are better used below.
  std::vector<float> values(80000, 0.0F);
  for (int i = 0; i < 79999; ++i) values.push_back(static_cast<float>(i) / 80000.0F);
  values.push_back(2.0F);
  const double threshold = threshold_of(values);
  EXPECT_GT(threshold, 0.99);
  EXPECT_LT(threshold, 1.99);
}

// input [1, 2, 160, 160] -> Relu -> output
Graph relu_graph() {
  Graph graph{.name = "relu"};
  const ValueId x = graph.add_value({.name = "x", .shape = {1, 2, 160, 160}});
  const ValueId y = graph.add_value({.name = "y", .shape = {1, 2, 160, 160}});
  graph.nodes.push_back({.name = "relu",
                         .op = Activate{.activation = {.kind = Activation::Kind::Relu}},
                         .inputs = {x},
                         .outputs = {y}});
  graph.inputs = {x};
  graph.outputs = {y};
  return graph;
}

TEST(Calibrate, inputs_take_their_maximum_and_the_rest_the_divergence) {
  const Graph graph = relu_graph();
  const Tensor sample = synthetic_sample({1, 2, 160, 160}, 1);
  std::vector<float> rectified;
  for (const float v : sample.values<float>()) rectified.push_back(std::max(v, 0.0F));
  int seen = 0;
  const Thresholds thresholds =
      calibrate(graph, {{sample}}, 8, [&](ValueId, const Tensor&) { ++seen; });
  EXPECT_EQ(thresholds.size(), 2U);
  EXPECT_EQ(thresholds.at("x"), static_cast<double>(max_magnitude(sample.values<float>())));
  EXPECT_EQ(thresholds.at("y"), threshold_of(rectified));
  EXPECT_EQ(seen, 2);
}

TEST(Calibrate, several_samples_count_as_one_long_one) {
  const Graph graph = relu_graph();
  const Tensor a = synthetic_sample({1, 2, 160, 160}, 1);
  const Tensor b = synthetic_sample({1, 2, 160, 160}, 2);
  std::vector<float> rectified;
  for (const Tensor* sample : {&a, &b}) {
    for (const float v : sample->values<float>()) rectified.push_back(std::max(v, 0.0F));
  }
  std::vector<ValueId> seen;
  const Thresholds thresholds =
      calibrate(graph, {{a}, {b}}, 8, [&](ValueId id, const Tensor& tensor) {
        seen.push_back(id);
        EXPECT_TRUE(id != 0 || tensor == b);  // the last sample, once
      });
  EXPECT_EQ(thresholds.at("y"), threshold_of(rectified));
  EXPECT_EQ(seen.size(), 2U);
}

TEST(Calibrate, activations_that_are_not_finite_are_the_users_error) {
  Tensor sample = Tensor::zeros(ElementType::Float32, {1, 2, 160, 160});
  sample.mutable_values<float>()[7] = std::numeric_limits<float>::infinity();
  try {
    calibrate(relu_graph(), {{sample}}, 8);
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "calibration: value 'x': expected finite numbers, found NaN or infinity");
  }
}

}  // namespace
}  // namespace workbench
