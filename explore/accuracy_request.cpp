// From a command line to the sets and the network that accuracy is measured on.
#include <algorithm>
#include <numeric>
#include <set>

#include "explore/accuracy_run.h"

namespace workbench {

namespace {

constexpr std::size_t kCalibrationImages = 32;
constexpr std::uint64_t kSeed = 1;

// As many images to score as asked for, the first.
void cut_to(std::size_t limit, ImageSet& scored) {
  if (limit == 0 || scored.names.size() <= limit) return;
  std::vector<std::size_t> rows(limit);
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  scored = subset(scored, rows);
}

// Of one set: those that calibrate are not scored, and do not count for the limit.
Split split_one_set(ImageRequest images, const Selection& calibration) {
  const std::size_t limit = images.selection.size;
  const std::size_t size = calibration.size == 0 ? kCalibrationImages : calibration.size;
  // Indices are those of the whole set.
  if (limit != 0) images.selection.size = calibration.indices.empty() ? limit + size : 0;
  const ImageSet all = open_images(images);
  require_labels(all);
  Split sets = calibration.indices.empty() ? split(all, size, calibration.seed.value_or(kSeed))
                                           : split(all, calibration.indices);
  cut_to(limit, sets.rest);
  return sets;
}

// Images to calibrate with and to score.
Split open_sets(const AccuracyRequest& request, const Graph& graph) {
  const auto preprocessing =
      merge_preprocessing(preprocessing_file(request.network.model.name, request.preprocessing),
                          request.preprocessing_steps);
  ImageRequest images = request.images;
  images.input_shape = graph.value(graph.inputs.at(0)).shape;
  images.classes = classes_of(graph);
  images.preprocessing = preprocessing;
  images.selection.at_most = true;
  if (request.calibration.path.empty()) return split_one_set(images, request.calibration.selection);
  const ImageSet all = open_images(images);
  require_labels(all);
  ImageRequest calibration = request.calibration;
  calibration.with_labels = false;
  calibration.input_shape = images.input_shape;
  calibration.preprocessing = preprocessing;
  return {open_images(calibration), all};
}

// Images that calibrate and are scored.
std::size_t in_both(const Split& sets) {
  const std::set<std::string> chosen(sets.chosen.names.begin(), sets.chosen.names.end());
  return static_cast<std::size_t>(
      std::count_if(sets.rest.names.begin(), sets.rest.names.end(),
                    [&](const std::string& name) { return chosen.contains(name); }));
}

// Part of the whole that a stage takes.
Progress within(const Progress& progress, double begin, double end) {
  if (!progress) return {};
  return [=](std::string_view stage, double fraction) {
    progress(stage, begin + (end - begin) * fraction);
  };
}

}  // namespace

Accuracy run_accuracy(const AccuracyRequest& request, const Progress& progress) {
  if (progress) progress("reading images", 0);
  const Split sets = open_sets(request, load_model(request.network.model));
  Accuracy result;
  result.network = quantize_network(request.network, sets.chosen.samples, within(progress, 0, 0.3));
  result.report =
      measure_accuracy(result.network, sets.rest, request.measure, within(progress, 0.3, 1));
  result.report.calibration_images = static_cast<std::int64_t>(sets.chosen.names.size());
  if (const std::size_t both = in_both(sets); both > 0) {
    result.report.warnings.push_back(
        fmt::format("{}: {} of the images that are scored have calibrated the network, too",
                    sets.rest.name, both));
  }
  for (const std::string& warning : sets.chosen.warnings) {
    std::vector<std::string>& known = result.report.warnings;
    if (std::find(known.begin(), known.end(), warning) == known.end()) known.push_back(warning);
  }
  return result;
}

}  // namespace workbench
