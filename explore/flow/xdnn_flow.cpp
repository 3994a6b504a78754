#include <algorithm>
#include <optional>

#include "compiler/passes/passes.h"
#include "compiler/quantize/quantize.h"
#include "compiler/xdnn/fit_limits.h"
#include "compiler/xdnn/replay.h"
#include "compiler/xdnn/support.h"
#include "core/file.h"
#include "explore/flow/flow.h"
#include "isa/xdnn/listing_text.h"
#include "sim/xdnn/simulate.h"

namespace workbench {

namespace {

std::string wait_bits_text(const xdnn::Program& program, const xdnn::Machine& machine) {
  const xdnn::WaitBits bits = xdnn::count_wait_bits(program, machine);
  std::string text =
      fmt::format("replay: {} of {} wait bits are redundant", bits.redundant, bits.set);
  if (bits.missing > 0) text += fmt::format(", {} are missing", bits.missing);
  return text;
}

}  // namespace

xdnn::Listing load_listing(const std::filesystem::path& path) {
  return xdnn::parse_listing(read_file(path), path.string());
}

xdnn::Program replayed_program(const xdnn::Listing& listing, const Graph& quantized,
                               const xdnn::Machine& machine, std::vector<std::string>& remarks) {
  xdnn::Replay replay = xdnn::replay(listing, quantized, machine);
  for (const std::string& note : replay.notes) remarks.push_back("replay: " + note);
  if (!machine.serial()) remarks.push_back(wait_bits_text(replay.program, machine));
  return std::move(replay.program);
}

namespace {

std::optional<QuantizerTable> read_table(const std::filesystem::path& path) {
  if (path.empty()) return std::nullopt;
  return quantizer_table_from_json(read_file(path), path.string());
}

std::vector<EngineReport> engine_reports(const xdnn::SimulationResult& simulated) {
  std::vector<EngineReport> engines;
  for (const xdnn::EngineTimes& times : simulated.engines) {
    engines.push_back({times.latency, times.interval, times.ddr_waited});
  }
  return engines;
}

}  // namespace

// The integer network. The float ones are left behind here, so that their memory, which is most of
// what a compilation needs, is there for what follows.
Graph xdnn_integers(Graph imported, const CompileRequest& request, RunData data, Compiled& compiled,
                    const Progress& progress) {
  const xdnn::Machine& machine = compiled.xdnn_machine();
  const std::optional<QuantizerTable> table = read_table(request.quantizer_table);
  compiled.input = data.input;
  Graph passed = imported;
  {
    const Stopwatch stopwatch(compiled.wall.compile_seconds);
    run_passes(passed, float_pipeline(request.passes), request.dump_passes);
    // Somebody else's program was made for the network as it is.
    if (request.program.empty() && xdnn::fit_limits(passed, machine, request.passes) &&
        !request.dump_passes.empty()) {
      write_file(request.dump_passes / "fit_limits.txt", print_graph(passed));
    }
    save_optimized(passed, request.save_optimized, compiled.warnings);
  }
  if (progress) progress("calibrating", 0.1);
  const QuantizeOptions options{.bits = static_cast<int>(machine.array.bits),
                                .limits = xdnn::requantize_limits(machine),
                                .host_reason = xdnn::host_reasons(machine)};
  const QuantizeTarget target = xdnn_quantize_target(options);
  if (!wants_published(request)) {
    if (table) fail("--quantizer-json and --scheme: expected one of them");
    return integers_by_scheme(std::move(imported), std::move(passed), data, request, target,
                              compiled, progress);
  }
  const Thresholds thresholds =
      published_thresholds(imported, passed, data, request, target, options.bits, compiled);
  imported = {};
  if (progress) progress("quantizing", 0.3);
  const Stopwatch stopwatch(compiled.wall.compile_seconds);
  Graph integers = quantize(passed, thresholds, options, table ? &*table : nullptr);
  if (table) {
    if (const auto left_out = layers_left_out(*table, integers)) {
      compiled.warnings.push_back(request.quantizer_table.string() + ": " + *left_out);
    }
  }
  return integers;
}

Simulated xdnn_simulated(const Compiled& compiled, bool values) {
  if (!values) fail("--timing-only: {} has no model without data", name(compiled.machine));
  xdnn::SimulationResult run =
      xdnn::simulate(compiled.xdnn_program(), compiled.xdnn_machine(), compiled.input);
  Simulated simulated{.outputs = std::move(run.outputs),
                      .tensors = std::move(run.tensors),
                      .timeline = std::move(run.timeline),
                      .hazards = std::move(run.hazards),
                      .engines = engine_reports(run),
                      .counters = {},
                      .warnings = {}};
  for (const auto& [layer, sums] : run.wide_accumulators) {
    simulated.warnings.push_back(fmt::format(
        "{}: {} sums exceed 24 bits; what the hardware does then is not published", layer, sums));
  }
  return simulated;
}

}  // namespace workbench
