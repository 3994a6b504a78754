// What `workbench accuracy` measures, on networks small enough to do by hand.
#include "explore/flow/accuracy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "compiler/import/export.h"
#include "compiler/quantize/fake_quantize.h"
#include "core/eval/evaluate.h"
#include "data/arrays.h"
#include "explore/flow/accuracy_layers.h"
#include "explore/flow/accuracy_report.h"
#include "explore/flow/quantization_report.h"
#include "tests/support/archive.h"
#include "tests/support/float_graph.h"
#include "tests/support/temporary_folder.h"

namespace workbench {
namespace {

TEST(Proportion, has_wilsons_interval) {
  // z = 1.96: none of 10 may still be z^2 / (10 + z^2); a half is centred.
  EXPECT_EQ(proportion(0, 10).low, 0);
  EXPECT_NEAR(proportion(0, 10).high, 0.2775, 5e-5);
  EXPECT_NEAR(proportion(5, 10).low, 0.2366, 5e-5);
  EXPECT_NEAR(proportion(5, 10).high, 0.7634, 5e-5);
  EXPECT_EQ(proportion(10, 10).high, 1);
  EXPECT_EQ(proportion(3, 10).value, 0.3);
}

TEST(PairedDifference, rests_on_the_discordant_pairs) {
  // (2 - 10 -+ 1.96 sqrt(13 - 64 / 102)) / 102; 2 (1 + 12 + 66) / 2^12.
  const PairedDifference d = paired_difference(10, 2, 100);
  EXPECT_DOUBLE_EQ(d.value, -0.08);
  EXPECT_NEAR(d.low, -0.14602, 5e-5);
  EXPECT_NEAR(d.high, -0.01084, 5e-5);
  EXPECT_NEAR(d.p_value, 0.03857, 5e-5);
  const PairedDifference even = paired_difference(4, 4, 50);
  EXPECT_DOUBLE_EQ(even.low, -even.high);
  EXPECT_EQ(even.p_value, 1);
  const PairedDifference none = paired_difference(0, 0, 50);  // not known to be none of any image
  EXPECT_GT(none.high, 0);
  EXPECT_EQ(none.p_value, 1);
}

TEST(PairedDifference, mirrors_when_the_networks_are_swapped) {
  for (const std::int64_t lost : {0, 1, 7, 30}) {
    for (const std::int64_t won : {0, 2, 19}) {
      const PairedDifference a = paired_difference(lost, won, 60);
      const PairedDifference b = paired_difference(won, lost, 60);
      EXPECT_DOUBLE_EQ(a.low, -b.high);
      EXPECT_DOUBLE_EQ(a.p_value, b.p_value);
      EXPECT_TRUE(a.low <= a.value && a.value <= a.high);
    }
  }
}

TEST(RangeRatio, compares_the_largest_with_the_median) {
  EXPECT_EQ(range_ratio({1, 2, 8}), 4);
  EXPECT_EQ(range_ratio({5}), 0);
  EXPECT_EQ(range_ratio({0, 0, 3}), 0);
}

TEST(Accumulators, need_a_sign_bit) {
  EXPECT_EQ(signed_bits(0, 127), 8);
  EXPECT_EQ(signed_bits(-128, 0), 8);
  EXPECT_EQ(signed_bits(0, 128), 9);
  EXPECT_EQ(signed_bits(-8388608, 8388607), 24);
  EXPECT_EQ(signed_bits(-8388609, 0), 25);
}

// y = conv(x), codes all over; two channels in, weights 100 and -27, bias 1000.
Graph integer_conv(std::int32_t bias) {
  Graph graph{.name = "net"};
  const Quantization codes{.thresholds = {1}};
  const ValueId x = graph.add_value(
      {.name = "x", .shape = {1, 2, 1, 2}, .type = ElementType::Int8, .quantization = codes});
  const ValueId w =
      graph.add_constant("w", Tensor::from<std::int8_t>({1, 2, 1, 1}, {100, -27}, Layout::Oihw));
  const ValueId b = graph.add_constant("b", Tensor::from<std::int32_t>({1}, {bias}));
  const ValueId y = graph.add_value(
      {.name = "y", .shape = {1, 1, 1, 2}, .type = ElementType::Int8, .quantization = codes});
  Node node{.name = "conv",
            .op = Conv{.window = FloatGraph::window(1)},
            .inputs = {x, w, b},
            .outputs = {y}};
  node.requantize = Requantize{.scale = {1}, .shift = {0}};
  graph.nodes.push_back(node);
  graph.inputs = {x};
  graph.outputs = {y};
  return graph;
}

TEST(Accumulators, are_the_largest_sums_seen_and_possible) {
  const Graph graph = integer_conv(1000);
  AccumulatorMeter meter(graph);
  EXPECT_EQ(meter.bits().at("y").used, 11);  // the bias alone
  // Sums 100 * 5 - 27 * 1 and -100 * 100 + 27 * 100, with bias -6300: 14 bits; without -7300.
  meter.add({{"x", Tensor::from<std::int8_t>({1, 2, 1, 2}, {5, -100, 1, -100})}});
  EXPECT_EQ(meter.bits().at("y").used, 14);
  // 100 * 127 + 27 * 128 + 1000 = 17156.
  EXPECT_EQ(meter.bits().at("y").bound, 16);
}

Quantized without_target(Graph annotated) {
  Quantized network;
  network.target = "none";
  network.scheme = "test";
  network.imported = network.floats = annotated;
  for (Value& value : network.imported.values) value.quantization.reset();
  network.floats = network.imported;
  network.reference = fake_quantized(annotated);
  network.integers = network.reference;
  network.annotated = std::move(annotated);
  return network;
}

// Unsigned codes of 8 bits, one step is 1.
const Quantization kWhole{.is_signed = false, .thresholds = {255}};

// x -> a = x + 0 in whole numbers -> b = 2 a in steps of 4, at most 1020: two channels, ten classes
// by a last layer that only sums.
Graph two_layers() {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 2, 1, 2});
  const ValueId a = build.conv("a", x, 2, {1, 0, 0, 1});
  const ValueId b = build.conv("b", a, 2, {2, 0, 0, 2});
  build.output(b);
  Graph& graph = build.graph();
  graph.value(a).quantization = kWhole;
  graph.value(b).quantization = Quantization{.is_signed = false, .thresholds = {1020}};
  return graph;
}

