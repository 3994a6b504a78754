#include "explore/pipeline.h"

#include <chrono>
#include <future>
#include <optional>
#include <set>

#include "compiler/import/export.h"
#include "compiler/passes/passes.h"
#include "compiler/xdnn/compile.h"
#include "compiler/xdnn/fit_limits.h"
#include "compiler/xdnn/replay_network.h"
#include "core/eval/evaluate.h"
#include "core/file.h"
#include "explore/replay.h"
#include "sim/golden/golden.h"
#include "sim/xdnn/simulate.h"

namespace workbench {

namespace {

// Wall time of a stage, added to `seconds` when the scope ends.
class Stopwatch {
 public:
  explicit Stopwatch(double& seconds) : seconds_(seconds) {}
  ~Stopwatch() {
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double& seconds_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

void tell(const Progress& progress, std::string_view stage, double fraction) {
  if (progress) progress(stage, fraction);
}

std::set<std::string> computed_names(const Graph& graph) {
  std::set<std::string> names;
  for (const Value& value : graph.values) {
    if (!value.constant) names.insert(value.name);
  }
  return names;
}

struct Measured {
  Thresholds thresholds;
  NamedTensors reference;
};

// Thresholds of every value of `passed`. They and the reference come from evaluating `imported`,
// so that no pass has touched them; only values that a pass invented are measured on `passed`.
Measured measure(const Graph& imported, const Graph& passed, const RunData& data, int bits,
                 bool keep_reference) {
  const std::set<std::string> names = computed_names(passed);
  Measured measured;
  const auto keep = [&](ValueId id, const Tensor& tensor) {
    const std::string& name = imported.value(id).name;
    if (names.contains(name)) measured.reference.insert_or_assign(name, tensor);
  };
  const auto wanted = [&](const Value& value) { return names.contains(value.name); };
  const bool by_product = keep_reference && data.input_is_last_sample;
  measured.thresholds =
      calibrate(imported, data.calibration, bits,
                by_product ? keep : std::function<void(ValueId, const Tensor&)>(), wanted);
  if (keep_reference && !by_product) evaluate(imported, data.input, {.observe = keep});

  const auto missing = [&](const Value& value) {
    return value.type == ElementType::Float32 && !value.constant &&
           !measured.thresholds.contains(value.name);
  };
  if (std::any_of(passed.values.begin(), passed.values.end(), missing)) {
    measured.thresholds.merge(calibrate(passed, data.calibration, bits, {}, missing));
  }
  return measured;
}

std::optional<QuantizerTable> read_table(const std::filesystem::path& path) {
  if (path.empty()) return std::nullopt;
  return quantizer_table_from_json(read_file(path), path.string());
}

// The network's own numbers are the imported graph's, whatever the passes make of it.
struct NetworkNumbers {
  std::string name;
  std::int64_t macs = 0, ops = 0, parameters = 0;
};

NetworkNumbers numbers_of(const Graph& imported) {
  NetworkNumbers numbers{.name = imported.name, .parameters = parameters(imported)};
  for (const Node& node : imported.nodes) {
    numbers.macs += macs(imported, node);
    numbers.ops += xfdnn_ops(imported, node);
  }
  return numbers;
}

void describe_network(const NetworkNumbers& numbers, ProgramInfo& info) {
  info.network = numbers.name;
  info.network_macs = numbers.macs;
  info.network_ops = numbers.ops;
  info.network_parameters = numbers.parameters;
}

// Thresholds that came with a quantized model are no part of a float network: says so.
void save_optimized(const Graph& passed, const std::filesystem::path& path,
                    std::vector<std::string>& warnings) {
  if (path.empty()) return;
  export_onnx(passed, path);
  const bool quantized =
      std::any_of(passed.values.begin(), passed.values.end(),
                  [](const Value& value) { return value.quantization.has_value(); });
  if (quantized) {
    warnings.push_back(fmt::format("{}: has no thresholds, --save-quantizer writes those of '{}'",
                                   path.string(), passed.name));
  }
}

// The integer network. The float ones are left behind here, so that their memory, which is most of
// what a compilation needs, is there for what follows.
Graph quantized_network(Graph imported, const CompileRequest& request, RunData data,
                        Compiled& compiled, const Progress& progress) {
  const std::optional<QuantizerTable> table = read_table(request.quantizer_table);
  Graph passed = imported;
  {
    const Stopwatch stopwatch(compiled.wall.compile_seconds);
    run_passes(passed, float_pipeline(request.passes), request.dump_passes);
    // Somebody else's program was made for the network as it is.
    if (request.program.empty() && xdnn::fit_limits(passed, compiled.machine, request.passes) &&
        !request.dump_passes.empty()) {
      write_file(request.dump_passes / "fit_limits.txt", print_graph(passed));
    }
    save_optimized(passed, request.save_optimized, compiled.warnings);
  }
  tell(progress, "calibrating", 0.1);
  const auto bits = static_cast<int>(compiled.machine.array.bits);
  Measured measured;
  {
    const Stopwatch stopwatch(compiled.wall.calibrate_seconds);
    measured = measure(imported, passed, data, bits, request.keep_reference);
  }
  imported = {};
  compiled.reference = std::move(measured.reference);
  tell(progress, "quantizing", 0.3);
  const Stopwatch stopwatch(compiled.wall.compile_seconds);
  return quantize(passed, measured.thresholds,
                  {.bits = bits,
                   .limits = xdnn::requantize_limits(compiled.machine),
                   .host_reason = xdnn::host_reasons(compiled.machine)},
                  table ? &*table : nullptr);
}

std::vector<EngineReport> engine_reports(const xdnn::SimulationResult& simulated) {
  std::vector<EngineReport> engines;
  for (const xdnn::EngineTimes& times : simulated.engines) {
    engines.push_back({times.latency, times.interval, times.ddr_waited});
  }
  return engines;
}

}  // namespace

std::vector<PassDescription> known_passes() {
  std::vector<PassDescription> passes = describe_float_passes();
  const std::vector<PassDescription> rewrites = xdnn::describe_limit_rewrites();
  passes.insert(passes.end(), rewrites.begin(), rewrites.end());
  return passes;
}

Compiled compile_network(const CompileRequest& request, const Progress& progress) {
  check(request.passes, known_passes());
  Compiled compiled{
      .machine = xdnn::with_overrides(xdnn::load_machine(request.machine), request.overrides)};
  tell(progress, "importing", 0);
  std::optional<xdnn::Listing> listing;
  if (!request.program.empty()) listing = load_listing(request.program);
  Graph imported;
  {
    const Stopwatch stopwatch(compiled.wall.import_seconds);
    imported = listing && request.model.name.empty()
                   ? xdnn::network_of(*listing, compiled.machine, request.model.seed.value_or(1))
                   : load_model(request.model);
  }
  RunData data = read_data(imported, request.model.name, request.data);
  compiled.input = data.input;
  compiled.warnings = std::move(data.warnings);
  const NetworkNumbers numbers = numbers_of(imported);
  compiled.quantized =
      quantized_network(std::move(imported), request, std::move(data), compiled, progress);
  tell(progress, "compiling", 0.35);
  const Stopwatch stopwatch(compiled.wall.compile_seconds);
  if (listing) {
    compiled.program =
        replayed_program(*listing, compiled.quantized, compiled.machine, compiled.warnings);
  } else {
    compiled.program =
        xdnn::compile(compiled.quantized, compiled.machine,
                      {.allow_host = request.allow_host, .schedule = request.schedule});
  }
  describe_network(numbers, compiled.program.info);
  return compiled;
}

SimulatedNetwork run_network(const Compiled& compiled, bool golden, const Progress& progress) {
  SimulatedNetwork run;
  RunResult& result = run.result;
  WallTimes wall = compiled.wall;
  std::future<std::vector<Tensor>> expected;
  if (golden) {
    expected = std::async(std::launch::async, [&] {
      const Stopwatch stopwatch(wall.golden_seconds);
      return golden::run(compiled.quantized, compiled.input);
    });
  }
  tell(progress, "simulating", 0.4);
  xdnn::SimulationResult simulated;
  {
    const Stopwatch stopwatch(wall.simulate_seconds);
    simulated = xdnn::simulate(compiled.program, compiled.machine, compiled.input);
  }
  result.hazards = std::move(simulated.hazards);
  result.timeline = std::move(simulated.timeline);
  run.outputs = std::move(simulated.outputs);
  run.tensors = std::move(simulated.tensors);
  if (golden) {
    tell(progress, "comparing with the golden model", 0.7);
    result.verdict = compare(compiled.quantized, expected.get(), run.tensors);
  }
  tell(progress, "reporting", 0.95);
  result.report = make_report(compiled.program.info, result.timeline, xdnn::info(compiled.machine),
                              engine_reports(simulated));
  result.signal_to_noise = signal_to_noise(compiled.quantized, compiled.reference, run.tensors);
  result.classifications = classifications(compiled.quantized, compiled.reference, run.outputs);
  result.warnings = compiled.warnings;
  for (const auto& [layer, sums] : simulated.wide_accumulators) {
    result.warnings.push_back(fmt::format(
        "{}: {} sums exceed 24 bits; what the hardware does then is not published", layer, sums));
  }
  result.wall = wall;
  // Last, so that inputs are not taken for something that was computed.
  for (std::size_t i = 0; i < compiled.input.size(); ++i) {
    const ValueId id = compiled.quantized.inputs[i];
    run.tensors.emplace(compiled.quantized.value(id).name, compiled.input[i]);
  }
  return run;
}

}  // namespace workbench
