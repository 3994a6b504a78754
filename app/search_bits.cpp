// workbench search-bits: widths of codes, layer by layer, that lose least for what they cost.
#include "app/commands.h"
#include "app/terminal.h"
#include "compiler/quantize/statistics_cache.h"
#include "core/error.h"
#include "core/file.h"
#include "explore/bits/bit_report.h"
#include "explore/flow/machine.h"
#include "explore/html/page.h"
#include "explore/html/run_page.h"

namespace workbench::app {

namespace {

// The recipe, and where the search has a page, that of the run; returns its path from there, empty
// where there is none.
std::string write_point(const BitPoint& point, const Compiled& compiled,
                        const SimulatedNetwork& run, const SearchBitsOptions& options) {
  if (options.output.empty()) return "";
  const std::filesystem::path stem = options.output / file_stem(point);
  write_file(stem.string() + ".yaml", recipe_file_text(point.recipe));
  if (options.html.empty()) return "";
  const std::filesystem::path page = stem.string() + ".html";
  const std::string& technology = options.quantization.request.technology;
  write_file(page, run_html(compiled, run, technology_for(compiled.machine, technology)));
  return std::filesystem::proximate(page, std::filesystem::absolute(options.html).parent_path())
      .generic_string();
}

}  // namespace

int search_bits(const SearchBitsOptions& options) {
  const PointTrainer train = options.retrain ? point_trainer(options) : PointTrainer();
  require_writable_file(options.json);
  require_writable_file(options.html);
  const OutputFolder output(options.output);
  limit_threads(options.quantization.threads);
  BitSearchRequest request{.network = quantization_request(options.quantization),
                           .calibration = calibration_request(options.quantization),
                           .preprocessing = options.quantization.calibration.preprocess,
                           .preprocessing_steps = options.quantization.calibration.steps,
                           .objectives = options.objectives,
                           .constraints = options.constraints,
                           .points = options.points};
  request.images = {.path = options.images,
                    .labels = options.labels,
                    .selection = {.size = options.limit},
                    .skip_bad = options.quantization.calibration.skip_bad};
  request.on_run = [&](BitPoint& point, const Compiled& compiled, const SimulatedNetwork& run) {
    point.run_page = write_point(point, compiled, run, options);
  };
  request.train = train;
  ProgressBar progress;
  const BitSearchReport report = workbench::search_bits(request, progress.callback());
  progress.clear();
  if (!options.json.empty()) write_file(options.json, bit_search_json(report));
  if (!options.html.empty()) write_file(options.html, bits_html(bit_search_json(report)));
  warn(report.warnings);
  print(bit_search_text(report, {.colour = colours_wanted(), .every_layer = !options.brief}));
  return report.passed() ? 0 : 1;
}

}  // namespace workbench::app
