#include "explore/flow/memory_need.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "compiler/passes/passes.h"
#include "compiler/quantize/integer_network.h"
#include "core/error.h"
#include "core/memory.h"
#include "explore/flow/partition.h"

namespace workbench {

namespace {

// Bytes for each element that no run exceeds: a row of one code in DDR is padded to 64, and there
// are floats, codes and what the golden model sums in.
constexpr std::int64_t kMostOfElement = 128;

std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

std::int64_t bytes_of(const Value& value) {
  return element_count(value.shape) * element_bytes(value.type);
}

// The result shares its operand's bytes.
bool renames(const Node& node) { return traits(node.op).silent && traits(node.op).moves_data; }

// For each value the one whose bytes it has; constants, and what is made of them, have none.
struct Buffers {
  std::vector<std::size_t> of;
  std::vector<std::int64_t> bytes;  // by of[value]; 0: an input, a constant

  explicit Buffers(const Graph& graph) : of(graph.values.size()), bytes(graph.values.size(), 0) {
    std::iota(of.begin(), of.end(), std::size_t{0});
    for (const Node& node : graph.nodes) {
      for (const ValueId id : node.outputs) {
        if (id == kNoValue) continue;
        if (renames(node)) {
          of[at(id)] = of[at(node.inputs[0])];
        } else {
          bytes[at(id)] = bytes_of(graph.value(id));
        }
      }
    }
  }
};

// Accumulators of 64 bits, and where each element of a sum's operands lies.
std::int64_t golden_scratch(const Graph& graph, const Node& node) {
  const std::int64_t elements = element_count(graph.value(node.outputs[0]).shape);
  if (node.affine) return 8 * elements;
  return node.requantize && std::holds_alternative<Binary>(node.op) ? 16 * elements : 0;
}

std::int64_t sum_of(const Buffers& buffers) {
  return std::accumulate(buffers.bytes.begin(), buffers.bytes.end(), std::int64_t{0});
}

std::int64_t most_scratch(const Graph& graph) {
  std::int64_t most = 0;
  for (const Node& node : graph.nodes) most = std::max(most, golden_scratch(graph, node));
  return most;
}

// What is collected of a program's probes: the largest extent that one says of each value.
using Collected = std::map<std::string, std::int64_t>;

void collect(Collected& collected, const std::string& name, std::int64_t bytes) {
  std::int64_t& known = collected[name];
  known = std::max(known, bytes);
}

std::int64_t total(const Collected& collected) {
  return std::accumulate(collected.begin(), collected.end(), std::int64_t{0},
                         [](std::int64_t sum, const auto& one) { return sum + one.second; });
}

struct Modelled {
  std::int64_t memories = 0;
  Collected collected;
};

std::int64_t whole(std::int64_t part, std::int64_t all) { return all == 0 ? part : all; }

Modelled modelled(const xdnn::Program& program, const xdnn::Machine& machine) {
  Modelled result{.memories = program.ddr_bytes + machine.am_words() * machine.word_bytes()};
  for (const xdnn::Probe& probe : program.probes) {
    const std::int64_t pixels = whole(probe.height, probe.value_height) * probe.width;
    collect(result.collected, probe.value,
            whole(probe.channels, probe.value_channels) * pixels * machine.code_bytes());
  }
  for (const xdnn::DdrTensor& tensor : program.ddr_tensors) {
    collect(result.collected, tensor.value,
            tensor.channels * tensor.height * tensor.width * machine.code_bytes());
  }
  return result;
}

Modelled modelled(const pulp::Program& program, const pulp::Machine& machine) {
  Modelled result{.memories = program.l3_bytes + machine.l2.buffer_bytes};
  for (const pulp::Probe& probe : program.probes) {
    const pulp::TensorPlace& place = probe.place;
    const std::int64_t pixels = whole(place.height, probe.value_height) * place.width;
    collect(result.collected, place.value,
            whole(place.channels, probe.value_channels) * pixels * (place.bits > 8 ? 4 : 1));
  }
  return result;
}

Modelled modelled(const Program& program, const Machine& machine) {
  const auto* xdnn = std::get_if<xdnn::Program>(&program);
  return xdnn != nullptr
             ? modelled(*xdnn, std::get<xdnn::Machine>(machine))
             : modelled(std::get<pulp::Program>(program), std::get<pulp::Machine>(machine));
}

const Graph& host_of(const Program& program) {
  return std::visit([](const auto& one) -> const Graph& { return one.host; }, program);
}

// The float values of the run that are kept: those whose names the passes leave.
std::int64_t kept_bytes(const Graph& imported, const Graph& prepared) {
  std::set<std::string> names;
  for (const Value& value : prepared.values) names.insert(value.name);
  Buffers buffers(imported);
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < imported.values.size(); ++i) {
    if (!names.contains(imported.values[i].name)) continue;
    bytes += std::exchange(buffers.bytes[buffers.of[i]], 0);
  }
  return bytes;
}

std::int64_t input_bytes(const Graph& graph) {
  std::int64_t bytes = 0;
  for (const ValueId id : graph.inputs) bytes += bytes_of(graph.value(id));
  return bytes;
}

bool may_exceed_limit(const Graph& graph) {
  std::int64_t elements = 0;
  for (const Value& value : graph.values) {
    if (!value.constant) elements += element_count(value.shape);
  }
  return elements > memory_limit() / kMostOfElement;
}

Graph prepared_for(const Graph& imported, const Target& target, const CompileRequest& request) {
  Graph prepared = imported;
  run_passes(prepared, float_pipeline(request.passes));
  if (target.fit) target.fit(prepared, request.passes);
  return target.quantize.prepare(std::move(prepared));
}

// Of one image, which is the least of several.
std::int64_t run_bytes(const Graph& integers, const Target& target, CompileRequest request) {
  request.batch.reset();
  const LoadedProgram loaded = target.compile(integers, request, false, {});
  return run_memory(integers, loaded.program, *target.machine).in_turn();
}

std::int64_t quantized_run_bytes(const Graph& prepared, const Target& machine,
                                 const CompileRequest& request) {
  const bool by_gain = request.placement != Placement::All && request.allow_host;
  const LeftToHost left = by_gain ? partition_by_gain(prepared, machine).left : LeftToHost();
  const Target target = left.empty() ? machine : machine.leaving(left);
  Thresholds thresholds;
  for (const Value& value : prepared.values) {
    if (!value.constant) thresholds[value.name] = 1;
  }
  return run_bytes(target.quantize.lower(target.quantize.annotate(prepared, thresholds)), target,
                   request);
}

}  // namespace

