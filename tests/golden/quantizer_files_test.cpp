// The quantizer files that Xilinx published, from their thresholds: scales and shifts of every
// channel, and th_params from the real weights of the one network whose weights are here. Skips
// where ../shared (WORKBENCH_SHARED) is not.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "compiler/import/import.h"
#include "compiler/passes/passes.h"
#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/quantize.h"
#include "compiler/quantize/table.h"
#include "core/file.h"

namespace workbench {
namespace {

namespace fs = std::filesystem;

constexpr double kHigh = 127;

fs::path shared(const char* name) {
  const char* folder = std::getenv("WORKBENCH_SHARED");
  return fs::path(folder != nullptr ? folder : "../shared") / name;
}

// One file and the widths of the family it was written for (docs/facts/xdnn.md 3.6).
struct Shipped {
  const char* file;
  int prescale_max, scale_bits, shift_max;

  fs::path path() const { return shared("programs/xdnn") / file; }
};

constexpr Shipped kShipped[] = {{"googlenet_v1_8b.json", 16, 8, 8},
                                {"googlenet_v1_8b_xdnnv3.json", 0, 16, 32}};

QuantizerTable table_of(const fs::path& path) {
  return quantizer_table_from_json(read_file(path), path.string());
}

bool equal(const ScaleShift& a, const ScaleShift& b) {
  return std::tie(a.prescale_shift, a.scale, a.postscale_shift) ==
         std::tie(b.prescale_shift, b.scale, b.postscale_shift);
}

struct Counts {
  int channels = 0, exact = 0, ties = 0;
};

// Whether `multiplier` is as near to half-way between two scales as a float of its size is to the
// next one, so that one rounding more or less decides; and what the scale is before it is rounded.
std::pair<bool, double> tie(double multiplier, const ScaleShift& rounded) {
  const double scale = std::ldexp(multiplier, rounded.prescale_shift + rounded.postscale_shift);
  const double distance = std::abs(scale - std::floor(scale) - 0.5);
  return {distance <= scale * 0x1p-23, scale};
}

// A scale that the file has otherwise must be a tie: it is listed with what it is exactly.
void check_channel(const Shipped& shipped, const LayerQuantization& layer, std::size_t c,
                   Counts& counts) {
  const double weights = layer.threshold_params[c];
  const ScaleShift expected{layer.prescale_shift[c], layer.scale[c], layer.postscale_shift[c]};
  const ScaleShift found =
      scale_and_shift(scale_multiplier(layer.threshold_in, weights, layer.threshold_out, kHigh),
                      shipped.prescale_max, shipped.scale_bits, shipped.shift_max);
  const double exact =
      layer.threshold_in / kHigh * (weights / kHigh) / (layer.threshold_out / kHigh);
  const auto [is_tie, scale] = tie(exact, expected);
  counts.channels += 1;
  counts.ties += is_tie ? 1 : 0;
  if (equal(found, expected)) {
    counts.exact += 1;
    return;
  }
  fmt::print("{} layer {} channel {}: scale {:.6f} rounded to {}, in the file to {}\n",
             shipped.file, layer.name, c, scale, found.scale, expected.scale);
  EXPECT_TRUE(is_tie) << layer.name << " channel " << c;
}

TEST(QuantizerFiles, scales_of_all_shipped_files_follow_from_their_thresholds) {
  Counts all;
  for (const Shipped& shipped : kShipped) {
    if (!fs::exists(shipped.path())) GTEST_SKIP() << shipped.path() << " is not there";
    const QuantizerTable table = table_of(shipped.path());
    EXPECT_EQ(table.layers.size(), 57U) << "GoogLeNet's convolutions";
    for (const LayerQuantization& layer : table.layers) {
      for (std::size_t c = 0; c < layer.scale.size(); ++c) check_channel(shipped, layer, c, all);
    }
  }
  fmt::print("quantizer_files channels {} exact {} ties {}\n", all.channels, all.exact, all.ties);
  EXPECT_EQ(all.channels, 2 * 7280);
  EXPECT_GE(all.exact, 0.999 * all.channels);
}

// The thresholds around every layer of `table`, by value; pools and concats hand them on.
Thresholds thresholds_around(const Graph& graph, const QuantizerTable& table) {
  std::map<std::string, const LayerQuantization*> layers;
  for (const LayerQuantization& layer : table.layers) layers[layer.name] = &layer;
  Thresholds thresholds;
  for (const Value& value : graph.values) thresholds[value.name] = 1;
  for (const Node& node : graph.nodes) {
    double& in = thresholds[graph.value(node.inputs[0]).name];
    double& out = thresholds[graph.value(node.outputs[0]).name];
    const auto found = layers.find(node.name);
    if (found != layers.end()) in = found->second->threshold_in;
    out = found != layers.end() ? found->second->threshold_out : in;
  }
  return thresholds;
}

TEST(QuantizerFiles, th_params_of_googlenet_are_those_of_its_real_weights) {
  const fs::path model =
      shared("networks/models/googlenet_v1_to_4c/googlenet_v1_without_lrn_to_4c.onnx");
  if (!fs::exists(model)) GTEST_SKIP() << model << " is not there";
  const QuantizerTable published = table_of(kShipped[1].path());
  Graph graph = import_model(model);
  run_passes(graph, float_pipeline());
  const QuantizerTable ours =
      quantizer_table(quantize(graph, thresholds_around(graph, published), {}));
  std::map<std::string, const LayerQuantization*> layers;
  for (const LayerQuantization& layer : ours.layers) layers[layer.name] = &layer;
  std::size_t identical = 0, channels = 0;
  for (const LayerQuantization& layer : published.layers) {
    const auto found = layers.find(layer.name);
    if (found == layers.end()) continue;  // behind inception_4c, where the model ends
    EXPECT_EQ(found->second->threshold_params, layer.threshold_params) << layer.name;
    EXPECT_EQ(found->second->scale, layer.scale) << layer.name;
    EXPECT_EQ(found->second->postscale_shift, layer.postscale_shift) << layer.name;
    identical += found->second->threshold_params == layer.threshold_params ? 1 : 0;
    channels += layer.threshold_params.size();
  }
  fmt::print("th_params layers {} of 33 identical, channels {}\n", identical, channels);
  EXPECT_EQ(identical, 33U);
}

}  // namespace
}  // namespace workbench
