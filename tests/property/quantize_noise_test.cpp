// The default scheme loses no more than the number format of a machine takes: signal to noise of
// random layers, on the golden model, against the variance that roundings of its formats have; and
// on V2, against V3, of random separable networks, since it cuts before it adds the bias, and of
// sums of sums, since its fields hold few multipliers.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "compiler/quantize/recipe.h"
#include "compiler/xdnn/support.h"
#include "core/eval/evaluate.h"
#include "sim/golden/golden.h"
#include "tests/support/graph_builder.h"

namespace workbench {
namespace {

constexpr std::uint64_t kCases = 12;  // per machine
constexpr double kAllowedDb = 3;

struct Format {
  const char* name;
  QuantizeTarget target;
  int bits = 8;
  bool truncates_input = true;  // the host library does (docs/facts/xdnn.md 3.1)
  bool unsigned_results = false;
  bool slopes = false;  // its layers have a PReLU
};

xdnn::Machine machine(const char* family, int bits) {
  xdnn::Machine machine;
  machine.family_name = family;
  machine.array.bits = bits;
  if (machine.prescales()) machine.features = {};
  return machine;
}

Format xdnn_format(const char* name, const char* family, int bits) {
  const xdnn::Machine of = machine(family, bits);
  return {.name = name,
          .target = xdnn_quantize_target({.bits = bits, .limits = xdnn::requantize_limits(of)}),
          .bits = bits,
          .slopes = !of.prescales()};
}

std::vector<Format> formats() {
  return {xdnn_format("V3, 8 bits", "xdnn_v3", 8),
          xdnn_format("V3, 16 bits", "xdnn_v3", 16),
          xdnn_format("V2, 8 bits", "xdnn_v2", 8),
          xdnn_format("V2, 16 bits", "xdnn_v2", 16),
          xdnn_format("Darius", "darius", 8),
          xdnn_format("MathEngine", "math_engine", 8),
          {.name = "PULP",
           .target = pulp_quantize_target({}),
           .truncates_input = false,
           .unsigned_results = true}};
}

// One layer of 3x3 or 1x1, whose channels differ in size, with biases of the size of its sums.
Graph random_layer(std::uint64_t seed, bool slopes) {
  GraphBuilder b(seed);
  std::mt19937_64 random(seed);
  const std::int64_t kernel = random() % 2 == 0 ? 1 : 3;
  const ValueId x = b.input("x", {1, static_cast<std::int64_t>(4 + random() % 13), 12, 12});
  const ValueId y = b.conv("y", x, static_cast<std::int64_t>(2 + random() % 15),
                           square_window(kernel, 1, kernel / 2));
  Graph& graph = b.graph();
  Activation& activation = *fused_activation(graph.nodes[0].op);
  const Activation choices[] = {
      {}, {.kind = Activation::Kind::Relu}, {.kind = Activation::Kind::LeakyRelu, .alpha = 0.1F}};
  activation = choices[random() % (slopes ? 3 : 2)];
  b.output(y);
  return graph;
}

double largest(const Tensor& tensor) {
  double result = 0;
  for (const float v : tensor.values<float>()) result = std::max(result, std::abs(double{v}));
  return result;
}

double power(const Tensor& tensor) {
  double sum = 0;
  for (const float v : tensor.values<float>()) sum += double{v} * double{v};
  return sum / static_cast<double>(tensor.size());
}

// Weights of one channel.
struct Row {
  double largest = 0, squares = 0, taps = 0;
};

Row row_of(const Tensor& weights, std::size_t c) {
  const auto values = weights.values<float>();
  const std::size_t taps = values.size() / static_cast<std::size_t>(weights.dim(0));
  Row row{.taps = static_cast<double>(taps)};
  for (std::size_t i = c * taps; i < (c + 1) * taps; ++i) {
    row.largest = std::max(row.largest, std::abs(double{values[i]}));
    row.squares += double{values[i]} * double{values[i]};
  }
  return row;
}

// How far the codes of the result must reach: where the bias is added to codes, it and the sum
// before it are codes, too.
double reach(const Format& format, const Graph& graph, const Tensor& y) {
  double result = largest(y);
  if (!format.target.late_bias) return result;
  const auto bias = graph.value(graph.nodes[0].inputs[2]).constant->values<float>();
  const auto values = y.values<float>();
  const std::size_t cells = values.size() / bias.size();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double b = double{bias[i / cells]};
    result = std::max({result, std::abs(b), std::abs(double{values[i]} - b)});
  }
  return result;
}

// Variance of a result: its own rounding, that of the weights (largest over its codes) and that of
// the operand, d^2/12 each, d^2/3 where numbers of either sign are truncated (d/2 toward 0 and
// d^2/12 around it); where the bias is codes, its rounding. ReLU hides half of the noise where it
// hides half of the signal: it is left out on both sides.
double least_noise(const Format& format, const Graph& graph, const Tensor& x, const Tensor& y) {
  const double high = std::ldexp(1.0, format.bits - 1) - 1;
  const Activation& activation = *fused_activation(graph.nodes[0].op);
  const bool positive = activation.kind == Activation::Kind::Relu;
  const double out_high = positive && format.unsigned_results ? 2 * high + 1 : high;
  const double out = reach(format, graph, y) / out_high, in = largest(x) / high;
  const Tensor& weights = *graph.value(graph.nodes[0].inputs[1]).constant;
  const auto channels = static_cast<std::size_t>(weights.dim(0));
  double sum = 0;
  for (std::size_t c = 0; c < channels; ++c) {
    const Row row = row_of(weights, c);
    const double step = row.largest / high;
    sum += row.squares * in * in / (format.truncates_input ? 3 : 12);
    sum += row.taps * power(x) * step * step / 12;
  }
  return sum / static_cast<double>(channels) + out * out / 12 * (format.target.late_bias ? 2 : 1);
}

double noise(const Format& format, const Graph& layer, const std::vector<Tensor>& input,
             const Tensor& wanted) {
  const Graph prepared = format.target.prepare(layer);
  const Annotated annotated =
      apply_recipe(prepared, in_memory({input}), default_recipe(format.target.name, Effort::Normal),
                   format.target);
  const Graph integers = format.target.lower(annotated.graph);
  Tensor error = golden::run(integers, input).at(static_cast<std::size_t>(integers.outputs[0]));
  const auto values = wanted.values<float>();
  for (std::size_t i = 0; i < values.size(); ++i) error.mutable_values<float>()[i] -= values[i];
  return power(error);
}

TEST(QuantizationNoise, the_default_is_within_3_db_of_what_the_formats_allow) {
  for (const Format& format : formats()) {
    for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
      SCOPED_TRACE(fmt::format("{}, seed {}", format.name, seed));
      const Graph layer = random_layer(seed, format.slopes);
      const std::vector<Tensor> input = random_inputs(layer, seed);
      const Tensor wanted = evaluate(layer, input).at(0);
      const double found = noise(format, layer, input, wanted);
      const double bound = least_noise(format, layer, input[0], wanted);
      EXPECT_LE(10 * std::log10(found / bound), kAllowedDb)
          << "signal to noise " << 10 * std::log10(power(wanted) / found) << " dB";
    }
  }
}

