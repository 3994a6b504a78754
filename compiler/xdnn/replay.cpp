#include "compiler/xdnn/replay.h"

#include <algorithm>
#include <map>
#include <vector>

#include "compiler/xdnn/branch_pools.h"
#include "compiler/xdnn/emit.h"
#include "compiler/xdnn/lower.h"
#include "compiler/xdnn/mapping.h"
#include "compiler/xdnn/replay_ddr.h"
#include "compiler/xdnn/replay_listing.h"
#include "compiler/xdnn/replay_surroundings.h"
#include "compiler/xdnn/replay_values.h"
#include "core/error.h"
#include "core/graph.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/memory.h"
#include "isa/xdnn/program.h"
#include "isa/xdnn/well_formed.h"

namespace workbench::xdnn {

namespace {

class Replaying {
 public:
  Replaying(const Listing& listing, const Graph& graph, const Machine& machine)
      : listing_(listing),
        graph_(graph),
        machine_(machine),
        geometry_(machine.geometry()),
        steps_(listed_steps(listing, machine)),
        layers_(graph, steps_, machine),
        values_(listing, graph, machine, result_.program, result_.notes),
        ddr_(listing, graph, result_.program, result_.notes) {}

  Replay run() {
    for (ListedStep& step : steps_) {
      step_ = &step;
      std::visit([&](auto& op) { accept(op); }, step.instruction);
    }
    check_complete();
    upload_results();
    values_.add_probes();
    add_replay_host(graph_, ddr_.uses(), program_);
    pack_replay_filters(graph_, machine_, filters_, program_);
    place_replay_tensors(graph_, machine_, ddr_.uses(), ddr_.between(), program_);
    describe_replay(graph_, machine_, program_);
    return std::move(result_);
  }

 private:
  const Entry& entry() const { return *step_->entry; }
  const Node& node(std::size_t n) const { return graph_.nodes[n]; }
  const Shape& shape(ValueId id) const { return graph_.value(id).shape; }
  std::int32_t now() const { return static_cast<std::int32_t>(program_.steps.size()); }

  // --- instructions ---------------------------------------------------------------------------

  void push(Instruction instruction, const ReplayTarget& target, Rescale rescale,
            const std::string& text, const std::string& name = "") {
    const Step step{std::move(instruction), 0, rescale};
    const std::string fault = malformed(step, machine_);
    if (!fault.empty()) refuse(entry(), fault);
    const Footprint touched = footprint(step, machine_);
    for (const auto* list : {&touched.am_reads, &touched.am_writes}) {
      for (const AmRegion& region : *list) {
        const MachineOfSlice own(machine_, region.slice);
        const std::int64_t am = own.get().am_words();
        if (region.word_end <= am) continue;
        refuse(entry(), fmt::format("AM word {:#x} is outside: {} has {:#x} words",
                                    region.word_end - 1, own.get().name, am));
      }
    }
    add_layer(step, target, text, name.empty() ? name_of(entry()) : name);
    program_.steps.push_back(step);
  }

  void add_layer(const Step& step, const ReplayTarget& target, const std::string& text,
                 const std::string& name) {
    LayerInfo layer{.name = name, .op = text};
    if (layer.name.empty()) layer.name = graph_.value(target.whole).name;
    const AmTensor result = result_of(step);
    layer.shape = {1, result.channels, result.height, result.width};
    layer.result_words = am_words(result, geometry_);
    const std::int64_t cells = result.channels * result.height;
    for (const std::size_t n : target.nodes) {
      // Of the last one, as much as this instruction computes.
      const Shape& all = shape(node(n).outputs[0]);
      const std::int64_t of = n == target.nodes.back() ? all[1] * all[2] : cells;
      layer.merged.push_back(node(n).name);
      layer.macs += macs(graph_, node(n)) / of * cells;
      layer.ops += layer_ops(graph_, node(n)) / of * cells;
    }
    program_.info.instruction_layer.push_back(
        static_cast<std::int32_t>(program_.info.layers.size()));
    program_.info.instruction_text.push_back(
        fmt::format("{} {}", opcode(step.instruction), layer.name));
    program_.info.layers.push_back(std::move(layer));
  }

