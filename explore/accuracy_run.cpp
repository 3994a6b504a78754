#include "explore/accuracy_run.h"

#include <algorithm>
#include <cmath>
#include <future>
#include <numeric>

#include "core/eval/evaluate.h"
#include "explore/accuracy_accumulators.h"
#include "explore/accuracy_advice.h"
#include "explore/accuracy_layers.h"
#include "explore/accuracy_runner.h"

namespace workbench {

namespace {

void check_labels(const ImageSet& set, std::int64_t classes) {
  if (set.names.empty()) fail("{}: expected images to score, found none", set.name);
  require_labels(set);
  for (std::size_t i = 0; i < set.labels.size(); ++i) {
    if (set.labels[i] >= 0 && set.labels[i] < classes) continue;
    fail("{}: expected a class below {}, the classes of the network, found {}", set.names[i],
         classes, set.labels[i]);
  }
}

// Scores of one image; of equal ones the first class counts as better.
struct Ranking {
  std::int64_t best = 0;
  std::size_t label_rank = 0;  // 0: the label is the best class
};

Ranking ranking(const Tensor& scores, std::int64_t label, const std::string& network,
                const std::string& image) {
  const auto values = scores.values<float>();
  const float of_label = values[static_cast<std::size_t>(label)];
  Ranking result;
  for (std::size_t c = 0; c < values.size(); ++c) {
    if (std::isnan(values[c])) fail("{}: the {} network gives NaN", image, network);
    const bool before = static_cast<std::int64_t>(c) < label;
    if (values[c] > of_label || (before && values[c] == of_label)) ++result.label_rank;
  }
  result.best = std::max_element(values.begin(), values.end()) - values.begin();
  return result;
}

// Images counted by what the two networks make of them.
struct Counts {
  std::int64_t images = 0, agree = 0, only_float = 0, only_integer = 0;
  std::int64_t float1 = 0, float5 = 0, integer1 = 0, integer5 = 0;

  void add(const Ranking& in_float, const Ranking& in_integer) {
    const bool float_right = in_float.label_rank == 0, integer_right = in_integer.label_rank == 0;
    ++images;
    agree += in_float.best == in_integer.best;
    float1 += float_right;
    integer1 += integer_right;
    float5 += in_float.label_rank < 5;
    integer5 += in_integer.label_rank < 5;
    only_float += float_right && !integer_right;
    only_integer += integer_right && !float_right;
  }
};

// An image with all that the float networks say of it.
struct Prepared {
  std::vector<Tensor> input, outputs, values;  // values: by ValueId of the layers' float network
};

Prepared prepared(const QuantizedNetwork& network, const ImageSet& images, std::size_t i,
                  const Graph* layers) {
  Prepared image{.input = images.samples.at(i), .outputs = {}, .values = {}};
  image.outputs = evaluate(network.imported, image.input);
  if (layers == nullptr) return image;
  image.values.resize(layers->values.size());
  evaluate(*layers, image.input, {.observe = [&](ValueId id, const Tensor& tensor) {
    image.values[static_cast<std::size_t>(id)] = tensor;
  }});
  return image;
}

class Measurement {
 public:
  Measurement(const QuantizedNetwork& network, const ImageSet& images,
              const MeasureOptions& options)
      : network_(network),
        images_(images),
        options_(options),
        runner_(integer_runner(network)),
        layers_(network),
        accumulators_(network.integers) {}

  // The float networks work on the next image while the integers are simulated: most simulation is
  // one thread.
  void run(const Progress& progress) {
    const Graph* float_layers = options_.layers ? &layers_.floats() : nullptr;
    const auto prepare = [&](std::size_t i) {
      return std::async(std::launch::async,
                        [=, this] { return prepared(network_, images_, i, float_layers); });
    };
    std::future<Prepared> next = prepare(0);
    const std::size_t count = images_.names.size();
    for (std::size_t i = 0; i < count; ++i) {
      if (progress) {
        progress("scoring images", static_cast<double>(i) / static_cast<double>(count));
      }
      const Prepared image = next.get();
      if (i + 1 < count) next = prepare(i + 1);
      add(image, i);
    }
  }

  AccuracyReport report() const;

 private:
  void add(const Prepared& image, std::size_t i) {
    const bool golden = i < options_.golden_images;
    const IntegerRun run = runner_(image.input, options_.layers || golden);
    hazards_ += run.hazards;
    if (run.outputs.empty()) {
      fail("{}: the integer network gives no result: its program ends in a hazard",
           images_.names[i]);
    }
    const std::int64_t label = images_.labels[i];
    counts_.add(ranking(image.outputs.at(0), label, "float", images_.names[i]),
                ranking(run.outputs.at(0), label, "integer", images_.names[i]));
    if (golden) {
      const GoldenDifference difference = golden_difference(network_, image.input, run.tensors);
      golden_.values += difference.values;
      golden_.mismatches += difference.mismatches;
    }
    if (!options_.layers) return;
    layers_.add(image.values, run.tensors);
    if (network_.machine) accumulators_.add(run.tensors);
  }

