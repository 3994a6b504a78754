#include "explore/flow/target.h"

#include <algorithm>
#include <limits>
#include <memory>

#include "compiler/passes/one_image.h"
#include "compiler/pulp/bounds.h"
#include "compiler/pulp/compile.h"
#include "compiler/pulp/compile_longer.h"
#include "compiler/pulp/support.h"
#include "compiler/pulp/tiling_cache.h"
#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/nemo.h"
#include "compiler/quantize/quantize.h"
#include "compiler/quantize/table.h"
#include "compiler/xdnn/bounds.h"
#include "compiler/xdnn/compile.h"
#include "compiler/xdnn/fit_limits.h"
#include "compiler/xdnn/replay.h"
#include "compiler/xdnn/replay_network.h"
#include "compiler/xdnn/support.h"
#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "explore/flow/caching_target.h"
#include "isa/xdnn/assembly.h"
#include "sim/pulp/simulate.h"
#include "sim/xdnn/simulate.h"

namespace workbench {

namespace {

ModelImport network_behind(const xdnn::Listing& listing, const CompileRequest& request,
                           const xdnn::Machine& machine) {
  if (!request.model.name.empty()) return load_with_notes(request.model);
  return {xdnn::network_of(listing, machine, request.model.seed.value_or(1)), {}};
}

Imported import_for(const xdnn::Machine& machine, const CompileRequest& request) {
  const Stopwatch stopwatch;
  std::optional<xdnn::Listing> listing;
  if (!request.program.empty()) {
    listing = xdnn::any_listing(read_file(request.program), request.program.string());
  }
  ModelImport network =
      listing ? network_behind(*listing, request, machine) : load_with_notes(request.model);
  Imported result = imported(std::move(network.graph), std::move(network.notes));
  result.listing = std::move(listing);
  result.seconds = stopwatch.seconds();
  return result;
}

std::string wait_bits_text(const xdnn::Program& program, const xdnn::Machine& machine) {
  const xdnn::WaitBits bits = xdnn::count_wait_bits(program, machine);
  std::string text =
      fmt::format("replay: {} of {} wait bits are redundant", bits.redundant, bits.set);
  if (bits.missing > 0) text += fmt::format(", {} are missing", bits.missing);
  return text;
}

// Which slices a listing uses is written in it.
void check_mode(const std::string& mode, const xdnn::Program& program,
                const CompileRequest& request) {
  if (mode.empty()) return;
  const bool slice0 =
      std::any_of(program.steps.begin(), program.steps.end(),
                  [](const xdnn::Step& step) { return xdnn::tail(step.instruction).slice == 0; });
  const char* written_for = slice0 ? "throughput" : "latency";
  if (mode == written_for) return;
  fail("--mode {}: {} is a program for {} mode, {} slice 0", mode, request.program.string(),
       written_for, slice0 ? "its first layer runs on" : "nothing of it runs on");
}

// The listing as a program, with what it leaves open, and how many of its wait bits nothing depends
// on.
LoadedProgram replayed(const xdnn::Listing& listing, const Graph& integers,
                       const xdnn::Machine& machine, const CompileRequest& request) {
  xdnn::Replay replay = xdnn::replay(listing, integers, machine);
  check_mode(request.overrides.xdnn.mode, replay.program, request);
  LoadedProgram loaded;
  for (const std::string& note : replay.notes) loaded.remarks.push_back("replay: " + note);
  if (!machine.serial()) loaded.remarks.push_back(wait_bits_text(replay.program, machine));
  loaded.program = std::move(replay.program);
  return loaded;
}

Simulated simulated(const xdnn::Program& program, const xdnn::Machine& machine,
                    std::span<const Tensor> input, const SimulateOptions& options) {
  if (!options.values) fail("--timing-only: {} has no model without data", machine.name);
  const Stopwatch stopwatch;
  xdnn::SimulationResult run =
      xdnn::simulate(program, machine, input, {.collect = options.collect});
  Simulated result{.outputs = std::move(run.outputs),
                   .tensors = std::move(run.tensors),
                   .timeline = std::move(run.timeline),
                   .hazards = std::move(run.hazards),
                   .seconds = stopwatch.seconds()};
  for (const xdnn::EngineTimes& times : run.engines) {
    result.engines.push_back({times.latency, times.interval, times.ddr_waited});
  }
  for (const auto& [layer, sums] : run.wide_accumulators) {
    result.warnings.push_back(fmt::format(
        "{}: {} sums exceed 24 bits; what the hardware does then is not published", layer, sums));
  }
  return result;
}

// At the least effort the plain plan alone, as the vendor's compiler has it: published figures are
// held against that one (configs/validation). More effort has all candidates of less.
xdnn::Choices choices_at(Effort effort) {
  return effort == Effort::Fast ? xdnn::all_choices(xdnn::Use::Never) : xdnn::Choices{};
}

using HostReason = std::function<std::optional<std::string>(const Graph&, const Node&)>;

HostReason with_left(HostReason reason, const LeftToHost& left) {
  if (left.empty()) return reason;
  return [=](const Graph& graph, const Node& node) -> std::optional<std::string> {
    const auto found = left.find(node.name);
    return found == left.end() ? reason(graph, node) : found->second;
  };
}

Target xdnn_target(const xdnn::Machine& machine, const LeftToHost& left = {}) {
  const QuantizeOptions codes{.bits = static_cast<int>(machine.array.bits),
                              .limits = xdnn::requantize_limits(machine),
                              .host_reason = with_left(xdnn::host_reasons(machine), left)};
  return {
      .machine = machine,
      .quantize = xdnn_quantize_target(codes),
      .takes_tables = true,
      .published_bits = codes.bits,
      .leaving = [machine](const LeftToHost& nodes) { return xdnn_target(machine, nodes); },
      .import = [machine](const CompileRequest& request) { return import_for(machine, request); },
      .fit = [machine](
                 Graph& passed,
                 const PassSwitches& passes) { return xdnn::fit_limits(passed, machine, passes); },
      .published =
          [codes](const Graph& prepared, const Thresholds& thresholds,
                  const QuantizerTable* table) {
            return quantize(prepared, thresholds, codes, table);
          },
      .compile =
          [machine, left](const Graph& integers, const CompileRequest& request, bool constants,
                          const Progress& progress) {
            LoadedProgram compiled;
            const auto remark = [&](const std::string& text) { compiled.remarks.push_back(text); };
            compiled.program = xdnn::compile(integers, machine,
                                             {.allow_host = request.allow_host,
                                              .order = request.schedule,
                                              .constants = constants,
                                              .left_to_host = left,
                                              .remark = remark,
                                              .choices = choices_at(request.effort),
                                              .thorough = request.effort == Effort::Best,
                                              .progress = progress,
                                              .images = request.batch.value_or(1)});
            return compiled;
          },
      .load =
          [machine](const CompileRequest& request, const Imported& network, const Graph& integers) {
            return replayed(*network.listing, integers, machine, request);
          },
      .simulate =
          [machine](const Program& program, std::span<const Tensor> input,
                    const SimulateOptions& options) {
            return simulated(std::get<xdnn::Program>(program), machine, input, options);
          },
      .bounds =
          [machine](const Program& program) {
            return xdnn::least_times(std::get<xdnn::Program>(program), machine);
          }};
}

Imported import_network(const CompileRequest& request) {
  if (request.model.name.empty()) {
    fail("--program: a PULP program needs the model it was made from");
  }
  const Stopwatch stopwatch;
  ModelImport network = load_with_notes(request.model);
  Imported result = imported(std::move(network.graph), std::move(network.notes));
  result.seconds = stopwatch.seconds();
  return result;
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

// A program that was saved, or its assembly.
pulp::Program saved_program(const std::filesystem::path& path, const Graph& integers) {
  const std::string contents = read_file(path);
  pulp::Program program = pulp::is_assembly(contents) ? pulp::assemble(contents, path.string())
                                                      : pulp::load_bytes(contents, path.string());
  const std::string made_from = edges_of(program.info.network, program.host);
  const std::string found = edges_of(integers.name, integers);
  if (made_from != found) {
    fail("{}: was made from another network: expected {}, found {}", path.string(), made_from,
         found);
  }
  return program;
}

Simulated simulated(const pulp::Program& program, const pulp::Machine& machine,
                    std::span<const Tensor> input, const SimulateOptions& options) {
  const Stopwatch stopwatch;
  pulp::SimulationResult run = pulp::simulate(
      program, machine, input, {.collect = options.collect, .values = options.values});
  return {.outputs = std::move(run.outputs),
          .tensors = std::move(run.tensors),
          .timeline = std::move(run.timeline),
          .hazards = std::move(run.hazards),
          .counters = std::move(run.counters),
          .seconds = stopwatch.seconds()};
}

pulp::Program compiled(const Graph& integers, const pulp::Machine& machine,
                       const pulp::CompileOptions& options, Effort effort,
                       std::vector<std::string>& remarks, pulp::TilingCache* cache,
                       const Progress& progress) {
  const auto remark = [&](const std::string& text) { remarks.push_back(text); };
  if (effort == Effort::Best) {
    const pulp::SearchTalk talk{.remark = remark, .progress = progress};
    return pulp::compile_longer(integers, machine, options, talk, cache);
  }
  if (cache == nullptr) return pulp::compile(integers, machine, options, remark);
  return pulp::compile(integers, machine, options, remark, *cache);
}

// At the least effort one plan alone; more effort weighs others against it.
pulp::Choices pulp_choices_at(Effort effort) {
  pulp::Choices choices;
  if (effort != Effort::Fast) return choices;
  choices.other_rows = choices.far_prefetch = choices.smaller_memories = pulp::Use::Never;
  return choices;
}

// `cache`: shared by all copies of the target and of its functions; null: every network anew.
Target pulp_target(const pulp::Machine& machine, const LeftToHost& left = {},
                   const std::shared_ptr<pulp::TilingCache>& cache = nullptr) {
  const NemoOptions codes{.host_reason = with_left(pulp::host_reasons(machine), left)};
  return {.machine = machine,
          .quantize = pulp_quantize_target(codes),
          .published_bits = codes.activation_bits,
          .takes_integer_networks = true,
          .leaving = [machine, cache](
                         const LeftToHost& nodes) { return pulp_target(machine, nodes, cache); },
          .import = import_network,
          .published =
              [codes](const Graph& prepared, const Thresholds& thresholds, const QuantizerTable*) {
                return quantize_nemo(prepared, thresholds, codes);
              },
          .compile =
              [machine, left, cache](const Graph& integers, const CompileRequest& request, bool,
                                     const Progress& progress) {
                LoadedProgram loaded;
                loaded.program = compiled(integers, machine,
                                          {.allow_host = request.allow_host,
                                           .tiler = request.tiler,
                                           .norm_bits = request.norm_bits,
                                           .left_to_host = left,
                                           .choices = pulp_choices_at(request.effort)},
                                          request.effort, loaded.remarks, cache.get(), progress);
                return loaded;
              },
          .load = [](const CompileRequest& request, const Imported&, const Graph& integers)
              -> LoadedProgram { return {.program = saved_program(request.program, integers)}; },
          .simulate =
              [machine](const Program& program, std::span<const Tensor> input,
                        const SimulateOptions& options) {
                return simulated(std::get<pulp::Program>(program), machine, input, options);
              },
          .bounds =
              [machine](const Program& program) {
                return pulp::least_times(std::get<pulp::Program>(program), machine);
              }};
}

constexpr int kFreeActivationBits = 8;

}  // namespace

namespace {

// Bytes of a value, of floats at least: what it is calibrated with. The largest number when no
// number holds them.
std::int64_t float_bytes(const Value& value) {
  std::int64_t bytes = element_bytes(value.type);
  for (const std::int64_t dim : value.shape) {
    if (__builtin_mul_overflow(bytes, dim, &bytes)) return std::numeric_limits<std::int64_t>::max();
  }
  return bytes;
}

// Any run holds the network's inputs, and for each node its operands and results: refused here,
// before the first of them is allocated.
void require_memory_for(const Graph& graph) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const auto add = [](std::int64_t& sum, std::int64_t more) {
    if (__builtin_add_overflow(sum, more, &sum)) sum = kMost;
  };
  std::int64_t inputs = 0;
  for (const ValueId id : graph.inputs) add(inputs, float_bytes(graph.value(id)));
  for (const Node& node : graph.nodes) {
    std::int64_t bytes = inputs;
    for (const auto* ids : {&node.inputs, &node.outputs}) {
      for (const ValueId id : *ids) {
        const bool counted =
            id == kNoValue || graph.value(id).constant ||
            std::find(graph.inputs.begin(), graph.inputs.end(), id) != graph.inputs.end();
        if (!counted) add(bytes, float_bytes(graph.value(id)));
      }
    }
    require_memory(bytes,
                   fmt::format("{}: node '{}' ({})", graph.name, node.name, op_name(node.op)));
  }
}

}  // namespace

Imported imported(Graph graph, std::vector<std::string> notes) {
  OneImage one = one_image(std::move(graph));
  require_memory_for(one.graph);
  Imported result{.graph = std::move(one.graph), .notes = std::move(notes)};
  if (!one.obstacle.empty()) {
    result.warnings.push_back(fmt::format(
        "a batch of {} goes to the host: {}; with a batch of 1 layers are computed by the machine",
        one.batch, one.obstacle));
  } else if (one.batch > 1) {
    result.warnings.push_back(
        fmt::format("the file has a batch of {0}: computed image by image; inputs, cycles and "
                    "energy are those of one image, a batch takes {0} runs",
                    one.batch));
  }
  for (const Node& node : result.graph.nodes) {
    result.macs += macs(result.graph, node);
    result.ops += layer_ops(result.graph, node);
  }
  result.parameters = parameters(result.graph);
  return result;
}

Target target_for(const Machine& machine) {
  if (const auto* xdnn = std::get_if<xdnn::Machine>(&machine)) return xdnn_target(*xdnn);
  return pulp_target(std::get<pulp::Machine>(machine));
}

Target caching_target(const Machine& machine) {
  const auto* pulp = std::get_if<pulp::Machine>(&machine);
  if (pulp == nullptr) return target_for(machine);
  return pulp_target(*pulp, {}, std::make_shared<pulp::TilingCache>());
}

Target target_for(const std::optional<Machine>& machine) {
  if (machine) return target_for(*machine);
  return {.quantize = free_quantize_target(kFreeActivationBits), .import = import_network};
}

}  // namespace workbench
