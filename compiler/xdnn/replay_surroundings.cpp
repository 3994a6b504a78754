#include "compiler/xdnn/replay_surroundings.h"

#include <algorithm>
#include <set>
#include <span>
#include <string>

#include "compiler/xdnn/emit.h"
#include "compiler/xdnn/replay_listing.h"
#include "core/error.h"
#include "core/parallel.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

// --- filters and tensors -------------------------------------------------------------------------

namespace {

void set_ddr_address(Instruction& instruction, const ReplayDdrUse& use, std::int64_t address) {
  if (auto* gather = std::get_if<Gather>(&instruction)) gather->ddr_address = address;
  if (auto* scatter = std::get_if<Scatter>(&instruction)) scatter->ddr_address = address;
  if (Conv* conv = conv_in(instruction)) (use.result ? conv->outaddr : conv->inaddr) = address;
  if (auto* pool = std::get_if<Pool>(&instruction)) {
    (use.result ? pool->outaddr : pool->inaddr) = address;
  }
  if (auto* sum = std::get_if<Eltwise>(&instruction)) {
    (use.result ? sum->outaddr : use.operand == 0 ? sum->inaddr_a : sum->inaddr_b) = address;
  }
}

}  // namespace

void pack_replay_filters(const Graph& graph, const Machine& card,
                         const std::vector<ReplayFilters>& filters, Program& program) {
  struct Part {
    std::int64_t begin, bytes;
  };
  std::vector<Part> parts;
  std::int64_t end = 0;
  for (const ReplayFilters& one : filters) {
    Step& step = program.steps[static_cast<std::size_t>(one.step)];
    const MachineOfSlice own(card, tail(step.instruction).slice);
    parts.push_back({end, filter_bytes(filter_shape(*conv_in(step.instruction)), own.get())});
    step.filter_address = end;
    end += parts.back().bytes;
  }
  if (end > card.ddr.size_bytes) {
    fail("{}: weights need {} bytes of DDR, {} has {}", graph.name, end, card.name,
         card.ddr.size_bytes);
  }
  program.constants.assign(static_cast<std::size_t>(end), '\0');
  parallel_for(static_cast<std::int64_t>(filters.size()), 0, [&](std::int64_t i) {
    const ReplayFilters& one = filters[static_cast<std::size_t>(i)];
    const Part& part = parts[static_cast<std::size_t>(i)];
    const Node& node = graph.nodes[one.node];
    const Conv& conv = *conv_in(program.steps[static_cast<std::size_t>(one.step)].instruction);
    const MachineOfSlice own(card, conv.tail.slice);
    pack_filters(
        filter_shape(conv), block_weights(graph, node, one.block).values,
        channel_configs(graph, node, one.block.out_begin, one.block.out_end), own.get(),
        std::span(program.constants)
            .subspan(static_cast<std::size_t>(part.begin), static_cast<std::size_t>(part.bytes)));
  });
}

void place_replay_tensors(const Graph& graph, const Machine& machine,
                          const std::vector<ReplayDdrUse>& uses, std::ptrdiff_t between,
                          Program& program) {
  auto end = static_cast<std::int64_t>(program.constants.size());
  for (std::size_t i = 0; i < program.ddr_tensors.size(); ++i) {
    DdrTensor& tensor = program.ddr_tensors[i];
    tensor.address = round_up(end, 4096);  // a burst boundary
    const std::int64_t bytes =
        ddr_tensor_bytes(tensor.channels, tensor.height, tensor.width, machine.geometry());
    const bool twice = static_cast<std::ptrdiff_t>(i) == between;
    end = tensor.address + (twice ? 2 * round_up(bytes, 4096) : bytes);
  }
  program.ddr_bytes = end;
  if (end > machine.ddr.size_bytes) {
    fail("{}: weights and tensors need {} bytes of DDR, {} has {}", graph.name, end, machine.name,
         machine.ddr.size_bytes);
  }
  for (const ReplayDdrUse& use : uses) {
    set_ddr_address(program.steps[static_cast<std::size_t>(use.step)].instruction, use,
                    program.ddr_tensors[use.tensor].address);
  }
}

// --- the host's part -----------------------------------------------------------------------------