constexpr Activation kRelu6{.kind = Activation::Kind::Clip, .alpha = 0, .beta = 6};

double mean_of_channel(const Tensor& tensor, std::size_t c) {
  const auto values = tensor.values<float>();
  const std::size_t run = values.size() / static_cast<std::size_t>(tensor.dim(1));
  double sum = 0;
  for (std::size_t i = c * run; i < (c + 1) * run; ++i) sum += double{values[i]};
  return sum / static_cast<double>(run);
}

// A layer with ReLU6 whose results before it have about the mean 2. Weights of every fourth channel
// have so much in common that its sums are `offset` larger or smaller, and its bias undoes it.
ValueId offset_layer(GraphBuilder& b, const std::string& name, ValueId x, std::int64_t kernel,
                     std::int64_t groups, double offset, const std::vector<Tensor>& input) {
  const std::int64_t channels = b.shape(x)[1];
  const ValueId y = b.conv(name, x, channels, square_window(kernel, 1, 0), groups);
  Graph& graph = b.graph();
  Node& node = graph.nodes.back();
  Tensor& weights = *graph.value(node.inputs[1]).constant;
  Tensor& bias = *graph.value(node.inputs[2]).constant;
  const auto w = weights.mutable_values<float>(), zero = bias.mutable_values<float>();
  const std::size_t taps = w.size() / zero.size();
  std::fill(zero.begin(), zero.end(), 0.0F);
  for (std::size_t c = 0; c < zero.size(); ++c) {
    const double common = c % 4 == 3 ? (c % 8 == 3 ? offset : -offset) / 2 : 0;  // inputs: about 2
    for (std::size_t i = c * taps; i < (c + 1) * taps; ++i) {
      w[i] += static_cast<float>(common / static_cast<double>(taps));
    }
  }
  graph.outputs = {y};
  const Tensor sums = evaluate(graph, input).at(0);
  graph.outputs.clear();
  for (std::size_t c = 0; c < zero.size(); ++c) {
    zero[c] = static_cast<float>(2 - mean_of_channel(sums, c));
  }
  *fused_activation(node.op) = kRelu6;
  return y;
}

