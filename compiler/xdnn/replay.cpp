#include "compiler/xdnn/replay.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "compiler/xdnn/emit.h"
#include "compiler/xdnn/lower.h"
#include "compiler/xdnn/mapping.h"
#include "compiler/xdnn/replay_values.h"
#include "compiler/xdnn/support.h"
#include "core/error.h"
#include "core/graph.h"
#include "core/parallel.h"
#include "isa/xdnn/assembly.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/memory.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

namespace {

// --- around the instructions ---------------------------------------------------------------------

// A replayed program's surroundings: filters, DDR addresses, the host's part.

struct ReplayFilters {
  std::int32_t step = 0;  // a convolution
  std::size_t node = 0;   // whose weights these are
};
struct ReplayDdrUse {
  std::int32_t step = 0;   // gather, scatter or tiled convolution
  std::size_t tensor = 0;  // of Program::ddr_tensors
};

// Throws Error when the array cannot run the convolution as it is written down: a layout that does
// not hold its channels, more steps than the filter buffers take in its mode.
void check_replay_filters(const Entry& entry, const Conv& conv, const Machine& machine);

// Packs the filters, places the DDR tensors behind them and tells the instructions where.
void place_replay_tensors(const Graph& graph, const Machine& machine,
                          const std::vector<ReplayFilters>& filters,
                          const std::vector<ReplayDdrUse>& uses, Program& program);

// Nodes that the accelerator does not run: before the first instruction what depends on none of its
// results, at the end the others. Throws Error where the host needs a value that stays inside.
void add_replay_host(const Graph& graph, Program& program);

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

void add_replay_host(const Graph& graph, Program& program) { HostPart(graph, program).run(); }

}  // namespace

// --- instructions --------------------------------------------------------------------------------

namespace {

class Replaying {
 public:
  Replaying(const Listing& listing, const Graph& graph, const Machine& machine)
      : listing_(listing),
        graph_(graph),
        machine_(machine),
        geometry_(machine.geometry()),
        layers_(graph),
        values_(listing, graph, machine, result_.program, result_.notes) {}

  Replay run() {
    if (is_v2(listing_.dialect) != (machine_.family() == Family::V2)) {
      fail("{}: a program of dialect {} cannot run on {}", graph_.name, to_string(listing_.dialect),
           machine_.name);
    }
    for (const Entry& entry : listing_.entries) {
      if (!entry.opcode.empty() && active(entry)) step(entry);
    }
    check_complete();
    values_.add_probes();
    add_replay_host(graph_, program_);
    place_replay_tensors(graph_, machine_, filters_, ddr_uses_, program_);
    describe();
    return std::move(result_);
  }

 private:
  const Node& node(std::size_t n) const { return graph_.nodes[n]; }
  const Shape& shape(ValueId id) const { return graph_.value(id).shape; }
  std::int32_t now() const { return static_cast<std::int32_t>(program_.steps.size()); }

  void step(const Entry& entry) {
    Instruction instruction = instruction_from(entry);
    Tail& t = tail(instruction);
    for (ChannelLayout* layout : {&t.source, &t.destination, &t.concat_volume}) {
      // The vendor's tools leave a unit width behind where there are no copies.
      if (!layout->replicated()) layout->repl_units = layout->repl_width = 0;
    }
    if (is_v2(listing_.dialect)) t.slice = 1;  // V2 has but one, and numbers it 0 or not at all
    if (t.slice != 1) refuse(entry, fmt::format("field slice: expected 1, found {}", t.slice));
    if (t.destination_in_ddr) refuse(entry, "a result that streams to DDR is not replayed");
    std::visit([&](auto& op) { accept(entry, op); }, instruction);
  }

  // --- instructions ---------------------------------------------------------------------------

  void push(const Entry& entry, Instruction instruction, const ReplayTarget& target,
            Rescale rescale, const std::string& text) {
    const std::int64_t am = machine_.am_words();
    const Step step{std::move(instruction), 0, rescale};
    for (const auto& list :
         {footprint(step, machine_).am_reads, footprint(step, machine_).am_writes}) {
      for (const AmRegion& region : list) {
        if (region.word_end <= am) continue;
        refuse(entry, fmt::format("AM word {:#x} is outside: {} has {:#x} words",
                                  region.word_end - 1, machine_.name, am));
      }
    }
    add_layer(entry, step, target, text);
    program_.steps.push_back(step);
    for (const std::size_t n : target.nodes) computed_.insert(n);
  }

