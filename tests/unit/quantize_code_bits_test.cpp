// Widths of codes that the user asks for, layer by layer, and codes that fused activations hide.
#include <gtest/gtest.h>

#include "compiler/import/code_clips.h"
#include "compiler/passes/passes.h"
#include "compiler/quantize/code_bits.h"
#include "compiler/quantize/hidden_codes.h"
#include "compiler/quantize/late_bias.h"
#include "compiler/quantize/result_error.h"
#include "core/error.h"
#include "core/eval/evaluate.h"
#include "sim/golden/golden.h"
#include "tests/support/float_graph.h"

namespace workbench {
namespace {

constexpr Activation kRelu{.kind = Activation::Kind::Relu};

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

// x -> a -> b -> c, each a 1x1 convolution with ReLU
Graph chain() {
  FloatGraph build("chain");
  ValueId x = build.input("x", {1, 2, 2, 2});
  for (const char* name : {"a", "b", "c"}) x = build.conv(name, x, 2, {1, 0.5, -0.25, 1}, kRelu);
  build.output(x);
  return build.graph();
}

const Value& value(const Graph& graph, const std::string& name) {
  return graph.value(values_by_name(graph).at(name));
}

TEST(CodeBits, are_read_from_options) {
  const CodeBits bits = code_bits(4, 0, {"a:weight-bits=2,activation-bits=4", "x:y:weight-bits=8"});
  EXPECT_EQ(bits.weights, 4);
  EXPECT_EQ(bits.layers.at("a").weights, 2);
  EXPECT_EQ(bits.layers.at("a").activations, 4);
  EXPECT_EQ(bits.layers.at("x:y").weights, 8);
  EXPECT_FALSE(code_bits(0, 0, {}).any());
  const auto refused = [](const std::string& layer) {
    return refusal([&] { code_bits(0, 0, {layer}); });
  };
  EXPECT_EQ(refused("a"), "--layer 'a': expected NAME:weight-bits=N, found no name and colon");
  EXPECT_EQ(refused("a:bits=4"),
            "--layer 'a:bits=4': expected NAME:weight-bits=N or NAME:activation-bits=N, found "
            "'bits=4'");
  EXPECT_EQ(refused("a:weight-bits=1"),
            "--layer 'a:weight-bits=1': weight-bits: expected 2 to 16 bits, found '1'");
  EXPECT_EQ(refused("a:weight-bits=99999999999"),
            "--layer 'a:weight-bits=99999999999': weight-bits: expected 2 to 16 bits, found "
            "'99999999999'");
  EXPECT_EQ(refusal([] { code_bits(17, 0, {}); }),
            "--weight-bits: expected 2 to 16 bits, found '17'");
}

// The layer named has its own width, the first and the last keep 8 bits, inputs and results too.
TEST(CodeBits, become_those_of_weights_and_results) {
  const CodeBits bits = code_bits(4, 4, {"a:weight-bits=2"});
  const QuantizeTarget target = with_activation_bits(pulp_quantize_target({}), bits);
  const Recipe recipe = with_weight_bits(default_recipe("pulp", Effort::Fast), bits);
  const Tensor x = Tensor::from<float>({1, 2, 2, 2}, {1, -1, 2, 3, 0.5F, 1, -2, 1});
  const Graph graph = target.prepare(chain());
  const Annotated annotated = apply_recipe(graph, in_memory({{x}}), recipe, target);
  const auto bits_of = [&](const char* name) {
    return value(annotated.graph, name).quantization->bits;
  };
  EXPECT_EQ(bits_of("x"), 8);
  EXPECT_EQ(bits_of("a.w"), 2);
  EXPECT_EQ(bits_of("a"), 4);
  EXPECT_EQ(bits_of("b.w"), 4);
  EXPECT_EQ(bits_of("c.w"), 8);
  EXPECT_EQ(bits_of("c"), 8);
  const Graph integers = target.lower(annotated.graph);
  const std::vector<Tensor> input = {x};
  const Tensor found =
      golden::run(integers, input).at(static_cast<std::size_t>(integers.outputs[0]));
  EXPECT_EQ(found.shape(), (Shape{1, 2, 2, 2}));
}

// a and b = conv(a) are added: on PULP with codes of one width, the larger of 4 and 8; without
// hardware each with its own. c alone has 4.
TEST(CodeBits, of_operands_of_a_sum_are_one_width_where_the_target_asks_for_it) {
  FloatGraph build("sum");
  const ValueId x = build.input("x", {1, 2, 2, 2});
  const ValueId a = build.conv("a", x, 2, {1, 0.5, -0.25, 1}, kRelu);
  const ValueId b = build.conv("b", a, 2, {1, 0.5, -0.25, 1}, kRelu);
  const ValueId sum = build.add("s", Binary{.kind = Binary::Kind::Add}, {a, b});
  build.output(build.conv("c", sum, 2, {1, 0.5, -0.25, 1}));
  const auto widths = [&](const QuantizeTarget& target) {
    const CodeBits bits = code_bits(0, 0, {"a:activation-bits=4", "s:activation-bits=4"});
    const QuantizeTarget narrow = with_activation_bits(target, bits);
    const Graph annotated = narrow.annotate(narrow.prepare(build.graph()),
                                            {{"x", 1}, {"a", 1}, {"b", 1}, {"s", 1}, {"c", 1}});
    std::vector<int> found;
    for (const char* name : {"a", "b", "s"}) {
      found.push_back(value(annotated, name).quantization->bits);
    }
    return found;
  };
  EXPECT_EQ(widths(pulp_quantize_target({})), (std::vector<int>{8, 8, 4}));
  EXPECT_EQ(widths(free_quantize_target(8)), (std::vector<int>{4, 8, 4}));
}

TEST(CodeBits, that_a_target_or_a_network_has_not_are_refused_by_name) {
  const Thresholds thresholds = {{"x", 1}, {"a", 1}, {"b", 1}, {"c", 1}};
  const auto refused = [&](const CodeBits& bits, const QuantizeTarget& target) {
    return refusal([&] { (void)with_activation_bits(target, bits).annotate(chain(), thresholds); });
  };
  EXPECT_EQ(refused(code_bits(0, 4, {}), xdnn_quantize_target({})),
            "value 'a': activation-bits: expected 8 on target xdnn, found 4");
  EXPECT_EQ(refused(code_bits(0, 16, {}), pulp_quantize_target({})),
            "value 'a': activation-bits: expected 8, 4 or 2 on target pulp, found 16");
  EXPECT_EQ(refused(code_bits(0, 0, {"d:activation-bits=4"}), pulp_quantize_target({})),
            "--layer: network 'chain' has no layer 'd' after the passes: expected a (the nearest)");
}

TEST(CodeBits, are_widths_of_the_target_wherever_they_are_said) {
  const auto refused = [&](const CodeBits& bits, const QuantizeTarget& target) {
    return refusal([&] { require_widths(bits, target); });
  };
  const QuantizeTarget pulp = pulp_quantize_target({}), xdnn = xdnn_quantize_target({});
  EXPECT_EQ(refused(code_bits(3, 0, {}), pulp),
            "weight-bits: expected 8, 4 or 2 on target pulp, found 3");
  EXPECT_EQ(refused(code_bits(4, 6, {}), pulp),
            "activation-bits: expected 8, 4 or 2 on target pulp, found 6");
  EXPECT_EQ(refused(code_bits(0, 0, {"a:weight-bits=5"}), pulp),
            "layer 'a': weight-bits: expected 8, 4 or 2 on target pulp, found 5");
  EXPECT_EQ(refused(parse_recipe_file("layers: {a: {activation-bits: 7}}", "r").bits, pulp),
            "layer 'a': activation-bits: expected 8, 4 or 2 on target pulp, found 7");
  EXPECT_EQ(refused(code_bits(2, 4, {"a:weight-bits=8,activation-bits=2"}), pulp), "none");
  EXPECT_EQ(refused(code_bits(9, 0, {}), xdnn),
            "weight-bits: expected 2 to 8 on target xdnn, found 9");
  EXPECT_EQ(refused(code_bits(3, 4, {}), xdnn),
            "activation-bits: expected 8 on target xdnn, found 4");
  EXPECT_EQ(refused(code_bits(9, 16, {}), xdnn_quantize_target({.bits = 16})), "none");
  EXPECT_EQ(refused(code_bits(3, 5, {}), free_quantize_target(8)), "none");
}

// Codes to 127: what is 5 everywhere keeps it, what is 1000 loses 873 of it, once.
TEST(ResultError, is_a_mean_of_shares_over_samples) {
  FloatGraph build("one");
  const ValueId x = build.input("x", {1, 1, 2, 2});
  const ValueId y = build.conv("y", x, 1, {1});
  build.output(y);
  Graph annotated = build.graph();
  annotated.value(y).quantization = Quantization{.thresholds = {127}};
  std::vector<std::vector<Tensor>> samples;
  for (const float v : {5.0F, 1000.0F}) {
    samples.push_back({Tensor::from<float>({1, 1, 2, 2}, std::vector<float>(4, v))});
  }
  EXPECT_NEAR(result_error(annotated, build.graph(), in_memory(samples), 16), 0.873 * 0.873 / 2,
              1e-6);
  EXPECT_EQ(result_error(annotated, build.graph(), in_memory(samples), 1), 0);
}

// V2's limits (docs/facts/xdnn.md 3.6).
QuantizeTarget v2() {
  return xdnn_quantize_target({.limits = {.scale_bits = 8,
                                          .conv_prescale_max = 16,
                                          .conv_shift_max = 8,
                                          .other_shift_max = 8,
                                          .bias_bits = 8,
                                          .bias_after = true}});
}

// 0..1 in 64 steps -> conv 1x1 of weight 1 with the bias -> activation
Graph biased(float bias, const Activation& activation) {
  FloatGraph build("biased");
  const ValueId x = build.input("x", {1, 1, 8, 8});
  const ValueId y = build.conv("y", x, 1, {1}, activation);
  Node& conv = build.graph().nodes[0];
  conv.inputs.push_back(build.graph().add_constant("b", Tensor::from<float>({1}, {bias})));
  build.output(y);
  return build.graph();
}

double largest_error(const Graph& graph, float scale) {
  std::vector<float> numbers;
  for (int i = 0; i < 64; ++i) numbers.push_back(scale * static_cast<float>(i) / 63);
  const std::vector<Tensor> input = {Tensor::from<float>({1, 1, 8, 8}, numbers)};
  const QuantizeTarget target = v2();
  const Annotated annotated = apply_recipe(target.prepare(graph), in_memory({input}),
                                           default_recipe("xdnn", Effort::Fast), target);
  const Graph integers = target.lower(annotated.graph);
  const Tensor found =
      golden::run(integers, input).at(static_cast<std::size_t>(integers.outputs[0]));
  const Tensor wanted = evaluate(graph, input).at(0);
  double largest = 0;
  for (std::size_t i = 0; i < 64; ++i) {
    largest = std::max(
        largest, std::abs(double{found.values<float>()[i]} - double{wanted.values<float>()[i]}));
  }
  return largest;
}

// The codes must reach 1, the sum before the bias, or sqrt(2) where the tail is not known: steps of
// 1/90 at most, four roundings (operand, prescale, scale, bias) of which three are halves.
TEST(LateBias, sums_that_the_bias_brings_back_are_not_lost) {
  EXPECT_LT(largest_error(biased(0, kRelu), 1), 3.0 / 90);
  EXPECT_LT(largest_error(biased(-0.8F, kRelu), 1), 3.0 / 90);
  EXPECT_LT(largest_error(biased(-0.8F, {}), 1), 3.0 / 90);
}

// 10 x - 4 cut at 0 and 6: the sum before the bias reaches 10, 5/3 of what the codes have.
TEST(LateBias, a_clip_that_it_would_cut_is_a_layer_of_its_own) {
  const Activation relu6{.kind = Activation::Kind::Clip, .alpha = 0, .beta = 6};
  EXPECT_LT(largest_error(biased(-4, relu6), 10), 30.0 / 90);
  std::vector<std::string> notes;
  Graph graph = biased(-4, relu6);
  const Tensor x = Tensor::from<float>({1, 1, 8, 8}, std::vector<float>(64, 10.0F));
  const Statistics statistics = collect_statistics(graph, in_memory({{x}}));
  ASSERT_TRUE(set_clips_apart(graph, statistics, v2(), notes));
  ASSERT_EQ(graph.nodes.size(), 2U);
  EXPECT_EQ(graph.nodes[1].inputs[0], graph.nodes[0].outputs[0]);
  EXPECT_FLOAT_EQ(graph.value(graph.nodes[0].inputs[1]).constant->values<float>()[0], 0.6F);
  EXPECT_FLOAT_EQ(graph.value(graph.nodes[0].inputs[2]).constant->values<float>()[0], -2.4F);
  EXPECT_FLOAT_EQ(graph.value(graph.nodes[1].inputs[1]).constant->values<float>()[0], 10.0F / 6);
  EXPECT_FLOAT_EQ(evaluate(graph, std::span(&x, 1)).at(0).values<float>()[0], 6);
  EXPECT_EQ(notes.size(), 1U);
}

// x -> int8 codes of steps of 0.5 -> Clip of the codes -> real again
Graph clipped_codes(float low, float high) {
  FloatGraph build("qcdq");
  Graph& graph = build.graph();
  const ValueId x = build.input("x", {1, 1, 2, 3});
  const Quantization codes{.thresholds = {63.5}, .rounding = Rounding::HalfEven};
  const auto add_codes = [&](const char* name, Op op, ValueId from) {
    const ValueId id = graph.add_value(
        {.name = name, .shape = {1, 1, 2, 3}, .type = ElementType::Int8, .quantization = codes});
    graph.nodes.push_back({.name = name, .op = std::move(op), .inputs = {from}, .outputs = {id}});
    return id;
  };
  const Activation clip{.kind = Activation::Kind::Clip, .alpha = low, .beta = high};
  const ValueId cut = add_codes("c", Activate{clip}, add_codes("q", Quantize{}, x));
  build.output(build.add("y", Dequantize{}, {cut}));
  return build.graph();
}

// -8 to 7 are all codes of 4 bits; -7 to 7 are not, and a Clip of real numbers from -3.5 on leaves
// them.
TEST(CodeClips, become_codes_of_fewer_bits) {
  const Tensor x = Tensor::from<float>({1, 1, 2, 3}, {-9, -3.8F, -3.6F, 0.3F, 3.6F, 9});
  const auto results = [&](const Graph& graph) {
    const Tensor y = evaluate(graph, std::span(&x, 1)).at(0);
    const auto values = y.values<float>();
    return std::vector<float>(values.begin(), values.end());
  };
  Graph whole = clipped_codes(-8, 7);
  importer::narrow_clipped_codes(whole);
  ASSERT_EQ(whole.nodes.size(), 2U);
  EXPECT_EQ(whole.value(whole.nodes[0].outputs[0]).quantization->bits, 4);
  EXPECT_EQ(whole.value(whole.nodes[0].outputs[0]).quantization->step(), 0.5);
  EXPECT_EQ(results(whole), (std::vector<float>{-4, -4, -3.5F, 0.5F, 3.5F, 3.5F}));
  Graph narrow = clipped_codes(-7, 7);
  importer::narrow_clipped_codes(narrow);
  ASSERT_EQ(narrow.nodes.size(), 3U);
  EXPECT_EQ(results(narrow), (std::vector<float>{-3.5F, -3.5F, -3.5F, 0.5F, 3.5F, 3.5F}));
}

// conv -> codes -> LeakyRelu, as a file has it.
TEST(HiddenCodes, return_where_the_passes_have_fused_the_activation) {
  FloatGraph build("leaky");
  const ValueId x = build.input("x", {1, 1, 2, 2});
  const ValueId y = build.conv("y", x, 1, {1});
  Graph& graph = build.graph();
  const ValueId codes = graph.add_value({.name = "y_q",
                                         .shape = {1, 1, 2, 2},
                                         .type = ElementType::Int8,
                                         .quantization = Quantization{.thresholds = {3}}});
  graph.nodes.push_back({.name = "q", .op = Quantize{}, .inputs = {y}, .outputs = {codes}});
  const ValueId real = build.add("y_dq", Dequantize{}, {codes});
  const Activation leaky{.kind = Activation::Kind::LeakyRelu, .alpha = 0.1F};
  build.output(build.add("z", Activate{.activation = leaky}, {real}));
  const Graph imported = graph;
  Graph passed = imported;
  run_passes(passed, float_pipeline());
  Graph prepared = pulp_quantize_target({}).prepare(passed);
  ASSERT_EQ(prepared.nodes.size(), 2U);
  EXPECT_FALSE(prepared.value(prepared.nodes[1].inputs[0]).quantization);
  restore_hidden_codes(prepared, imported);
  ASSERT_TRUE(prepared.value(prepared.nodes[1].inputs[0]).quantization);
  EXPECT_EQ(prepared.value(prepared.nodes[1].inputs[0]).quantization->thresholds,
            (std::vector<double>{3}));
}

}  // namespace
}  // namespace workbench
