// The quantizer table: from a graph to JSON and back, into quantize() again, and what it refuses.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/quantize.h"
#include "compiler/quantize/table.h"
#include "core/file.h"
#include "tests/support/float_graph.h"

namespace workbench {
namespace {

// x -> conv a (PReLU), conv b -> add s -> average pool p
FloatGraph residual() {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 4, 4});
  const ValueId a =
      build.conv("a", x, 2, {0.5, -0.7F}, {.kind = Activation::Kind::LeakyRelu, .alpha = 0.1F});
  const ValueId b = build.conv("b", x, 2, {0.3F, 0.9F});
  const ValueId s = build.add("s", Binary{}, {a, b});
  const ValueId m = build.add("m", MaxPool{.window = FloatGraph::window(2, 2)}, {s});
  build.output(build.add("p", AveragePool{.window = FloatGraph::window(2)}, {m}));
  return build;
}

const Thresholds kThresholds = {{"x", 3.3}, {"a", 1.1}, {"b", 1.7}, {"s", 2.3}, {"m", 2}, {"p", 2}};

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string reading_error(const std::string& text) {
  return error_of([&] { quantizer_table_from_json(text, "q.json"); });
}

TEST(QuantizerTable, a_graph_quantized_by_its_own_table_is_the_same_graph) {
  FloatGraph build = residual();
  const Graph first = quantize(build.graph(), kThresholds, {});
  const std::string json = to_json(quantizer_table(first));
  const QuantizerTable table = quantizer_table_from_json(json, "q.json");
  EXPECT_EQ(table.layers.size(), 5U);
  // Calibration says something else now; the table overrides it.
  const Graph again = quantize(build.graph(), {{"x", 1}, {"a", 1}, {"b", 1}}, {}, &table);
  ASSERT_EQ(again.values.size(), first.values.size());
  for (std::size_t i = 0; i < first.values.size(); ++i) {
    EXPECT_EQ(again.values[i].name, first.values[i].name);
    EXPECT_EQ(again.values[i].quantization, first.values[i].quantization) << first.values[i].name;
    EXPECT_TRUE(again.values[i].constant == first.values[i].constant);
  }
  for (std::size_t i = 0; i < first.nodes.size(); ++i) {
    EXPECT_EQ(again.nodes[i].requantize, first.nodes[i].requantize) << first.nodes[i].name;
  }
  EXPECT_EQ(to_json(quantizer_table(again)), json);
}

TEST(QuantizerTable, scales_are_used_as_given_and_thresholds_override) {
  FloatGraph build = residual();
  QuantizerTable table = quantizer_table(quantize(build.graph(), kThresholds, {}));
  table.layers[1].scale = {11, 12};  // conv b
  const Graph got = quantize(build.graph(), kThresholds, {}, &table);
  EXPECT_EQ(got.nodes[2].name, "b");
  EXPECT_EQ(got.nodes[2].requantize->scale, (std::vector<std::int32_t>{11, 12}));
}

TEST(QuantizerTable, prelu_scales_are_written_packed_and_apart) {
  FloatGraph build = residual();
  const QuantizerTable table = quantizer_table(quantize(build.graph(), kThresholds, {}));
  const LayerQuantization& layer = table.layers[0];
  ASSERT_EQ(layer.positive_scale.size(), 2U);
  EXPECT_EQ(layer.scale[0], layer.positive_scale[0] + 256 * layer.negative_scale[0]);
}

TEST(QuantizerTable, numbers_may_be_whole_or_not_and_layers_in_any_order) {
  const std::string text = R"({"network": [
    {"name": "s", "bw_layer_in": 8, "bw_layer_out": 8.0, "th_layer_in": 2, "th_layer_out": 2.5,
     "prescale_shift": [0.0], "scale": 32768, "postscale_shift": [15]},
    {"name": "b", "bw_layer_in": 8, "bw_layer_out": 8, "bw_params": 8, "th_layer_in": 3,
     "th_layer_out": 2, "th_params": [1, 1], "prescale_shift": [0, 0], "scale": [7.0, 8],
     "postscale_shift": [3, 4]}]})";
  const QuantizerTable table = quantizer_table_from_json(text, "q.json");
  FloatGraph build = residual();
  const Graph got = quantize(build.graph(), kThresholds, {}, &table);
  const auto values = values_by_name(got);
  EXPECT_EQ(got.value(values.at("s")).quantization->thresholds[0], 2.5);
  EXPECT_EQ(got.value(values.at("a")).quantization->thresholds[0], 2);  // tied to b by the add
  EXPECT_EQ(got.value(values.at("x_int8")).quantization->thresholds[0], 3);
}

TEST(QuantizerTable, what_is_wrong_is_named) {
  EXPECT_EQ(reading_error("[]"), "q.json: expected an object with a list 'network', found none");
  EXPECT_NE(reading_error("{").find("q.json: expected quantizer JSON, found"), std::string::npos);
  EXPECT_EQ(reading_error(R"({"network": [{"bw_params": 8}]})"),
            "q.json: network: layer without a 'name' that is a string");
  const std::string head = R"({"network": [{"name": "c", "bw_layer_in": 8, "bw_layer_out": 8, )";
  EXPECT_EQ(reading_error(head + R"("th_layer_in": 1}]})"),
            "q.json: layer 'c': expected key 'th_layer_out', found none");
  EXPECT_EQ(reading_error(head + R"("th_layer_in": "1", "th_layer_out": 1}]})"),
            "q.json: layer 'c': th_layer_in: expected a number, found \"1\"");
  EXPECT_EQ(reading_error(head + R"("th_layer_in": 1e300, "th_layer_out": 1}]})"),
            "q.json: layer 'c': th_layer_in: expected 0 or 1e-30..1e30, found 1e+300");
  EXPECT_EQ(reading_error(head + R"("th_layer_in": 1, "th_layer_out": 1, "scale": [1]}]})"),
            "q.json: layer 'c': expected key 'prescale_shift', found none");
  EXPECT_EQ(reading_error(head + R"("th_layer_in": 1, "th_layer_out": 1, "scale": [-1],
                                     "prescale_shift": [0], "postscale_shift": [1]}]})"),
            "q.json: layer 'c': scale: expected whole numbers 0..65535, found [-1]");
  EXPECT_EQ(reading_error(R"({"network": [{"name": "c", "bw_layer_out": 7}]})"),
            "q.json: layer 'c': bw_layer_out: expected 8 or 16, found 7");
  const std::string layer =
      R"({"name": "c", "bw_layer_in": 8, "bw_layer_out": 8, "th_layer_in": 1, "th_layer_out": 1})";
  EXPECT_EQ(reading_error(R"({"network": [)" + layer + ", " + layer + "]}"),
            "q.json: layer 'c': expected once, found twice");
}

