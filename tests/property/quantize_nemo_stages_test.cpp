// Random small networks through NEMO's stages: how near each stays to the one before, and the ONNX
// convention there and back, bit for bit.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "compiler/import/export.h"
#include "compiler/import/import.h"
#include "compiler/passes/passes.h"
#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/integer_network.h"
#include "compiler/quantize/nemo.h"
#include "compiler/quantize/nemo_onnx.h"
#include "compiler/quantize/nemo_stages.h"
#include "core/eval/evaluate.h"
#include "sim/golden/golden.h"
#include "tests/support/graph_builder.h"

namespace workbench {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kCases = 8;
#else
constexpr std::uint64_t kCases = 40;
#endif

// conv [bn] relu, with pools, depthwise layers and residual sums between, and a classifier.
Graph random_network(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto chance = [&](int of) { return random() % static_cast<std::uint64_t>(of) == 0; };
  GraphBuilder build(seed);
  ValueId x = build.input("x", {1, 3, 12, 12});
  int count = 0;
  const auto layer = [&](ValueId from, std::int64_t channels, std::int64_t kernel, bool depthwise) {
    const std::string name = fmt::format("l{}", ++count);
    const std::int64_t groups = depthwise ? build.shape(from)[1] : 1;
    ValueId y =
        build.conv(name, from, channels, square_window(kernel, 1, kernel / 2), groups, chance(2));
    if (!chance(3)) y = build.batch_norm(name + "_bn", y);
    if (chance(3)) {
      return build.add(name + "_relu6",
                       Activate{{.kind = Activation::Kind::Clip, .alpha = 0, .beta = 6}}, {y});
    }
    return build.relu(name + "_relu", y);
  };
  const std::uint64_t layers = 2 + random() % 3;
  x = layer(x, 8, 3, false);
  for (std::uint64_t n = 0; n < layers; ++n) {
    const ValueId y = layer(x, 8, chance(2) ? 3 : 1, chance(3));
    if (chance(2)) {
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
  if (chance(2)) x = build.add("softmax", Softmax{.axis = 1}, {x});
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

// The codes of the sample's input, as `integers` has them.
Tensor input_codes(const Graph& integers, const std::vector<Tensor>& values) {
  const Node& quantize = integers.nodes.at(0);
  const Tensor& codes = values[static_cast<std::size_t>(quantize.outputs[0])];
  std::vector<float> real;
  if (codes.type() == ElementType::Uint8) {
    for (const std::uint8_t code : codes.values<std::uint8_t>()) real.push_back(code);
  } else {
    for (const std::int8_t code : codes.values<std::int8_t>()) real.push_back(code);
  }
  return Tensor::from<float>(codes.shape(), real);
}

// Every integer value that both graphs have by name is the same; how many there were.
int compare_integers(const Graph& a, const std::vector<Tensor>& in_a, const Graph& b,
                     const std::vector<Tensor>& in_b) {
  const auto names = values_by_name(b);
  int compared = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const Value& value = a.values[i];
    const auto found = names.find(value.name);
    if (value.constant || !value.quantization || found == names.end()) continue;
    EXPECT_EQ(in_a[i], in_b[static_cast<std::size_t>(found->second)]) << value.name;
    ++compared;
  }
  return compared;
}

// Through a file of NEMO's convention and back: the same integers.
void check_round_trip(const Graph& form, const Graph& integers, const Tensor& x) {
  const std::vector<Tensor> values = golden::run(integers, {&x, 1});
  const Tensor codes = input_codes(integers, values);
  const Quantization& input = *integers.value(integers.nodes.at(0).outputs[0]).quantization;
  const Graph imported = import_onnx_bytes(export_onnx_bytes(form), "form");
  ASSERT_TRUE(is_integer_network(imported));
  const std::string& name = imported.value(imported.inputs[0]).name;
  const Graph back = integer_network(imported, {}, {.input_signed = {{name, input.is_signed}}});
  const std::vector<Tensor> again = golden::run(back, {&codes, 1});
  EXPECT_GT(compare_integers(back, again, integers, values), 3);
}

TEST(NemoStagesProperty, stages_stay_near_each_other_and_files_are_exact) {
  std::vector<double> floats_to_fq, fq_to_qd, qd_to_id;
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE(seed);
    const Graph graph = random_network(seed);
    const auto samples = samples_of(graph, seed);
    const NemoStages stages = nemo_stages(graph, in_memory(samples));
    const Tensor& x = samples[1][0];
    const Tensor in_float = evaluate(graph, {&x, 1})[0];
    const Tensor fq = evaluate(stages.fake_quantized, {&x, 1})[0];
    const Tensor qd = evaluate(stages.quantized_deployable, {&x, 1})[0];
    const std::vector<Tensor> values = golden::run(stages.integers, {&x, 1});
    const Tensor& id = values[static_cast<std::size_t>(stages.integers.outputs[0])];
    floats_to_fq.push_back(decibels(in_float.values<float>(), fq.values<float>()));
    fq_to_qd.push_back(decibels(fq.values<float>(), qd.values<float>()));
    qd_to_id.push_back(decibels(qd.values<float>(), id.values<float>()));
    check_round_trip(stages.integer_deployable, stages.integers, x);
    check_round_trip(nemo_onnx_form(stages.integers), stages.integers, x);
  }
  for (auto* list : {&floats_to_fq, &fq_to_qd, &qd_to_id}) std::sort(list->begin(), list->end());
  const auto report = [&](const char* name, const std::vector<double>& list) {
    RecordProperty(name, fmt::format("{:.1f}, {:.1f}", list[0], list[list.size() / 2]));
    fmt::print("{}: least {:.1f} dB, median {:.1f} dB\n", name, list[0], list[list.size() / 2]);
  };
  report("float_to_fq", floats_to_fq);
  report("fq_to_qd", fq_to_qd);
  report("qd_to_id", qd_to_id);
}

TEST(NemoStagesProperty, integers_of_our_own_quantizer_survive_the_convention) {
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE(seed);
    Graph graph = random_network(seed);
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
    check_round_trip(nemo_onnx_form(integers), integers, samples[1][0]);
  }
}

}  // namespace
}  // namespace workbench
