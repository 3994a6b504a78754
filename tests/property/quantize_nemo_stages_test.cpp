// Random small networks through NEMO's stages: how near each stays to the one before, and the ONNX
// convention there and back, bit for bit.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "compiler/passes/passes.h"
#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/nemo.h"
#include "compiler/quantize/nemo_onnx.h"
#include "compiler/quantize/nemo_stages.h"
#include "core/eval/evaluate.h"
#include "data/samples.h"
#include "sim/golden/golden.h"
#include "tests/support/graph_builder.h"
#include "tests/support/nemo_checks.h"

namespace workbench {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kCases = 8;
#else
constexpr std::uint64_t kCases = 40;
#endif

// conv [bn] relu, with pools, depthwise layers and residual sums between, and a classifier.
// `linear`: some operands of sums are no activations. `soft`: the host has the last word.
Graph random_network(std::uint64_t seed, bool linear = false, bool soft = false) {
  std::mt19937_64 random(seed);
  const auto chance = [&](int of) { return random() % static_cast<std::uint64_t>(of) == 0; };
  GraphBuilder build(seed);
  ValueId x = build.input("x", {1, 3, 12, 12});
  int count = 0;
  const auto layer = [&](ValueId from, std::int64_t channels, std::int64_t kernel, bool depthwise,
                         bool activated = true) {
    const std::string name = fmt::format("l{}", ++count);
    const std::int64_t groups = depthwise ? build.shape(from)[1] : 1;
    ValueId y =
        build.conv(name, from, channels, square_window(kernel, 1, kernel / 2), groups, chance(2));
    if (!chance(3)) y = build.batch_norm(name + "_bn", y);
    if (!activated) return y;
    if (chance(3)) {
      return build.add(name + "_relu6",
                       Activate{{.kind = Activation::Kind::Clip, .alpha = 0, .beta = 6}}, {y});
    }
    return build.relu(name + "_relu", y);
  };
  const std::uint64_t layers = 2 + random() % 3;
  x = layer(x, 8, 3, false);
  for (std::uint64_t n = 0; n < layers; ++n) {
    const bool activated = !linear || chance(2);
    const ValueId y = layer(x, 8, chance(2) ? 3 : 1, chance(3), activated);
    if (!activated || chance(2)) {
      const std::string name = fmt::format("sum{}", n);
      x = build.binary(name, Binary::Kind::Add, x, y);
      if (chance(2)) x = build.relu(name + "_relu", x);
    } else {
      x = y;
    }
  }
  if (chance(2)) {
    x = build.add("max", MaxPool{.window = square_window(2, 2)}, {x});
  } else {
    x = build.add("mean", AveragePool{.window = square_window(2, 2)}, {x});
  }
  const std::int64_t terms = element_count(build.shape(x));
  x = build.add("flat", Reshape{.shape = {1, terms}}, {x});
  x = build.gemm("fc", x, 5);
  if (soft) x = build.add("softmax", Softmax{.axis = 1}, {x});
  build.output(x);
  return build.graph();
}

std::vector<std::vector<Tensor>> samples_of(const Graph& graph, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const double low = seed % 2 == 0 ? 0 : -1;
  std::vector<std::vector<Tensor>> samples;
  for (int i = 0; i < 3; ++i) {
    samples.push_back({random_tensor(random, graph.value(graph.inputs[0]).shape, low, 1)});
  }
  return samples;
}

double decibels(std::span<const float> expected, std::span<const float> got) {
  double signal = 1e-12, noise = 1e-12;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double error = static_cast<double>(got[i]) - static_cast<double>(expected[i]);
    signal += static_cast<double>(expected[i]) * static_cast<double>(expected[i]);
    noise += error * error;
  }
  return 10 * std::log10(signal / noise);
}

// Values of 8 bits in `integers` that no sum or pool is before: QD leaves those unrounded.
std::vector<ValueId> before_sums(const Graph& integers) {
  std::vector<bool> behind(integers.values.size(), false);
  std::vector<ValueId> result;
  for (const Node& node : integers.nodes) {
    bool is_behind =
        std::holds_alternative<AveragePool>(node.op) || std::holds_alternative<Binary>(node.op);
    for (const ValueId id : node.inputs) {
      is_behind = is_behind || (id != kNoValue && behind[static_cast<std::size_t>(id)]);
    }
    behind[static_cast<std::size_t>(node.outputs[0])] = is_behind;
    if (!is_behind && node.affine) result.push_back(node.outputs[0]);
  }
  return result;
}

std::vector<ValueId> all_codes(const Graph& integers) {
  std::vector<ValueId> ids;
  for (const Node& node : integers.nodes) {
    if (node.affine) ids.push_back(node.outputs[0]);
  }
  return ids;
}

