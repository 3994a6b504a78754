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

std::vector<float> distributions(const std::vector<float>& scores, std::int64_t classes) {
  const auto row = static_cast<std::size_t>(classes);
  std::vector<float> result(scores.size());
  for (std::size_t begin = 0; begin < scores.size(); begin += row) {
    const auto one = std::span(scores).subspan(begin, row);
    const double top = static_cast<double>(*std::ranges::max_element(one));
    double sum = 0;
    for (const float score : one) sum += math::exp(static_cast<double>(score) - top);
    for (std::size_t c = 0; c < row; ++c) {
      result[begin + c] = static_cast<float>(math::exp(static_cast<double>(one[c]) - top) / sum);
    }
  }
  return result;
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

// The annotated network with the constants that it had before a recipe rounded them and corrected
// its biases: what training starts from.
Graph with_float_constants(Graph annotated, const Graph& floats) {
  const std::map<std::string, ValueId> by_name = values_by_name(floats);
  for (Value& value : annotated.values) {
    if (!value.constant || value.type != ElementType::Float32) continue;
    const auto found = by_name.find(value.name);
    if (found == by_name.end()) continue;
    const auto& constant = floats.value(found->second).constant;
    if (constant && constant->shape() == value.constant->shape()) value.constant = constant;
  }
  return annotated;
}

std::string digest_of(const Schedule& s, const Graph& annotated, Loss loss, const ImageSet& lessons,
                      const ImageSet& validation) {
  const auto decay = [](const Decay& one) {
    return fmt::format("{} {} {}", one.rate, one.factor, one.every);
  };
  std::string text =
      fmt::format("{}\n{}\n{}\n{} {} {} {} {} {} {} {} {}\n{}\n{}\n", program_version(),
                  graph_digest(annotated), static_cast<int>(loss), s.trained.weights,
                  s.trained.steps, s.epochs, s.batch, s.seed, s.look_every, s.checkpoint_every,
                  s.freeze_from, s.freeze_every, decay(s.weight_rate), decay(s.step_rate));
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
      : request_(request), progress_(progress) {}

  Retrained run() {
    const Graph imported_graph = imported(load_model(request_.network.model)).graph;
    const ImageSet lessons = images_of(request_, request_.lessons, imported_graph);
    const ImageSet validation = images_of(request_, request_.validation, imported_graph);
    choose_loss(lessons);
    schedule_ = request_.schedule;
    if (schedule_.look_every == 0) {
      const auto images = static_cast<std::int64_t>(lessons.samples.count);
      schedule_.look_every = std::clamp<std::int64_t>(images / schedule_.batch, 1, kLongestUnseen);
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
    const Graph start = with_float_constants(annotated, result_.network.floats);
    const TorchNetwork network(start, result_.what, request_.device, request_.threads);
    Lessons to_learn = lessons_of(lessons), to_validate = lessons_of(validation);
    set_targets(teacher, lessons, to_learn, "teaching");
    set_targets(teacher, validation, to_validate, "scoring the float network");
    const Training training{
        .network = network,
        .what = result_.what,
        .lessons = to_learn,
        .validation = to_validate,
        .schedule = schedule_,
        .checkpoint = request_.checkpoint,
        .request = digest_of(schedule_, annotated, result_.loss, lessons, validation),
        .report = [this](const Report& report) { tell(report); }};
    result_.floats = look_at({.network = teacher,
                              .what = result_.what,
                              .lessons = to_learn,
                              .validation = to_validate,
                              .schedule = {},
                              .checkpoint = {},
                              .request = {},
                              .report = {}},
                             {}, 0);
    const Parameters as_it_was = initial_parameters(annotated, result_.what);
    result_.unchanged = look_at(training, as_it_was, 0);
    result_.images = to_learn.count;
    result_.validated = to_validate.count;
    result_.steps = steps_of(training);
    result_.batch = std::min(schedule_.batch, to_learn.count);
    result_.state = train(training, initial_parameters(start, result_.what));
    finish(network, annotated, as_it_was, validation);
    return std::move(result_);
  }

 private:
  void choose_loss(const ImageSet& lessons) {
    result_.loss = request_.loss.value_or(lessons.labels.empty() ? Loss::Distill : Loss::Labels);
    if (result_.loss == Loss::Labels && lessons.labels.empty()) {
      fail("{}: expected images with their classes for --loss labels, found none: --loss distill",
           lessons.name);
    }
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

  void set_targets(const TorchNetwork& teacher, const ImageSet& set, Lessons& lessons,
                   const std::string& stage) {
    const std::int64_t classes = teacher.classes();
    const bool taught = result_.loss == Loss::Distill;
    const bool labelled = !set.labels.empty();
    std::vector<float> scores;
    if (taught || !labelled) {
      scores = scores_of(teacher, lessons, [&](double fraction) { say(stage, 0.05 * fraction); });
    }
    lessons.targets = taught ? distributions(scores, classes) : std::vector<float>();
    if (!taught && labelled) lessons.targets = certainties(set, classes);
    if (!labelled) lessons.labels = best_classes(scores, classes);
    if (lessons.targets.empty()) lessons.targets = distributions(scores, classes);
    result_.labelled = labelled;  // of the last set, which is the validation's
  }

  // The best look's numbers become the network.
  void finish(const TorchNetwork& network, const Graph& annotated, const Parameters& as_it_was,
              const ImageSet& validation) {
    result_.best = result_.state.best_look;
    result_.improved = result_.best.top1 >= result_.unchanged.top1;
    const Parameters& numbers = result_.improved ? result_.state.best : as_it_was;
    // Also of what was not trained: its biases, too, have been looked at as multiples of their unit.
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
