// workbench run: compile, simulate, compare, report.
#include "app/commands.h"
#include "app/network.h"
#include "app/picture.h"
#include "app/terminal.h"
#include "compiler/quantize/calibrate.h"
#include "core/file.h"
#include "explore/dory_report.h"
#include "explore/energy/energy_text.h"
#include "explore/flow/expectation.h"
#include "explore/html/run_page.h"
#include "explore/json.h"
#include "explore/text.h"
#include "explore/trace.h"

namespace workbench::app {

namespace {

void write_outputs(const RunOptions& options, const Compiled& compiled, const SimulatedNetwork& run,
                   const Technology& technology) {
  if (!options.json.empty()) write_file(options.json, json_report(run.result));
  if (!options.csv.empty()) write_file(options.csv, csv_report(run.result.report));
  if (!options.trace.empty()) {
    write_file(options.trace,
               trace_json(compiled.info(), run.result.timeline, run.result.report.machine));
  }
  if (!options.html.empty() || !options.png.empty()) {
    const std::string html = run_html(compiled, run, technology);
    if (!options.html.empty()) write_file(options.html, html);
    if (!options.png.empty()) write_picture(options.png, html, "roofline");
  }
  if (options.dump_tensors.empty()) return;
  for (const auto& [name, tensor] : run.tensors) {
    write_file(options.dump_tensors / (file_name_of(name) + ".npy"), npy_bytes(tensor));
  }
}

void show_energy(const Technology& technology, const Compiled& compiled, const Report& report,
                 const std::vector<Cycles>& layer_cycles) {
  const Energy used = energy(compiled.program, compiled.machine, technology, layer_cycles).total;
  const double seconds =
      static_cast<double>(report.cycles.value) / (report.machine.report_clock_mhz * 1e6);
  print("\n" + energy_text(used, compiled.machine, technology, report.machine.images, seconds));
}

}  // namespace

int run(const RunOptions& options) {
  for (const auto* path :
       {&options.json, &options.csv, &options.trace, &options.html, &options.png}) {
    require_writable_file(*path);
  }
  require_picture(options.png);
  ProgressBar progress;
  const Compiled compiled =
      compile_from(options.network, true, progress.callback(), options.program);
  const Technology technology = technology_for(compiled.machine, options.technology);
  create_folder(options.dump_tensors);
  SimulatedNetwork simulated = run_network(
      compiled, {.golden = options.golden, .values = !options.timing_only}, progress.callback());
  progress.clear();
  if (options.deterministic) simulated.result.wall.reset();
  write_outputs(options, compiled, simulated, technology);
  warn(simulated.result.warnings);
  std::vector<Cycles> cycles;
  for (const LayerReport& layer : simulated.result.report.layers) cycles.push_back(layer.cycles);
  show_views(options.network, compiled, cycles, "of the run");
  if (options.network.report == "dory") print(dory_report(compiled, simulated));
  print(text_report(simulated.result, {.colour = colours_wanted(), .every_layer = !options.brief}));
  if (!options.technology.empty()) {
    show_energy(technology, compiled, simulated.result.report, cycles);
  }
  return passed(simulated.result) ? 0 : 1;
}

}  // namespace workbench::app
