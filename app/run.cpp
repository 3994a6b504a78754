// workbench compile, run and verify: what the machine would run; simulated, compared with the
// golden model and reported; compared with golden tensors of other tools.
#include <algorithm>

#include "app/commands.h"
#include "app/terminal.h"
#include "compiler/quantize/quantize.h"
#include "compiler/quantize/statistics_cache.h"
#include "compiler/quantize/table.h"
#include "core/error.h"
#include "core/file.h"
#include "data/arrays.h"
#include "explore/energy/energy.h"
#include "explore/flow/application.h"
#include "explore/flow/detailed.h"
#include "explore/flow/expectation.h"
#include "explore/flow/golden_files.h"
#include "explore/flow/machine.h"
#include "explore/flow/machine_file.h"
#include "explore/flow/quantization.h"
#include "explore/html/run_page.h"
#include "explore/report/bounds.h"
#include "explore/report/compiler_reports.h"
#include "explore/report/execution.h"
#include "explore/report/export.h"
#include "explore/report/graph_drawing.h"
#include "explore/report/text.h"
#include "explore/sweep/knob_steps.h"
#include "explore/validate/support.h"
#include "sim/golden/golden.h"

namespace workbench::app {

namespace fs = std::filesystem;

namespace {

// Names of the command line as the files and texts that they stand for.
CompileRequest resolved(CompileRequest request) {
  request.machine = find_machine_file(request.machine.string());
  require_options_of_family(request);
  request.transforms = transform_texts(request.transforms);
  if (!request.scheme.empty() || !request.transforms.empty()) {
    (void)scheme_named(request.scheme, request.transforms);  // or says so before the work
  }
  const std::string cache = request.calibration_cache.string();
  request.calibration_cache = request.data.calibration.empty() ? fs::path() : cache_folder(cache);
  return request;
}

// What only one family has.
void require_family(const ViewOptions& options, const Compiled& compiled) {
  const bool xdnn = is_xdnn(compiled);
  for (const auto& [option, given] :
       {std::pair("--save-quantizer", !options.save_quantizer.empty()),
        std::pair("--emit-runtime", !options.emit_runtime.empty()),
        std::pair("--report xfdnn", options.report == "xfdnn")}) {
    if (given && !xdnn)
      fail("{}: expected an xDNN machine, found {}", option, name(compiled.machine));
  }
  for (const auto& [option, given] : {std::pair("--emit-c", !options.emit_c.empty()),
                                      std::pair("--report dory", options.report == "dory")}) {
    if (given && xdnn)
      fail("{}: expected a PULP machine, found {}", option, name(compiled.machine));
  }
}

// What the card's runtime takes is a program of one image, in a dialect that it knows.
void require_runtime_program(const CompileRequest& request) {
  if (const std::int64_t images = request.batch.value_or(1); images > 1) {
    fail(
        "--emit-runtime: expected a program of one image, which the runtime runs for each, found "
        "--batch {}",
        images);
  }
  const std::optional<Machine> machine = machine_of(request);
  const auto* overlay = machine ? std::get_if<xdnn::Machine>(&*machine) : nullptr;
  if (overlay == nullptr) return;  // which is said of all that it has not
  if (overlay->family() == xdnn::Family::MathEngine) {
    fail(
        "--emit-runtime: expected a machine of the families xdnn_v2, xdnn_v3 or darius, found {}: "
        "no program of the family math_engine has been published, so that its dialect is unknown",
        overlay->name);
  }
}

// They show what our compiler did.
void require_no_views(const ViewOptions& views, const CompileRequest& request) {
  for (const auto& [option, given] :
       {std::pair("--report", !views.report.empty()), std::pair("--graph", !views.graph.empty()),
        std::pair("--emit-runtime", !views.emit_runtime.empty()),
        std::pair("--save-optimized", !request.save_optimized.empty())}) {
    if (given) fail("{}: expected a network to compile, found --program", option);
  }
}

// Compiles, and writes the quantizer table and the program where asked for.
Compiled compile_from(const CompileRequest& asked, const ViewOptions& views, int threads,
                      const Progress& progress) {
  require_writable_file(views.save_quantizer);
  require_writable_file(views.save_program);
  require_writable_file(asked.save_optimized);
  require_writable_file(views.graph);
  require_drawable(views.graph);
  if (!asked.program.empty()) require_no_views(views, asked);
  limit_threads(threads);
  if (asked.model.name.empty() && asked.program.empty()) {
    fail("expected a model: an ONNX or Caffe file, or zoo:NAME");
  }
  FreshFolder application("--emit-c", views.emit_c, kApplicationMark);
  FreshFolder runtime("--emit-runtime", views.emit_runtime, kRuntimeMark);
  if (runtime.is_wanted() && !asked.save_optimized.empty()) {
    fail(
        "--emit-runtime and --save-optimized: expected one of them; the former writes "
        "network.onnx");
  }
  CompileRequest request = resolved(asked);
  if (runtime.is_wanted()) require_runtime_program(request);
  const OutputFolder dump_passes(request.dump_passes);
  if (runtime.is_wanted()) {
    runtime.make();
    request.save_optimized = runtime.path() / "network.onnx";
  }
  Compiled compiled = compile_network(request, progress);
  for (std::string& text : missing_groups(request.machine)) {
    compiled.warnings.push_back(std::move(text));
  }
  require_family(views, compiled);
  if (!views.save_quantizer.empty()) {
    write_file(views.save_quantizer, to_json(quantizer_table(compiled.quantized)));
  }
  if (!views.save_program.empty()) save(compiled.program, views.save_program);
  if (application.is_wanted()) {
    for (std::string& text : write_application(application, compiled)) {
      compiled.warnings.push_back(std::move(text));
    }
  }
  if (runtime.is_wanted()) {
    const std::string gap = write_runtime_files(runtime, compiled);
    if (!gap.empty()) compiled.warnings.push_back(gap);
  }
  return compiled;
}

// What --report and --graph ask for, with the cycles of each layer of the program and what they
// are.
void show_views(const CompileRequest& request, const ViewOptions& views, const Compiled& compiled,
                const std::vector<Cycles>& layer_cycles, std::string_view counted_as) {
  if (!views.graph.empty()) {
    write_drawing(views.graph, dot_drawing(compiled, layer_cycles, counted_as));
  }
  if (views.report != "xfdnn") return;
  const bool natural = request.schedule.goal == xdnn::OrderGoal::Natural && !request.schedule.file;
  print(xfdnn_report(compiled, natural ? StepOrder::Model : StepOrder::Schedule));
}

void write_outputs(const RunFiles& files, const Compiled& compiled, const DetailedRun& detailed,
                   const Technology& technology) {
  const SimulatedNetwork& run = detailed.network;
  if (!files.json.empty()) write_file(files.json, json_report(run.result, detailed.layers));
  if (!files.csv.empty()) write_file(files.csv, csv_report(run.result.report));
  if (!files.trace.empty()) {
    write_file(files.trace,
               trace_json(compiled.info(), run.result.timeline, run.result.report.machine));
  }
  if (!files.html.empty() || !files.png.empty()) {
    const std::string html = run_html(compiled, run, technology);
    if (!files.html.empty()) write_file(files.html, html);
    if (!files.png.empty()) write_picture(files.png, html, "roofline");
  }
  if (files.dump_tensors.empty()) return;
  for (const auto& [name, tensor] : run.tensors) {
    write_file(files.dump_tensors / (file_name_of(name) + ".npy"), npy_bytes(tensor));
  }
}

void show_energy(const Technology& technology, const Compiled& compiled, const Report& report,
                 const std::vector<Cycles>& layer_cycles) {
  const Energy used = energy(compiled.program, compiled.machine, technology, layer_cycles).total;
  const double seconds =
      static_cast<double>(report.cycles.value) / (report.machine.report_clock_mhz * 1e6);
  print("\n" + energy_text(used, compiled.machine, technology, report.machine.images, seconds));
}

void show_advice(const std::vector<KnobStep>& steps) {
  print("\nwhat would help (time of an image, analytic tier)\n");
  for (const std::string& line : advice_lines(steps)) print(line + "\n");
}

}  // namespace

int run(const RunOptions& options) {
  const RunFiles& files = options.files;
  for (const auto* path : {&files.json, &files.csv, &files.trace, &files.html, &files.png}) {
    require_writable_file(*path);
  }
  require_picture(files.png);
  if (options.tier == "detailed") require_riscv_compiler();
  ProgressBar progress;
  CompileRequest request = options.request;
  if (!request.program.empty() && request.model.name.empty()) {  // weights are the model then
    request.model.name = std::exchange(request.model.import.weights, {}).string();
  }
  const Compiled compiled =
      compile_from(request, options.views, options.threads, progress.callback());
  const Technology technology = technology_for(compiled.machine, request.technology);
  const OutputFolder dump_tensors(files.dump_tensors);
  const RunRequest how{
      .golden = options.golden, .values = !options.timing_only, .bounds = options.explain_bound};
  DetailedRun done;  // of the transaction tier only its network
  if (options.tier == "detailed") {
    done = run_detailed(compiled, how, progress.callback());
  } else {
    done.network = run_network(compiled, how, progress.callback());
  }
  SimulatedNetwork& simulated = done.network;
  if (options.advise) {
    simulated.result.advice = knob_steps(resolved(options.request), progress.callback());
  }
  progress.clear();
  simulated.result.support = support_of(compiled);
  if (options.deterministic) simulated.result.wall.reset();
  write_outputs(files, compiled, done, technology);
  warn(simulated.result.warnings);
  std::vector<Cycles> cycles;
  for (const LayerReport& layer : simulated.result.report.layers) cycles.push_back(layer.cycles);
  show_views(options.request, options.views, compiled, cycles, "of the run");
  if (options.views.report == "dory") print(dory_report(compiled, simulated));
  const DataOptions& data = options.request.data;
  print(text_report(simulated.result,
                    {.colour = colours_wanted(),
                     .every_layer = !options.brief,
                     .judge_accuracy = !data.input.empty() || !data.calibration.empty()}));
  if (!done.layers.empty() && !options.brief) {
    print(cores_text(simulated.result.report, done.layers));
  }
  if (simulated.result.bounds) {
    print(bound_text(explain(*simulated.result.bounds, simulated.result.report)));
  }
  if (!options.request.technology.empty()) {
    show_energy(technology, compiled, simulated.result.report, cycles);
  }
  if (simulated.result.advice) show_advice(*simulated.result.advice);
  return passed(simulated.result) ? 0 : 1;
}

namespace {

std::string memories(const xdnn::Program& program) {
  return fmt::format(
      "AM            peak {} of {}; as written, the network has {} live at one time\n"
      "DDR           {}, of which {} are constants\n",
      byte_text(program.info.peak_bytes), byte_text(program.info.capacity_bytes),
      byte_text(program.info.minimum_bytes), byte_text(program.ddr_bytes),
      byte_text(static_cast<std::int64_t>(program.constants.size())));
}

std::string memories(const pulp::Program& program) {
  return fmt::format("L1, L2        {} and {} used\nL3            {}, of which {} are constants\n",
                     byte_text(program.l1_bytes), byte_text(program.l2_bytes),
                     byte_text(program.l3_bytes),
                     byte_text(static_cast<std::int64_t>(program.constants.size())));
}

std::string summary(const Compiled& compiled) {
  const ProgramInfo& info = compiled.info();
  std::string text = fmt::format(
      "machine       {}\nnetwork       {}: {} MACs, {} ops, {} parameters\n"
      "instructions  {} in {} layers\n",
      name(compiled.machine), info.network, thousands(info.network_macs),
      thousands(info.network_ops), thousands(info.network_parameters),
      thousands(static_cast<std::int64_t>(info.instruction_layer.size())), info.layers.size());
  text += std::visit([](const auto& program) { return memories(program); }, compiled.program);
  for (const HostStepInfo& step : info.host_steps) {
    text += fmt::format("on the host   {} ({}): {}\n", step.name, step.op, step.reason);
  }
  return text;
}

}  // namespace

int compile(const CompileCommandOptions& options) {
  ProgressBar progress;
  CompileRequest request = options.request;
  request.keep_reference = false;
  const Compiled compiled =
      compile_from(request, options.views, options.threads, progress.callback());
  progress.clear();
  warn(compiled.warnings);
  show_views(options.request, options.views, compiled, cycles_alone(compiled), "alone");
  print(summary(compiled));
  if (options.dump_schedules) {
    if (!is_xdnn(compiled)) {
      fail("--dump-schedules: expected an xDNN machine, found {}", name(compiled.machine));
    }
    print(schedule_report(compiled.quantized, compiled.xdnn_machine(),
                          {.goal = options.request.schedule.goal}));
  }
  return 0;
}

namespace {

std::string line(const Difference& one) {
  std::string text =
      fmt::format("{} {}: {} of {} values differ, largest error {:g}, {:.1f} dB",
                  one.mismatches == 0 ? "ok  " : "FAIL", one.value, thousands(one.mismatches),
                  thousands(one.values), one.largest_error, one.decibel);
  if (one.mismatches > 0) {
    text += fmt::format("; first at {}: expected {:g}, got {:g}", one.first, one.expected, one.got);
  }
  return text + "\n";
}

struct Checked {
  std::vector<std::string> mapping;  // of files to layers
  std::vector<Difference> differences;
  std::vector<Hazard> hazards;
};

// DORY's and Deeploy's files hold a layer's codes, and some its accumulators, which exist in the
// golden model alone.
Checked check_golden_files(const VerifyOptions& options, const Compiled& compiled,
                           const Progress& progress) {
  Checked checked;
  const auto files = read_golden_folder(options.expect, compiled.quantized);
  for (const GoldenFile& file : files) checked.mapping.push_back(mapping_line(file));
  SimulatedNetwork run = run_network(compiled, {.golden = false}, progress);
  checked.differences = compare(files, compiled.quantized, run.tensors,
                                golden::run(compiled.quantized, compiled.input));
  checked.hazards = std::move(run.result.hazards);
  return checked;
}

Checked check_tensors(const VerifyOptions& options, const Compiled& compiled,
                      const Progress& progress) {
  Checked checked;
  const auto expectations = read_expectations(options.expect, compiled.quantized);
  SimulatedNetwork run = run_network(compiled, {.golden = false}, progress);
  checked.differences =
      compare(expectations, compiled.quantized, run.tensors,
              {.absolute = options.absolute_tolerance, .relative = options.relative_tolerance});
  checked.hazards = std::move(run.result.hazards);
  return checked;
}

}  // namespace

int verify(const VerifyOptions& options) {
  ProgressBar progress;
  CompileRequest request = options.request;
  request.keep_reference = false;
  const Compiled compiled =
      compile_from(request, options.views, options.threads, progress.callback());
  const bool files = compiled.was_integer && is_golden_folder(options.expect);
  const Checked checked = files ? check_golden_files(options, compiled, progress.callback())
                                : check_tensors(options, compiled, progress.callback());
  progress.clear();
  warn(compiled.warnings);
  for (const std::string& note : compiled.notes) print(note + "\n");
  for (const std::string& mapped : checked.mapping) print(mapped + "\n");
  const std::vector<Difference> differences =
      in_network_order(checked.differences, compiled.quantized);
  for (const Difference& one : differences) print(line(one));
  print(summary(differences, compiled.quantized) + "\n");
  for (const Hazard& hazard : checked.hazards) print("hazard: " + to_string(hazard) + "\n");
  const bool equal = std::all_of(differences.begin(), differences.end(),
                                 [](const Difference& one) { return one.mismatches == 0; });
  return equal && checked.hazards.empty() ? 0 : 1;
}

}  // namespace workbench::app