TEST(QuantizerTable, a_table_for_another_network_is_refused) {
  FloatGraph build = residual();
  QuantizerTable table;
  table.layers.push_back({.name = "elsewhere", .threshold_in = 1, .threshold_out = 1});
  const auto run = [&] { quantize(build.graph(), kThresholds, {}, &table); };
  EXPECT_EQ(error_of(run),
            "quantizer table: layer 'elsewhere': expected a layer of network 'net', found no such "
            "layer");
  table = quantizer_table(quantize(build.graph(), kThresholds, {}));
  table.layers[0].threshold_out = 1.5;  // conv a; the add reads it at 1.7
  EXPECT_EQ(error_of(run),
            "quantizer table: the layers around 'a' must agree on its threshold, found 1.5 by 'a' "
            "and 1.7 by 's'");
  table.layers.erase(table.layers.begin() + 2);  // without the add's own entry, a and b are tied
  EXPECT_EQ(error_of(run),
            "quantizer table: 'a' and 'b' must share one threshold, found 1.5 and 1.7");
  table = quantizer_table(quantize(build.graph(), kThresholds, {}));
  table.layers[1].prescale_shift = {3, 3};
  EXPECT_EQ(error_of(run),
            "quantizer table: layer 'b': prescale_shift: expected 0..0 for this target, found 3");
  table.layers[1].threshold_params = {1};
  EXPECT_EQ(error_of(run), "quantizer table: layer 'b': th_params: expected 2 channels, found 1");
}

TEST(QuantizerTable, what_does_not_fit_the_network_is_told_with_the_name_of_the_file) {
  FloatGraph build = residual();
  const QuantizerTable good = quantizer_table(quantize(build.graph(), kThresholds, {}));
  const auto refusal = [&](const std::string& from, const std::string& to) {
    std::string json = to_json(good);
    for (std::size_t at = 0; (at = json.find(from, at)) != std::string::npos; at += to.size()) {
      json.replace(at, from.size(), to);
    }
    const QuantizerTable table = quantizer_table_from_json(json, "q.json");
    return error_of([&] { quantize(build.graph(), kThresholds, {}, &table); });
  };
  EXPECT_EQ(refusal("\"b\"", "\"c\""),
            "q.json: layer 'c': expected a layer of network 'net', found no such layer");
  EXPECT_EQ(refusal("\": 8,", "\": 16,"), "q.json: layer 'a': bw_layer_out: expected 8, found 16");
  EXPECT_EQ(refusal("\"th_layer_out\": 1.7", "\"th_layer_out\": 1.5").substr(0, 8), "q.json: ");
}

TEST(QuantizerTable, layers_that_a_table_leaves_out_are_counted_and_named) {
  FloatGraph build = residual();
  const Graph got = quantize(build.graph(), kThresholds, {});
  QuantizerTable table = quantizer_table(got);
  EXPECT_EQ(layers_left_out(table, got), std::nullopt);
  std::erase_if(table.layers, [](const LayerQuantization& layer) { return layer.name == "m"; });
  EXPECT_EQ(layers_left_out(table, got), std::nullopt);  // a maximum has no scales
  std::erase_if(table.layers, [](const LayerQuantization& layer) { return layer.name == "b"; });
  EXPECT_EQ(layers_left_out(table, got),
            "1 of 4 layers with scales not in it, filled from calibration: 'b'");
  EXPECT_EQ(layers_left_out({}, got),
            "4 of 4 layers with scales not in it, filled from calibration: 'a', 'b', 's', ...");
}

TEST(QuantizerTable, published_files_are_read_whole) {
  const char* shared = std::getenv("WORKBENCH_SHARED");
  const std::filesystem::path folder =
      std::filesystem::path(shared != nullptr ? shared : "../shared") / "programs/xdnn";
  for (const char* name : {"googlenet_v1_8b.json", "googlenet_v1_8b_xdnnv3.json"}) {
    if (!std::filesystem::exists(folder / name)) {
      GTEST_SKIP() << "the published quantizer files are not here (WORKBENCH_SHARED)";
    }
    const QuantizerTable table = quantizer_table_from_json(read_file(folder / name), name);
    ASSERT_EQ(table.layers.size(), 57U);
    EXPECT_EQ(table.layers[0].name, "conv1/7x7_s2");
    EXPECT_EQ(table.layers[0].threshold_params.size(), 64U);
    // Written again it says the same.
    const QuantizerTable again = quantizer_table_from_json(to_json(table), name);
    EXPECT_EQ(again.layers[56].threshold_params, table.layers[56].threshold_params);
    EXPECT_EQ(again.layers[56].scale, table.layers[56].scale);
  }
}

}  // namespace
}  // namespace workbench