  void add_layer(const Entry& entry, const Step& step, const ReplayTarget& target,
                 const std::string& text) {
    LayerInfo layer{.name = name_of(entry), .op = text};
    if (layer.name.empty()) layer.name = graph_.value(target.whole).name;
    const Operands operands = am_operands(step, machine_);
    const AmTensor& result =
        operands.results.empty() ? operands.sources.at(0) : operands.results[0];
    layer.shape = {1, result.channels, result.height, result.width};
    layer.result_words = am_words(result, geometry_);
    for (const std::size_t n : target.nodes) {
      layer.merged.push_back(node(n).name);
      layer.macs += macs(graph_, node(n));
      const bool pooled_part = std::holds_alternative<MaxPool>(node(n).op) && target.part;
      if (!pooled_part) {
        layer.ops += layer_ops(graph_, node(n));
      } else {  // of the pool, the channels that are here
        layer.ops += layer_ops(graph_, node(n)) / shape(node(n).outputs[0])[1] * result.channels;
      }
    }
    program_.info.instruction_layer.push_back(
        static_cast<std::int32_t>(program_.info.layers.size()));
    program_.info.instruction_text.push_back(entry.opcode + " " + layer.name);
    program_.info.layers.push_back(std::move(layer));
  }

  // Every number of the instruction that node `n` decides.
  void hold(const Entry& entry, std::size_t n, const Instruction& instruction) const {
    compare(layer_of(graph_, node(n), nullptr, machine_), instruction,
            [&](const char* field, std::int64_t network, std::int64_t found) {
              agree(entry, field, network, found);
            });
  }

  // The convolution against node `n`; where its input lies.
  void convolution(const Entry& entry, Conv& conv, std::size_t n) {
    const auto& op = std::get<workbench::Conv>(node(n).op);
    if (op.groups != 1) refuse(entry, fmt::format("{} groups are not replayed", op.groups));
    hold(entry, n, conv);
    const bool biased = node(n).inputs.size() > 2 && node(n).inputs[2] != kNoValue;
    if (biased) agree(entry, "bias", 1, conv.bias ? 1 : 0);
    check_replay_filters(entry, conv, machine_);
    filters_.push_back({now(), n});
    if (!conv.tail.source_in_ddr) {
      values_.reads(entry, node(n).inputs[0], conv.inaddr, conv.tail.source);
    } else {
      from_ddr(entry, node(n).inputs[0]);
    }
  }

  void accept(const Entry& entry, Conv& op) {
    if (op.transposed) refuse(entry, "deconvolutions are not replayed");
    const std::size_t n = layers_.node_of(entry, op);
    convolution(entry, op, n);
    const ReplayTarget target = layers_.target(n);
    values_.writes(entry, target, op.outaddr, op.out_ch, op.tail);
    push(entry, op, target, {}, text_of(layer_of(op)));
  }

  void accept(const Entry& entry, ConvPool& op) {
    const std::size_t n = layers_.node_of(entry, op);
    convolution(entry, op.conv, n);
    const ReplayTarget target = layers_.target(n, op, entry);
    agree(entry, "outsize_h", shape(target.whole)[2], op.out_h);
    agree(entry, "outsize_w", shape(target.whole)[3], op.out_w);
    values_.writes(entry, target, op.conv.outaddr, op.conv.out_ch, op.conv.tail);
    push(entry, op, target, {}, text_of(layer_of(op)));
  }

  // Maps of the AM in, a map of the AM out.
  void accept(const Entry& entry, auto& op) {
    const std::size_t n = layers_.node_of(entry, op);
    hold(entry, n, op);
    const Operands at = operands(op);
    const std::vector<ValueId>& inputs = node(n).inputs;
    const bool sum = at.sources.size() == 2;
    if (sum && op.tail.source_in_ddr) refuse(entry, "a sum of operands in DDR is not replayed");
    // A sum does not care which operand is called A.
    const bool swapped = sum && at.sources[0].address != at.sources[1].address &&
                         values_.is_at(inputs[0], at.sources[1].address);
    for (std::size_t i = 0; i < at.sources.size(); ++i) {
      values_.reads(entry, inputs[swapped ? 1 - i : i], at.sources[i].address,
                    at.sources[i].layout);
    }
    const ReplayTarget target = layers_.target(n);
    values_.writes(entry, target, at.results[0].address, at.results[0].channels, op.tail);
    push(entry, op, target, rescale_of(op, node(n)), text_of(layer_of(op)));
  }

  // --- DDR ------------------------------------------------------------------------------------

  // The tensor of `value` in DDR; made when it is the network's input.
  void from_ddr(const Entry& entry, ValueId value) {
    if (!in_ddr_.contains(value)) {
      if (!from_host(value)) {
        refuse(entry, fmt::format("reads '{}' from DDR, where nothing has put it",
                                  graph_.value(value).name));
      }
      add_tensor(value);
    }
    ddr_uses_.push_back({now(), in_ddr_.at(value)});
  }

  bool from_host(ValueId value) const {
    return std::any_of(graph_.nodes.begin(), graph_.nodes.end(), [&](const Node& producer) {
      return producer.outputs[0] == value && std::holds_alternative<Quantize>(producer.op);
    });
  }

