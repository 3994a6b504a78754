// Graffitist's static mode: transforms and their order, where quantizers stand, what they share,
// thresholds by hand.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "compiler/quantize/graffitist.h"
#include "core/error.h"
#include "core/eval/evaluate.h"
#include "tests/support/graph_builder.h"
#include "tests/support/temporary_folder.h"

namespace workbench {
namespace {

using graffitist::Network;
using graffitist::Quantizer;

std::string refusal(const std::vector<std::string>& transforms) {
  try {
    graffitist::parse_transforms(transforms);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

const std::vector<std::string> kAll = {
    "fix_input_shape",       "fold_batch_norms(is_training=False)",
    "remove_training_nodes", "strip_unused_nodes",
    "preprocess_layers",     "quantize(weight_bits=-4)"};

TEST(GraffitistTransforms, TakesThePublishedListWithItsArguments) {
  const auto transforms = graffitist::parse_transforms(kAll);
  ASSERT_EQ(transforms.size(), 6U);
  EXPECT_EQ(transforms[5].name, "quantize");
  ASSERT_EQ(transforms[5].arguments.size(), 1U);
  EXPECT_EQ(transforms[5].arguments[0].second, "-4");
}

TEST(GraffitistTransforms, NamesTheNearestOfAnUnknownName) {
  EXPECT_EQ(refusal({"fix_input_shap"}),
            "transform 'fix_input_shap': expected a transform of Graffitist, 'fix_input_shape' is "
            "nearest");
  EXPECT_EQ(refusal({"quantize(weights_bits=-8)"}),
            "transform 'quantize': expected one of its arguments, 'weight_bits' is nearest, found "
            "'weights_bits'");
}

TEST(GraffitistTransforms, HoldsToTheOrderRules) {
  auto swapped = kAll;
  std::swap(swapped[1], swapped[2]);
  EXPECT_EQ(
      refusal(swapped),
      "transform 'remove_training_nodes': expected after 'fold_batch_norms', found before it");
  EXPECT_EQ(refusal({"preprocess_layers", "fix_input_shape", "quantize"}),
            "transform 'preprocess_layers': expected after 'fix_input_shape', found before it");
  EXPECT_EQ(refusal({"fix_input_shape", "quantize"}),
            "transform 'quantize': expected 'preprocess_layers' before it, found none");
  EXPECT_EQ(refusal({"preprocess_layers"}),
            "transforms: expected 'quantize' last, found 'preprocess_layers'");
}

TEST(GraffitistTransforms, KnowsThePublishedRecipes) {
  for (const char* name : {"", "vgg16", "resnet_v1_50", "inception_v4", "mobilenet_v2"}) {
    EXPECT_EQ(graffitist::published_recipe(name).size(), 6U) << name;
  }
  const auto pool_bits = [](const char* network) {
    return graffitist::published_recipe(network).back().arguments.at(4);
  };
  EXPECT_EQ(pool_bits("darknet19"), std::pair(std::string("avgpool_bits"), std::string("-8")));
  EXPECT_EQ(pool_bits("vgg19").second, "8");
  EXPECT_THROW(graffitist::published_recipe("vgg17"), Error);
}

SampleSource samples_of(const Graph& graph, std::size_t count) {
  return {count, [&graph](std::size_t i) { return random_inputs(graph, i + 1); }};
}

const Quantizer& quantizer(const Network& network, const std::string& name) {
  const auto found = std::find_if(network.quantizers.begin(), network.quantizers.end(),
                                  [&](const Quantizer& q) { return q.name == name; });
  if (found == network.quantizers.end()) throw std::runtime_error("no quantizer " + name);
  return *found;
}

Network quantized(const Graph& graph, int weight_bits = -8) {
  return graffitist::quantize_static(graph, samples_of(graph, 3),
                                     graffitist::published_recipe("", weight_bits));
}

TEST(Graffitist, PutsQuantizersWhereItsListSays) {
  GraphBuilder builder;
  const ValueId x = builder.input("data", {1, 3, 8, 8});
  const ValueId a = builder.relu("relu1", builder.conv("conv1", x, 4, square_window(3)));
  builder.output(builder.conv("conv2", a, 5, square_window(1)));
  const Network network = quantized(builder.graph());

  std::vector<std::string> names;
  for (const Quantizer& q : network.quantizers) {
    names.push_back(q.name + (q.is_signed ? " s" : " u") + std::to_string(q.bits));
  }
  EXPECT_EQ(names, (std::vector<std::string>{
                       "data/inp_quant s8", "conv1/weight_quant s8", "conv1/layer_quant s16",
                       "conv1/bias_quant s16", "conv1/act_quant u8", "conv2/weight_quant s8",
                       "conv2/layer_quant s16", "conv2/bias_quant s16", "conv2/biasadd_quant s8"}));
}

TEST(Graffitist, ScalesArePowersOfTwoAtOrAboveTheThreshold) {
  GraphBuilder builder;
  const ValueId x = builder.input("data", {1, 3, 8, 8});
  builder.output(builder.conv("conv1", x, 4, square_window(3)));
  const Network network = quantized(builder.graph());
  for (const Quantizer& q : network.quantizers) {
    const double levels = std::ldexp(1.0, q.bits - (q.is_signed ? 1 : 0));
    EXPECT_EQ(q.scale * levels, std::exp2(std::ceil(std::log2(q.threshold)))) << q.name;
  }
}

TEST(Graffitist, WeightsHaveTheirLargestMagnitudeAsThreshold) {
  GraphBuilder builder;
  const ValueId x = builder.input("data", {1, 1, 4, 4});
  const ValueId w = builder.constant("w", {1, 1, 1, 2}, {0.25F, -0.75F});
  Window window = square_window(1);
  window.kernel = {1, 2};
  builder.output(builder.add("conv", Conv{.window = window, .activation = {}}, {x, w}));
  const Network network = quantized(builder.graph());
  EXPECT_EQ(quantizer(network, "conv/weight_quant").threshold, 0.75);
  EXPECT_EQ(quantizer(network, "conv/weight_quant").scale, 1.0 / 128);
}

TEST(Graffitist, BiasSharesItsThresholdWithTheLayer) {
  GraphBuilder builder;
  const ValueId x = builder.input("data", {1, 3, 8, 8});
  builder.output(builder.conv("conv1", x, 4, square_window(3)));
  const Network network = quantized(builder.graph());
  EXPECT_EQ(quantizer(network, "conv1/bias_quant").threshold,
            quantizer(network, "conv1/layer_quant").threshold);
}

TEST(Graffitist, BothSidesOfAnAddShareTheirThreshold) {
  GraphBuilder builder;
  const ValueId x = builder.input("data", {1, 3, 8, 8});
  const ValueId a = builder.relu("relu1", builder.conv("conv1", x, 4, square_window(1)));
  const ValueId b = builder.conv("conv2", a, 4, square_window(1));
  builder.output(builder.relu("relu2", builder.binary("add", Binary::Kind::Add, a, b)));
  const Network network = quantized(builder.graph());
  // The identity branch is rescaled: relu1 is read by conv2, too, and unsigned.
  const Quantizer& branch = quantizer(network, "add/relu1/eltw_rescale_quant");
  EXPECT_TRUE(branch.is_signed);
  EXPECT_EQ(branch.scale, quantizer(network, "conv2/biasadd_quant").scale);
  EXPECT_FALSE(quantizer(network, "add/act_quant").is_signed);
  ASSERT_EQ(network.annotated.scale_groups.size(), 0U);  // of values: relu1 keeps its own scale
}

TEST(Graffitist, BranchesOfAConcatShareTheirThreshold) {
  GraphBuilder builder;
  const ValueId x = builder.input("data", {1, 3, 8, 8});
  const ValueId a = builder.relu("relu1", builder.conv("conv1", x, 4, square_window(1)));
  const ValueId b = builder.relu("relu2", builder.conv("conv2", x, 4, square_window(1)));
  builder.output(builder.add("concat", Concat{.axis = 1}, {a, b}));
  const Network network = quantized(builder.graph());
  EXPECT_EQ(quantizer(network, "conv1/act_quant").scale,
            quantizer(network, "conv2/act_quant").scale);
  ASSERT_EQ(network.annotated.scale_groups.size(), 1U);
  EXPECT_EQ(network.annotated.scale_groups[0].reason, "concat 'concat'");
  EXPECT_EQ(network.annotated.scale_groups[0].members.size(), 3U);
}

TEST(Graffitist, AveragePoolsMultiplyByTheReciprocalAndFloor) {
  GraphBuilder builder;
  const ValueId x = builder.input("data", {1, 3, 6, 6});
  const ValueId a = builder.relu("relu1", builder.conv("conv1", x, 4, square_window(1)));
  builder.output(builder.add("pool", AveragePool{.window = square_window(3, 3)}, {a}));
  const Network network = quantized(builder.graph());
  const Quantizer& reciprocal = quantizer(network, "pool/weight_quant");
  EXPECT_FALSE(reciprocal.is_signed);
  EXPECT_EQ(reciprocal.scale, 1.0 / 8 / 256);  // 1/9 is below 1/8
  EXPECT_EQ(quantizer(network, "pool/avgpool_quant").rounding, Rounding::Floor);
}

TEST(Graffitist, FourBitWeightsSpareTheFirstAndTheLastLayer) {
  GraphBuilder builder;
  ValueId x = builder.input("data", {1, 3, 8, 8});
  for (const char* name : {"conv1", "conv2", "conv3"})
    x = builder.conv(name, x, 4, square_window(1));
  builder.output(x);
  const Network network = quantized(builder.graph(), -4);
  EXPECT_EQ(quantizer(network, "conv1/weight_quant").bits, 8);
  EXPECT_EQ(quantizer(network, "conv2/weight_quant").bits, 4);
  EXPECT_EQ(quantizer(network, "conv3/weight_quant").bits, 8);
}

TEST(Graffitist, LeakyReluHasItsFourQuantizers) {
  GraphBuilder builder;
  const ValueId x = builder.input("data", {1, 3, 8, 8});
  const ValueId a = builder.conv("conv1", x, 4, square_window(1));
  const Activation leaky{.kind = Activation::Kind::LeakyRelu, .alpha = 0.1F};
  builder.output(builder.add("leaky", Activate{leaky}, {a}));
  const Network network = quantized(builder.graph());
  EXPECT_EQ(quantizer(network, "conv1/biasadd_quant").scale,
            quantizer(network, "conv1/lrelu_alpha_x_quant").scale);
  EXPECT_EQ(quantizer(network, "conv1/lrelu_weight_quant").bits, 16);
  EXPECT_TRUE(quantizer(network, "conv1/act_quant").is_signed);
}

// conv1 of 5 input channels on single pixels, whose layer_quant has 8 bits, so that rounding shows.
Network split_network(const Graph& graph, const std::string& lines) {
  const TemporaryFolder folder;
  const std::string path = folder.write("split.txt", lines).string();
  return graffitist::quantize_static(
      graph, samples_of(graph, 3),
      graffitist::parse_transforms(
          {"preprocess_layers", "quantize(layer_bits=-8, conv_split_list='" + path + "')"}));
}

Graph five_channels() {
  GraphBuilder builder;
  const ValueId x = builder.input("data", {1, 5, 1, 1});
  builder.output(builder.conv("conv1", x, 3, square_window(1)));
  return builder.graph();
}

// What every value is, by name.
std::map<std::string, std::vector<float>> values_of(const Graph& graph) {
  std::map<std::string, std::vector<float>> values;
  for (const Value& value : graph.values) {
    if (!value.constant || value.type != ElementType::Float32) continue;
    const auto numbers = value.constant->values<float>();
    values[value.name] = {numbers.begin(), numbers.end()};
  }
  evaluate(graph, random_inputs(graph, 77), {.observe = [&](ValueId id, const Tensor& tensor) {
             if (tensor.type() != ElementType::Float32) return;
             const auto numbers = tensor.values<float>();
             values[graph.value(id).name] = {numbers.begin(), numbers.end()};
           }});
  return values;
}

TEST(Graffitist, ConvolutionsSumInTheDepthsOfTheList) {
  const Graph graph = five_channels();
  const Network whole = split_network(graph, "conv1, 5, 5\n");
  const Network split = split_network(graph, "\nconv1, 5, 2\n");
  const double scale = quantizer(whole, "conv1/layer_quant").scale;
  EXPECT_EQ(quantizer(split, "conv1/layer_quant").scale, scale);
  const auto without = values_of(whole.reference);
  const auto values = values_of(split.reference);
  const std::vector<float>& x = values.at("data_quantized");
  const std::vector<float>& w = values.at("conv1_w_quantized");
  const auto rounded = [&](double sum) {
    return scale * std::clamp(std::nearbyint(sum / scale), -128.0, 127.0);
  };
  bool differs = false;
  for (std::size_t c = 0; c < 3; ++c) {
    const auto product = [&](std::size_t i) { return double{x[i]} * double{w[5 * c + i]}; };
    const double first = rounded(product(0) + product(1));
    const double second = rounded(first + product(2) + product(3));
    EXPECT_EQ(values.at("conv1_sum")[c], static_cast<float>(second + product(4))) << c;
    differs = differs || values.at("conv1_sum")[c] != without.at("conv1_sum")[c];
  }
  EXPECT_TRUE(differs);
}

TEST(Graffitist, RefusesListsOfWhatItCannotSplit) {
  const auto refused = [](const std::string& lines) -> std::string {
    try {
      split_network(five_channels(), lines);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refused("conv2, 5, 2\n"),
            "conv_split_list: expected convolutions of the network, found 'conv2'");
  EXPECT_EQ(refused("conv1, 4, 2\n"),
            "conv_split_list: 'conv1': expected 5 input channels, as the network has, found 4");
  for (const std::string line : {"conv1", "conv1, 5", ", 5, 2", "conv1, 5, 0", "conv1, x, 2"}) {
    EXPECT_TRUE(
        refused(line + "\n")
            .ends_with(
                "split.txt: expected lines 'LAYER, INPUT_CHANNELS, SPLIT_CHANNELS', found '" +
                line + "'"))
        << refused(line + "\n");
  }
}

TEST(Graffitist, RefusesWhatItsStaticModeDoesNotKnow) {
  GraphBuilder builder;
  const ValueId x = builder.input("data", {1, 3, 8, 8});
  const ValueId a = builder.conv("conv1", x, 4, square_window(1));
  builder.output(builder.add("sigmoid", Activate{{.kind = Activation::Kind::Sigmoid}}, {a}));
  try {
    quantized(builder.graph());
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "graffitist: layer 'sigmoid': expected an operator of its static mode, found "
                 "Sigmoid");
  }
}

TEST(Graffitist, TheReferenceStaysNearTheFloatNetwork) {
  GraphBuilder builder;
  const ValueId x = builder.input("data", {1, 3, 8, 8});
  const ValueId a = builder.relu("relu1", builder.conv("conv1", x, 8, square_window(3)));
  const ValueId b = builder.conv("conv2", a, 8, square_window(1));
  builder.output(builder.relu("relu2", builder.binary("add", Binary::Kind::Add, a, b)));
  const Network network = quantized(builder.graph());
  const std::vector<Tensor> inputs = random_inputs(builder.graph(), 77);
  const Tensor wanted = evaluate(builder.graph(), inputs).at(0);
  const Tensor got = evaluate(network.reference, inputs).at(0);
  double signal = 0, noise = 0;
  for (std::size_t i = 0; i < wanted.values<float>().size(); ++i) {
    const double w = wanted.values<float>()[i], g = got.values<float>()[i];
    signal += w * w;
    noise += (w - g) * (w - g);
  }
  EXPECT_GT(signal, 1000 * noise);  // 30 dB
}

}  // namespace
}  // namespace workbench
