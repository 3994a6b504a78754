#include "train/retrain.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>
#include <utility>

#include "compiler/quantize/graph_digest.h"
#include "core/error.h"
#include "core/file.h"
#include "core/math.h"
#include "core/parallel.h"
#include "explore/flow/inputs.h"
#include "sim/golden/golden.h"

namespace workbench::train {

namespace {

constexpr std::size_t kCalibrationImages = 32;
constexpr std::int64_t kTeacherBatch = 64;
constexpr std::size_t kHeldOut = 10;  // one image of that many
constexpr std::uint64_t kHeldOutSeed = 1;
constexpr std::int64_t kLongestUnseen = 1000;  // steps between looks, as published
constexpr std::int64_t kImagesInMemory = std::int64_t{1} << 30;  // bytes

ImageSet images_of(const RetrainRequest& request, ImageRequest images, const Graph& graph) {
  images.input_shape = graph.value(graph.inputs.at(0)).shape;
  images.preprocessing =
      merge_preprocessing(preprocessing_file(request.network.model.name, request.preprocessing),
                          request.preprocessing_steps);
  return open_images(images);
}

// Reads each image once, as far as they fit in memory.
class Images {
 public:
  explicit Images(const SampleSource& samples) : samples_(samples), kept_(samples.count) {}

  void append(std::int64_t i, std::vector<float>& to) {
    std::vector<float>& kept = kept_[static_cast<std::size_t>(i)];
    if (!kept.empty()) {
      to.insert(to.end(), kept.begin(), kept.end());
      return;
    }
    const std::vector<Tensor> image = samples_.at(static_cast<std::size_t>(i));
    const auto values = image.at(0).values<float>();
    to.insert(to.end(), values.begin(), values.end());
    const std::int64_t all = image[0].size_bytes() * static_cast<std::int64_t>(samples_.count);
    if (all <= kImagesInMemory) kept.assign(values.begin(), values.end());
  }

 private:
  SampleSource samples_;
  std::vector<std::vector<float>> kept_;
};

Lessons lessons_of(const ImageSet& set) {
  const auto images = std::make_shared<Images>(set.samples);
  return {.count = static_cast<std::int64_t>(set.samples.count),
          .image = [images](std::int64_t i, std::vector<float>& to) { images->append(i, to); },
          .targets = {},
          .labels = set.labels};
}

// [count, classes], before the softmax.
std::vector<float> scores_of(const TorchNetwork& network, const Lessons& lessons,
                             const std::function<void(double)>& progress) {
  std::vector<float> scores;
  for (std::int64_t begin = 0; begin < lessons.count; begin += kTeacherBatch) {
    Batch batch{
        .count = std::min(kTeacherBatch, lessons.count - begin), .images = {}, .targets = {}};
    for (std::int64_t i = 0; i < batch.count; ++i) lessons.image(begin + i, batch.images);
    const std::vector<float> found = network.logits({}, batch);
    scores.insert(scores.end(), found.begin(), found.end());
    progress(static_cast<double>(begin) / static_cast<double>(lessons.count));
  }
  return scores;
}

std::vector<float> certainties(const ImageSet& set, std::int64_t classes) {
  std::vector<float> result(set.labels.size() * static_cast<std::size_t>(classes));
  for (std::size_t i = 0; i < set.labels.size(); ++i) {
    if (set.labels[i] < 0 || set.labels[i] >= classes) {
      fail("{}: expected a class below {}, the classes of the network, found {}", set.names[i],
           classes, set.labels[i]);
    }
    result[i * static_cast<std::size_t>(classes) + static_cast<std::size_t>(set.labels[i])] = 1;
  }
  return result;
}

std::vector<std::int64_t> best_classes(const std::vector<float>& scores, std::int64_t classes) {
  const auto row = static_cast<std::size_t>(classes);
  std::vector<std::int64_t> best;
  for (std::size_t begin = 0; begin < scores.size(); begin += row) {
    const auto one = std::span(scores).subspan(begin, row);
    best.push_back(std::ranges::max_element(one) - one.begin());
  }
  return best;
}

Graph without_codes(Graph graph) {
  for (Value& value : graph.values) value.quantization.reset();
  graph.scale_groups.clear();
  return graph;
}

// Graffitist's unsigned codes become signed ones on a target that has no others, where 255 steps
// are 127: near a power of two, which training wants and the threshold is free to be.
Graph with_power_of_two_steps(Graph annotated) {
  for (Value& value : annotated.values) {
    if (!value.quantization || value.type != ElementType::Float32) continue;
    Quantization& codes = *value.quantization;
    for (std::size_t i = 0; i < codes.thresholds.size(); ++i) {
      const double octave = std::nearbyint(math::log2(codes.step(i)));
      codes.thresholds[i] = std::ldexp(static_cast<double>(codes.high()), static_cast<int>(octave));
    }
  }
  return annotated;
}

std::string digest_of(const Schedule& s, const Graph& annotated, Loss loss, const ImageSet& lessons,
                      const ImageSet& validation) {
  std::string text =
      fmt::format("{}\n{}\n{}\n{} {} {} {} {} {} {} {} {} {} {} {} {}\n{} {}\n", program_version(),
                  graph_digest(annotated), static_cast<int>(loss), s.trained.weights,
                  s.trained.steps, s.epochs, s.batch, s.seed, s.augment.shift, s.augment.flip,
                  s.augment.noise, s.augment.mix, s.look_every, s.checkpoint_every, s.settle_after,
                  s.freeze_every, s.weight_rate.value_or(-1), s.threshold_rate);
  for (const ImageSet* set : {&lessons, &validation}) {
    text += fmt::format("{} {} {}\n", set->name, set->names.size(), fmt::join(set->labels, ","));
  }
  for (const Value& value : annotated.values) {
    if (!value.quantization) continue;
    text += fmt::format("{} {} {}\n", value.name, value.quantization->bits,
                        fmt::join(value.quantization->thresholds, ","));
  }
  return sha256_hex(text);
}

// One network being trained.
class Retraining {
 public:
  Retraining(const RetrainRequest& request, const RetrainProgress& progress)
      : request_(request), progress_(progress) {
    result_.loss = request.loss;
  }

