// Codes with zero points that a network came with, kept in NEMO's arithmetic.
#include <gtest/gtest.h>

#include <random>

#include "compiler/import/export.h"
#include "compiler/import/import.h"
#include "compiler/import/tflite/fixed_point.h"
#include "compiler/passes/passes.h"
#include "compiler/quantize/fake_quantize.h"
#include "compiler/quantize/fixed_point.h"
#include "compiler/quantize/kept_codes.h"
#include "compiler/quantize/nemo.h"
#include "compiler/quantize/quantize_target.h"
#include "sim/golden/golden.h"
#include "tests/support/float_graph.h"

namespace workbench {
namespace {

Quantization shifted(double step, std::int64_t zero_point, bool is_signed = true) {
  Quantization codes{.is_signed = is_signed, .thresholds = {}, .zero_points = {zero_point}};
  codes.thresholds = {step * static_cast<double>(codes.high())};
  return codes;
}

std::int64_t applied(const AffineRequantize& how, std::int64_t x, std::size_t c = 0) {
  const std::int64_t numerator = how.multiplier[c] * x + how.offset[c];
  const std::int64_t rest = ((numerator % how.divisor) + how.divisor) % how.divisor;
  return std::clamp((numerator - rest) / how.divisor, how.low, how.high);
}

TEST(ZeroPoints, kernels_have_unsigned_codes_of_the_same_steps) {
  const Quantization codes = kernel_codes(shifted(0.25, -3));
  EXPECT_FALSE(codes.is_signed);
  EXPECT_EQ(codes.zero_point(), 125);
  EXPECT_EQ(codes.step(), 0.25);
  EXPECT_TRUE(kernel_codes({.thresholds = {1}}).is_signed) << "nothing to shift";
}

// 0.5 (x + 3) + 10, half up: 1 gives 12, 2 gives 12.5 and so 13, -3 gives 10, -23 gives 0 and less
// is cut.
TEST(ZeroPoints, a_rescaling_rounds_once_and_adds_the_zero_point_of_the_result) {
  const double factor[] = {0.5}, reach[] = {1000};
  const std::int64_t added[] = {3};
  const AffineRequantize how = rounded_once(factor, added, reach, shifted(1, 10, false));
  EXPECT_EQ(applied(how, 1), 12);
  EXPECT_EQ(applied(how, 2), 13);
  EXPECT_EQ(applied(how, -3), 10);
  EXPECT_EQ(applied(how, -23), 0);
  EXPECT_EQ(applied(how, -100), 0);
}

// Channels of different magnitude have one shift, and are what TensorFlow Lite's own are.
TEST(ZeroPoints, mantissas_are_those_of_tensorflow_lite) {
  using importer::tflite::factor_of;
  using importer::tflite::rescaled;
  using importer::tflite::Rescaling;
  std::mt19937_64 random(20261123);
  std::uniform_real_distribution<double> exponent(-12, 1);
  for (int n = 0; n < 200; ++n) {
    std::vector<double> factors, reaches;
    std::vector<std::int64_t> added;
    for (int c = 0; c < 4; ++c) {
      factors.push_back(std::exp2(exponent(random)));
      added.push_back(static_cast<std::int64_t>(random() % 20001) - 10000);
      reaches.push_back(100000);
    }
    const auto zero = static_cast<std::int64_t>(random() % 256);
    const AffineRequantize how = rounded_once(factors, added, reaches, shifted(1, zero, false));
    for (std::size_t c = 0; c < factors.size(); ++c) {
      for (int i = 0; i < 20; ++i) {
        const std::int64_t x = static_cast<std::int64_t>(random() % 200001) - 100000;
        const std::int64_t expected =
            rescaled(x + added[c], factor_of(factors[c]), Rescaling::RoundsOnce) + zero;
        ASSERT_EQ(applied(how, x, c), std::clamp<std::int64_t>(expected, 0, 255))
            << factors[c] << " * " << x + added[c];
      }
    }
  }
}

// Of signed codes q = u - 128: (sum + n / 2) / n above 0, (sum - n / 2) / n below, as C divides.
TEST(ZeroPoints, means_round_half_away_from_the_code_of_zero_in_signed_codes) {
  for (const std::int64_t n : {1, 2, 3, 4, 9, 16, 25, 49, 64, 100, 144}) {
    const auto how = mean_around(128, n);
    ASSERT_TRUE(how.has_value()) << n;
    for (std::int64_t sum = 0; sum <= 255 * n; ++sum) {
      const std::int64_t q = sum - 128 * n;
      const std::int64_t mean = (q > 0 ? q + n / 2 : q - n / 2) / n;
      ASSERT_EQ(applied(*how, sum), mean + 128) << sum << " / " << n;
    }
  }
  EXPECT_FALSE(mean_around(128, 4096).has_value()) << "32 bits do not tell its ties apart";
}

// All pairs of codes, against real numbers: only what lies within 2^-12 of a tie may differ.
TEST(ZeroPoints, sums_round_once) {
  const Quantization in[] = {shifted(0.031, 17, false), shifted(0.0122, 200, false)};
  const Quantization out = shifted(0.0357, 90, false);
  const SumNumbers numbers = sum_rounded_once(in, out);
  for (std::int64_t a = 0; a < 256; ++a) {
    for (std::int64_t b = 0; b < 256; ++b) {
      const std::int64_t sum = applied({.multiplier = numbers.operands[0].multiplier,
                                        .offset = {0},
                                        .low = INT32_MIN,
                                        .high = INT32_MAX},
                                       a) +
                               numbers.operands[1].multiplier[0] * b;
      const double real =
          (static_cast<double>(a - 17) * 0.031 + static_cast<double>(b - 200) * 0.0122) / 0.0357 +
          90;
      const double distance = std::abs(real + 0.5 - std::round(real + 0.5));
      if (distance < std::ldexp(1, -12)) continue;
      const double expected = std::clamp(std::floor(real + 0.5), 0.0, 255.0);
      ASSERT_EQ(applied(numbers.sum, sum), expected) << a << " + " << b;
    }
  }
}

Value& value(Graph& graph, const std::string& name) {
  return graph.value(values_by_name(graph).at(name));
}
const Value& value(const Graph& graph, const std::string& name) {
  return graph.value(values_by_name(graph).at(name));
}

// x -> a (3x3, or 1x1) -> b (1x1); zero points 5 of x, `zero` of a, -128 of b, which is cut at 0.
Graph network(std::int64_t kernel, std::int64_t zero) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 4, 4});
  Window window = FloatGraph::window(kernel);
  window.pads_begin = window.pads_end = {kernel / 2, kernel / 2};
  std::vector<float> weights(static_cast<std::size_t>(kernel * kernel));
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i + 1);
  const ValueId w = build.graph().add_constant(
      "a.w", Tensor::from<float>({1, 1, kernel, kernel}, weights, Layout::Oihw));
  const ValueId a = build.add("a", Conv{.window = window}, {x, w});
  build.output(build.conv("b", a, 1, {2}, {.kind = Activation::Kind::Relu}));
  Graph graph = build.graph();
  graph.value(w).quantization = Quantization{.thresholds = {127}};
  value(graph, "x").quantization = shifted(1, 5);
  value(graph, "a").quantization = shifted(2, zero);
  value(graph, "b").quantization = shifted(4, -128);
  return graph;
}

