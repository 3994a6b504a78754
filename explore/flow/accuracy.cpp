#include "explore/flow/accuracy.h"

#include <algorithm>
#include <cmath>
#include <future>
#include <numeric>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/eval/evaluate.h"
#include "core/math.h"
#include "explore/flow/accuracy_layers.h"
#include "sim/golden/golden.h"
#include "sim/verdict.h"

namespace workbench {

namespace {

constexpr double kDeviations = 1.959963984540054;  // of a normal distribution: 95 % lie within

}  // namespace

Proportion proportion(std::int64_t count, std::int64_t of) {
  CHECK(of > 0 && count >= 0 && count <= of, "{} of {}", count, of);
  const auto n = static_cast<double>(of), hits = static_cast<double>(count);
  const double z2 = kDeviations * kDeviations;
  const double centre = (hits + z2 / 2) / (n + z2);
  const double reach = kDeviations / (n + z2) * std::sqrt(hits * (n - hits) / n + z2 / 4);
  return {hits / n, std::max(0.0, centre - reach), std::min(1.0, centre + reach)};
}

PairedDifference paired_difference(std::int64_t only_float, std::int64_t only_integer,
                                   std::int64_t images) {
  CHECK(images > 0 && only_float >= 0 && only_integer >= 0 && only_float + only_integer <= images,
        "{} and {} of {}", only_float, only_integer, images);
  PairedDifference difference{.only_float = only_float, .only_integer = only_integer};
  const auto lost = static_cast<double>(only_float), won = static_cast<double>(only_integer);
  difference.value = (won - lost) / static_cast<double>(images);
  const double n = static_cast<double>(images) + 2, moved = won - lost;
  const double reach =
      kDeviations * std::sqrt(std::max(0.0, won + lost + 1 - moved * moved / n)) / n;
  difference.low = std::max(-1.0, moved / n - reach);
  difference.high = std::min(1.0, moved / n + reach);
  const std::int64_t discordant = only_float + only_integer;
  difference.p_value =
      std::min(1.0, 2 * math::fair_coins_at_most(std::min(only_float, only_integer), discordant));
  return difference;
}

namespace {

NamedTensors evaluated(const Graph& graph, std::span<const Tensor> inputs, Arithmetic arithmetic,
                       std::vector<Tensor>& outputs) {
  NamedTensors tensors;
  outputs = evaluate(graph, inputs,
                     {.arithmetic = arithmetic, .observe = [&](ValueId id, const Tensor& tensor) {
                        tensors.insert_or_assign(graph.value(id).name, tensor);
                      }});
  return tensors;
}

struct IntegerRun {
  std::vector<Tensor> outputs;
  NamedTensors tensors;  // by value name of the integers, as far as they can be read
  std::int64_t hazards = 0;
};
// Never called twice at once. `keep_tensors`: false saves their copies.
using IntegerRunner = std::function<IntegerRun(std::span<const Tensor> inputs, bool keep_tensors)>;

// In float arithmetic. Refers to `integers`.
IntegerRunner float_runner(const Graph& integers) {
  return [&integers](std::span<const Tensor> inputs, bool keep_tensors) {
    IntegerRun run;
    if (keep_tensors) {
      run.tensors = evaluated(integers, inputs, Arithmetic::Fast, run.outputs);
    } else {
      run.outputs = evaluate(integers, inputs);
    }
    return run;
  };
}

// The machine with one engine: others of a card run images of their own.
Machine one_engine(Machine machine) {
  if (auto* card = std::get_if<xdnn::Machine>(&machine)) card->board.engines = 1;
  return machine;
}

// On the simulator of the machine, compiled as `request` says.
IntegerRunner simulator(const Graph& integers, const Machine& machine,
                        const CompileRequest& request) {
  return [program = target_for(machine).compile(integers, request, true, {}).program,
          simulate = target_for(one_engine(machine)).simulate](std::span<const Tensor> inputs,
                                                               bool keep_tensors) {
    Simulated run = simulate(program, inputs, {.collect = keep_tensors});
    return IntegerRun{std::move(run.outputs), std::move(run.tensors),
                      static_cast<std::int64_t>(run.hazards.size())};
  };
}

IntegerRunner runner_of(const Quantized& network, const CompileRequest& request) {
  return network.machine ? simulator(network.integers, *network.machine, request)
                         : float_runner(network.integers);
}

struct GoldenDifference {
  std::int64_t values = 0, mismatches = 0;
};
// The run against the golden model; a network without a target runs again in the arithmetic that
// the golden model promises bits of.
GoldenDifference golden_difference(const Quantized& network, std::span<const Tensor> inputs,
                                   const NamedTensors& computed) {
  const std::vector<Tensor> expected = golden::run(network.integers, inputs);
  std::vector<Tensor> outputs;
  const Verdict verdict =
      network.machine ? compare(network.integers, expected, computed)
                      : compare(network.integers, expected,
                                evaluated(network.integers, inputs, Arithmetic::Exact, outputs));
  return {verdict.values_compared, verdict.mismatches};
}

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

// Images counted by the answers of the two networks.
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

Prepared prepared(const Quantized& network, const ImageSet& images, std::size_t i,
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
  Measurement(const Quantized& network, const ImageSet& images, const MeasureOptions& options,
              const CompileRequest& request)
      : network_(network),
        images_(images),
        options_(options),
        searches_thresholds_(request.effort == Effort::Best),
        runner_(runner_of(network, request)),
        layers_(network),
        accumulators_(network.integers) {}

  // The float networks work on the next image while the integers are simulated: most simulation is
  // one thread.
  void run(const Progress& progress) {
    const Graph* float_layers = options_.layers ? &layers_.floats() : nullptr;
    const auto prepare = [&](std::size_t i) {
      return std::async(std::launch::async | std::launch::deferred,  // where no thread is to be had
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

  const Quantized& network_;
  const ImageSet& images_;
  MeasureOptions options_;
  bool searches_thresholds_;
  IntegerRunner runner_;
  LayerMeter layers_;
  AccumulatorMeter accumulators_;
  Counts counts_;
  GoldenDifference golden_;
  std::int64_t hazards_ = 0;
};

// docs/facts/xdnn.md 1.1: V2 and V3 were built for either width.
bool could_have_16_bits(const Quantized& network) {
  const auto* machine = network.machine ? std::get_if<xdnn::Machine>(&*network.machine) : nullptr;
  if (machine == nullptr || machine->array.bits != 8) return false;
  return machine->family() == xdnn::Family::V2 || machine->family() == xdnn::Family::V3;
}

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
  const std::vector<int> widths = target_for(network_.machine).quantize.weight_widths;
  const bool fixed = network_.scheme == "as it came";  // no option changes its codes
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
                                      .is_default = fixed || network_.scheme == "default",
                                      .searches_thresholds = fixed || searches_thresholds_,
                                      .has_16_bits = !fixed && could_have_16_bits(network_),
                                      .accumulator_bits = report.accumulator_bits,
                                      .weight_widths = widths});
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

AccuracyReport measure_accuracy(const Quantized& network, const ImageSet& scored,
                                const MeasureOptions& options, const CompileRequest& request,
                                const Progress& progress) {
  check_labels(scored, classes_of(network.imported));
  Measurement measurement(network, scored, options, request);
  measurement.run(progress);
  return measurement.report();
}

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

}  // namespace

Accuracy run_accuracy(const AccuracyRequest& request, const Progress& progress) {
  if (progress) progress("reading images", 0);
  const Split sets = open_sets(request, imported(load_model(request.network.model)).graph);
  Accuracy result;
  result.network = quantize_network(request.network, sets.chosen.samples, within(progress, 0, 0.3));
  result.report = measure_accuracy(result.network, sets.rest, request.measure, request.network,
                                   within(progress, 0.3, 1));
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
