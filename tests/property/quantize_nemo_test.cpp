// Random networks through quantize_nemo(): what every integer graph must satisfy, and how near it
// stays to the float network.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "compiler/passes/passes.h"
#include "compiler/quantize/nemo.h"
#include "core/eval/evaluate.h"
#include "sim/golden/golden.h"
#include "tests/support/random_graph.h"
#include "tests/support/random_thresholds.h"

namespace workbench {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr int kCases = 10;
#else
constexpr int kCases = 60;
#endif

bool is_integer(const Value& value) {
  return value.type == ElementType::Int8 || value.type == ElementType::Uint8 ||
         value.type == ElementType::Int32;
}

// Codes only move where steps stay; arithmetic has a rescaling into the range of its result.
void check_node(const Graph& graph, const Node& node) {
  const Value& out = graph.value(node.outputs[0]);
  const bool moves = std::holds_alternative<MaxPool>(node.op) ||
                     std::holds_alternative<Concat>(node.op) ||
                     std::holds_alternative<Reshape>(node.op) ||
                     (std::holds_alternative<Identity>(node.op) && !node.affine);
  EXPECT_EQ(node.affine.has_value(), !moves) << node.name;
  for (const ValueId id : node.inputs) {
    EXPECT_TRUE(is_integer(graph.value(id))) << node.name;
    if (!moves) continue;
    EXPECT_EQ(graph.value(id).quantization, out.quantization) << node.name;
  }
  if (moves) return;
  const AffineRequantize& how = *node.affine;
  EXPECT_EQ(how.low, out.quantization->low()) << node.name;
  EXPECT_EQ(how.high, out.quantization->high()) << node.name;
  EXPECT_EQ(how.divisor & (how.divisor - 1), 0) << node.name;
  EXPECT_EQ(how.rounding, Rounding::Floor) << node.name;
}

double signal_to_noise(const Tensor& expected, const Tensor& got) {
  double signal = 1e-9, noise = 1e-9;
  for (std::size_t i = 0; i < expected.values<float>().size(); ++i) {
    const double reference = expected.values<float>()[i];
    const double error = got.values<float>()[i] - reference;
    signal += reference * reference;
    noise += error * error;
  }
  return 10 * std::log10(signal / noise);
}

Thresholds largest_magnitudes(const Graph& graph, const std::vector<Tensor>& values) {
  Thresholds thresholds;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    if (graph.values[i].type != ElementType::Float32 || graph.values[i].constant) continue;
    double& largest = thresholds[graph.values[i].name];
    for (const float v : values[i].values<float>())
      largest = std::max(largest, std::fabs(double{v}));
  }
  return thresholds;
}

TEST(QuantizeNemoProperty, random_networks_stay_near_their_float_values) {
  const std::uint64_t seed = 20261122;
  std::mt19937_64 random(seed);
  int integer_nodes = 0;
  std::vector<double> decibels;
  for (int n = 0; n < kCases; ++n) {
    SCOPED_TRACE(fmt::format("seed {}, case {}", seed, n));
    Graph source = random_graph(random, {.max_elements = 8000, .max_macs = 300'000});
    run_passes(source, float_pipeline());
    const Graph form = nemo_form(source);
    ASSERT_TRUE(verify(form).empty());
    const Tensor x = normal_tensor(form.value(form.inputs[0]).shape, random);
    std::vector<Tensor> reals(form.values.size());
    evaluate(form, {&x, 1}, {.observe = [&](ValueId id, const Tensor& value) {
               reals[static_cast<std::size_t>(id)] = value;
             }});
    const Graph graph = quantize_nemo(form, largest_magnitudes(form, reals), {});
    for (const Node& node : graph.nodes) {
      const Value& out = graph.value(node.outputs[0]);
      if (!is_integer(out) || std::holds_alternative<Quantize>(node.op)) continue;
      check_node(graph, node);
      ++integer_nodes;
    }
    const std::vector<Tensor> got = golden::run(graph, {&x, 1});
    for (std::size_t i = 0; i < graph.outputs.size(); ++i) {
      const double decibel = signal_to_noise(reals[static_cast<std::size_t>(form.outputs[i])],
                                             got[static_cast<std::size_t>(graph.outputs[i])]);
      decibels.push_back(decibel);
      EXPECT_GT(decibel, 25);
    }
  }
  EXPECT_GT(integer_nodes, 4 * kCases);
  std::sort(decibels.begin(), decibels.end());
  EXPECT_GT(decibels[decibels.size() / 2], 33);
  RecordProperty("worst_db", fmt::format("{:.1f}", decibels.front()));
  RecordProperty("median_db", fmt::format("{:.1f}", decibels[decibels.size() / 2]));
}

}  // namespace
}  // namespace workbench