Graph annotated(const Graph& graph) {
  const QuantizeTarget target = pulp_quantize_target({});
  return target.annotate(target.prepare(graph), {});
}

TEST(ZeroPoints, are_kept_as_they_came) {
  const Graph graph = annotated(network(1, 3));
  EXPECT_EQ(value(graph, "x").quantization->zero_point(), 5);
  EXPECT_EQ(value(graph, "a").quantization->zero_point(), 3);
  EXPECT_EQ(value(graph, "b").quantization->zero_point(), -128);
  EXPECT_EQ(value(graph, "a").quantization->thresholds, std::vector<double>{254});
}

// Steps of a file are not touched by annotating again: the network has one form.
TEST(ZeroPoints, an_annotated_network_annotated_again_is_the_same) {
  const Graph once = annotated(network(3, 3));
  const Graph twice = annotated(once);
  ASSERT_EQ(once.values.size(), twice.values.size());
  for (std::size_t i = 0; i < once.values.size(); ++i) {
    EXPECT_EQ(once.values[i].quantization, twice.values[i].quantization) << once.values[i].name;
  }
}

// The border of a graph input is the host's; that of a layer's result would be zeros of the kernel,
// which are not the code of 0 there: its zero point goes.
TEST(ZeroPoints, a_padded_input_has_a_border_of_zeros) {
  const Graph graph = annotated(network(3, 3));
  const Value& bordered = value(graph, "x_bordered");
  EXPECT_EQ(bordered.shape, (Shape{1, 1, 6, 6}));
  EXPECT_EQ(bordered.quantization->zero_point(), 5);
  EXPECT_FALSE(value(graph, "x").quantization.has_value());
}