namespace {

class HostPart {
 public:
  HostPart(const Graph& graph, Program& program)
      : graph_(graph), program_(program), host_value_(graph.values.size(), kNoValue) {
    for (const DdrTensor& tensor : program.ddr_tensors) in_ddr_.insert(tensor.value);
  }

  void run() {
    program_.host.name = graph_.name;
    for (const ValueId id : graph_.inputs) program_.host.inputs.push_back(host_value(id));
    HostStep first{.before = 0};
    HostStep last{.before = static_cast<std::int32_t>(program_.steps.size())};
    std::set<ValueId> late;  // values that depend on the accelerator
    for (const Node& node : graph_.nodes) {
      const bool inside = on_accelerator(graph_, node);
      const bool after = inside || std::any_of(node.inputs.begin(), node.inputs.end(),
                                               [&](ValueId id) { return late.contains(id); });
      if (after) late.insert(node.outputs.begin(), node.outputs.end());
      if (inside) continue;
      (after ? last : first).nodes.push_back(program_.host.nodes.size());
      copy(node);
    }
    for (const ValueId id : graph_.outputs) program_.host.outputs.push_back(host_value(id));
    for (const HostStep& step : {first, last}) {
      if (!step.nodes.empty()) program_.host_steps.push_back(step);
    }
  }

 private:
  ValueId host_value(ValueId id) {
    ValueId& known = host_value_[static_cast<std::size_t>(id)];
    if (known == kNoValue) known = program_.host.add_value(graph_.value(id));
    return known;
  }

  void copy(Node node) {
    for (auto* list : {&node.inputs, &node.outputs}) {
      for (ValueId& id : *list) {
        if (id == kNoValue) continue;
        const Value& value = graph_.value(id);
        const bool shared = is_code(value.type) && !value.constant;
        if (shared && !in_ddr_.contains(value.name)) {
          fail("{}: host step '{}' and the accelerator share '{}', which the program does not move",
               graph_.name, node.name, value.name);
        }
        id = host_value(id);
      }
    }
    program_.host.nodes.push_back(std::move(node));
  }

  const Graph& graph_;
  Program& program_;
  std::vector<ValueId> host_value_;
  std::set<std::string> in_ddr_;
};

}  // namespace

void add_replay_host(const Graph& graph, Program& program) { HostPart(graph, program).run(); }

// --- figures -------------------------------------------------------------------------------------

namespace {

// Words in use while instruction `i` runs: those of tensors alive and of its tile buffers. An
// operand and the result that takes its place are the same words.
std::int64_t live_words(const Program& program, const Machine& machine, std::int32_t i) {
  std::vector<std::pair<std::int64_t, std::int64_t>> used;
  for (const Volume& v : program.memory_map) {
    if (v.first <= i && i <= v.last) used.emplace_back(v.address, v.address + v.words);
  }
  const Step& step = program.steps[static_cast<std::size_t>(i)];
  for (const AmRegion& region : footprint(step, machine).am_writes) {
    if (region.slice == 1) used.emplace_back(region.word_begin, region.word_end);
  }
  std::sort(used.begin(), used.end());
  std::int64_t words = 0, end = 0;
  for (const auto& [begin, last] : used) {
    words += std::max<std::int64_t>(0, last - std::max(begin, end));
    end = std::max(end, last);
  }
  return words;
}

}  // namespace

void describe_replay(const Graph& graph, const Machine& machine, Program& program) {
  ProgramInfo& info = program.info;
  info.network = graph.name;
  info.machine = machine.name;
  const MovedBytes moved = moved_bytes(program, machine);
  info.moveops = moved.inside;
  info.io_bytes = moved.input_output;
  std::int64_t peak = 0, extent = 0;
  for (std::int32_t i = 0; i < static_cast<std::int32_t>(program.steps.size()); ++i)
    peak = std::max(peak, live_words(program, machine, i));
  for (const Volume& v : program.memory_map) extent = std::max(extent, v.address + v.words);
  info.peak_bytes = info.minimum_bytes = peak * machine.word_bytes();
  info.extent_bytes = extent * machine.word_bytes();
  info.capacity_bytes = machine.am.size_bytes;
}

}  // namespace workbench::xdnn