LayerMeter measured(const Quantized& network, const std::vector<float>& image) {
  LayerMeter meter(network);
  const std::vector<Tensor> input = {Tensor::from<float>({1, 2, 1, 2}, image, Layout::Nchw)};
  std::vector<Tensor> floats(network.floats.values.size());
  evaluate(network.floats, input, {.observe = [&](ValueId id, const Tensor& tensor) {
             floats[static_cast<std::size_t>(id)] = tensor;
           }});
  NamedTensors integers;
  evaluate(network.integers, input, {.observe = [&](ValueId id, const Tensor& tensor) {
             integers[network.integers.value(id).name] = tensor;
           }});
  meter.add(floats, integers);
  return meter;
}

TEST(LayerMeter, tells_what_a_layer_adds_from_what_it_inherits) {
  const Quantized network = without_target(two_layers());
  // a: 10.25 and 7 become 10 and 7; b: 20 and 14, of 20.5 and 14, become 20 and 16 (tie to even 4).
  const std::vector<LayerAccuracy> layers = measured(network, {10.25, 7, 10.25, 7}).layers();
  ASSERT_EQ(layers.size(), 2U);
  EXPECT_EQ(layers[0].name, "a");
  EXPECT_NEAR(layers[0].sqnr_db, 10 * std::log10((10.25 * 10.25 + 49) / 0.0625), 1e-4);
  EXPECT_NEAR(layers[0].own_sqnr_db, layers[0].sqnr_db, 1e-9);
  EXPECT_TRUE(std::isinf(layers[0].inherited_sqnr_db));
  const double signal = 20.5 * 20.5 + 14 * 14;
  EXPECT_NEAR(layers[1].sqnr_db, 10 * std::log10(signal / (0.25 + 4)), 1e-4);
  EXPECT_NEAR(layers[1].own_sqnr_db, 10 * std::log10((400 + 196) / 4.0), 1e-4);
  EXPECT_NEAR(layers[1].inherited_sqnr_db, 10 * std::log10(signal / 0.25), 1e-4);
  EXPECT_EQ(layers[1].format, "uint8, threshold 1020");
  EXPECT_EQ(layers[1].macs, 8);
}

TEST(LayerMeter, counts_what_lies_beyond_the_codes_and_channels_that_are_constant) {
  const Quantized network = without_target(two_layers());
  const std::vector<LayerAccuracy> layers = measured(network, {300, 255.25, 7, 7}).layers();
  EXPECT_DOUBLE_EQ(layers[0].clipped, 0.25);  // 300; 255.25 is rounded, not clipped
  EXPECT_EQ(layers[0].channels, 2);
  EXPECT_EQ(layers[0].constant_channels, 1);
  EXPECT_NEAR(layers[0].activation_range_ratio, 1, 1e-6);  // the upper median of two
  EXPECT_FALSE(layers[0].dead);
  EXPECT_TRUE(measured(network, {0, 0, 0, 0}).layers()[0].dead);
}