Graph random_separable(std::uint64_t seed, const std::vector<Tensor>& input) {
  GraphBuilder b(seed);
  std::mt19937_64 random(seed);
  ValueId x = b.input("x", input[0].shape());
  for (int block = 0; block < 2; ++block) {
    const double offset = 10 + static_cast<double>(random() % 20);
    x = offset_layer(b, fmt::format("dw{}", block), x, 3, b.shape(x)[1], offset, input);
    x = offset_layer(b, fmt::format("pw{}", block), x, 1, 1, offset, input);
  }
  b.output(b.conv("y", x, 8, square_window(1)));
  return b.graph();
}

void expect_v2_near_v3(int bits, const Graph& network, const std::vector<Tensor>& input,
                       double apart_db) {
  const Tensor wanted = evaluate(network, input).at(0);
  const double on_v2 = noise(xdnn_format("V2", "xdnn_v2", bits), network, input, wanted);
  const double on_v3 = noise(xdnn_format("V3", "xdnn_v3", bits), network, input, wanted);
  EXPECT_LE(10 * std::log10(on_v2 / on_v3), apart_db)
      << "signal to noise " << 10 * std::log10(power(wanted) / on_v2) << " dB and "
      << 10 * std::log10(power(wanted) / on_v3) << " dB";
}

// On V2 every fourth channel has sums up to 36, and codes up to 6 times as coarse: 36 / 4 times the
// mean noise of V3 is 9.5 dB. The roundings of the layers that are added are the rest.
TEST(QuantizationNoise, separable_networks_on_v2_are_near_those_on_v3) {
  constexpr double kApartDb = 10;
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937_64 random(seed);
    const std::vector<Tensor> input = {random_tensor(random, {1, 16, 12, 12}, 0, 4)};
    const Graph network = random_separable(seed, input);
    expect_v2_near_v3(8, network, input, kApartDb);
  }
}

// What a machine without PReLU makes of y = max(x, a x): the sum of (1 - a) max(x, 0) and a x.
ValueId leaky_as_sum(GraphBuilder& b, const std::string& name, ValueId x, double slope) {
  const std::int64_t channels = b.shape(x)[1];
  std::vector<ValueId> terms;
  for (const auto& [factor, kind] :
       {std::pair(1 - slope, Activation::Kind::Relu), std::pair(slope, Activation::Kind::None)}) {
    const std::string term = fmt::format("{}_{}", name, terms.size());
    terms.push_back(b.conv(term, x, channels, square_window(1)));
    Graph& graph = b.graph();
    const Node& first = graph.nodes[graph.nodes.size() - 1 - terms.size() / 2];
    Node& node = graph.nodes.back();
    fused_activation(node.op)->kind = kind;
    for (const std::size_t i : {1, 2}) {
      Tensor scaled = *graph.value(first.inputs[i]).constant;
      const double by = terms.size() == 1 ? factor : factor / (1 - slope);
      for (float& v : scaled.mutable_values<float>()) v = static_cast<float>(double{v} * by);
      graph.value(node.inputs[i]).constant = scaled;
    }
  }
  return b.binary(name, Binary::Kind::Add, terms[0], terms[1]);
}

// Sums of sums, whose operands share scales.
Graph random_leaky_residual(std::uint64_t seed, const Shape& shape) {
  GraphBuilder b(seed);
  std::mt19937_64 random(seed);
  const double slope = 0.05 + static_cast<double>(random() % 40) / 100;
  ValueId x = leaky_as_sum(b, "first", b.input("x", shape), slope);
  for (int block = 0; block < 3; ++block) {
    const ValueId y = leaky_as_sum(b, fmt::format("leaky{}", block), x, slope);
    x = random() % 3 == 0 ? y : b.binary(fmt::format("sum{}", block), Binary::Kind::Add, y, x);
  }
  b.output(x);
  return b.graph();
}

// Where a layer of V3 rounds once, one of V2 does three times, the first in units of up to 2 steps:
// 4 + 1 + 1 times the variance at most, 7.8 dB; multipliers that its fields do not hold cost 40 dB.
TEST(QuantizationNoise, sums_on_v2_at_16_bits_lose_what_their_roundings_do) {
  constexpr double kApartDb = 7.8;
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937_64 random(seed);
    const Shape shape{1, static_cast<std::int64_t>(4 + random() % 9), 12, 12};
    const std::vector<Tensor> input = {random_tensor(random, shape)};
    const Graph network = random_leaky_residual(seed, shape);
    expect_v2_near_v3(16, network, input, kApartDb);
  }
}

}  // namespace
}  // namespace workbench
