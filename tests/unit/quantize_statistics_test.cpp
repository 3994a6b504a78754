// What calibration keeps of each value.
#include <gtest/gtest.h>

#include <cmath>

#include "compiler/quantize/calibrate.h"
#include "data/samples.h"
#include "tests/support/float_graph.h"

namespace workbench {
namespace {

// x [1, 2, 1, 2] -> 1x1 convolution y of two channels: x0 + x1 and -x1
Graph network() {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 2, 1, 2});
  build.output(build.conv("y", x, 2, {1, 1, 0, -1}));
  return build.graph();
}

Tensor sample(const std::vector<float>& values) {
  return Tensor::from<float>({1, 2, 1, 2}, values, Layout::Nchw);
}

TEST(Statistics, ranges_means_and_magnitudes_are_of_all_samples) {
  const std::vector<std::vector<Tensor>> samples = {{sample({1, 2, 3, 5})},
                                                    {sample({0, 4, -1, 1})}};
  std::vector<double> told;
  const Statistics statistics =
      collect_statistics(network(), in_memory(samples), {},
                         [&](std::string_view, double part) { told.push_back(part); });
  ASSERT_EQ(statistics.size(), 2U);
  // y0 = 4, 7, then -1, 5; y1 = -3, -5, then 1, -1.
  const ValueStatistics& y = statistics.at("y");
  EXPECT_EQ(y.low, -5);
  EXPECT_EQ(y.high, 7);
  EXPECT_EQ(y.channel_low, (std::vector<float>{-1, -5}));
  EXPECT_EQ(y.channel_high, (std::vector<float>{7, 1}));
  EXPECT_EQ(y.channel_mean, (std::vector<double>{15.0 / 4, -8.0 / 4}));
  EXPECT_EQ(y.histogram.max, 7);
  // ceil(sqrt(8)) = 3 bins of 7/3: |y| < 2.33 are 1, 1, 1; below 4.67 are 4, 3; then 7, 5, 5.
  EXPECT_EQ(y.histogram.counts, (std::vector<std::int64_t>{3, 2, 3}));
  // Of the samples on their own: 4, 7, 3, 5 and 1, 5, 1, 1.
  EXPECT_EQ(y.group_counts, (std::vector<std::vector<std::int64_t>>{{0, 2, 2}, {3, 0, 1}}));
  EXPECT_EQ(told, (std::vector<double>{0, 0.25, 0.5, 0.75, 1}));
}

TEST(Statistics, only_what_is_wanted_and_alive_has_a_histogram) {
  const std::vector<std::vector<Tensor>> samples = {{sample({0, 0, 0, 0})}};
  const Statistics statistics = collect_statistics(
      network(), in_memory(samples), [](const Value& value) { return value.name == "y"; });
  ASSERT_EQ(statistics.size(), 1U);
  EXPECT_TRUE(statistics.at("y").histogram.counts.empty());
  EXPECT_EQ(statistics.at("y").high, 0);
}

TEST(Statistics, a_value_that_is_not_finite_is_named_with_its_sample) {
  const std::vector<std::vector<Tensor>> samples = {{sample({0, 0, 0, 0})},
                                                    {sample({0, 0, 0, std::nanf("")})}};
  try {
    collect_statistics(network(), in_memory(samples));
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "calibration: sample 2 of 2: value 'x': expected finite numbers, found NaN or "
                 "infinity");
  }
}

}  // namespace
}  // namespace workbench