  Retrained run() {
    const Graph imported_graph = imported(load_model(request_.network.model)).graph;
    const Split images = lessons_and_validation(imported_graph);
    schedule_ = request_.schedule;
    if (schedule_.look_every == 0) {
      const auto count = static_cast<std::int64_t>(images.rest.samples.count);
      schedule_.look_every = std::clamp<std::int64_t>(count / schedule_.batch, 1, kLongestUnseen);
    }
    quantize();
    const Graph floats = without_codes(result_.network.floats);
    const TorchNetwork teacher(floats, {}, request_.device, request_.threads);
    using Flow = Scheme::Flow;
    const CompileRequest& asked = request_.network;
    if (scheme_named(asked.scheme, asked.transforms).flow == Flow::Graffitist) {
      result_.network.annotated = with_power_of_two_steps(std::move(result_.network.annotated));
    }
    const Graph annotated = result_.network.annotated;
    result_.what = trainable(annotated);
    const TorchNetwork network(annotated, result_.what, request_.device, request_.threads);
    const Parameters start = initial_parameters(annotated, result_.network.floats, result_.what);
    Lessons lessons = lessons_of(images.rest);
    lessons.taught = result_.loss == Loss::Both;
    if (result_.loss != Loss::Distill)
      lessons.targets = certainties(images.rest, teacher.classes());
    const Lessons validation = examined(teacher, images.chosen, result_.validation);
    const Training training{
        .network = network,
        .teacher = &teacher,
        .what = result_.what,
        .lessons = lessons,
        .validation = validation,
        .schedule = schedule_,
        .checkpoint = request_.checkpoint,
        .request = digest_of(schedule_, annotated, result_.loss, images.rest, images.chosen),
        .report = [this](const Report& report) { tell(report); }};
    result_.images = lessons.count;
    result_.steps = steps_of(training);
    result_.batch = std::min(schedule_.batch, lessons.count);
    result_.state = train(training, start);
    result_.validation.unchanged = result_.state.looks.front();
    result_.validation.best = result_.state.best_look;
    result_.improved = result_.state.best_look.step > 0;
    finish(network, annotated, images.chosen);
    if (request_.test) test(teacher, network, start, imported_graph);
    return std::move(result_);
  }

 private:
  // As `rest` what is trained with, as `chosen` what chooses the best look.
  Split lessons_and_validation(const Graph& graph) {
    const ImageSet lessons = images_of(request_, request_.lessons, graph);
    if (result_.loss != Loss::Distill && lessons.labels.empty()) {
      fail("{}: expected images with their classes for --loss {}, found none: --loss distill",
           lessons.name, name_of(result_.loss));
    }
    if (request_.validation) return {images_of(request_, *request_.validation, graph), lessons};
    result_.held_out = true;
    return split(lessons, std::max<std::size_t>(1, lessons.names.size() / kHeldOut), kHeldOutSeed);
  }

  void quantize() {
    ImageRequest images = request_.calibration;
    if (images.path.empty()) {
      images.path = request_.lessons.path;
      images.selection = {.size = kCalibrationImages, .seed = 1, .indices = {}, .at_most = true};
    }
    const ImageSet calibration = open_calibration(request_.network, images, request_.preprocessing,
                                                  request_.preprocessing_steps);
    result_.network = quantize_network(request_.network, calibration.samples,
                                       [this](std::string_view stage, double fraction) {
                                         say(std::string(stage), fraction / 20);
                                       });
    result_.warnings = result_.network.warnings;
    if (result_.network.came_as_integers || !result_.network.lower) {
      fail(
          "--scheme {}: expected a network and a scheme of real numbers with codes to train, "
          "found integers: expected --scheme default, graffitist or a recipe",
          result_.network.scheme);
    }
  }

