// NEMO's formulas (docs/facts/quantization.md 2.1) by hand, and its stages on networks small enough
// to follow.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "compiler/import/export.h"
#include "compiler/import/import.h"
#include "compiler/quantize/integer_network.h"
#include "compiler/quantize/nemo_onnx.h"
#include "compiler/quantize/nemo_stages.h"
#include "compiler/quantize/nemo_stages_numbers.h"
#include "core/eval/evaluate.h"
#include "sim/golden/golden.h"
#include "tests/support/graph_builder.h"

namespace workbench {
namespace {

using Codes = std::vector<std::int64_t>;

TEST(NemoNumbers, asymmetric_weights_round_half_up_on_alpha_plus_beta) {
  // alpha 1, beta 1.5: eps = 2.5 / (2^3 - 1) = 0.357. -1 / eps = -2.8, 1.5 / eps = 4.2.
  const std::vector<float> weights = {-1, 1.5, 0, 0.2};
  const NemoGrid grid = nemo_weight_grid(weights, 3, true);
  EXPECT_NEAR(grid.eps, 2.5 / 7, 1e-9);
  EXPECT_EQ(grid.codes, (Codes{-3, 4, 0, 1}));
}

TEST(NemoNumbers, symmetric_weights_use_twice_alpha) {
  const std::vector<float> weights = {-1, 0.5};
  const NemoGrid grid = nemo_weight_grid(weights, 8, false);
  EXPECT_NEAR(grid.eps, 2.0 / 255, 1e-12);
  EXPECT_EQ(grid.codes, (Codes{-127, 64}));  // -127.5 and 63.75, half up
}

TEST(NemoNumbers, weights_that_lie_on_one_side_have_a_bit_less) {
  // 8 bits: eps = 1 / 255, codes to 255, which int8 does not hold.
  const std::vector<float> weights = {0, 1};
  const NemoGrid grid = nemo_weight_grid(weights, 8, true);
  EXPECT_EQ(grid.bits, 7);
  EXPECT_EQ(grid.codes, (Codes{0, 127}));
}

TEST(NemoNumbers, kappa_has_the_bits_that_leave_lambda_twenty) {
  // eps_limit = 8 / (2^19 - 1), eps_kappa_limit = that / eps_in = 2^-12 about;
  // log2(1 + 2 * 1 * 2^12) = 13.0002 -> 13 bits, eps_kappa = 2 / 8191.
  const double eps_in = 0.0625;
  const NemoIntegerAffine affine =
      nemo_integer_affine({.kappa = {1, -0.5}, .lambda = {0.25, -3}}, eps_in, {.range = 8});
  EXPECT_NEAR(affine.eps_kappa, 2.0 / 8191, 1e-12);
  EXPECT_NEAR(affine.eps_out, 2.0 / 8191 / 16, 1e-12);
  EXPECT_EQ(affine.kappa[1], -2048 + 0);              // -0.5 * 8191 / 2 = -2047.75
  EXPECT_EQ(affine.lambda, (Codes{16382, -196584}));  // l * 8191 * 8 exactly
}

TEST(NemoNumbers, kappa_has_at_most_its_own_bits) {
  const NemoIntegerAffine affine =
      nemo_integer_affine({.kappa = {1}, .lambda = {0}}, 1e6, {.range = 8});
  EXPECT_NEAR(affine.eps_kappa, 2.0 / 16383, 1e-12);
}

TEST(NemoNumbers, requantization_has_a_multiplier_of_factor_to_twice_factor) {
  // 32 * 1 / 0.3 = 106.7 -> D 128, m = 128 * 0.3 = 38.4 -> 38: off by 1 % (at most 1 / 64).
  const NemoRequantization how = nemo_requantization(0.3, 1, 32, 8);
  EXPECT_EQ(how.divisor, 128);
  EXPECT_EQ(how.multiplier, 38);
}

TEST(NemoNumbers, requantization_is_limited_to_two_to_the_24) {
  const NemoRequantization how = nemo_requantization(1e-7, 1, 32, 8);
  EXPECT_EQ(how.divisor, 1 << 24);
  EXPECT_EQ(how.multiplier, 2);  // 1.68
}

TEST(NemoNumbers, pools_and_sums) {
  const NemoRequantization pool = nemo_pool(49, 32);  // 1568 -> 2048, 41.8
  EXPECT_EQ(pool.divisor, 2048);
  EXPECT_EQ(pool.multiplier, 42);
  // eps_out = 2 * 0.5; 32 * 1 / 0.1 = 320 -> 512; 51.2 and 256.
  const NemoAddition sum = nemo_addition(std::vector<double>{0.1, 0.5}, 32);
  EXPECT_EQ(sum.eps_out, 1);
  EXPECT_EQ(sum.divisor, 512);
  EXPECT_EQ(sum.multipliers, (Codes{51, 256}));
}

std::vector<float> floats(const Tensor& tensor) {
  const auto values = tensor.values<float>();
  return {values.begin(), values.end()};
}

// One input of codes, eps 1; a 1x1 convolution with weights of eps 1/2; batch normalisation; ReLU;
// Gemm with a bias.
struct TwoLayers {
  GraphBuilder build;