  // What an instruction writes, or an upload reads; of what streams to DDR, as the AM would hold
  // it.
  AmTensor result_of(const Step& step) const {
    const Operands operands = am_operands(step, machine_);
    if (!operands.results.empty()) return operands.results[0];
    if (!tail(step.instruction).destination_in_ddr) return operands.sources.at(0);
    const DdrTensor streamed = ddr_result(step);
    return {0, streamed.channels, streamed.height, streamed.width,
            plain_layout(streamed.channels, geometry_)};
  }

  // Every number of the instruction that the layer decides.
  void hold(const Layer& layer, const Instruction& instruction) const {
    compare(layer, instruction, [&](const char* field, std::int64_t network, std::int64_t found) {
      agree(entry(), field, network, found);
    });
  }

  // --- pieces of layers -----------------------------------------------------------------------

  // The rows of a layer's result that come of these rows of its operand, and the layer cut to them.
  // `pad`: rows of padding that the instruction has above them (docs/facts/xdnn.md 2.3).
  std::int64_t cut_rows(const Part& source, std::int64_t pad, std::int64_t count,
                        Layer& layer) const {
    const Extent whole = layer.in;
    const std::int64_t stride = layer.window.strides[0], above = layer.window.pads_begin[0];
    const std::int64_t reach = source.first_row + above - pad;
    const std::int64_t first = reach / stride;
    const std::int64_t top = std::max<std::int64_t>(0, first * stride - above);
    const std::int64_t bottom = (first + count - 1) * stride - above +
                                (layer.window.kernel[0] - 1) * layer.window.dilations[0] + 1;
    const bool fits = reach >= 0 && reach % stride == 0 && pad >= 0 &&
                      first + count <= layer.out.height && top >= source.first_row &&
                      std::min(whole.height, bottom) <= source.first_row + source.rows;
    if (!fits) {
      refuse(entry(),
             fmt::format("rows {} to {} of its operand are not those of {} rows of its "
                         "result with {} rows of padding above",
                         source.first_row, source.first_row + source.rows - 1, count, pad));
    }
    layer.in.height = source.rows;
    layer.window.pads_begin[0] = pad;
    layer.middle.height = layer.out.height = count;
    return first;
  }

  // The channels of a convolution that is one of several instructions of its layer.
  GroupBlock block_of(const Conv& conv, std::size_t n, const Part& source) const {
    const auto* forward = std::get_if<workbench::Conv>(&node(n).op);
    const std::int64_t groups =
        forward != nullptr ? forward->groups : std::get<ConvTranspose>(node(n).op).groups;
    const std::int64_t ins = shape(node(n).inputs[0])[1], outs = shape(node(n).outputs[0])[1];
    const auto computed = next_channel_.find(n);
    GroupBlock block{source.first_channel, source.first_channel + conv.in_ch,
                     computed == next_channel_.end() ? 0 : computed->second, 0};
    if (conv.tail.concat_part) {
      const std::int64_t start = conv.tail.concat_start - layers_.target(n).start;
      if (start >= 0 && start < outs) block.out_begin = start;
    }
    block.out_end = block.out_begin + conv.out_ch;
    const std::int64_t in_group = ins / groups, out_group = outs / groups;
    const std::int64_t first = block.out_begin / out_group * in_group;
    const std::int64_t last = ((block.out_end - 1) / out_group + 1) * in_group;
    if (block.out_end > outs) agree(entry(), "outchan", outs - block.out_begin, conv.out_ch);
    if (block.in_end > ins) agree(entry(), "inchan", ins - block.in_begin, conv.in_ch);
    if (first < block.in_begin || last > block.in_end) {
      refuse(entry(), fmt::format("its channels {} to {} come of channels {} to {}, it reads {} "
                                  "to {}",
                                  block.out_begin, block.out_end - 1, first, last - 1,
                                  block.in_begin, block.in_end - 1));
    }
    return block;
  }