// Ten classes: class c scores x_c, in whole numbers.
Graph classifier() {
  FloatGraph build("classes");
  const ValueId x = build.input("x", {1, 10, 1, 1});
  std::vector<float> weights(100, 0);
  for (std::size_t c = 0; c < 10; ++c) weights[11 * c] = 1;
  const ValueId y = build.conv("y", x, 10, weights);
  build.output(y);
  build.graph().value(y).quantization = kWhole;
  return build.graph();
}

ImageSet images_of(const std::vector<std::vector<float>>& images,
                   std::vector<std::int64_t> labels) {
  ImageSet set{.name = "set", .labels = std::move(labels)};
  for (std::size_t i = 0; i < images.size(); ++i) set.names.push_back(fmt::format("image {}", i));
  set.samples = {
      images.size(), [images](std::size_t i) {
        return std::vector<Tensor>{Tensor::from<float>({1, 10, 1, 1}, images.at(i), Layout::Nchw)};
      }};
  return set;
}

TEST(Accuracy, counts_both_networks_on_the_same_images) {
  const Quantized network = without_target(classifier());
  const ImageSet set = images_of({{9, 1, 0, 0, 0, 0, 0, 0, 0, 0},        // 0 in both
                                  {7.1F, 7.4F, 0, 0, 0, 0, 0, 0, 0, 0},  // 1 in float, tie: 0
                                  {7.4F, 7.1F, 0, 0, 0, 0, 0, 0, 0, 0},  // 0 in both
                                  {6, 5, 4, 3, 2, 1, 9, 0, 0, 0}},       // 6 in both
                                 {0, 1, 5, 5});
  const AccuracyReport report = measure_accuracy(network, set, {.golden_images = 2});
  EXPECT_EQ(report.images, 4);
  EXPECT_EQ(report.classes, 10);
  EXPECT_EQ(report.in_float.top1.value, 0.5);
  EXPECT_EQ(report.in_integer.top1.value, 0.25);
  EXPECT_EQ(report.in_float.top5.value, 0.5);  // the label is tenth, 7th
  EXPECT_EQ(report.agreement.value, 0.75);
  EXPECT_EQ(report.difference.only_float, 1);
  EXPECT_EQ(report.difference.only_integer, 0);
  EXPECT_EQ(report.golden_images, 2);
  EXPECT_GT(report.golden_values, 0);
  EXPECT_TRUE(report.passed());
  ASSERT_EQ(report.layers.size(), 1U);
  EXPECT_EQ(report.by_cost, (std::vector<std::size_t>{0}));
}

TEST(Accuracy, warns_of_a_dead_network) {
  const ImageSet set = images_of({std::vector<float>(10, 0)}, {0});
  const AccuracyReport report = measure_accuracy(without_target(classifier()), set);
  EXPECT_EQ(report.warnings, (std::vector<std::string>{"y: all results are 0 on these images"}));
}

TEST(Calibration, names_the_values_of_which_it_saw_nothing_but_zeros) {
  Quantized network{.floats = classifier()};
  network.floats.add_value({.name = "left over"});
  network.statistics = {
      {"left over", {}}, {"x", {.low = 0, .high = 0}}, {"y", {.low = -1, .high = 0}}};
  EXPECT_EQ(
      dead_values(network),
      (std::vector<std::string>{"calibration: expected numbers other than 0, found none in 'x'"}));
  network.statistics["x"].high = 1;
  EXPECT_EQ(dead_values(network), std::vector<std::string>{});
  for (Value& value : network.floats.values) network.statistics[value.name] = {};
  EXPECT_EQ(dead_values(network),
            (std::vector<std::string>{
                "calibration: expected numbers other than 0, found none in 'x', 'y'"}));
  network.calibrated = false;  // by nothing at all
  EXPECT_EQ(dead_values(network), std::vector<std::string>{});
}