  TwoLayers() {
    const ValueId x = build.input("x", {1, 1, 2, 2});
    // alpha 64, beta 63.5: eps 127.5 / 255.
    const ValueId w = build.constant("conv.w", {2, 1, 1, 1}, {-64, 63.5});
    const ValueId y = build.add("conv", Conv{.window = square_window(1)}, {x, w});
    // kappa 1 and 2, lambda 3 and -4.
    const ValueId scale = build.constant("bn.scale", {2}, {1, 2});
    const ValueId shift = build.constant("bn.shift", {2}, {3, -4});
    const ValueId mean = build.constant("bn.mean", {2}, {0, 0});
    const ValueId variance = build.constant("bn.variance", {2}, {1, 1});
    const ValueId n = build.add("bn", BatchNorm{.epsilon = 0}, {y, scale, shift, mean, variance});
    const ValueId a = build.relu("relu", n);
    const ValueId flat = build.add("flat", Reshape{.shape = {1, 8}}, {a});
    const ValueId v = build.random_constant("fc.w", {3, 8});
    const ValueId b = build.constant("fc.b", {3}, {10, -20, 30});
    const ValueId z = build.add("fc", Gemm{.transpose_b = true}, {flat, v, b});
    build.output(z);
  }
};

Tensor image(const std::vector<float>& values) { return Tensor::from<float>({1, 1, 2, 2}, values); }

TEST(NemoStages, two_layers_by_hand) {
  const TwoLayers net;
  const std::vector<std::vector<Tensor>> samples = {{image({255, 0, 1, 100})}};
  const NemoStages stages =
      nemo_stages(net.build.graph(), in_memory(samples), {.kappa_bits = 14, .lambda_bits = 20});
  const Tensor x = image({3, 200, 0, 17});
  const std::vector<Tensor> values = golden::run(stages.integers, {&x, 1});
  const auto names = values_by_name(stages.integers);
  const auto codes = values[static_cast<std::size_t>(names.at("relu"))].values<std::uint8_t>();
  // alpha = 2 * 63.5 * 255 - 4 = 32381; what BN gives is 8 times that over 2^19 - 1, so
  // eps_kappa_limit = 0.494 / 0.5 and log2(1 + 4 / 0.988) = 2.34 -> 2 bits, eps_kappa = 4 / 3.
  const double eps_in = 4.0 / 3 * 0.5, eps_out = 32381.0 / 255;
  const double kappa[] = {1, 2};    // floor(0.75 + 0.5), floor(1.5 + 0.5)
  const double lambda[] = {5, -6};  // floor(4.5 + 0.5), floor(-6 + 0.5)
  const double weights[] = {-128, 127};
  const double divisor = std::exp2(std::ceil(std::log2(32 * eps_out / eps_in)));
  const double multiplier = std::round(divisor * eps_in / eps_out);
  for (std::size_t c = 0; c < 2; ++c) {
    for (std::size_t i = 0; i < 4; ++i) {
      const double y =
          kappa[c] * weights[c] * static_cast<double>(x.values<float>()[i]) + lambda[c];
      const double expected = std::clamp(std::floor(y * multiplier / divisor), 0.0, 255.0);
      EXPECT_EQ(codes[c * 4 + i], expected) << c << ", " << i;
    }
  }
  // The step of the codes is alpha / 255: the largest float is the largest code.
  EXPECT_NEAR(stages.integers.value(names.at("relu")).quantization->step(), eps_out, 1e-3);
  const auto real = floats(values.at(static_cast<std::size_t>(names.at("fc"))));
  const auto in_float = floats(evaluate(net.build.graph(), {&x, 1})[0]);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(real[i], in_float[i], 0.4 * 32381);
}

TEST(NemoStages, fake_quantized_floors_activations_to_alpha_over_255) {
  const TwoLayers net;
  const std::vector<std::vector<Tensor>> samples = {{image({255, 0, 1, 100})}};
  const NemoStages stages = nemo_stages(net.build.graph(), in_memory(samples));
  const ValueId relu = values_by_name(stages.fake_quantized).at("relu");
  const Tensor x = image({3, 200, 0, 17});
  evaluate(stages.fake_quantized, {&x, 1}, {.observe = [&](ValueId id, const Tensor& tensor) {
             if (id != relu) return;
             const double eps = 32381.0 / 255;
             const double exact = 2 * 63.5 * 200 - 4;
             EXPECT_NEAR(tensor.values<float>()[5], std::floor(exact / eps) * eps, 0.1);
           }});
}

TEST(NemoStages, a_layer_that_reads_accumulators_is_refused_by_name) {
  GraphBuilder build;
  const ValueId x = build.input("x", {1, 2, 4, 4});
  const ValueId a = build.conv("first", x, 2, square_window(1));
  build.output(build.conv("second", a, 2, square_window(1)));
  const std::vector<std::vector<Tensor>> samples = {random_inputs(build.graph(), 1)};
  try {
    nemo_stages(build.graph(), in_memory(samples));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("node 'second' (Conv): reads 'first'"),
              std::string::npos)
        << error.what();
  }
}

TEST(NemoStages, signed_activations_give_a_layer_codes_of_two_alpha_over_255) {
  GraphBuilder build;
  const ValueId x = build.input("x", {1, 2, 4, 4});
  const ValueId a = build.conv("first", x, 2, square_window(1));
  build.output(build.relu("relu", build.conv("second", a, 2, square_window(1))));
  const std::vector<std::vector<Tensor>> samples = {random_inputs(build.graph(), 1)};
  float largest = 0;
  evaluate(build.graph(), samples[0], {.observe = [&](ValueId id, const Tensor& tensor) {
             if (id != a) return;
             for (const float v : tensor.values<float>()) largest = std::max(largest, std::abs(v));
           }});
  const NemoStages stages =
      nemo_stages(build.graph(), in_memory(samples), {.signed_activations = true});
  const Graph& integers = stages.integers;
  const Value& codes = integers.value(values_by_name(integers).at("first_codes"));
  EXPECT_EQ(codes.type, ElementType::Int8);
  EXPECT_NEAR(codes.quantization->step(), 2.0 * static_cast<double>(largest) / 255, 1e-6);
}

TEST(NemoOnnx, an_xdnn_rescaling_is_refused_by_name) {
  GraphBuilder build;
  const ValueId x = build.input("x", {1, 1, 2, 2});
  Graph graph = build.graph();
  Value codes{.name = "y", .shape = {1, 1, 2, 2}, .type = ElementType::Int8};
  codes.quantization = Quantization{.thresholds = {127}};
  const ValueId y = graph.add_value(codes);
  graph.nodes.push_back({.name = "layer", .op = Identity{}, .inputs = {x}, .outputs = {y}});
  graph.nodes.back().requantize = Requantize{.scale = {1}, .shift = {0}};
  try {
    nemo_onnx_form(graph);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("node 'layer'"), std::string::npos) << error.what();
  }
}