  // The set as what networks are looked at with, and the float network's score.
  Lessons examined(const TorchNetwork& teacher, const ImageSet& set, Scores& scores) const {
    Lessons lessons = lessons_of(set);
    const std::int64_t classes = teacher.classes();
    scores.images = lessons.count;
    scores.labelled = !set.labels.empty();
    if (result_.loss == Loss::Labels && scores.labelled) {
      lessons.targets = certainties(set, classes);
    } else {
      const std::vector<float> said = scores_of(teacher, lessons, [&](double fraction) {
        say("scoring the float network", 0.05 * fraction);
      });
      lessons.targets = distributions(said, classes);
      if (!scores.labelled) lessons.labels = best_classes(said, classes);
      if (scores.labelled && result_.loss == Loss::Both) {
        lessons.targets = mean_of(certainties(set, classes), lessons.targets);
      }
    }
    scores.floats = look_at(teacher, lessons, {});
    return lessons;
  }

  void test(const TorchNetwork& teacher, const TorchNetwork& network, const Parameters& start,
            const Graph& graph) {
    const ImageSet set = images_of(request_, *request_.test, graph);
    Scores& scores = result_.test.emplace();
    const Lessons images = examined(teacher, set, scores);
    scores.unchanged = look_at(network, images, start);
    scores.best = look_at(network, images, result_.state.best, result_.state.best_look.step);
  }

  // The best look's numbers become the network: also where that was the first, as its biases have
  // been looked at as multiples of their unit.
  void finish(const TorchNetwork& network, const Graph& annotated, const ImageSet& validation) {
    const Parameters& numbers = result_.state.best;
    result_.network.annotated = with_parameters(annotated, result_.what, numbers);
    Quantized& quantized = result_.network;
    quantized.integers = quantized.lower(quantized.annotated);
    const std::size_t images = std::min(request_.golden_images, validation.samples.count);
    for (std::size_t i = 0; i < images; ++i) {
      const CodeComparison found =
          compare_codes(network, numbers, quantized.integers, validation.samples.at(i).at(0));
      result_.compared_codes += found.codes;
      result_.differing_codes += found.differing;
      if (result_.first_difference.empty()) result_.first_difference = found.first;
    }
  }

  void say(const std::string& stage, double fraction) const {
    if (progress_) progress_(stage, fraction);
  }

  void tell(const Report& report) {
    if (report.look) top1_ = report.look->top1;
    if (!progress_) return;
    const double done = static_cast<double>(report.step) / static_cast<double>(report.steps);
    if (first_done_ < 0) {
      first_done_ = done;
      watch_ = Stopwatch();
    }
    const double left =
        done > first_done_ ? watch_.seconds() * (1 - done) / (done - first_done_) : 0;
    std::string stage =
        fmt::format("step {} of {}, loss {:.4f}", report.step, report.steps, report.loss);
    if (top1_) stage += fmt::format(", top-1 {:.1f} %", 100 * *top1_);
    if (left > 0) stage += fmt::format(", {:.1f} min left", left / 60);
    say(stage, 0.05 + 0.95 * done);
  }

  const RetrainRequest& request_;
  const RetrainProgress& progress_;
  Schedule schedule_;
  Retrained result_;
  std::optional<double> top1_;
  double first_done_ = -1;
  Stopwatch watch_;
};

std::vector<std::int64_t> integers_of(const Tensor& tensor) {
  std::vector<std::int64_t> result;
  const auto append = [&](auto values) { result.assign(values.begin(), values.end()); };
  switch (tensor.type()) {
    case ElementType::Int8:
      append(tensor.values<std::int8_t>());
      break;
    case ElementType::Uint8:
      append(tensor.values<std::uint8_t>());
      break;
    case ElementType::Int16:
      append(tensor.values<std::int16_t>());
      break;
    case ElementType::Uint16:
      append(tensor.values<std::uint16_t>());
      break;
    default:
      break;
  }
  return result;
}

}  // namespace

CodeComparison compare_codes(const TorchNetwork& network, const Parameters& parameters,
                             const Graph& integers, const Tensor& image) {
  const auto pixels = image.values<float>();
  const auto trained = network.codes(
      parameters, {.count = 1, .images = {pixels.begin(), pixels.end()}, .targets = {}});
  const std::vector<Tensor> golden = golden::run(integers, std::span(&image, 1));
  const std::map<std::string, ValueId> by_name = values_by_name(integers);
  CodeComparison result;
  ValueId first = static_cast<ValueId>(integers.values.size());
  for (const auto& [name, codes] : trained) {
    for (const std::string& of : {name, name + "_int8"}) {
      const auto found = by_name.find(of);
      if (found == by_name.end()) continue;
      const std::vector<std::int64_t> expected =
          integers_of(golden.at(static_cast<std::size_t>(found->second)));
      if (expected.size() != codes.size()) continue;
      result.codes += static_cast<std::int64_t>(codes.size());
      std::int64_t differing = 0;
      for (std::size_t i = 0; i < codes.size(); ++i) differing += codes[i] != expected[i];
      result.differing += differing;
      if (differing > 0 && found->second < first) {
        first = found->second;
        result.first = name;
      }
      break;
    }
  }
  return result;
}

Retrained retrain(const RetrainRequest& request, const RetrainProgress& progress) {
  return Retraining(request, progress).run();
}

}  // namespace workbench::train
