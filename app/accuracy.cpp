// workbench accuracy: what the integers cost, in classes and layer by layer.
#include "explore/flow/accuracy.h"

#include "app/quantize_options.h"
#include "app/terminal.h"
#include "core/file.h"
#include "explore/flow/accuracy_report.h"
#include "explore/html/accuracy_page.h"

namespace workbench::app {

int accuracy(const AccuracyCommandOptions& options) {
  require_writable_file(options.json);
  require_writable_file(options.html);
  limit_threads(options.quantization.threads);
  AccuracyRequest request{.network = quantization_request(options.quantization),
                          .calibration = calibration_request(options.quantization),
                          .preprocessing = options.quantization.preprocess,
                          .preprocessing_steps = options.quantization.steps};
  request.images.path = options.images;
  request.images.labels = options.labels;
  request.images.selection.size = options.limit;
  request.images.skip_bad = options.quantization.skip_bad;
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