TEST(Accuracy, says_what_it_cannot_measure) {
  const Quantized network = without_target(classifier());
  const auto message = [&](const ImageSet& set, const Quantized& of) -> std::string {
    try {
      (void)measure_accuracy(of, set);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  const std::vector<float> image(10, 1);
  EXPECT_EQ(message(images_of({image}, {10}), network),
            "image 0: expected a class below 10, the classes of the network, found 10");
  EXPECT_EQ(message(images_of({image}, {}), network),
            "set: expected labels (labels.tsv in the folder, or --labels FILE), found none");
  EXPECT_EQ(message(images_of({}, {}), network), "set: expected images to score, found none");
  EXPECT_EQ(message(images_of({image}, {1}), without_target(two_layers())),
            "accuracy: output 'b': expected the scores of classes, [1, C], found [1, 2, 1, 2]");
}

// Image i shows class i % 10; 50 of them in one set.
AccuracyRequest request_for_fifty(const TemporaryFolder& folder) {
  Graph graph = classifier();
  graph.value(graph.outputs[0]).quantization.reset();
  export_onnx(graph, folder.path() / "classes.onnx");
  std::vector<float> pixels(500, 0);
  std::vector<std::int64_t> labels;
  for (std::size_t i = 0; i < 50; ++i) {
    pixels[i * 10 + i % 10] = static_cast<float>(1 + i);
    labels.push_back(static_cast<std::int64_t>(i % 10));
  }
  const std::string images = npy_bytes(Tensor::from<float>({50, 10, 1, 1}, pixels));
  const std::string classes = npy_bytes(Tensor::from<std::int64_t>({50}, labels));
  AccuracyRequest request;
  request.network.model.name = (folder.path() / "classes.onnx").string();
  request.network.target = "none";
  request.network.scheme = "default";
  request.network.effort = Effort::Fast;
  request.images.path =
      folder.write("set.npz", zip_bytes({{"labels.npy", classes}, {"x.npy", images}}));
  return request;
}

// Images that calibrate are not of those asked for.
TEST(Accuracy, scores_as_many_images_as_asked_for_beside_those_that_calibrate) {
  const TemporaryFolder folder;
  struct Case {
    std::size_t limit = 0, calibration = 0;
    std::vector<std::size_t> indices;
    std::int64_t scored = 0, calibrated = 0;
  };
  for (const Case& one : {Case{0, 0, {}, 18, 32}, Case{5, 0, {}, 5, 32}, Case{40, 0, {}, 18, 32},
                          Case{20, 4, {}, 20, 4}, Case{5, 0, {0, 49}, 5, 2}}) {
    AccuracyRequest request = request_for_fifty(folder);
    request.images.selection.size = one.limit;
    request.calibration.selection = {.size = one.calibration, .indices = one.indices};
    const Accuracy accuracy = run_accuracy(request);
    EXPECT_EQ(accuracy.report.images, one.scored) << one.limit;
    EXPECT_EQ(accuracy.report.calibration_images, one.calibrated) << one.limit;
    EXPECT_EQ(accuracy.report.in_float.top1.value, 1.0);
    EXPECT_EQ(accuracy.report.warnings, std::vector<std::string>{});
  }
}

// 3x3 over 512 channels: the im2col buffers of GAP8's 8 cores take twice its L1. The search for
// tiles gives the layer fewer cores, DORY's rules have no tile for it.
Graph too_deep_for_all_cores() {
  FloatGraph build("deep");
  const ValueId x = build.input("x", {1, 512, 8, 8});
  const auto weights = [&](const std::string& name, const Shape& shape) {
    std::vector<float> values(static_cast<std::size_t>(element_count(shape)));
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(i % 7) / 100 - 0.02F;
    }
    return build.graph().add_constant(name, Tensor::from<float>(shape, values, Layout::Oihw));
  };
  Window padded = FloatGraph::window(3);
  padded.pads_begin = padded.pads_end = {1, 1};
  const ValueId hidden =
      build.add("hidden", Conv{.window = padded, .activation = {.kind = Activation::Kind::Relu}},
                {x, weights("hidden.w", {16, 512, 3, 3})});
  build.output(build.add("y", Conv{.window = FloatGraph::window(8)},
                         {hidden, weights("y.w", {10, 16, 8, 8})}));
  return build.graph();
}

TEST(Accuracy, compiles_as_run_does_with_the_tiler_asked_for) {
  const TemporaryFolder folder;
  export_onnx(too_deep_for_all_cores(), folder.path() / "deep.onnx");
  CompileRequest request{.model = {.name = (folder.path() / "deep.onnx").string()},
                         .target = "pulp",
                         .scheme = "default",
                         .effort = Effort::Fast};
  ImageSet set{.name = "set", .names = {"image 0"}, .labels = {3}};
  std::vector<float> pixels(std::size_t{512} * 64);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i % 11) / 11;
  set.samples = {1, [pixels](std::size_t) {
                   return std::vector{Tensor::from<float>({1, 512, 8, 8}, pixels, Layout::Nchw)};
                 }};
  const Quantized network = quantize_network(request, set.samples);
  EXPECT_TRUE(measure_accuracy(network, set, {.layers = false}, request).passed());
  request.tiler = pulp::Tiler::Dory;
  try {
    (void)measure_accuracy(network, set, {.layers = false}, request);
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_NE(std::string_view(error.what()).find("no L2-L1 tiling found"), std::string_view::npos)
        << error.what();
  }
}

