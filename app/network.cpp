#include "app/network.h"

#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "app/graphviz.h"
#include "app/terminal.h"
#include "compiler/quantize/quantize.h"
#include "compiler/quantize/statistics_cache.h"
#include "core/error.h"
#include "core/file.h"
#include "explore/flow/machine.h"
#include "explore/flow/quantization.h"
#include "explore/graph_drawing.h"
#include "explore/xfdnn_report.h"

namespace workbench::app {

namespace fs = std::filesystem;

namespace {

CompileRequest request_from(const NetworkOptions& options, bool keep_reference) {
  CompileRequest request;
  request.model = {.name = options.model,
                   .width = options.width,
                   .resolution = options.resolution,
                   .seed = options.seed};
  for (const std::string& text : options.shapes) {
    request.model.import.input_shapes.insert(parse_input_shape(text));
  }
  request.machine = find_machine_file(options.hw);
  request.overrides = options.machine;
  request.tiler = options.tiler;
  request.norm_bits = options.norm_bits;
  request.data = {.calibration = options.calibration,
                  .input = options.input,
                  .preprocessing = options.preprocess,
                  .calibration_limit = options.calibration_limit};
  request.quantizer_table = options.quantizer_json;
  request.scheme = options.scheme;
  request.transforms = transform_texts(options.transforms);
  if (!options.scheme.empty() || !request.transforms.empty()) {
    (void)scheme_named(options.scheme, request.transforms);  // or says so before the work
  }
  request.effort = options.effort;
  if (!options.calibration.empty()) {
    request.calibration_cache = cache_folder(options.calibration_cache);
  }
  request.dump_passes = options.dump_passes;
  request.save_optimized = options.save_optimized;
  request.passes = {.with = options.with_passes, .without = options.without_passes};
  request.allow_host = !options.no_host;
  request.schedule.goal = options.schedule;
  if (!options.schedule_file.empty()) {
    request.schedule.file =
        xdnn::parse_schedule(read_file(options.schedule_file), options.schedule_file.string());
  }
  request.keep_reference = keep_reference;
  return request;
}

// What only one family has.
void require_family(const NetworkOptions& options, const Compiled& compiled) {
  const bool xdnn = is_xdnn(compiled);
  for (const auto& [option, given] :
       {std::pair("--save-quantizer", !options.save_quantizer.empty()),
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

void write_c(const fs::path& folder, const Compiled& compiled) {
  if (folder.empty()) return;
  create_folder(folder);
  for (const auto& [file, text] : emit_c(compiled.pulp_program(), compiled.pulp_machine())) {
    write_file(folder / file, text);
  }
}

// They show what our compiler did.
void require_no_views(const NetworkOptions& options) {
  for (const auto& [option, given] :
       {std::pair("--report", !options.report.empty()),
        std::pair("--graph", !options.graph.empty()),
        std::pair("--save-optimized", !options.save_optimized.empty())}) {
    if (given) fail("{}: expected a network to compile, found --program", option);
  }
}

}  // namespace

void limit_threads(int threads) {
  if (threads <= 0) return;
  cpu_set_t allowed, limited;
  CPU_ZERO(&allowed);
  CPU_ZERO(&limited);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&limited) < threads; ++cpu) {
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &allowed)) {
      CPU_SET(static_cast<std::size_t>(cpu), &limited);
    }
  }
  if (sched_setaffinity(0, sizeof limited, &limited) != 0) {
    fail("--threads {}: {}", threads, std::strerror(errno));
  }
}

Compiled compile_from(const NetworkOptions& options, bool keep_reference, const Progress& progress,
                      const fs::path& program) {
  require_writable_file(options.save_quantizer);
  require_writable_file(options.save_program);
  require_writable_file(options.save_optimized);
  require_writable_file(options.graph);
  require_drawable(options.graph);
  if (!program.empty()) require_no_views(options);
  limit_threads(options.threads);
  if (options.model.empty() && program.empty()) {
    fail("expected a model: an ONNX file or zoo:NAME");
  }
  CompileRequest request = request_from(options, keep_reference);
  request.program = program;
  create_folder(options.dump_passes);
  Compiled compiled = compile_network(request, progress);
  require_family(options, compiled);
  if (!options.save_quantizer.empty()) {
    write_file(options.save_quantizer, to_json(quantizer_table(compiled.quantized)));
  }
  if (!options.save_program.empty()) save(compiled.program, options.save_program);
  write_c(options.emit_c, compiled);
  return compiled;
}

void show_views(const NetworkOptions& options, const Compiled& compiled,
                const std::vector<Cycles>& layer_cycles, std::string_view counted_as) {
  if (!options.graph.empty()) {
    write_drawing(options.graph, dot_drawing(compiled, layer_cycles, counted_as));
  }
  if (options.report != "xfdnn") return;
  const bool natural =
      options.schedule == xdnn::ScheduleGoal::Natural && options.schedule_file.empty();
  print(xfdnn_report(compiled, natural ? StepOrder::Model : StepOrder::Schedule));
}

void require_writable_file(const fs::path& path) {
  if (path.empty()) return;
  std::error_code error;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (fs::is_directory(path, error)) {
    fail("{}: cannot write: expected a file, found a folder", path.string());
  }
  if (!fs::is_directory(folder, error)) {
    fail("{}: cannot write: {} is not a folder", path.string(), folder.string());
  }
  if (access(folder.c_str(), W_OK) != 0) {
    fail("{}: cannot write: {}: {}", path.string(), folder.string(), std::strerror(errno));
  }
}

void create_folder(const fs::path& path) {
  if (path.empty()) return;
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail("{}: cannot create the folder: {}", path.string(), error.message());
  if (!fs::is_directory(path)) fail("{}: expected a folder, found a file", path.string());
  if (access(path.c_str(), W_OK) != 0) {
    fail("{}: cannot write: {}", path.string(), std::strerror(errno));
  }
}

}  // namespace workbench::app
