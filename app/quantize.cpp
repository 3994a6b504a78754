// workbench quantize: a float network with the codes of every tensor decided, as a file. workbench
// accuracy: the loss of quantization, in classes and layer by layer.
#include "app/commands.h"
#include "app/terminal.h"
#include "compiler/quantize/statistics_cache.h"
#include "core/error.h"
#include "core/file.h"
#include "data/arrays.h"
#include "data/image_set.h"
#include "data/samples.h"
#include "explore/flow/accuracy.h"
#include "explore/flow/accuracy_report.h"
#include "explore/flow/expectation.h"
#include "explore/flow/machine.h"
#include "explore/flow/quantization_report.h"
#include "explore/html/page.h"

namespace workbench::app {

CompileRequest quantization_request(const QuantizationOptions& options) {
  CompileRequest request = options.request;
  if (!request.quantizer_table.empty()) request.scheme = "published";  // which takes tables
  if (!request.machine.empty()) request.machine = find_machine_file(request.machine.string());
  request.target = target_of(request, options.target_without_machine);
  request.transforms = transform_texts(request.transforms);
  require_target(scheme_named(request.scheme, request.transforms), request.target);
  request.calibration_cache = cache_folder(request.calibration_cache.string());
  return request;
}

ImageRequest calibration_request(const QuantizationOptions& options) {
  const CalibrationOptions& asked = options.calibration;
  ImageRequest images{.path = asked.images,
                      .with_labels = false,
                      .selection = {.size = asked.size, .seed = asked.seed},
                      .skip_bad = asked.skip_bad};
  if (!asked.indices.empty()) {
    if (asked.seed) fail("--calibration-indices: excludes --calibration-seed");
    images.selection.indices = parse_indices(asked.indices);
  }
  return images;
}

namespace {

// How the first input becomes codes; none: it stays real.
const Quantization* input_codes(const Graph& integers) {
  for (const Node& node : integers.nodes) {
    if (!std::holds_alternative<Quantize>(node.op)) continue;
    if (node.inputs[0] == integers.inputs.at(0)) {
      return &integers.value(node.outputs[0]).quantization.value();
    }
  }
  return nullptr;
}

// Steps that give codes instead of real numbers: (x - mean) * scale / step + zero point.
Preprocessing into_codes(Preprocessing steps, const Quantization& codes) {
  const double step = codes.step(0);
  const auto zero_point = static_cast<double>(codes.zero_point(0));
  if (zero_point != 0) {
    const std::size_t channels = std::max(steps.mean_value.size(), steps.input_scale.size());
    std::vector<double> means;
    for (std::size_t c = 0; c < channels; ++c) {
      const double scale = steps.input_scale[c % steps.input_scale.size()];
      const double mean =
          steps.mean_value.empty() ? 0 : steps.mean_value[c % steps.mean_value.size()];
      means.push_back(mean - zero_point * step / scale);
    }
    steps.mean_value = std::move(means);
  }
  for (double& scale : steps.input_scale) scale /= step;
  return steps;
}

}  // namespace

std::string write_preprocessing(const QuantizationOptions& options, const Quantized& network,
                                ModelFormat format, const std::filesystem::path& model) {
  const CalibrationOptions& asked = options.calibration;
  auto steps = merge_preprocessing(preprocessing_file(options.request.model.name, asked.preprocess),
                                   asked.steps);
  if (!steps) return "";
  // The inputs of NEMO's form are codes.
  const Quantization* codes = format == ModelFormat::Nemo ? input_codes(network.integers) : nullptr;
  if (codes != nullptr) steps = into_codes(*std::move(steps), *codes);
  const auto beside = preprocessing_beside(model.string());
  write_file(beside, preprocessing_text(*steps));
  return fmt::format("             {}: how images become its input\n", beside.string());
}

namespace {

// What to tell of the file; `warnings` are told when all is written.
std::string write_model(const QuantizeCommandOptions& options, const Quantized& network,
                        const SampleSource& images, std::vector<std::string>& warnings) {
  const ModelFormat format = model_format(options.format);
  const Graph model = quantized_model(network, format);
  std::string text;
  if (!options.output.empty()) {
    const std::vector<std::string> remarks =
        write_quantized_model(network, model, format, options.output);
    warnings = rounding_notes(model);
    text = fmt::format("wrote        {}\n", options.output.string());
    for (const std::string& line : remarks) text += "             " + line + "\n";
    text += write_preprocessing(options.quantization, network, format, options.output);
  }
  if (options.dump_reference.empty()) return text;
  // The integers that NEMO's form is in floats, which may not hold an accumulator.
  const Graph& exact = format == ModelFormat::Nemo ? network.integers : model;
  for (const auto& [name, tensor] : computed_values(exact, images.at(0))) {
    write_file(options.dump_reference / (file_name_of(name) + ".npy"), npy_bytes(tensor));
  }
  return text;
}

// `accuracy` calibrates with some of the images that it scores; here there are no others.
void require_images_to_choose_from(const QuantizationOptions& options) {
  const CalibrationOptions& asked = options.calibration;
  if (!asked.images.empty()) return;
  const char* const option = asked.size != 0          ? "--calibration-size"
                             : asked.seed             ? "--calibration-seed"
                             : !asked.indices.empty() ? "--calibration-indices"
                                                      : nullptr;
  if (option != nullptr) fail("{}: expected images with --calibration, found none", option);
}

}  // namespace

int quantize(const QuantizeCommandOptions& options) {
  require_writable_file(options.output);
  require_writable_file(options.save_quantizer);
  const OutputFolder dump_reference(options.dump_reference);
  limit_threads(options.quantization.threads);
  const CompileRequest request = quantization_request(options.quantization);
  require_format(model_format(options.format), request.target);
  if (!options.output.empty() || !options.dump_reference.empty()) {
    require_code_width(model_format(options.format), request);
  }
  if (!options.save_quantizer.empty()) require_quantizer_file(request);
  require_images_to_choose_from(options.quantization);
  const ImageSet images = open_calibration(request, calibration_request(options.quantization),
                                           options.quantization.calibration.preprocess,
                                           options.quantization.calibration.steps);
  ProgressBar progress;
  const Quantized network = quantize_network(request, images.samples, progress.callback());
  const std::vector<LoweringDifference> differences =
      lowering_differences(network, images.samples, options.compared_images);
  progress.clear();
  std::string written;
  std::vector<std::string> rounding;
  const bool saves = !options.save_quantizer.empty();
  const std::string quantizer = saves ? quantizer_file(network) : "";
  if (!options.output.empty() || !options.dump_reference.empty()) {
    written = write_model(options, network, images.samples, rounding);
  }
  if (saves) write_file(options.save_quantizer, quantizer);
  warn(rounding);
  // No images for calibration are no fault where none are needed.
  const bool given = !options.quantization.calibration.images.empty();
  if (given || network.calibrated) warn(images.warnings);
  warn(dead_values(network));
  warn(network.warnings);
  print(quantization_text(network, images, differences) + written);
  return 0;
}

int accuracy(const AccuracyCommandOptions& options) {
  require_writable_file(options.json);
  require_writable_file(options.html);
  limit_threads(options.quantization.threads);
  AccuracyRequest request{.network = quantization_request(options.quantization),
                          .calibration = calibration_request(options.quantization),
                          .preprocessing = options.quantization.calibration.preprocess,
                          .preprocessing_steps = options.quantization.calibration.steps};
  request.images.path = options.images;
  request.images.labels = options.labels;
  request.images.selection.size = options.limit;
  request.images.skip_bad = options.quantization.calibration.skip_bad;
  request.measure = {.golden_images = options.golden_images, .layers = !options.brief};
  ProgressBar progress;
  const Accuracy accuracy = run_accuracy(request, progress.callback());
  progress.clear();
  if (!options.json.empty()) write_file(options.json, accuracy_json(accuracy.report));
  if (!options.html.empty()) write_file(options.html, accuracy_html(accuracy.report));
  warn(accuracy.report.warnings);
  print(accuracy_text(accuracy.report));
  return accuracy.report.passed() ? 0 : 1;
}

}  // namespace workbench::app
