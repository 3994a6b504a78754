// The search for J divergence thresholds against the published loop, on the histograms of a network
// calibrated on photos, in one run on one core. Usage: klj MODEL.onnx IMAGES [COUNT], with
// MODEL.preprocess.yaml beside the model, as in networks/models of WORKBENCH_SHARED. A line per
// rule: klj is xfDNN's for 8 bit codes, klj_256 Graffitist's for unsigned ones. Exit 1 if a
// threshold differs.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <limits>
#include <string>

#include "compiler/passes/passes.h"
#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/histogram.h"
#include "compiler/quantize/j_divergence.h"
#include "data/image_set.h"
#include "explore/flow/inputs.h"
#include "tests/support/plain_divergence.h"

namespace workbench {
namespace {

constexpr int kRepetitions = 3;

std::vector<MagnitudeHistogram> histograms_of(const std::string& model, const std::string& images,
                                              std::size_t count) {
  Graph graph = load_model({.name = model});
  run_passes(graph, float_pipeline());
  const std::filesystem::path path = model;
  const ImageSet set =
      open_images({.path = images,
                   .with_labels = false,
                   .input_shape = graph.value(graph.inputs.at(0)).shape,
                   .preprocessing = read_preprocessing(path.parent_path() /
                                                       (path.stem().string() + ".preprocess.yaml")),
                   .selection = {.size = count}});
  std::vector<MagnitudeHistogram> histograms;
  for (auto& [name, statistics] : collect_statistics(graph, set.samples)) {
    if (!statistics.histogram.counts.empty()) histograms.push_back(statistics.histogram);
  }
  return histograms;
}

// Thresholds of all histograms, and the shortest processor time of several runs.
template <typename Search>
double best_seconds(const std::vector<MagnitudeHistogram>& histograms, const Search& search,
                    std::vector<double>& thresholds) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kRepetitions; ++i) {
    thresholds.clear();
    const std::clock_t begin = std::clock();
    for (const auto& histogram : histograms) thresholds.push_back(search(histogram));
    best = std::min(best, static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC);
  }
  return best;
}

bool compare(const char* name, const std::vector<MagnitudeHistogram>& histograms,
             const DivergenceRule& rule) {
  std::vector<double> slow, fast;
  const double plain_seconds = best_seconds(
      histograms, [&](const auto& h) { return plain_j_divergence_threshold(h, rule); }, slow);
  const double fast_seconds = best_seconds(
      histograms, [&](const auto& h) { return j_divergence_threshold(h, rule); }, fast);
  std::printf("%s plain_seconds %.4f fast_seconds %.5f ratio %.0f thresholds_equal %s\n", name,
              plain_seconds, fast_seconds, plain_seconds / fast_seconds,
              slow == fast ? "true" : "false");
  return slow == fast;
}

int measure(const std::string& model, const std::string& images, std::size_t count) {
  const auto histograms = histograms_of(model, images, count);
  std::size_t largest = 0;
  for (const auto& histogram : histograms) largest = std::max(largest, histogram.counts.size());
  std::printf("histograms %zu, up to %zu bins\n", histograms.size(), largest);
  const bool xfdnn = compare("klj", histograms, {.levels = 128});
  const bool graffitist = compare("klj_256", histograms, {.levels = 256, .skip_empty_bins = true});
  return xfdnn && graffitist ? 0 : 1;
}

}  // namespace
}  // namespace workbench

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::fprintf(stderr, "usage: klj MODEL.onnx IMAGES [COUNT]\n");
    return 2;
  }
  try {
    return workbench::measure(argv[1], argv[2], argc == 4 ? std::stoul(argv[3]) : 32);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "klj: %s\n", error.what());
    return 2;
  }
}
