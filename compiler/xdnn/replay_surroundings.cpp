#include "compiler/xdnn/replay_surroundings.h"

#include <algorithm>
#include <map>
#include <optional>
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
    const ReplayFilters* filters;
    std::int64_t begin, bytes;
  };
  std::vector<Part> parts;
  std::int64_t end = 0;
  for (const ReplayFilters& one : filters) {
    Step& step = program.steps[static_cast<std::size_t>(one.step)];
    const auto same = std::ranges::find_if(parts, [&](const Part& part) {
      const Step& other = program.steps[static_cast<std::size_t>(part.filters->step)];
      return part.filters->node == one.node && part.filters->block == one.block &&
             tail(other.instruction).slice == tail(step.instruction).slice &&
             filter_shape(*conv_in(other.instruction)) == filter_shape(*conv_in(step.instruction));
    });
    if (same != parts.end()) {  // another piece of the layer's rows
      step.filter_address = same->begin;
      continue;
    }
    const MachineOfSlice own(card, tail(step.instruction).slice);
    parts.push_back({&one, end, filter_bytes(filter_shape(*conv_in(step.instruction)), own.get())});
    step.filter_address = end;
    end += parts.back().bytes;
  }
  if (end > card.ddr.size_bytes) {
    fail("{}: weights need {} bytes of DDR, {} has {}", graph.name, end, card.name,
         card.ddr.size_bytes);
  }
  program.constants.assign(static_cast<std::size_t>(end), '\0');
  parallel_for(static_cast<std::int64_t>(parts.size()), 0, [&](std::int64_t i) {
    const Part& part = parts[static_cast<std::size_t>(i)];
    const ReplayFilters& one = *part.filters;
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
                    program.ddr_tensors[use.tensor].address + use.offset);
  }
}

// --- the host's part -----------------------------------------------------------------------------

namespace {

class HostPart {
 public:
  HostPart(const Graph& graph, const std::vector<ReplayDdrUse>& uses,
           const std::map<std::string, std::int32_t>& turns, Program& program)
      : graph_(graph),
        program_(program),
        host_value_(graph.values.size(), kNoValue),
        stated_(turns) {
    for (const DdrTensor& tensor : program.ddr_tensors) tensors_[tensor.value] = {};
    for (const ReplayDdrUse& use : uses) {
      Use& known = tensors_[program.ddr_tensors[use.tensor].value];
      if (use.result) {
        known.written = std::max(known.written, use.step);
      } else {
        known.read = std::min(known.read.value_or(use.step), use.step);
      }
    }
  }

  void run() {
    program_.host.name = graph_.name;
    for (const ValueId id : graph_.inputs) program_.host.inputs.push_back(host_value(id));
    turns_[end()];
    for (const Node& node : graph_.nodes) add_turn(node);
    for (const Node& node : graph_.nodes) {
      if (on_accelerator(graph_, node)) continue;
      turn_of(node).push_back(program_.host.nodes.size());
      copy(node);
    }
    for (const ValueId id : graph_.outputs) program_.host.outputs.push_back(host_value(id));
    for (auto& [before, nodes] : turns_) {
      if (!nodes.empty()) program_.host_steps.push_back({before, std::move(nodes)});
    }
  }

 private:
  // Instructions that touch a tensor in DDR: the last that writes it, the first that reads it.
  struct Use {
    std::int32_t written = -1;
    std::optional<std::int32_t> read;
  };

  std::int32_t end() const { return static_cast<std::int32_t>(program_.steps.size()); }

  const Use* use_of(ValueId id) const {
    const auto found = tensors_.find(graph_.value(id).name);
    return found == tensors_.end() ? nullptr : &found->second;
  }

  // The host has a turn when the program says, and before each instruction that is the first to
  // read a result of it.
  void add_turn(const Node& node) {
    if (on_accelerator(graph_, node)) return;
    if (const auto stated = stated_.find(node.name); stated != stated_.end()) {
      turns_[std::min(stated->second, end())];
    }
    for (const ValueId id : node.outputs) {
      const Use* use = id == kNoValue ? nullptr : use_of(id);
      if (use != nullptr && use->read) turns_[*use->read];
    }
  }

  // The first of the turns at which all is there that the node reads.
  std::vector<std::size_t>& turn_of(const Node& node) {
    std::int32_t earliest = 0;
    for (const ValueId id : node.inputs) {
      if (id == kNoValue) continue;
      const auto made = made_.find(id);
      const Use* use = use_of(id);
      if (made != made_.end()) {
        earliest = std::max(earliest, made->second);
      } else if (use != nullptr) {
        earliest = std::max(earliest, use->written + 1);
      }
    }
    auto turn = turns_.lower_bound(earliest);
    if (const auto stated = stated_.find(node.name); stated != stated_.end()) {
      turn = turns_.find(std::min(stated->second, end()));
      if (stated->second < earliest) {
        fail("{}: the program has the host's turn for '{}' before instruction {}, which needs {}",
             graph_.name, node.name, stated->second,
             program_.info.instruction_text[static_cast<std::size_t>(earliest - 1)]);
      }
    }
    for (const ValueId id : node.outputs) {
      if (id == kNoValue) continue;
      made_[id] = turn->first;
      const Use* use = use_of(id);
      if (use == nullptr || !use->read || *use->read >= turn->first) continue;
      fail("{}: {} reads '{}' before the host can make it, which needs {}", graph_.name,
           program_.info.instruction_text[static_cast<std::size_t>(*use->read)],
           graph_.value(id).name,
           program_.info.instruction_text[static_cast<std::size_t>(earliest - 1)]);
    }
    return turn->second;
  }

  ValueId host_value(ValueId id) {
    ValueId& known = host_value_[static_cast<std::size_t>(id)];
    if (known == kNoValue) known = program_.host.add_value(graph_.value(id));
    return known;
  }

  void copy(Node node) {
    for (auto* list : {&node.inputs, &node.outputs}) {
      for (ValueId& id : *list) {
        if (id == kNoValue) continue;
        if (shared(id) && use_of(id) == nullptr) {
          fail("{}: host step '{}' and the accelerator share '{}', which the program does not move",
               graph_.name, node.name, graph_.value(id).name);
        }
        id = host_value(id);
      }
    }
    program_.host.nodes.push_back(std::move(node));
  }

  // Codes that the accelerator makes or reads.
  bool shared(ValueId id) const {
    const Value& value = graph_.value(id);
    if (!is_code(value.type) || value.constant) return false;
    return std::any_of(graph_.nodes.begin(), graph_.nodes.end(), [&](const Node& node) {
      if (!on_accelerator(graph_, node)) return false;
      return std::count(node.inputs.begin(), node.inputs.end(), id) > 0 ||
             std::count(node.outputs.begin(), node.outputs.end(), id) > 0;
    });
  }

  const Graph& graph_;
  Program& program_;
  std::vector<ValueId> host_value_;
  const std::map<std::string, std::int32_t>& stated_;  // turns, by node
  std::map<std::string, Use> tensors_;
  std::map<std::int32_t, std::vector<std::size_t>> turns_;  // nodes by the instruction behind
  std::map<ValueId, std::int32_t> made_;                    // by the host, and at which turn
};

}  // namespace

void add_replay_host(const Graph& graph, const std::vector<ReplayDdrUse>& uses,
                     const std::map<std::string, std::int32_t>& turns, Program& program) {
  HostPart(graph, uses, turns, program).run();
}

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
