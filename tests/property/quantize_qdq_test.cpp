// A quantized network as a QDQ file, read again and annotated for the same target: the codes of
// every tensor are what they were, and so is every number computed with them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <utility>

#include "compiler/import/export.h"
#include "compiler/import/import.h"
#include "compiler/passes/passes.h"
#include "compiler/quantize/code_bits.h"
#include "compiler/quantize/fake_quantize.h"
#include "compiler/quantize/quantize_target.h"
#include "core/eval/evaluate.h"
#include "sim/golden/golden.h"
#include "tests/support/random_graph.h"
#include "tests/support/random_thresholds.h"

namespace workbench {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr int kCases = 6;
#else
constexpr int kCases = 60;
#endif

Graph passed(Graph graph, const PassSwitches& passes) {
  run_passes(graph, float_pipeline(passes));
  return graph;
}

// What another program makes of the file, ready to be annotated.
Graph read_again(const Graph& written, const QuantizeTarget& target, const PassSwitches& passes) {
  Graph graph = import_onnx_bytes(export_onnx_bytes(written), "again");
  return target.prepare(passed(std::move(graph), passes));
}

// Whether prepare() parted a layer from its activation: codes between the two are lost when they
// are fused again.
bool has_parted_activations(const Graph& prepared) {
  return std::ranges::any_of(prepared.values,
                             [](const Value& value) { return value.name.ends_with("_linear"); });
}

// For values that came without codes: nothing that the file says may be overruled by it.
Thresholds elsewhere(const Graph& graph) {
  Thresholds thresholds;
  for (const Value& value : graph.values) thresholds[value.name] = 12345;
  return thresholds;
}

// Weights W are W_int8 in the file and come back as the constant W_quantized.
std::string codes_of_weights(const std::string& name) {
  return name.substr(0, name.rfind("_int8")) + "_quantized_int8";
}

std::string description(const Value& value) {
  if (!value.quantization) return "real";
  return fmt::format("{}, threshold {}, rounding {}", to_string(value.type),
                     value.quantization->thresholds[0],
                     static_cast<int>(value.quantization->rounding));
}

// Codes of activations and weights, and the network's outputs; how many.
int expect_same_numbers(const Graph& first, const Graph& second, const Tensor& x) {
  const std::vector<Tensor> before = golden::run(first, {&x, 1});
  const std::vector<Tensor> after = golden::run(second, {&x, 1});
  const auto names = values_by_name(second);
  int compared = 0;
  for (std::size_t i = 0; i < first.values.size(); ++i) {
    const Value& value = first.values[i];
    const bool is_output =
        std::ranges::find(first.outputs, static_cast<ValueId>(i)) != first.outputs.end();
    if (value.type == ElementType::Float32 && !is_output) continue;
    auto found = names.find(value.name);
    if (found == names.end()) found = names.find(codes_of_weights(value.name));
    if (found == names.end()) {
      ADD_FAILURE() << value.name << " is gone";
      continue;
    }
    EXPECT_TRUE(before[i] == after[static_cast<std::size_t>(found->second)])
        << value.name << ": " << description(value)
        << ", again: " << description(second.value(found->second));
    if (value.quantization) {
      EXPECT_EQ(value.quantization->bits, second.value(found->second).quantization->bits)
          << value.name;
    }
    ++compared;
  }
  return compared;
}

// Over six decades: what joins and sums must not bring together.
Thresholds unlike_thresholds(const Graph& graph, const Tensor&, std::mt19937_64& random) {
  std::uniform_real_distribution<double> exponent(-3, 3);
  Thresholds thresholds;
  for (const Value& value : graph.values) thresholds[value.name] = std::pow(10, exponent(random));
  return thresholds;
}

using ChooseThresholds = Thresholds (*)(const Graph&, const Tensor&, std::mt19937_64&);

struct Prepared {
  Graph graph;
  PassSwitches passes;  // that it was made with
};
Prepared prepared_for(const QuantizeTarget& target, const Graph& source) {
  PassSwitches passes;
  Graph prepared = target.prepare(passed(source, passes));
  if (has_parted_activations(prepared)) {
    passes.without = {"fuse_activation"};
    prepared = target.prepare(passed(source, passes));
  }
  return {std::move(prepared), std::move(passes)};
}

// `source`, written for `target` and read again: how many tensors of codes are what they were.
int expect_codes_survive(const Graph& source, const QuantizeTarget& target, std::mt19937_64& random,
                         ChooseThresholds choose = random_thresholds) {
  const auto [prepared, passes] = prepared_for(target, source);
  const Tensor x = normal_tensor(prepared.value(prepared.inputs[0]).shape, random);
  Graph annotated = target.annotate(prepared, choose(prepared, x, random));
  annotate_weights(annotated, target, random);
  const Graph first = fake_quantized(annotated);
  const Graph again = read_again(first, target, passes);
  const Graph second = fake_quantized(target.annotate(again, elsewhere(again)));
  return expect_same_numbers(first, second, x);
}

TEST(QuantizeQdqProperty, a_network_read_back_from_its_file_has_the_codes_it_had) {
  const std::uint64_t seed = 20261122;
  std::mt19937_64 random(seed);
  int compared = 0;
  const std::vector<QuantizeTarget> targets = {free_quantize_target(8), pulp_quantize_target({}),
                                               xdnn_quantize_target({})};
  for (int n = 0; n < kCases; ++n) {
    SCOPED_TRACE(fmt::format("seed {}, case {}", seed, n));
    const Graph source = random_graph(random, {.max_elements = 4000, .max_macs = 150'000});
    compared +=
        expect_codes_survive(source, targets[static_cast<std::size_t>(n) % targets.size()], random);
  }
  EXPECT_GT(compared, 8 * kCases);
}

// The sums and joins that are left to the host are the same ones again.
TEST(QuantizeQdqProperty, scales_too_far_apart_are_left_apart_again) {
  const std::uint64_t seed = 20261125;
  std::mt19937_64 random(seed);
  int compared = 0;
  const std::vector<QuantizeTarget> targets = {xdnn_quantize_target({}), pulp_quantize_target({})};
  for (int n = 0; n < kCases; ++n) {
    SCOPED_TRACE(fmt::format("seed {}, case {}", seed, n));
    const Graph source = random_graph(
        random, {.max_elements = 4000, .max_macs = 150'000, .residual = 0.4, .concat = 0.2});
    const auto& target = targets[static_cast<std::size_t>(n) % targets.size()];
    compared += expect_codes_survive(source, target, random, unlike_thresholds);
  }
  EXPECT_GT(compared, 8 * kCases);
}

// Convolutions that are cut at 0 get a bound per channel, as equalization gives them.
int bound_channels(Graph& graph, std::mt19937_64& random) {
  int bounded = 0;
  for (Node& node : graph.nodes) {
    auto* conv = std::get_if<Conv>(&node.op);
    if (conv == nullptr || conv->activation.kind != Activation::Kind::Relu) continue;
    conv->activation = {.kind = Activation::Kind::Clip};
    for (std::int64_t c = 0; c < graph.value(node.outputs[0]).shape[1]; ++c) {
      conv->activation.bounds.push_back(1 + static_cast<float>(random() % 50));
    }
    ++bounded;
  }
  return bounded;
}

TEST(QuantizeQdqProperty, bounds_per_channel_are_part_of_their_layer_again) {
  const std::uint64_t seed = 20261123;
  std::mt19937_64 random(seed);
  int bounded = 0;
  for (int n = 0; n < kCases; ++n) {
    SCOPED_TRACE(fmt::format("seed {}, case {}", seed, n));
    Graph source =
        passed(random_graph(random, {.max_elements = 4000, .max_macs = 150'000, .host_op = 0}), {});
    const int bounds = bound_channels(source, random);
    const QuantizeTarget target = free_quantize_target(8);
    if (has_parted_activations(target.prepare(source))) continue;
    bounded += bounds;
    expect_codes_survive(source, target, random);
  }
  EXPECT_GT(bounded, kCases / 10);
}

constexpr int kWidths[] = {8, 4, 2};

int random_width(std::mt19937_64& random) { return kWidths[random() % std::size(kWidths)]; }

// As a recipe file mixes them, layer by layer.
CodeBits random_activation_widths(const Graph& prepared, std::mt19937_64& random) {
  CodeBits bits{.activations = random_width(random)};
  for (const Node& node : prepared.nodes) {
    if (!std::holds_alternative<Conv>(node.op)) continue;
    bits.layers[node.name] = {.activations = random_width(random)};
  }
  return bits;
}

// Steps become those whose last code is the threshold, or nearly: files have them in float32.
void narrow_weights(Graph& annotated, std::mt19937_64& random) {
  for (Value& value : annotated.values) {
    if (!value.constant || !value.quantization || value.quantization->bits != 8) continue;
    Quantization& codes = *value.quantization;
    codes.bits = random_width(random);
    const auto high = static_cast<double>(codes.high());
    for (double& threshold : codes.thresholds) {
      threshold = high * static_cast<double>(static_cast<float>(threshold / high));
    }
  }
}

std::map<int, int> widths_in(const Graph& graph) {
  std::map<int, int> widths;
  for (const Value& value : graph.values) {
    if (value.quantization && value.type != ElementType::Float32)
      ++widths[value.quantization->bits];
  }
  return widths;
}

// What the target computes. The host's real numbers may differ in the last bit: a HardSwish, say,
// is written as two operators.
void expect_same_integers(const Graph& first, const Graph& second, const Tensor& x) {
  const std::vector<Tensor> before = golden::run(first, {&x, 1});
  const std::vector<Tensor> after = golden::run(second, {&x, 1});
  const auto names = values_by_name(second);
  for (std::size_t i = 0; i < first.values.size(); ++i) {
    if (first.values[i].constant || first.values[i].type == ElementType::Float32) continue;
    const auto found = names.find(first.values[i].name);
    if (found == names.end()) {
      ADD_FAILURE() << first.values[i].name << " is gone";
    } else {
      EXPECT_TRUE(before[i] == after[static_cast<std::size_t>(found->second)])
          << first.values[i].name;
    }
  }
}

// INT4, UINT4 and a Clip of bytes (QCDQ) say widths: nothing else does when the file is read.
TEST(QuantizeQdqProperty, narrow_codes_keep_their_widths_and_give_the_same_integers) {
  const std::uint64_t seed = 20261126;
  std::mt19937_64 random(seed);
  const QuantizeTarget target = pulp_quantize_target({});
  std::map<int, int> widths;
  int compared = 0;
  for (int n = 0; n < kCases; ++n) {
    SCOPED_TRACE(fmt::format("seed {}, case {}", seed, n));
    const Graph source = random_graph(
        random, {.max_elements = 4000, .max_macs = 150'000, .residual = 0.3, .concat = 0.1});
    const auto [prepared, passes] = prepared_for(target, source);
    const Tensor x = normal_tensor(prepared.value(prepared.inputs[0]).shape, random);
    const Thresholds thresholds = random_thresholds(prepared, x, random);
    Graph annotated = with_activation_bits(target, random_activation_widths(prepared, random))
                          .annotate(prepared, thresholds);
    annotate_weights(annotated, target, random);
    narrow_weights(annotated, random);
    const Graph first = fake_quantized(annotated);
    const Graph again = read_again(first, target, passes);
    const Graph again_annotated = target.annotate(again, elsewhere(again));
    compared += expect_same_numbers(first, fake_quantized(again_annotated), x);
    expect_same_integers(target.lower(annotated), target.lower(again_annotated), x);
    for (const auto& [bits, count] : widths_in(first)) widths[bits] += count;
  }
  EXPECT_GT(compared, 8 * kCases);
  for (const int bits : kWidths) EXPECT_GT(widths[bits], kCases) << bits;
}

}  // namespace
}  // namespace workbench
