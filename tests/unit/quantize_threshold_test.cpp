// Histogram, J divergence threshold and the other choices: early exits, small cases by hand, and
// the calibration driver.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/histogram.h"
#include "compiler/quantize/j_divergence.h"
#include "compiler/quantize/recipe.h"
#include "core/eval/evaluate.h"
#include "data/samples.h"

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

// Counts of `bins` bins falling off like a ramp, after `empty` empty ones.
MagnitudeHistogram ramp(std::int64_t bins, std::int64_t empty) {
  MagnitudeHistogram histogram{.max = 1};
  for (std::int64_t bin = 0; bin < bins; ++bin) {
    histogram.counts.push_back(bin < empty ? 0 : bins - bin);
  }
  return histogram;
}

TEST(JDivergence, the_two_rules_differ_where_the_first_bin_is_empty) {
  const MagnitudeHistogram full = ramp(300, 0), hollow = ramp(300, 2);
  const DivergenceRule xfdnn{.levels = 128}, graffitist{.levels = 128, .skip_empty_bins = true};
  EXPECT_EQ(j_divergence_threshold(full, xfdnn), j_divergence_threshold(full, graffitist));
  EXPECT_EQ(j_divergence_threshold(full, xfdnn), j_divergence_threshold(full, 8));
  EXPECT_EQ(j_divergence_threshold(hollow, xfdnn), 1.0);
  EXPECT_NE(j_divergence_threshold(hollow, graffitist), 1.0);
}

TEST(JDivergence, as_many_bins_as_levels_give_the_maximum) {
  EXPECT_EQ(j_divergence_threshold(ramp(256, 0), {.levels = 256}), 1.0);
  EXPECT_DOUBLE_EQ(j_divergence_threshold(ramp(257, 0), {.levels = 256}),
                   257.5 / 257);  // one candidate
}

TEST(JDivergence, of_equally_good_candidates_the_first_wins) {
  // Everything in the first bin: the cumulative histogram is 1 everywhere, and so is what is left.
  MagnitudeHistogram histogram{.max = 1, .counts = std::vector<std::int64_t>(100)};
  histogram.counts[0] = 7;
  EXPECT_DOUBLE_EQ(j_divergence_threshold(histogram, {.levels = 16}), 17.5 / 100);
}

TEST(ThresholdChoice, percentiles_count_from_below_and_spread_a_bin_evenly) {
  const MagnitudeHistogram histogram{.max = 4, .counts = {6, 0, 2, 2}};
  EXPECT_DOUBLE_EQ(percentile_threshold(histogram, 0.3), 0.5);
  EXPECT_DOUBLE_EQ(percentile_threshold(histogram, 0.6), 1.0);
  EXPECT_DOUBLE_EQ(percentile_threshold(histogram, 0.7), 2.5);
  EXPECT_DOUBLE_EQ(percentile_threshold(histogram, 1.0), 4.0);
  EXPECT_EQ(max_threshold(histogram), 4.0);
}

TEST(ThresholdChoice, the_squared_error_of_evenly_spread_values_is_a_twelfth_of_a_step_squared) {
  // Codes 0..3 of step 1, values in [0, 3]: nothing saturates.
  const MagnitudeHistogram histogram{.max = 3, .counts = {10, 10, 10, 10, 10, 10}};
  EXPECT_NEAR(squared_error(histogram, 2, false, 3.0), 1.0 / 12, 1e-12);
  // Codes 0 and 1: 2 of 3 are beyond the last by u in [0, 2], whose mean square is 4 / 3.
  EXPECT_NEAR(squared_error(histogram, 2, true, 1.0), (1.0 / 12 + 2 * 4.0 / 3) / 3, 1e-12);
}

TEST(ThresholdChoice, a_rare_outlier_is_clipped_for_a_finer_step) {
  MagnitudeHistogram histogram{.max = 100, .counts = std::vector<std::int64_t>(1000)};
  std::fill_n(histogram.counts.begin(), 10, 1000000);  // [0, 1] and one value at 100
  histogram.counts.back() = 1;
  const double real = mse_threshold(histogram, 4, false, ScaleKind::Real);
  EXPECT_LT(real, 5.0);
  EXPECT_GT(real, 0.9);
  const double step = mse_threshold(histogram, 4, false, ScaleKind::PowerOfTwo) / 15;
  EXPECT_EQ(std::exp2(std::round(std::log2(step))), step);
}

TEST(ThresholdChoice, few_values_leave_room_for_the_tail_they_show) {
  // 32 bins from 0 to 4; the 32 largest values are those from 3 on, evenly: mean excess 0.5.
  MagnitudeHistogram histogram{.max = 4, .counts = std::vector<std::int64_t>(32, 4)};
  histogram.counts[0] = 1000 - 31 * 4;
  const double t = tail_threshold(histogram, 8, true);
  EXPECT_GT(t, 4.0);
  // As derived: as much is lost by a wider step as by clipping.
  const double beyond = 0.032 * std::exp((3 - t) / 0.5);
  EXPECT_NEAR(beyond, t / (12 * 127 * 127 * 0.5), 1e-9);
  // More codes, less to lose by a wider step.
  EXPECT_GT(tail_threshold(histogram, 8, false), t);
  // With steps as wide as these, what is beyond the maximum is not worth one.
  EXPECT_EQ(tail_threshold(histogram, 2, true), 4.0);
}

TEST(ThresholdChoice, a_dead_value_has_its_maximum) {
  const MagnitudeHistogram dead;
  EXPECT_EQ(tail_threshold(dead, 8, true), 0.0);
  EXPECT_EQ(percentile_threshold(dead, 0.5), 0.0);
  EXPECT_EQ(mse_threshold(dead, 8, true, ScaleKind::Real), 0.0);
  EXPECT_EQ(j_divergence_threshold(dead, 8), 0.0);
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