// Published networks: every rescaling is what 2.1 says.
class Published : public testing::TestWithParam<const char*> {};

TEST_P(Published, requantizations_are_powers_of_two_or_one_less) {
  const char* shared = std::getenv("WORKBENCH_SHARED");
  const std::filesystem::path file = std::filesystem::path(shared ? shared : "../shared") /
                                     "networks/pulp" / GetParam() / "model_int.onnx";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << file << " is not there (WORKBENCH_SHARED)";
  const Graph imported = import_model(file);
  int activations = 0;
  const auto is_power = [](std::int64_t v) { return v > 0 && (v & (v - 1)) == 0; };
  const auto scalar = [&](ValueId id) { return imported.value(id).constant; };
  const auto whole = [](const Tensor& t) {
    return t.type() == ElementType::Float32 ? static_cast<std::int64_t>(t.values<float>()[0])
                                            : t.values<std::int64_t>()[0];
  };
  const auto writers = producers(imported);
  for (const Node& node : imported.nodes) {
    const auto* op = std::get_if<Binary>(&node.op);
    if (op == nullptr || op->kind != Binary::Kind::Div || !scalar(node.inputs[1])) continue;
    const std::int64_t divisor = whole(*scalar(node.inputs[1]));
    EXPECT_TRUE(is_power(divisor) || is_power(divisor + 1)) << node.name << ": " << divisor;
    EXPECT_LE(divisor, 1 << 24) << node.name;
    std::ptrdiff_t writer = writers[static_cast<std::size_t>(node.inputs[0])];
    if (writer < 0) continue;
    const Node& multiply = imported.nodes[static_cast<std::size_t>(writer)];
    const auto* mul = std::get_if<Binary>(&multiply.op);
    if (mul == nullptr || mul->kind != Binary::Kind::Mul || !scalar(multiply.inputs[1])) continue;
    // m = round(D * eps_in / eps_out), 32 to 64 unless D is at its limit.
    const std::int64_t m = whole(*scalar(multiply.inputs[1]));
    EXPECT_LE(m, 64) << node.name;
    if (divisor < (1 << 24) - 1) {
      EXPECT_GE(m, 16) << node.name;
    }
    ++activations;
  }
  EXPECT_GT(activations, 0);
}