  // --- convolutions ---------------------------------------------------------------------------

  // The convolution against node `n`, where its input lies, and what it computes of the node.
  Part convolution(Conv& conv, const Instruction& whole, std::size_t n, const Node* pool) {
    Layer layer = layer_of(graph_, node(n), pool, machine_);
    const ValueId in = node(n).inputs[0];
    Part source = values_.whole(in);
    if (conv.tail.source_in_ddr) {
      ddr_.reads_tiles(entry(), conv.tail, in, conv.inaddr, 0);
    } else {
      source = operand(in, conv.inaddr, conv.tail.source, conv.in_ch, conv.in_h, conv.in_w);
    }
    Part part = values_.whole(node(n).outputs[0]);
    if (source.rows != shape(in)[2] && pool == nullptr && !conv.transposed) {
      part.first_row = cut_rows(source, conv.pad_h, conv.out_h, layer);
      part.rows = conv.out_h;
    }
    GroupBlock block{0, shape(in)[1], 0, part.channels};
    if (conv.in_ch != layer.in.channels || conv.out_ch != layer.middle.channels) {
      block = block_of(conv, n, source);
      layer.in.channels = conv.in_ch;
      layer.middle.channels = layer.out.channels = conv.out_ch;
      part.first_channel = block.out_begin, part.channels = conv.out_ch;
    }
    next_channel_[n] = block.out_end;
    hold(layer, whole);
    const bool biased = node(n).inputs.size() > 2 && node(n).inputs[2] != kNoValue;
    if (biased) agree(entry(), "bias", 1, conv.bias ? 1 : 0);
    const bool slopes = node(n).requantize && !node(n).requantize->negative_scale.empty();
    agree(entry(), "prelu", slopes ? 1 : 0, conv.prelu ? 1 : 0);
    filters_.push_back({now(), n, block});
    return part;
  }

  // The layer, and what it computes, of the channels of its operand that the instruction reads.
  static void cut_channels(const Part& source, Layer& layer, Part& part) {
    if (source.channels == layer.in.channels) return;
    layer.in.channels = layer.middle.channels = layer.out.channels = source.channels;
    part.first_channel = source.first_channel, part.channels = source.channels;
  }

  void accept(Conv& op) {
    const std::size_t n = layers_.node_of(*step_);
    const Part part = convolution(op, op, n, nullptr);
    const ReplayTarget target = layers_.target(n);
    layers_.computes(entry(), n, part);
    result(target, part, op);
    push(op, target, {}, text_of(layer_of(op)));
  }

  void accept(ConvPool& op) {
    const std::size_t n = layers_.node_of(*step_);
    const ReplayTarget target = layers_.target(n, op, entry());
    const std::size_t pool = target.nodes.back();
    Part part = convolution(op.conv, op, n, &node(pool));
    if (part.rows != shape(node(n).outputs[0])[2]) {
      refuse(entry(), "row pieces of a convolution with a pool are not replayed");
    }
    agree(entry(), "outsize_h", shape(target.whole)[2], op.out_h);
    agree(entry(), "outsize_w", shape(target.whole)[3], op.out_w);
    layers_.computes(entry(), n, part);
    part.rows = op.out_h;
    Part pooled = part;  // of one pool behind a concat, or of its own
    if (target.value == kNoValue) pooled.first_channel += target.start;
    layers_.computes(entry(), pool, pooled);
    result(target, part, op);
    push(op, target, {}, text_of(layer_of(op)));
  }

  // --- maps in, a map out ---------------------------------------------------------------------

