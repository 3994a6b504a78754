#include "explore/flow/pipeline.h"

#include <algorithm>
#include <future>
#include <utility>

#include "compiler/passes/passes.h"
#include "compiler/passes/several_images.h"
#include "core/error.h"
#include "core/memory.h"
#include "explore/flow/memory_need.h"
#include "sim/golden/golden.h"

namespace workbench {

namespace {

constexpr std::int64_t kImagesMax = 16;

// Other images than the input for a batch: the same numbers, some places further.
Tensor turned(const Tensor& input, std::int64_t image) {
  Tensor result = input;
  const auto bytes = static_cast<std::size_t>(element_bytes(input.type()));
  const auto size = static_cast<std::size_t>(input.size_bytes());
  if (size == 0) return result;
  const std::size_t by = static_cast<std::size_t>(image) * 97 * bytes % size;
  std::byte* data = result.mutable_data();
  std::rotate(data, data + by, data + size);
  return result;
}

void tell(const Progress& progress, std::string_view stage, double fraction) {
  if (progress) progress(stage, fraction);
}

// What is compiled for `request.batch` images: the network so many times, each with an input.
Quantized of_batch(const Quantized& one, const Target& target, const CompileRequest& request) {
  const std::int64_t images = request.batch.value_or(1);
  if (images < 1 || images > kImagesMax) {
    fail("--batch {}: expected 1 to {}", images, kImagesMax);
  }
  if (images == 1) return one;
  if (!std::holds_alternative<xdnn::Machine>(target.machine.value())) {
    fail("--batch {}: expected an xDNN machine, found {}", images, name(*target.machine));
  }
  if (!request.program.empty()) {
    fail("--batch {}: expected a network to compile, found --program", images);
  }
  Quantized all = one;
  all.integers = several_images(one.integers, images);
  for (std::int64_t image = 1; image < images; ++image) {
    for (const Tensor& input : one.input) all.input.push_back(turned(input, image));
    for (const auto& [node, reason] : one.left_to_host) {
      all.left_to_host.emplace(image_name(node, image), reason);
    }
  }
  return all;
}

LoadedProgram program_for(const Imported& imported, const Quantized& quantized,
                          const Target& target, const CompileRequest& request, bool constants,
                          const Progress& progress) {
  LoadedProgram loaded;
  if (request.program.empty()) {
    const Target leaving =
        quantized.left_to_host.empty() ? target : target.leaving(quantized.left_to_host);
    loaded = leaving.compile(quantized.integers, request, constants, progress);
  } else {
    loaded = target.load(request, imported, quantized.integers);
  }
  // The imported network's own sums, whatever passes and lowering made of it.
  ProgramInfo& about = info(loaded.program);
  about.network = imported.graph.name;
  about.network_macs = imported.macs;
  about.network_ops = imported.ops;
  about.network_parameters = imported.parameters;
  return loaded;
}

Report report_of(const Compiled& compiled, const Timeline& timeline,
                 std::vector<EngineReport> engines) {
  Report report =
      make_report(compiled.info(), timeline, machine_info(compiled.machine), std::move(engines));
  count_images(images_of(compiled.program), report);
  return report;
}

struct Expected {
  std::vector<Tensor> values;
  double seconds = 0;
};

// Whether the golden model may run beside the simulation; refused is what fits in no order.
bool fits_side_by_side(const Compiled& compiled, bool golden) {
  const RunMemory needed = run_memory(compiled.quantized, compiled.program, compiled.machine);
  const std::int64_t held = tensor_memory();
  require_memory(held + (golden ? needed.in_turn() : needed.simulation),
                 fmt::format("{}: {}", compiled.info().network,
                             golden ? "simulation and golden model" : "simulation"));
  return needed.side_by_side() <= memory_limit() - held;
}

Expected golden_values(const Compiled& compiled) {
  const Stopwatch stopwatch;
  std::vector<Tensor> values = golden::run(compiled.quantized, compiled.input);
  return {std::move(values), stopwatch.seconds()};
}

// After the simulation, each value compared as soon as it is known.
Verdict compared_in_turn(const Compiled& compiled, const NamedTensors& simulated, double& seconds) {
  const Stopwatch stopwatch;
  Comparison comparison(compiled.quantized, simulated);
  golden::run(compiled.quantized, compiled.input,
              [&](ValueId id, const Tensor& tensor) { comparison.add(id, tensor); });
  seconds = stopwatch.seconds();
  return comparison.verdict();
}

Bounds least_times(const Compiled& compiled) {
  const Target target = target_for(compiled.machine);
  if (!target.bounds) fail("--explain-bound: {} has no bounds yet", name(compiled.machine));
  return target.bounds(compiled.program);
}

}  // namespace

Compiled compile_network(const Imported& imported, const Quantized& one, const Target& target,
                         const CompileRequest& request, bool constants, const Progress& progress) {
  const Stopwatch stopwatch;
  const Quantized quantized = of_batch(one, target, request);
  LoadedProgram loaded = program_for(imported, quantized, target, request, constants, progress);
  std::vector<std::string> warnings = imported.warnings;
  warnings.insert(warnings.end(), quantized.warnings.begin(), quantized.warnings.end());
  warnings.insert(warnings.end(), loaded.remarks.begin(), loaded.remarks.end());
  return {.machine = target.machine.value(),
          .quantized = quantized.integers,
          .program = std::move(loaded.program),
          .was_integer = quantized.came_as_integers,
          .input = quantized.input,
          .reference = quantized.float_values,
          .warnings = std::move(warnings),
          .notes = quantized.notes,
          .wall = {.import_seconds = imported.seconds,
                   .calibrate_seconds = quantized.calibrate_seconds,
                   .compile_seconds = quantized.compile_seconds + stopwatch.seconds()}};
}

Compiled compile_network(const CompileRequest& request, const Progress& progress) {
  check(request.passes, known_passes());
  const Target target = target_for(machine_of(request));
  if (!target.machine) fail("--target none: expected a machine to compile for");
  tell(progress, "importing", 0);
  const Imported imported = target.import(request);
  const Quantized quantized =
      quantize_network(imported, target, request, within(progress, 0, 0.35));
  tell(progress, "compiling", 0.35);
  return compile_network(imported, quantized, target, request, true, within(progress, 0.35, 0.4));
}

SimulatedNetwork run_network(const Compiled& compiled, const RunRequest& request,
                             const Progress& progress) {
  const Simulator transaction = [&](const Compiled& of) {
    return target_for(of.machine).simulate(of.program, of.input, {.values = request.values});
  };
  return run_network(compiled, request, transaction, progress);
}

SimulatedNetwork run_network(const Compiled& compiled, const RunRequest& request,
                             const Simulator& simulator, const Progress& progress) {
  const bool golden = request.golden && request.values;
  const bool beside = !request.values || fits_side_by_side(compiled, golden);
  std::future<Expected> expected;
  if (golden && beside) {
    // deferred: where no thread is to be had, behind the simulation.
    expected = std::async(std::launch::async | std::launch::deferred,
                          [&] { return golden_values(compiled); });
  }
  tell(progress, "simulating", 0.4);
  Simulated simulated = simulator(compiled);
  RunResult result{.report = {}, .timeline = std::move(simulated.timeline)};
  WallTimes wall = compiled.wall;
  wall.simulate_seconds = simulated.seconds;
  if (golden) {
    tell(progress, "comparing with the golden model", 0.7);
    if (beside) {
      const Expected right = expected.get();
      wall.golden_seconds = right.seconds;
      result.verdict = compare(compiled.quantized, right.values, simulated.tensors);
    } else {
      result.verdict = compared_in_turn(compiled, simulated.tensors, wall.golden_seconds);
    }
  }
  tell(progress, "reporting", 0.95);
  result.report = report_of(compiled, result.timeline, std::move(simulated.engines));
  add_counters(simulated.counters, result.report);
  if (request.bounds) result.bounds = least_times(compiled);
  result.hazards = std::move(simulated.hazards);
  result.warnings = compiled.warnings;
  result.warnings.insert(result.warnings.end(), simulated.warnings.begin(),
                         simulated.warnings.end());
  if (request.values) {
    result.signal_to_noise =
        signal_to_noise(compiled.quantized, compiled.reference, simulated.tensors);
    result.classifications =
        classifications(compiled.quantized, compiled.reference, simulated.outputs);
  }
  result.wall = wall;
  // Last, so that inputs are not taken for something that was computed.
  for (std::size_t i = 0; i < compiled.input.size(); ++i) {
    const ValueId id = compiled.quantized.inputs[i];
    simulated.tensors.emplace(compiled.quantized.value(id).name, compiled.input[i]);
  }
  return {.result = std::move(result),
          .counters = std::move(simulated.counters),
          .outputs = std::move(simulated.outputs),
          .tensors = std::move(simulated.tensors)};
}

}  // namespace workbench