TEST(Advice, names_a_remedy_for_each_cause) {
  LayerAccuracy layer{.name = "conv", .own_sqnr_db = 12, .clipped = 0.02};
  layer.weight_range_ratio = 120;
  layer.constant_channels = layer.prunable_channels = 3;
  layer.accumulator_bits_used = 26;
  AdviceContext context{.is_last = true,
                        .weights_per_channel = false,
                        .accumulator_bits = 24,
                        .weight_widths = {8, 7, 6, 5, 4, 3, 2}};
  const std::vector<Advice> advice = advice_for(layer, context);
  ASSERT_EQ(advice.size(), 5U) << advice.back().cause;
  EXPECT_EQ(advice[0].cause, "its sums need 26 bits, the hardware has 24");
  EXPECT_EQ(advice[0].remedy, "--scheme default --layer 'conv:weight-bits=6'");
  context.weight_widths = {8, 4, 2};
  EXPECT_EQ(advice_for(layer, context).at(0).remedy,
            "--scheme default --layer 'conv:weight-bits=4'");
  EXPECT_EQ(advice[1].remedy, "--scheme default, which has one per channel");
  EXPECT_EQ(advice[2].remedy, "--effort best, which searches thresholds");
  EXPECT_EQ(advice[3].remedy, "--scheme default, or per-tensor-pow2-clip-safe, which prunes them");
  EXPECT_EQ(advice[4].cause, "it is the last layer and decides between classes");
  EXPECT_TRUE(advice_for({.own_sqnr_db = 45}, {}).empty());
  EXPECT_EQ(advice_for({.macs = 9, .own_sqnr_db = 20, .rounding_share = 0.3}, {}).at(0).cause,
            "70 % of its noise comes from its weights");
  EXPECT_EQ(advice_for({.own_sqnr_db = 20, .rounding_share = 0.9}, {}).at(0).cause,
            "90 % of its noise comes from rounding to its codes");
  EXPECT_EQ(advice_for({.dead = true}, {}).size(), 1U);
}

TEST(Advice, names_no_option_that_the_network_was_quantized_with) {
  const LayerAccuracy noisy{.own_sqnr_db = 20, .rounding_share = 0.9};
  const auto remedy = [&](const AdviceContext& context) {
    return advice_for(noisy, context).at(0).remedy;
  };
  EXPECT_EQ(remedy({.is_default = false}), "--scheme default");
  EXPECT_EQ(remedy({.has_16_bits = true}), "--effort best, which searches thresholds");
  EXPECT_EQ(remedy({.searches_thresholds = true, .has_16_bits = true}), "--bits 16");
  EXPECT_EQ(remedy({.searches_thresholds = true}), "training: no option lessens it");
}

TEST(AccuracyReports, give_the_same_numbers_in_both_forms) {
  const Quantized network = without_target(classifier());
  const std::vector<float> first = {9, 1, 0, 0, 0, 0, 0, 0, 0, 0};
  const std::vector<float> second = {7.1F, 7.4F, 0, 0, 0, 0, 0, 0, 0, 0};
  const AccuracyReport report = measure_accuracy(network, images_of({first, second}, {0, 1}));
  const auto json = nlohmann::json::parse(accuracy_json(report));
  EXPECT_EQ(json["float"]["top1"], 1.0);
  EXPECT_EQ(json["int8"]["top1"], 0.5);
  EXPECT_EQ(json["int8"]["top5"], 1.0);
  EXPECT_EQ(json["agreement"], 0.5);
  EXPECT_EQ(json["difference"]["only_float"], 1);
  EXPECT_EQ(json["layers"][0]["name"], "y");
  const std::string text = accuracy_text(report);
  for (const char* part : {"100.0 %", "50.0 %", "difference -50.0 points", "bit-exact", "uint8"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    EXPECT_LE(end - begin, 118U) << text.substr(begin, end - begin);
  }
}

}  // namespace
}  // namespace workbench
