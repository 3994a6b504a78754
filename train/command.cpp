// `workbench retrain` and `search-bits --retrain` where libtorch is: options to a request, results
// to files.
#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "app/commands.h"
#include "app/terminal.h"
#include "compiler/quantize/statistics_cache.h"
#include "core/error.h"
#include "core/file.h"
#include "explore/bits/bit_report.h"
#include "explore/flow/machine.h"
#include "explore/flow/quantization_report.h"
#include "explore/html/page.h"
#include "train/retrain.h"

namespace workbench::app {

namespace {

// As published for batches of 24 images (docs/facts/quantization.md 1.8).
constexpr std::int64_t kPublishedBatch = 24, kPublishedSettling = 1000;

train::Loss loss_of(const std::string& name) {
  using train::Loss;
  for (const Loss loss : {Loss::Labels, Loss::Both}) {
    if (name == train::name_of(loss)) return loss;
  }
  return Loss::Distill;
}

train::Augment augment_of(const RetrainCommandOptions& options) {
  // A mirrored digit is not of its class; what the float network says of it can be learnt.
  const bool classes = loss_of(options.loss) != train::Loss::Distill;
  if (options.augment.empty()) return {.shift = true, .flip = !classes};
  train::Augment how;
  const std::array<std::pair<std::string_view, bool*>, 4> ways{
      {{"shift", &how.shift}, {"flip", &how.flip}, {"noise", &how.noise}, {"mix", &how.mix}}};
  for (const std::string& name : options.augment) {
    const auto way = std::ranges::find(ways, name, [](const auto& one) { return one.first; });
    if (way != ways.end()) {
      *way->second = true;
    } else if (name != "none" || options.augment.size() > 1) {
      fail("--augment {}: expected none, or some of shift, flip, noise and mix, found {}",
           fmt::join(options.augment, ","), name);
    }
  }
  if (how.mix && classes) {
    fail("--augment mix: expected --loss distill, found {}: a blend of two images is of no class",
         options.loss);
  }
  return how;
}

train::Schedule schedule_of(const RetrainCommandOptions& options) {
  return {.trained = {.weights = options.mode != "thresholds", .steps = options.mode != "weights"},
          .epochs = options.epochs,
          .batch = options.batch,
          .seed = options.seed,
          .augment = augment_of(options),
          .weight_rate = options.weight_rate,
          .threshold_rate = options.threshold_rate,
          .look_every = options.look_every,
          .settle_after =
              std::max<std::int64_t>(1, kPublishedSettling * kPublishedBatch / options.batch)};
}

train::RetrainRequest request_of(const RetrainCommandOptions& options) {
  const CalibrationOptions& asked = options.quantization.calibration;
  // Not among the initializers: where one throws, g++ 12 destroys members that it has not begun.
  const train::Schedule schedule = schedule_of(options);
  const CompileRequest network = quantization_request(options.quantization);
  const ImageRequest calibration = calibration_request(options.quantization);
  train::RetrainRequest request{.network = network,
                                .calibration = calibration,
                                .preprocessing = asked.preprocess,
                                .preprocessing_steps = asked.steps,
                                .lessons = {.path = options.train, .skip_bad = asked.skip_bad},
                                .loss = loss_of(options.loss),
                                .schedule = schedule,
                                .checkpoint = options.checkpoint,
                                .golden_images = options.golden_images,
                                .device = options.device,
                                .threads = options.quantization.threads};
  if (options.train_limit > 0) {
    request.lessons.selection = {.size = options.train_limit, .seed = options.seed};
  }
  if (!options.validate.empty()) {
    request.validation = {.path = options.validate,
                          .selection = {.size = options.validate_limit},
                          .skip_bad = asked.skip_bad};
  }
  if (!options.test.empty()) request.test = {.path = options.test, .skip_bad = asked.skip_bad};
  if (request.checkpoint.empty()) {
    request.checkpoint = options.output;
    request.checkpoint += ".checkpoint";
  }
  return request;
}

// Of the points of a search: what is trained is what the machine runs, and with a folder for files
// a model, too.
class PointTraining {
 public:
  explicit PointTraining(const SearchBitsOptions& options)
      : folder_(options.output),
        options_{.quantization = options.quantization,
                 .train = options.train,
                 .epochs = options.epochs} {
    const CompileRequest network = request_of(options_).network;
    const CalibrationOptions& asked = options.quantization.calibration;
    const ImageRequest first{
        .path = options.train, .selection = {.size = 1}, .skip_bad = asked.skip_bad};
    (void)open_calibration(network, first, asked.preprocess, asked.steps);
  }

  Quantized operator()(const BitPoint& point, const CompileRequest& network,
                       const Progress& progress) const {
    train::RetrainRequest request = request_of(options_);
    request.network = network;
    request.checkpoint.clear();
    request.golden_images = 0;  // the simulation is compared with the golden model
    Quantized trained = train::retrain(request, progress).network;
    if (!folder_.empty()) write(trained, folder_ / (file_stem(point) + ".onnx"));
    return trained;
  }

 private:
  void write(const Quantized& network, const std::filesystem::path& file) const {
    constexpr ModelFormat kFormat = ModelFormat::Qdq;
    write_quantized_model(network, quantized_model(network, kFormat), kFormat, file);
    write_preprocessing(options_.quantization, network, kFormat, file);
  }

  std::filesystem::path folder_;
  RetrainCommandOptions options_;
};

}  // namespace

PointTrainer point_trainer(const SearchBitsOptions& options) { return PointTraining(options); }

int retrain(const RetrainCommandOptions& options) {
  for (const auto& file : {options.output, options.json, options.html}) require_writable_file(file);
  limit_threads(options.quantization.threads);
  const train::RetrainRequest request = request_of(options);
  const ModelFormat format = model_format(options.format);
  require_format(format, request.network.target);
  require_code_width(format, request.network);
  ProgressBar bar;
  const Progress show = bar.callback();
  const train::Retrained retrained =
      train::retrain(request, [&](const std::string& stage, double fraction) {
        if (show) show(stage, fraction);
      });
  bar.clear();
  const Quantized& network = retrained.network;
  const Graph model = quantized_model(network, format);
  const std::vector<std::string> remarks =
      write_quantized_model(network, model, format, options.output);
  const std::string json = train::to_json(retrained);
  if (!options.json.empty()) write_file(options.json, json);
  if (!options.html.empty()) write_file(options.html, retrain_html(json));
  std::error_code ignored;
  std::filesystem::remove(request.checkpoint, ignored);
  warn(retrained.warnings);
  std::string text = train::to_text(retrained);
  text += fmt::format("wrote        {}\n", options.output.string());
  for (const std::string& line : remarks) text += "             " + line + "\n";
  text += write_preprocessing(options.quantization, network, format, options.output);
  print(text);
  return 0;
}

}  // namespace workbench::app