// What is left of float noise where a fraction is next to a whole number.
void expect_same(const CodeDifference& difference) {
  EXPECT_GT(difference.values, 5'000);
  EXPECT_LE(difference.largest, 1.01);
  EXPECT_LE(difference.differing * 1000, difference.values);
}

TEST(NemoStagesProperty, integers_are_the_codes_of_the_stages) {
  CodeDifference to_qd, to_id;
  for (std::uint64_t seed = 1; seed <= kCases / 2; ++seed) {
    SCOPED_TRACE(seed);
    const Graph graph = random_network(seed, seed % 3 == 0);
    const auto samples = samples_of(graph, seed);
    const NemoStages stages =
        nemo_stages(graph, in_memory(samples), {.signed_activations = seed % 3 == 0});
    const Tensor& x = samples[1][0];
    const std::vector<Tensor> values = golden::run(stages.integers, {&x, 1});
    add_differences(stages.integers, values, before_sums(stages.integers),
                    stages.quantized_deployable, x, true, to_qd);
    // ID in float32, whose accumulators lose the bits beyond 24.
    const Tensor codes = nemo_input_codes(stages.integers, x);
    add_differences(stages.integers, values, all_codes(stages.integers), stages.integer_deployable,
                    codes, false, to_id);
  }
  expect_same(to_qd);
  EXPECT_GT(to_id.values, 10'000);
  EXPECT_LE(to_id.differing * 100, to_id.values);
  fmt::print("QD: {} of {} differ, by {}; ID in floats: {} of {}, by {}\n", to_qd.differing,
             to_qd.values, to_qd.largest, to_id.differing, to_id.values, to_id.largest);
}

TEST(NemoStagesProperty, stages_stay_near_each_other_and_files_are_exact) {
  std::vector<double> floats_to_fq, fq_to_qd, qd_to_id;
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE(seed);
    const bool linear = seed % 3 == 0;
    const Graph graph = random_network(seed, linear);
    const auto samples = samples_of(graph, seed);
    const NemoStages stages =
        nemo_stages(graph, in_memory(samples), {.signed_activations = linear});
    const Tensor& x = samples[1][0];
    const Tensor in_float = evaluate(graph, {&x, 1})[0];
    const Tensor fq = evaluate(stages.fake_quantized, {&x, 1})[0];
    const Tensor qd = evaluate(stages.quantized_deployable, {&x, 1})[0];
    const std::vector<Tensor> values = golden::run(stages.integers, {&x, 1});
    const Tensor& id = values[static_cast<std::size_t>(stages.integers.outputs[0])];
    floats_to_fq.push_back(decibels(in_float.values<float>(), fq.values<float>()));
    fq_to_qd.push_back(decibels(fq.values<float>(), qd.values<float>()));
    qd_to_id.push_back(decibels(qd.values<float>(), id.values<float>()));
    check_nemo_round_trip(stages.integer_deployable, stages.integers, x);
    check_nemo_round_trip(nemo_onnx_form(stages.integers), stages.integers, x);
  }
  for (auto* list : {&floats_to_fq, &fq_to_qd, &qd_to_id}) std::sort(list->begin(), list->end());
  // Measured: 22 and 31 dB (FQ), 28 and 38 dB (QD), 8 and 31 dB (ID: sums are floored, too).
  EXPECT_GT(floats_to_fq.front(), 15);
  EXPECT_GT(floats_to_fq[kCases / 2], 25);
  EXPECT_GT(fq_to_qd.front(), 20);
  EXPECT_GT(fq_to_qd[kCases / 2], 30);
  EXPECT_GT(qd_to_id.front(), 0);
  EXPECT_GT(qd_to_id[kCases / 2], 20);
  fmt::print("least and median dB: FQ {:.1f} {:.1f}, QD {:.1f} {:.1f}, ID {:.1f} {:.1f}\n",
             floats_to_fq.front(), floats_to_fq[kCases / 2], fq_to_qd.front(), fq_to_qd[kCases / 2],
             qd_to_id.front(), qd_to_id[kCases / 2]);
}

TEST(NemoStagesProperty, integers_of_our_own_quantizer_survive_the_convention) {
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE(seed);
    Graph graph = random_network(seed, seed % 3 == 0, seed % 2 == 0);
    run_passes(graph, float_pipeline());
    graph = nemo_form(graph);
    const auto samples = samples_of(graph, seed);
    Thresholds thresholds;
    evaluate(graph, samples[0], {.observe = [&](ValueId id, const Tensor& tensor) {
               double& largest = thresholds[graph.value(id).name];
               for (const float v : tensor.values<float>()) {
                 largest = std::max(largest, std::abs(static_cast<double>(v)));
               }
             }});
    const Graph integers = quantize_nemo(graph, thresholds, {});
    check_nemo_round_trip(nemo_onnx_form(integers), integers, samples[1][0]);
  }
}

}  // namespace
}  // namespace workbench