TEST(ZeroPoints, a_padded_result_has_other_codes) {
  Graph graph = network(1, 3);
  auto& conv = std::get<Conv>(graph.nodes[1].op);
  conv.window.pads_begin = conv.window.pads_end = {1, 1};
  graph.value(graph.nodes[1].outputs[0]).shape = {1, 1, 6, 6};
  EXPECT_EQ(value(annotated(graph), "a").quantization->zero_point(), 0);
  value(graph, "a").quantization = shifted(2, -128);
  EXPECT_EQ(value(annotated(graph), "a").quantization->zero_point(), -128)
      << "zeros of the kernel are the lowest code";
}

// The whole network on the golden model, against the real arithmetic of the codes: x is rounded to
// whole numbers from -133 to 122, a to even ones from -262 to 248, b to multiples of 4 up to 1020.
TEST(ZeroPoints, the_integers_compute_what_the_codes_say) {
  for (const std::int64_t kernel : {1, 3}) {
    const Graph graph = network(kernel, 3);
    const Graph integers = pulp_quantize_target({}).lower(annotated(graph));
    std::vector<float> input;
    for (int i = 0; i < 16; ++i) input.push_back(static_cast<float>(i * 3 % 17 - 8));
    const Tensor x = Tensor::from<float>({1, 1, 4, 4}, input);
    const std::vector<Tensor> all = golden::run(integers, {&x, 1});
    const Tensor& y = all[static_cast<std::size_t>(integers.outputs[0])];
    for (std::int64_t p = 0; p < 16; ++p) {
      double sum = 0;
      for (std::int64_t t = 0; t < kernel * kernel; ++t) {
        const std::int64_t row = p / 4 + t / kernel - kernel / 2,
                           column = p % 4 + t % kernel - kernel / 2;
        if (row < 0 || row > 3 || column < 0 || column > 3) continue;
        sum += static_cast<double>(t + 1) *
               static_cast<double>(input[static_cast<std::size_t>(row * 4 + column)]);
      }
      const double a = std::clamp(2 * std::floor(sum / 2 + 0.5), -262.0, 248.0);
      const double b = std::clamp(4 * std::floor(2 * a / 4 + 0.5), 0.0, 1020.0);
      EXPECT_EQ(y.values<float>()[static_cast<std::size_t>(p)], b) << kernel << ", " << p;
    }
  }
}

// As a QDQ file and back: its border of zeros, its zero points, and every number computed with
// them.
TEST(ZeroPoints, a_file_read_again_is_the_same_network) {
  const QuantizeTarget target = pulp_quantize_target({});
  for (const std::int64_t kernel : {1, 3}) {
    const Graph once = annotated(network(kernel, 3));
    Graph again = import_onnx_bytes(export_onnx_bytes(fake_quantized(once)), "again");
    run_passes(again, float_pipeline());
    again = annotated(again);
    for (const Value& came : once.values) {
      if (came.constant) continue;
      EXPECT_EQ(value(again, came.name).quantization, came.quantization) << came.name;
    }
    const Graph first = target.lower(once), second = target.lower(again);
    std::vector<float> input;
    for (int i = 0; i < 16; ++i) input.push_back(static_cast<float>(i * 5 % 23 - 11));
    const Tensor x = Tensor::from<float>({1, 1, 4, 4}, input);
    EXPECT_TRUE(golden::run(first, {&x, 1})[static_cast<std::size_t>(first.outputs[0])] ==
                golden::run(second, {&x, 1})[static_cast<std::size_t>(second.outputs[0])]);
  }
}

// The last product of a classifier keeps the codes of its file.
TEST(ZeroPoints, logits_that_came_with_codes_have_them) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 2});
  const ValueId w =
      build.graph().add_constant("w", Tensor::from<float>({2, 2}, std::vector<float>{1, 2, 3, 4}));
  build.output(build.add("y", Gemm{.transpose_b = true}, {x, w}));
  Graph graph = build.graph();
  value(graph, "x").quantization = shifted(1, 5);
  value(graph, "y").quantization = shifted(0.5, -7);
  const Graph integers = pulp_quantize_target({}).lower(annotated(graph));
  EXPECT_EQ(value(integers, "y_int8").type, ElementType::Uint8);
  value(graph, "y").quantization.reset();
  const Graph open =
      pulp_quantize_target({}).lower(pulp_quantize_target({}).annotate(graph, {{"y", 1}}));
  EXPECT_EQ(value(open, "y_int8").type, ElementType::Int32);
  const Tensor input = Tensor::from<float>({1, 2}, std::vector<float>{7, -3});
  const std::vector<Tensor> all = golden::run(open, {&input, 1});
  const auto y = all[static_cast<std::size_t>(open.outputs[0])].values<float>();
  EXPECT_NEAR(y[0], 1, 0.1);
  EXPECT_NEAR(y[1], 9, 0.1);
}

}  // namespace
}  // namespace workbench