  void add_tensor(ValueId value) {
    const Shape& s = shape(value);
    in_ddr_[value] = program_.ddr_tensors.size();
    program_.ddr_tensors.push_back({graph_.value(value).name, 0, s[1], s[2], s[3]});
  }

  void whole_rows(const Entry& entry, std::int64_t start, std::int64_t end, std::int64_t height) {
    if (start != 0 || end != height - 1) {
      refuse(entry,
             fmt::format("rows {} to {} of {}: row pieces are not replayed", start, end, height));
    }
  }

  void accept(const Entry& entry, Gather& op) {
    whole_rows(entry, op.start_row, op.end_row, op.height);
    ValueId value = kNoValue;
    const auto stored = scattered_.find(op.ddr_address);
    if (!op.tail.source_from_image_queue && stored != scattered_.end()) {
      value = stored->second;
    } else {
      for (const Node& candidate : graph_.nodes) {
        if (std::holds_alternative<Quantize>(candidate.op)) value = candidate.outputs[0];
      }
    }
    if (value == kNoValue) refuse(entry, "reads DDR where nothing has been put");
    agree(entry, "inchan", shape(value)[1], op.channels);
    agree(entry, "insize_h", shape(value)[2], op.height);
    agree(entry, "insize_w", shape(value)[3], op.width);
    from_ddr(entry, value);
    values_.forget(value);
    const ReplayTarget target{.value = value, .whole = value};
    values_.writes(entry, target, op.am_address, op.channels, op.tail);
    push(entry, op, target, {}, "Download");
  }

  void accept(const Entry& entry, Scatter& op) {
    whole_rows(entry, op.start_row, op.end_row, op.height);
    const ValueId value = values_.value_at(entry, op.am_address, op.channels);
    if (value == kNoValue) refuse(entry, "no value of the network begins at its address");
    agree(entry, "outsize_h", shape(value)[2], op.height);
    agree(entry, "outsize_w", shape(value)[3], op.width);
    values_.reads(entry, value, op.am_address, op.tail.source);
    if (!in_ddr_.contains(value)) add_tensor(value);
    scattered_[op.ddr_address] = value;
    ddr_uses_.push_back({now(), in_ddr_.at(value)});
    push(entry, op, {.value = value, .whole = value}, {}, "Upload");
  }

  // --- the rest -------------------------------------------------------------------------------

  void check_complete() const {
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      const Node& one = node(n);
      if (!on_accelerator(graph_, one) || std::holds_alternative<Concat>(one.op)) continue;
      if (!computed_.contains(n)) {
        fail("{}: the program has no instruction for {} '{}'", graph_.name, op_name(one.op),
             one.name);
      }
    }
  }

  void describe() {
    ProgramInfo& info = program_.info;
    info.network = graph_.name;
    info.machine = machine_.name;
    info.moveops = count_moveops(program_, machine_);
    std::int64_t peak = 0, extent = 0;
    for (std::int32_t i = 0; i < now(); ++i) {
      std::int64_t live = 0;
      for (const Volume& v : program_.memory_map) {
        if (v.first <= i && i <= v.last) live += v.words;
      }
      peak = std::max(peak, live);
    }
    for (const Volume& v : program_.memory_map) extent = std::max(extent, v.address + v.words);
    info.peak_bytes = info.minimum_bytes = peak * machine_.word_bytes();
    info.extent_bytes = extent * machine_.word_bytes();
    info.capacity_bytes = machine_.am.size_bytes;
  }

  const Listing& listing_;
  const Graph& graph_;
  const Machine& machine_;
  Geometry geometry_;
  NetworkLayers layers_;
  Replay result_;
  Program& program_ = result_.program;
  ReplayValues values_;
  std::map<ValueId, std::size_t> in_ddr_;      // index into ddr_tensors
  std::map<std::int64_t, ValueId> scattered_;  // by the listing's DDR address
  std::vector<ReplayFilters> filters_;
  std::vector<ReplayDdrUse> ddr_uses_;
  std::set<std::size_t> computed_;  // nodes
};

}  // namespace

Replay replay(const Listing& listing, const Graph& quantized, const Machine& machine) {
  return Replaying(listing, quantized, machine).run();
}

WaitBits count_wait_bits(const Program& program, const Machine& machine) {
  Program needed = program;
  set_wait_bits(needed, machine);
  WaitBits count;
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    for (int u = 0; u < kUnits; ++u) {
      const auto unit = static_cast<Unit>(u);
      const bool set = waits_for(tail(program.steps[i].instruction), unit);
      const bool need = waits_for(tail(needed.steps[i].instruction), unit);
      count.set += set ? 1 : 0;
      count.redundant += set && !need ? 1 : 0;
      count.missing += !set && need ? 1 : 0;
    }
  }
  return count;
}

}  // namespace workbench::xdnn