  void accept(Pool& op) {
    if (const ConcatOperand* copied = layers_.copied(*step_)) return copy(op, *copied);
    const std::size_t n = layers_.node_of(*step_);
    Layer layer = layer_of(graph_, node(n), nullptr, machine_);
    const ValueId in = node(n).inputs[0];
    Part source = values_.whole(in);
    if (op.tail.source_in_ddr) {
      ddr_.reads_tiles(entry(), op.tail, in, op.inaddr, 0);
    } else {
      source = operand(in, op.inaddr, op.tail.source, op.channels, op.in_h, op.in_w);
    }
    Part part = values_.whole(node(n).outputs[0]);
    if (source.rows != shape(in)[2]) {
      part.first_row = cut_rows(source, op.pad_h, op.out_h, layer);
      part.rows = op.out_h;
    }
    cut_channels(source, layer, part);
    stream(op, n, layer, part);
  }

  // Brings an operand of a concat to its place.
  void copy(Pool& op, const ConcatOperand& copied) {
    const ValueId value = node(copied.node).inputs[copied.operand];
    const Part part = operand(value, op.inaddr, op.tail.source, op.channels, op.in_h, op.in_w);
    if (part != values_.whole(value)) refuse(entry(), "copies of row pieces are not replayed");
    hold(copy_of({op.channels, op.in_h, op.in_w}), op);
    const ReplayTarget target = layers_.target(copied);
    result(target, part, op);
    push(op, target, {}, "Copy");
  }

  void accept(Eltwise& op) {
    const std::size_t n = layers_.node_of(*step_);
    std::vector<ValueId> inputs = node(n).inputs;
    if (inputs.size() == 1) inputs.push_back(inputs[0]);  // a lone ReLU: x + x
    Part a = values_.whole(inputs[0]), b = a;
    if (op.tail.source_in_ddr) {
      sum_from_ddr(op, inputs);
    } else {
      // A sum does not care which operand is called A.
      if (op.inaddr_a != op.inaddr_b && values_.is_at(inputs[0], op.inaddr_b)) {
        std::swap(inputs[0], inputs[1]);
      }
      find_input(inputs[1], op.inaddr_b, op.tail.source, op.channels, op.height, op.width);
      a = operand(inputs[0], op.inaddr_a, op.tail.source, op.channels, op.height, op.width);
      b = operand(inputs[1], op.inaddr_b, op.tail.source, op.channels, op.height, op.width);
    }
    if (a != b) refuse(entry(), "its operands are different channels or rows");
    Layer layer = layer_of(graph_, node(n), nullptr, machine_);
    if (a.rows != layer.in.height) {  // printed with the height of the whole map
      if (op.height != a.rows) agree(entry(), "insize_h", layer.in.height, op.height);
      op.height = layer.in.height = layer.middle.height = layer.out.height = a.rows;
    }
    cut_channels(a, layer, a);
    stream(op, n, layer, a);
  }

  void sum_from_ddr(const Eltwise& op, std::vector<ValueId>& inputs) {
    if (op.inaddr_a != op.inaddr_b && ddr_.is_at(inputs[0], op.inaddr_b)) {
      std::swap(inputs[0], inputs[1]);
    }
    ddr_.reads_tiles(entry(), op.tail, inputs[0], op.inaddr_a, 0);
    ddr_.reads_tiles(entry(), op.tail, inputs[1], op.inaddr_b, 1);
  }

  void accept(Upsample& op) {
    const std::size_t n = layers_.node_of(*step_);
    Layer layer = layer_of(graph_, node(n), nullptr, machine_);
    const Part source =
        operand(node(n).inputs[0], op.inaddr, op.tail.source, op.channels, op.in_h, op.in_w);
    Part part = values_.whole(node(n).outputs[0]);
    cut_channels(source, layer, part);
    stream(op, n, layer, part);
  }

  void stream(auto& op, std::size_t n, const Layer& layer, const Part& part) {
    hold(layer, op);
    const ReplayTarget target = layers_.target(n);
    layers_.computes(entry(), n, part);
    result(target, part, op);
    push(op, target, rescale_of(op, node(n)), text_of(layer_of(op)));
  }

  // --- operands and results -------------------------------------------------------------------

  // The part of `value` that an operand in the AM is.
  Part operand(ValueId value, std::int64_t address, const ChannelLayout& layout,
               std::int64_t channels, std::int64_t height, std::int64_t width) {
    find_input(value, address, layout, channels, height, width);
    return values_.reads(entry(), value, address, layout, channels);
  }

