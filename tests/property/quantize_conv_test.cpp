// A quantized convolution stays within the analytic error bound of the float one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "compiler/quantize/parameters.h"
#include "tests/support/float_graph.h"

namespace workbench {
namespace {

struct Case {
  FloatGraph build{"conv"};
  std::vector<float> x, w, b;
  std::int64_t channels_in = 0, channels_out = 0;
  double threshold_in = 0, threshold_out = 0;
};

std::vector<float> normal_values(std::int64_t count, double deviation, std::mt19937_64& random) {
  std::normal_distribution<double> normal(0, deviation);
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(static_cast<float>(normal(random)));
  return values;
}

// A 1x1 convolution on one pixel: the dot product is all there is to get wrong.
Case random_case(std::mt19937_64& random) {
  Case c;
  c.channels_in = 1 + static_cast<std::int64_t>(random() % 40);
  c.channels_out = 1 + static_cast<std::int64_t>(random() % 8);
  const double deviation = std::exp(static_cast<double>(random() % 9) - 4.0);
  c.x = normal_values(c.channels_in, deviation, random);
  c.w = normal_values(c.channels_in * c.channels_out, 0.3, random);
  c.b = normal_values(c.channels_out, deviation, random);
  for (const float x : c.x) c.threshold_in = std::max(c.threshold_in, std::fabs(double{x}));
  const ValueId x = c.build.input("x", {1, c.channels_in, 1, 1});
  const ValueId y = c.build.conv("y", x, c.channels_out, c.w);
  Graph& graph = c.build.graph();
  graph.nodes[0].inputs.push_back(
      graph.add_constant("b", Tensor::from<float>({c.channels_out}, c.b)));
  c.build.output(y);
  return c;
}

double float_result(const Case& c, std::size_t o) {
  double sum = c.b[o];
  const auto count = static_cast<std::size_t>(c.channels_in);
  for (std::size_t i = 0; i < count; ++i) sum += double{c.x[i]} * c.w[o * count + i];
  return sum;
}

TEST(QuantizeConvProperty, results_are_within_the_rounding_errors_of_float) {
  const std::uint64_t seed = 4711;
  std::mt19937_64 random(seed);
  for (int n = 0; n < 200; ++n) {
    Case c = random_case(random);
    const auto outputs = static_cast<std::size_t>(c.channels_out);
    for (std::size_t o = 0; o < outputs; ++o) {
      c.threshold_out = std::max(c.threshold_out, std::fabs(float_result(c, o)));
    }
    const Graph got =
        quantize(c.build.graph(), {{"x", c.threshold_in}, {"y", c.threshold_out}}, {});
    const Node& node = got.nodes[1];
    const auto w = got.value(node.inputs[1]).constant->values<std::int8_t>();
    const auto b = got.value(node.inputs[2]).constant->values<std::int32_t>();
    const double step_in = c.threshold_in / 127, step_out = c.threshold_out / 127;
    const auto count = static_cast<std::size_t>(c.channels_in);
    for (std::size_t o = 0; o < outputs; ++o) {
      const double step_w = got.value(node.inputs[1]).quantization->step(o);
      std::int64_t accumulator = b[o];
      double bound = step_in * step_w / 2;  // the bias, half a unit
      for (std::size_t i = 0; i < count; ++i) {
        const auto code = static_cast<std::int64_t>(std::trunc(c.x[i] / step_in));
        accumulator += code * w[o * count + i];
        // |x w - x' w'| <= |w| dx + |x'| dw, x truncated (a step), w rounded (half a step).
        bound += std::fabs(c.w[o * count + i]) * step_in + c.threshold_in * step_w / 2;
      }
      const double scaled = static_cast<double>(accumulator) * node.requantize->scale[o];
      const double code = std::floor(std::ldexp(scaled, -node.requantize->shift[o]) + 0.5);
      const double result = std::clamp(code, -128.0, 127.0) * step_out;
      // Half an output step for the last rounding, 2^-15 of the result for the scale's own.
      bound += step_out / 2 + std::fabs(result) * 0x1p-15 + step_out * 0x1p-15;
      ASSERT_NEAR(result, float_result(c, o), bound) << "seed " << seed << ", case " << n;
    }
  }
}

}  // namespace
}  // namespace workbench