std::int64_t evaluation_bytes(const Graph& graph, bool scratch) {
  Buffers buffers(graph);
  std::vector<std::int64_t> readers(graph.values.size(), 0);
  for (const Node& node : graph.nodes) {
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) ++readers[buffers.of[at(id)]];
    }
  }
  for (const ValueId id : graph.outputs) ++readers[buffers.of[at(id)]];
  std::int64_t live = 0, most = 0;
  for (const Node& node : graph.nodes) {
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) live += buffers.bytes[at(id)];
    }
    // A pass may have one node compute both: the result alone is certain.
    const std::size_t from = node.inputs.empty() || node.inputs[0] == kNoValue
                                 ? graph.values.size()
                                 : buffers.of[at(node.inputs[0])];
    const bool fuses =
        traits(node.op).elementwise && from < graph.values.size() && readers[from] == 1;
    const std::int64_t shared = fuses ? buffers.bytes[from] : 0;
    most = std::max(most, live - shared + (scratch ? golden_scratch(graph, node) : 0));
    for (const auto* ids : {&node.inputs, &node.outputs}) {
      for (const ValueId id : *ids) {
        if (id == kNoValue) continue;
        const std::size_t buffer = buffers.of[at(id)];
        const bool dead = ids == &node.inputs ? --readers[buffer] == 0 : readers[buffer] == 0;
        // Once: a result that shares its operand's bytes is the same buffer.
        if (dead) live -= std::exchange(buffers.bytes[buffer], 0);
      }
    }
  }
  return most;
}

RunMemory run_memory(const Graph& integers, const Program& program, const Machine& machine) {
  const Modelled model = modelled(program, machine);
  const std::int64_t host = sum_of(Buffers(host_of(program)));
  RunMemory memory;
  memory.collected = total(model.collected) + host;
  memory.simulation = model.memories + memory.collected;
  memory.golden_all = sum_of(Buffers(integers)) + most_scratch(integers);
  memory.golden_live = evaluation_bytes(integers, true);
  return memory;
}

void require_memory_for_calibration(const Graph& graph) {
  require_memory(input_bytes(graph) + evaluation_bytes(graph),
                 fmt::format("{}: calibration", graph.name));
}

void require_memory_for_run(const Imported& imported, const Target& target,
                            const CompileRequest& request) {
  const Graph& graph = imported.graph;
  if (!may_exceed_limit(graph)) return;
  if (!target.machine || !target.compile || !request.program.empty()) return;
  const std::string what = fmt::format("{}: simulation and golden model", graph.name);
  std::int64_t bytes = input_bytes(graph);
  require_memory(bytes, what);
  try {
    if (target.takes_integer_networks && is_integer_network(graph)) {
      bytes += run_bytes(integer_network(graph, {}), target, request);
    } else {
      const Graph prepared = prepared_for(graph, target, request);
      if (request.keep_reference) bytes += kept_bytes(graph, prepared);
      bytes += quantized_run_bytes(prepared, target, request);
    }
  } catch (const Error&) {
    return;  // the compilation that counts says why
  }
  require_memory(bytes, what);
}

}  // namespace workbench