  // An operand in the AM that nothing has brought there is the host's.
  void find_input(ValueId value, std::int64_t address, const ChannelLayout& layout,
                  std::int64_t channels, std::int64_t height, std::int64_t width) {
    if (values_.known(value) || !ddr_.from_host(value)) return;
    agree(entry(), "inchan", shape(value)[1], channels);
    agree(entry(), "insize_h", shape(value)[2], height);
    agree(entry(), "insize_w", shape(value)[3], width);
    download(value, address, layout);
  }

  // The host puts an input into the AM that no instruction brings there.
  void download(ValueId value, std::int64_t address, const ChannelLayout& layout) {
    const Shape& s = shape(value);
    Gather gather{.am_address = address,
                  .width = s[3],
                  .height = s[2],
                  .channels = s[1],
                  .end_row = s[2] - 1};
    gather.tail.destination = layout;
    set_all_waits(gather.tail);
    note_once(
        fmt::format("the program finds '{}' in the AM at {:#x}: a download brings it there, as "
                    "instruction {}: later ones count one more",
                    graph_.value(value).name, address, now()));
    bring(gather, value, values_.whole(value), graph_.value(value).name + " (download)");
  }

  void bring(Gather& op, ValueId value, const Part& part, const std::string& name = "") {
    ddr_.reads(value);
    const ReplayTarget target{.value = value, .whole = value};
    values_.writes(entry(), target, part, op.am_address, op.tail, false);
    push(op, target, {}, "Download", name);
  }

  // Where the instruction's result goes.
  void result(const ReplayTarget& target, const Part& part, auto& op) {
    Tail& t = tail_of(op);
    if (!t.destination_in_ddr) {
      values_.writes(entry(), target, part, address_of(op), t, true);
      return;
    }
    // A part of a concat is brought to its place from there.
    const ValueId value = target.part ? target.value : target.whole;
    if (value == kNoValue || part != values_.whole(value)) {
      refuse(entry(), "a part of a result that streams to DDR is not replayed");
    }
    ddr_.writes(t, value, address_of(op));
  }

  static Tail& tail_of(ConvPool& op) { return op.conv.tail; }
  static Tail& tail_of(auto& op) { return op.tail; }
  static std::int64_t address_of(const ConvPool& op) { return op.conv.outaddr; }
  static std::int64_t address_of(const auto& op) { return op.outaddr; }
  static void set_all_waits(Tail& t) {
    for (int u = 0; u < kUnits; ++u) set_wait(t, static_cast<Unit>(u), true);
  }

  // --- transfers ------------------------------------------------------------------------------

  void accept(Gather& op) {
    const ValueId value = ddr_.gathered(entry(), op);
    agree(entry(), "inchan", shape(value)[1], op.channels);
    agree(entry(), "insize_h", shape(value)[2], op.height);
    agree(entry(), "insize_w", shape(value)[3], op.width);
    bring(op, value, {0, op.channels, op.start_row, op.end_row - op.start_row + 1});
  }

  void accept(Scatter& op) {
    auto [value, part] = values_.value_at(entry(), op.am_address, op.channels);
    if (value == kNoValue) {
      value = unread_input(op);
      part = values_.whole(value);
      download(value, op.am_address, op.tail.source);
    }
    agree(entry(), "outchan", shape(value)[1], op.channels);
    agree(entry(), "outsize_h", shape(value)[2], op.height);
    agree(entry(), "outsize_w", shape(value)[3], op.width);
    agree(entry(), "start_row", part.first_row, op.start_row);
    agree(entry(), "end_row", part.first_row + part.rows - 1, op.end_row);
    store(op, value);
  }

  // A scatter may be the first to read an input that the host puts into the AM.
  ValueId unread_input(const Scatter& op) const {
    for (const ValueId input : ddr_.inputs_like({1, op.channels, op.height, op.width})) {
      if (!values_.known(input) && !ddr_.has(input)) return input;
    }
    refuse(entry(), "no value of the network begins at its address");
  }

