#include "compiler/xdnn/replay_parts.h"

#include <algorithm>
#include <set>

#include "compiler/xdnn/lowered.h"
#include "compiler/xdnn/pack.h"
#include "compiler/xdnn/replay_values.h"
#include "compiler/xdnn/support.h"
#include "core/error.h"
#include "core/parallel.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

namespace {

const Conv& conv_of(const Step& step) {
  const auto* fused = std::get_if<ConvPool>(&step.instruction);
  return fused != nullptr ? fused->conv : std::get<Conv>(step.instruction);
}

void set_ddr_address(Instruction& instruction, std::int64_t address) {
  if (auto* gather = std::get_if<Gather>(&instruction)) gather->ddr_address = address;
  if (auto* scatter = std::get_if<Scatter>(&instruction)) scatter->ddr_address = address;
  if (auto* conv = std::get_if<Conv>(&instruction)) conv->inaddr = address;
  if (auto* fused = std::get_if<ConvPool>(&instruction)) fused->conv.inaddr = address;
}

}  // namespace

void check_replay_filters(const Entry& entry, const Conv& conv, const Machine& machine) {
  const ChannelLayout& layout = conv.tail.source;
  if (!machine.width_aligned()) {
    const std::int64_t word = machine.geometry().word_channels();
    const std::int64_t room = layout.full * word + layout.repl_sections * layout.repl_width;
    if (layout.sections() < 1 || room < conv.in_ch) {
      refuse(entry, fmt::format("the source layout holds {} channels, found {}", room, conv.in_ch));
    }
    if (layout.replicated() && layout.repl_units * layout.repl_width > word) {
      refuse(entry, fmt::format("{} copies of {} channels do not fit in a word of {}",
                                layout.repl_units, layout.repl_width, word));
    }
  }
  const ConvCost cost = conv_cost(conv, conv.out_h * conv.out_w, machine);
  const FilterMode mode = filter_mode(cost.steps, machine);
  if (!mode.possible || (mode.half_rate && !conv.tail.half_rate)) {
    refuse(entry,
           fmt::format("{} array steps per pixel do not fit the filter buffers of {}{}", cost.steps,
                       machine.name, conv.tail.half_rate ? "" : " at full rate"));
  }
}

void place_replay_tensors(const Graph& graph, const Machine& machine,
                          const std::vector<ReplayFilters>& filters,
                          const std::vector<ReplayDdrUse>& uses, Program& program) {
  struct Part {
    std::int64_t begin, bytes;
  };
  std::vector<Part> parts;
  std::int64_t end = 0;
  for (const ReplayFilters& one : filters) {
    Step& step = program.steps[static_cast<std::size_t>(one.step)];
    parts.push_back({end, filter_bytes(filter_shape(conv_of(step)), machine)});
    step.filter_address = end;
    end += parts.back().bytes;
  }
  program.constants.assign(static_cast<std::size_t>(end), '\0');
  parallel_for(static_cast<std::int64_t>(filters.size()), 0, [&](std::int64_t i) {
    const ReplayFilters& one = filters[static_cast<std::size_t>(i)];
    const Part& part = parts[static_cast<std::size_t>(i)];
    const Node& node = graph.nodes[one.node];
    const Conv& conv = conv_of(program.steps[static_cast<std::size_t>(one.step)]);
    pack_filters(
        filter_shape(conv), code_bytes(*graph.value(node.inputs[1]).constant),
        channel_configs(graph, node, 0, conv.out_ch), machine,
        std::span(program.constants)
            .subspan(static_cast<std::size_t>(part.begin), static_cast<std::size_t>(part.bytes)));
  });
  for (DdrTensor& tensor : program.ddr_tensors) {
    tensor.address = round_up(end, 4096);  // a burst boundary
    end = tensor.address +
          ddr_tensor_bytes(tensor.channels, tensor.height, tensor.width, machine.geometry());
  }
  program.ddr_bytes = end;
  if (end > machine.ddr.size_bytes) {
    fail("{}: weights and tensors need {} bytes of DDR, {} has {}", graph.name, end, machine.name,
         machine.ddr.size_bytes);
  }
  for (const ReplayDdrUse& use : uses) {
    set_ddr_address(program.steps[static_cast<std::size_t>(use.step)].instruction,
                    program.ddr_tensors[use.tensor].address);
  }
}

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

}  // namespace workbench::xdnn
