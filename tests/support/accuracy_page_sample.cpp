// Writes report pages of made-up reports, and their JSON, into the folder it is given:
// tests/e2e/accuracy_page_test.py looks at them in a browser.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <utility>

#include "core/error.h"
#include "core/file.h"
#include "explore/flow/accuracy_report.h"
#include "explore/html/page.h"

namespace workbench {
namespace {

// Counts as of a half-normal distribution with a long tail.
MagnitudeHistogram histogram(double max, int bins) {
  MagnitudeHistogram made{.max = max};
  for (int i = 0; i < bins; ++i) {
    const double x = 6.0 * i / bins;
    made.counts.push_back(static_cast<std::int64_t>(4e5 * std::exp(-x * x) + 300 * std::exp(-x)));
  }
  return made;
}

LayerAccuracy layer(int index) {
  LayerAccuracy made{.name = fmt::format("fire{}/{}/convolution", index / 3, "sea"[index % 3]),
                     .op = "Conv",
                     .value = fmt::format("value_{}", index),
                     .format = fmt::format("int8, threshold {:.1f}", 4 + 0.1 * index),
                     .macs = 1000000 * (index + 1),
                     .values = 50176 * (index + 1),
                     .sqnr_db = 38 - 0.6 * index,
                     .own_sqnr_db = 30 + 12 * std::sin(1.7 * index),
                     .inherited_sqnr_db = 39 - 0.6 * index,
                     .clipped = index % 4 == 0 ? 0 : 0.0004 * index,
                     .weight_range_ratio = 1.5 + index,
                     .activation_range_ratio = 2.5 + index,
                     .channels = 64,
                     .constant_channels = index % 5,
                     .accumulator_bits_used = 14 + index % 8,
                     .accumulator_bits_bound = 22 + index % 4,
                     .threshold = 4 + 0.1 * index,
                     .histogram = histogram(6.5 + 0.1 * index, 700 + 11 * index)};
  if (made.own_sqnr_db < 22) {
    made.advice = {{fmt::format("channel range ratio {:.0f} of the weights", 1.5 + index),
                    "weights per channel, or equalization"}};
  }
  return made;
}

// What pages must survive: a name that looks like markup, an exact layer, one that overflows, one
// that is dead and one without a histogram.
AccuracyReport report(int layers) {
  AccuracyReport made{.network = "squeezenet <1.1> & co",
                      .target = "xdnn",
                      .scheme = "default",
                      .machine = "v3_96",
                      .image_set = "imagenet500_256",
                      .images = 468,
                      .classes = 1000,
                      .calibration_images = 32,
                      .in_float = {proportion(288, 468), proportion(391, 468)},
                      .in_integer = {proportion(285, 468), proportion(389, 468)},
                      .agreement = proportion(441, 468),
                      .difference = paired_difference(9, 6, 468),
                      .accumulator_bits = 24,
                      .golden_images = 1,
                      .golden_values = 2345678,
                      .notes = {"host steps are computed in float"},
                      .warnings = {"2 images were skipped"}};
  for (int i = 0; i < layers; ++i) made.layers.push_back(layer(i));
  if (layers > 8) {
    made.layers[2].name = "</script><b id=injected>x</b><!--";
    made.layers[3].own_sqnr_db = std::numeric_limits<double>::infinity();
    made.layers[4].accumulator_bits_used = 26;
    made.layers[5].dead = true;
    made.layers[6].histogram = {};
    made.layers[7].threshold = 12;  // beyond the largest value
  }
  for (std::size_t i = 0; i < made.layers.size(); ++i) made.by_cost.push_back(i);
  std::stable_sort(made.by_cost.begin(), made.by_cost.end(), [&](std::size_t a, std::size_t b) {
    return made.layers[a].own_sqnr_db < made.layers[b].own_sqnr_db;
  });
  return made;
}

void write_pages(const std::filesystem::path& folder) {
  for (const auto& [name, layers] : {std::pair{"accuracy", 40}, std::pair{"brief", 0}}) {
    write_file(folder / fmt::format("{}.json", name), accuracy_json(report(layers)));
    write_file(folder / fmt::format("{}.html", name), accuracy_html(report(layers)));
  }
}

}  // namespace
}  // namespace workbench

// libsystemc brings a main() of its own that calls this one.
extern "C" int sc_main(int argc, char** argv) {
  if (argc != 2) return 2;
  workbench::write_pages(argv[1]);
  return 0;
}
