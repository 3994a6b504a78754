#include "explore/flow/pipeline.h"

#include <future>
#include <optional>

#include "compiler/passes/passes.h"
#include "compiler/quantize/integer_network.h"
#include "compiler/xdnn/compile.h"
#include "compiler/xdnn/fit_limits.h"
#include "compiler/xdnn/replay_network.h"
#include "explore/flow/flow.h"
#include "sim/golden/golden.h"

namespace workbench {

namespace {

void tell(const Progress& progress, std::string_view stage, double fraction) {
  if (progress) progress(stage, fraction);
}

// Somebody else's program, and the network it was made from where no model was given.
std::optional<xdnn::Listing> listing_of(const CompileRequest& request, const Machine& machine) {
  if (request.program.empty() || std::holds_alternative<pulp::Machine>(machine)) {
    return std::nullopt;
  }
  return load_listing(request.program);
}

Graph imported_network(const CompileRequest& request, const Compiled& compiled,
                       const std::optional<xdnn::Listing>& listing) {
  if (request.model.name.empty() && !listing) {
    fail("--program: a PULP program needs the model it was made from");
  }
  if (!listing || !request.model.name.empty()) return load_model(request.model);
  return xdnn::network_of(*listing, compiled.xdnn_machine(), request.model.seed.value_or(1));
}

}  // namespace

Progress within(const Progress& whole, double begin, double end) {
  if (!whole) return {};
  return [=](std::string_view stage, double fraction) {
    whole(stage, begin + (end - begin) * fraction);
  };
}

NetworkNumbers numbers_of(const Graph& imported) {
  NetworkNumbers numbers{.name = imported.name, .parameters = parameters(imported)};
  for (const Node& node : imported.nodes) {
    numbers.macs += macs(imported, node);
    numbers.ops += layer_ops(imported, node);
  }
  return numbers;
}

void describe_network(const NetworkNumbers& numbers, ProgramInfo& info) {
  info.network = numbers.name;
  info.network_macs = numbers.macs;
  info.network_ops = numbers.ops;
  info.network_parameters = numbers.parameters;
}

std::vector<PassDescription> known_passes() {
  std::vector<PassDescription> passes = describe_float_passes();
  const std::vector<PassDescription> rewrites = xdnn::describe_limit_rewrites();
  passes.insert(passes.end(), rewrites.begin(), rewrites.end());
  return passes;
}

void make_integers(Graph imported, const CompileRequest& request, Compiled& compiled,
                   const Progress& progress) {
  const bool on_xdnn = is_xdnn(compiled);
  compiled.was_integer = !on_xdnn && is_integer_network(imported);
  RunData data = compiled.was_integer ? integer_data(imported, request)
                                      : read_data(imported, request.model.name, request.data);
  compiled.notes = std::move(data.notes);
  compiled.quantized =
      on_xdnn ? xdnn_integers(std::move(imported), request, std::move(data), compiled, progress)
              : pulp_integers(std::move(imported), request, std::move(data), compiled, progress);
}

Program make_program(const Graph& quantized, const Machine& machine, const CompileRequest& request,
                     bool constants) {
  if (const auto* xdnn = std::get_if<xdnn::Machine>(&machine)) {
    return xdnn::compile(
        quantized, *xdnn,
        {.allow_host = request.allow_host, .order = request.schedule, .constants = constants});
  }
  return pulp::compile(
      quantized, std::get<pulp::Machine>(machine),
      {.allow_host = request.allow_host, .tiler = request.tiler, .norm_bits = request.norm_bits});
}

Compiled compile_network(const CompileRequest& request, const Progress& progress) {
  check(request.passes, known_passes());
  Compiled compiled;
  compiled.machine = load_machine(request.machine, request.overrides);
  tell(progress, "importing", 0);
  const std::optional<xdnn::Listing> listing = listing_of(request, compiled.machine);
  Graph imported;
  {
    const Stopwatch stopwatch(compiled.wall.import_seconds);
    imported = imported_network(request, compiled, listing);
  }
  const NetworkNumbers numbers = numbers_of(imported);
  make_integers(std::move(imported), request, compiled, progress);
  tell(progress, "compiling", 0.35);
  const Stopwatch stopwatch(compiled.wall.compile_seconds);
  if (listing) {
    compiled.program =
        replayed_program(*listing, compiled.quantized, compiled.xdnn_machine(), compiled.warnings);
  } else if (!request.program.empty()) {
    compiled.program = pulp_program(request.program, compiled.quantized);
  } else {
    compiled.program = make_program(compiled.quantized, compiled.machine, request);
  }
  describe_network(numbers, info(compiled.program));
  return compiled;
}

SimulatedNetwork run_network(const Compiled& compiled, const RunRequest& request,
                             const Progress& progress) {
  const bool golden = request.golden && request.values;
  WallTimes wall = compiled.wall;
  std::future<std::vector<Tensor>> expected;
  if (golden) {
    expected = std::async(std::launch::async, [&] {
      const Stopwatch stopwatch(wall.golden_seconds);
      return golden::run(compiled.quantized, compiled.input);
    });
  }
  tell(progress, "simulating", 0.4);
  Simulated simulated;
  {
    const Stopwatch stopwatch(wall.simulate_seconds);
    simulated = is_xdnn(compiled) ? xdnn_simulated(compiled, request.values)
                                  : pulp_simulated(compiled, request.values);
  }
  SimulatedNetwork run{.result = {},
                       .counters = std::move(simulated.counters),
                       .outputs = std::move(simulated.outputs),
                       .tensors = std::move(simulated.tensors)};
  RunResult& result = run.result;
  result.hazards = std::move(simulated.hazards);
  result.timeline = std::move(simulated.timeline);
  if (golden) {
    tell(progress, "comparing with the golden model", 0.7);
    result.verdict = compare(compiled.quantized, expected.get(), run.tensors);
  }
  tell(progress, "reporting", 0.95);
  result.report = make_report(compiled.info(), result.timeline, machine_info(compiled.machine),
                              std::move(simulated.engines));
  result.warnings = compiled.warnings;
  result.warnings.insert(result.warnings.end(), simulated.warnings.begin(),
                         simulated.warnings.end());
  if (request.values) {
    result.signal_to_noise = signal_to_noise(compiled.quantized, compiled.reference, run.tensors);
    result.classifications = classifications(compiled.quantized, compiled.reference, run.outputs);
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