TEST_P(Published, kappa_uses_the_whole_of_its_bits) {
  const char* shared = std::getenv("WORKBENCH_SHARED");
  const std::filesystem::path file = std::filesystem::path(shared ? shared : "../shared") /
                                     "networks/pulp" / GetParam() / "model_int.onnx";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << file << " is not there (WORKBENCH_SHARED)";
  const Graph imported = import_model(file);
  int layers = 0;
  for (const Value& value : imported.values) {
    if (!value.constant || value.name.find("kappa") == std::string::npos) continue;
    double largest = 0;
    for (const float k : value.constant->values<float>()) {
      EXPECT_EQ(k, std::floor(k)) << value.name;
      largest = std::max(largest, std::abs(static_cast<double>(k)));
    }
    // eps_kappa = 2 max|kappa| / (2^b - 1): the largest is 2^(b-1), or, negative, one less; 12
    // bits.
    EXPECT_TRUE(largest == 2048 || largest == 2047) << value.name << ": " << largest;
    ++layers;
  }
  EXPECT_GT(layers, 0);
}

INSTANTIATE_TEST_SUITE_P(NemoStages, Published,
                         testing::Values("Residual_connection_test_1", "dronet_complete",
                                         "PenguiNet_32", "dscnn_test"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace workbench
