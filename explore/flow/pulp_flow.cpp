#include <random>

#include "compiler/passes/passes.h"
#include "compiler/quantize/integer_network.h"
#include "compiler/quantize/nemo.h"
#include "core/file.h"
#include "explore/flow/flow.h"
#include "explore/flow/golden_text.h"
#include "sim/pulp/simulate.h"

namespace workbench {

namespace {

// Codes for a network that came as integers and was given no input: each as likely, unsigned
// where the file does not say.
std::vector<Tensor> seeded_codes(const Graph& graph) {
  std::mt19937_64 random(1);
  std::vector<Tensor> inputs;
  for (const ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    Tensor tensor = Tensor::uninitialized(ElementType::Float32, value.shape, Layout::Nchw);
    const int lowest = value.type == ElementType::Int8 ? -128 : 0;
    for (float& v : tensor.mutable_values<float>()) {
      v = static_cast<float>(static_cast<int>(random() % 256) + lowest);
    }
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

// "tiny_cnn: data [1, 3, 32, 32] -> prob [1, 10]"
std::string edges_of(const std::string& network, const Graph& graph) {
  const auto list = [&](const std::vector<ValueId>& ids) {
    std::string text;
    for (const ValueId id : ids) {
      const Value& value = graph.value(id);
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", value.name, to_string(value.shape));
    }
    return text;
  };
  return network + ": " + list(graph.inputs) + " -> " + list(graph.outputs);
}

Graph came_as_integers(const Graph& imported, const CompileRequest& request, Compiled& compiled) {
  const Stopwatch stopwatch(compiled.wall.compile_seconds);
  Graph integers = integer_network(imported, compiled.input);
  if (!request.dump_passes.empty()) {
    write_file(request.dump_passes / "integer_network.txt", print_graph(integers));
  }
  return integers;
}

}  // namespace

pulp::Program pulp_program(const std::filesystem::path& path, const Graph& quantized) {
  const std::string contents = read_file(path);
  pulp::Program program = pulp::is_assembly(contents) ? pulp::assemble(contents, path.string())
                                                      : pulp::load_bytes(contents, path.string());
  const std::string made_from = edges_of(program.info.network, program.host);
  const std::string found = edges_of(quantized.name, quantized);
  if (made_from != found) {
    fail("{}: was made from another network: expected {}, found {}", path.string(), made_from,
         found);
  }
  return program;
}

RunData integer_data(const Graph& imported, const CompileRequest& request) {
  const std::filesystem::path& path = request.data.input;
  RunData data;
  if (path.empty()) {
    data.input = seeded_codes(imported);
    data.warnings = {"no --input: running on seeded codes"};
  } else if (path.extension() == ".txt" || path.extension() == ".npz") {
    IntegerInput input = read_integer_input(path, imported);
    data.input = std::move(input.tensors);
    data.notes = std::move(input.notes);
  } else {
    DataOptions options = request.data;
    options.calibration = path;  // there is nothing to calibrate
    data = read_data(imported, request.model.name, options);
  }
  return data;
}

Graph pulp_integers(Graph imported, const CompileRequest& request, RunData data, Compiled& compiled,
                    const Progress& progress) {
  if (!request.quantizer_table.empty()) {
    fail("--quantizer-json: expected an xDNN machine, found {}", name(compiled.machine));
  }
  compiled.input = data.input;
  if (compiled.was_integer) {
    compiled.warnings = data.warnings;
    return came_as_integers(imported, request, compiled);
  }
  Graph passed = imported;
  {
    const Stopwatch stopwatch(compiled.wall.compile_seconds);
    run_passes(passed, float_pipeline(request.passes), request.dump_passes);
    save_optimized(passed, request.save_optimized, compiled.warnings);
    passed = nemo_form(std::move(passed));
  }
  if (progress) progress("calibrating", 0.1);
  const NemoOptions options;
  const QuantizeTarget target = pulp_quantize_target(options);
  if (!wants_published(request)) {
    return integers_by_scheme(std::move(imported), std::move(passed), data, request, target,
                              compiled, progress);
  }
  const Thresholds thresholds = published_thresholds(imported, passed, data, request, target,
                                                     options.activation_bits, compiled);
  imported = {};
  if (progress) progress("quantizing", 0.3);
  const Stopwatch stopwatch(compiled.wall.compile_seconds);
  return quantize_nemo(passed, thresholds, options);
}

Simulated pulp_simulated(const Compiled& compiled, bool values) {
  pulp::SimulationResult run = pulp::simulate(compiled.pulp_program(), compiled.pulp_machine(),
                                              compiled.input, {.values = values});
  return {.outputs = std::move(run.outputs),
          .tensors = std::move(run.tensors),
          .timeline = std::move(run.timeline),
          .hazards = std::move(run.hazards),
          .engines = {},
          .counters = std::move(run.counters),
          .warnings = {}};
}

}  // namespace workbench