  void add_layers(AccuracyReport& report) const;

  const QuantizedNetwork& network_;
  const ImageSet& images_;
  MeasureOptions options_;
  IntegerRunner runner_;
  LayerMeter layers_;
  AccumulatorMeter accumulators_;
  Counts counts_;
  GoldenDifference golden_;
  std::int64_t hazards_ = 0;
};

// What no accuracy makes good.
void warn_of(const LayerAccuracy& layer, AccuracyReport& report) {
  if (layer.dead) {
    report.warnings.push_back(fmt::format("{}: all results are 0 on these images", layer.name));
  }
  if (report.accumulator_bits == 0 || layer.accumulator_bits_used <= report.accumulator_bits)
    return;
  report.warnings.push_back(fmt::format("{}: its sums need {} bits, the hardware has {}",
                                        layer.name, layer.accumulator_bits_used,
                                        report.accumulator_bits));
}

void Measurement::add_layers(AccuracyReport& report) const {
  report.layers = layers_.layers();
  const std::map<std::string, AccumulatorBits> bits = accumulators_.bits();
  std::string last;
  for (const LayerAccuracy& layer : report.layers) {
    if (layer.macs > 0) last = layer.name;
  }
  for (LayerAccuracy& layer : report.layers) {
    for (const char* suffix : {"_int8", ""}) {
      const auto found = bits.find(layer.value + suffix);
      if (!network_.machine || found == bits.end()) continue;
      layer.accumulator_bits_used = found->second.used;
      layer.accumulator_bits_bound = found->second.bound;
    }
    layer.advice = advice_for(layer, {.is_last = layer.name == last,
                                      .weights_per_channel = layer.weights_per_channel,
                                      .has_16_bits = network_.target == "xdnn",
                                      .accumulator_bits = report.accumulator_bits});
    warn_of(layer, report);
  }
  report.by_cost.resize(report.layers.size());
  std::iota(report.by_cost.begin(), report.by_cost.end(), std::size_t{0});
  std::stable_sort(report.by_cost.begin(), report.by_cost.end(), [&](std::size_t a, std::size_t b) {
    return report.layers[a].own_sqnr_db < report.layers[b].own_sqnr_db;
  });
}

AccuracyReport Measurement::report() const {
  const std::int64_t n = counts_.images;
  AccuracyReport report{.network = network_.imported.name,
                        .target = network_.target,
                        .scheme = network_.scheme,
                        .machine = network_.machine ? name(*network_.machine) : "",
                        .image_set = images_.name,
                        .images = n,
                        .classes = classes_of(network_.imported)};
  report.in_float = {proportion(counts_.float1, n), proportion(counts_.float5, n)};
  report.in_integer = {proportion(counts_.integer1, n), proportion(counts_.integer5, n)};
  report.agreement = proportion(counts_.agree, n);
  report.difference = paired_difference(counts_.only_float, counts_.only_integer, n);
  report.accumulator_bits = network_.machine ? network_.accumulator_bits : 0;
  report.golden_images = std::min(n, static_cast<std::int64_t>(std::min<std::size_t>(
                                         options_.golden_images, images_.names.size())));
  report.golden_values = golden_.values;
  report.golden_mismatches = golden_.mismatches;
  report.hazards = hazards_;
  report.notes = network_.notes;
  report.warnings = network_.warnings;
  report.warnings.insert(report.warnings.end(), images_.warnings.begin(), images_.warnings.end());
  if (options_.layers) add_layers(report);
  return report;
}

}  // namespace

std::int64_t classes_of(const Graph& graph) {
  if (graph.inputs.size() != 1) {
    fail("accuracy: expected a network of one input, found {}", graph.inputs.size());
  }
  const Value& output = graph.value(graph.outputs.at(0));
  const Shape& shape = output.shape;
  if (shape.size() < 2 || shape[0] != 1 || shape[1] < 2 || element_count(shape) != shape[1]) {
    fail("accuracy: output '{}': expected the scores of classes, [1, C], found {}", output.name,
         to_string(shape));
  }
  return shape[1];
}

void require_labels(const ImageSet& set) {
  if (!set.labels.empty()) return;
  fail("{}: expected labels (labels.tsv in the folder, or --labels FILE), found none", set.name);
}

AccuracyReport measure_accuracy(const QuantizedNetwork& network, const ImageSet& scored,
                                const MeasureOptions& options, const Progress& progress) {
  check_labels(scored, classes_of(network.imported));
  Measurement measurement(network, scored, options);
  measurement.run(progress);
  return measurement.report();
}

}  // namespace workbench