  void store(Scatter& op, ValueId value, const std::string& name = "") {
    values_.reads(entry(), value, op.am_address, op.tail.source, op.channels);
    ddr_.writes(op.tail, value, op.ddr_address);
    push(op, {.value = value, .whole = value}, {}, "Upload", name);
  }

  // Nothing has written over it since.
  void check_kept(const ReplayValues::Held& held) const {
    const Volume& volume = program_.memory_map[held.volume];
    const AmRegion words{volume.address, volume.address + volume.words, 0, machine_.word_bytes()};
    for (std::int32_t i = held.writers.back() + 1; i < now(); ++i) {
      for (const AmRegion& region :
           footprint(program_.steps[static_cast<std::size_t>(i)], machine_).am_writes) {
        if (!overlap(region, words)) continue;
        fail("{}: no instruction takes '{}' to the host, and {} writes over it", graph_.name,
             graph_.value(held.value).name,
             program_.info.instruction_text[static_cast<std::size_t>(i)]);
      }
    }
  }

  // What the host reads and no instruction takes to it, as far as it is in the AM.
  void upload_results() {
    for (const Node& reader : graph_.nodes) {
      if (on_accelerator(graph_, reader)) continue;
      for (const ValueId id : reader.inputs) {
        if (id == kNoValue || ddr_.has(id)) continue;
        const ReplayValues::Held* held = values_.whole_at(id);
        if (held == nullptr || held->start != 0) continue;
        check_kept(*held);
        const Shape& s = shape(id);
        Scatter scatter{.am_address = held->word * machine_.word_addresses(),
                        .width = s[3],
                        .height = s[2],
                        .channels = s[1],
                        .end_row = s[2] - 1};
        scatter.tail.source = held->layout;
        scatter.tail.destination_from_image_queue = true;
        set_all_waits(scatter.tail);
        note_once(fmt::format("the program leaves '{}' in the AM: an upload takes it to the host",
                              graph_.value(id).name));
        store(scatter, id, graph_.value(id).name + " (upload)");
      }
    }
  }

  void note_once(const std::string& note) {
    auto& notes = result_.notes;
    if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
  }

  // --- the rest -------------------------------------------------------------------------------

  void check_complete() const {
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      const Node& one = node(n);
      const bool moves_nothing =
          std::holds_alternative<Concat>(one.op) || std::holds_alternative<Slice>(one.op);
      if (!on_accelerator(graph_, one) || moves_nothing) continue;
      if (!layers_.computed(n)) {
        fail("{}: the program has no instruction for {} '{}'", graph_.name, op_name(one.op),
             one.name);
      }
    }
  }

  const Listing& listing_;
  const Graph& graph_;
  const Machine& machine_;
  Geometry geometry_;
  std::vector<ListedStep> steps_;
  ListedStep* step_ = nullptr;
  NetworkLayers layers_;
  Replay result_;
  Program& program_ = result_.program;
  ReplayValues values_;
  ReplayDdr ddr_;
  std::map<std::size_t, std::int64_t> next_channel_;  // of a node computed in blocks
  std::vector<ReplayFilters> filters_;
};

// Whether an instruction carries a name that only `moved` has.
bool names_nodes_of(const Listing& listing, const Graph& moved, const Graph& quantized) {
  const auto has = [](const Graph& graph, const std::string& name) {
    return std::ranges::any_of(graph.nodes, [&](const Node& node) { return node.name == name; });
  };
  return std::ranges::any_of(listing.entries, [&](const Entry& entry) {
    if (!executed(entry)) return false;
    const std::string name = name_of(entry);
    return has(moved, name) && !has(quantized, name);
  });
}

}  // namespace

Replay replay(const Listing& listing, const Graph& quantized, const Machine& machine) {
  const std::optional<Graph> moved = pools_in_branches(quantized);
  const bool names_it = moved && names_nodes_of(listing, *moved, quantized);
  return Replaying(listing, names_it ? *moved : quantized, machine).run();
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
