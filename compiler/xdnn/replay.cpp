#include "compiler/xdnn/replay.h"

#include <algorithm>
#include <map>
#include <vector>

#include "compiler/xdnn/branch_pools.h"
#include "compiler/xdnn/emit.h"
#include "compiler/xdnn/lower.h"
#include "compiler/xdnn/mapping.h"
#include "compiler/xdnn/replay_channels.h"
#include "compiler/xdnn/replay_ddr.h"
#include "compiler/xdnn/replay_layers.h"
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
        channels_(graph),
        values_(listing, graph, channels_, machine, result_.program, result_.notes),
        ddr_(listing, graph, channels_, machine, result_.program, result_.notes) {}

  Replay run() {
    for (ListedStep& step : steps_) {
      step_ = &step;
      std::visit([&](auto& op) { accept(op); }, step.instruction);
    }
    check_complete();
    upload_results();
    values_.finish();
    ddr_.finish();
    add_replay_host(graph_, ddr_.uses(), turns_of_host(listing_), program_);
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

  // Rows of the operand that rows [first, first + count) of the result are computed from.
  struct Rows {
    std::int64_t first = 0, end = 0;
  };
  static Rows rows_read(const Layer& layer, std::int64_t first, std::int64_t count) {
    const Window& window = layer.window;
    const std::int64_t stride = window.strides[0], above = window.pads_begin[0];
    const std::int64_t reach = (window.kernel[0] - 1) * window.dilations[0];
    const std::int64_t last = first + count - 1;
    Rows rows{first * stride - above, last * stride - above + reach + 1};
    if (layer.opcode == "XNDeconv") {
      rows = {ceil_div(std::max<std::int64_t>(0, first + above - reach), stride),
              (last + above) / stride + 1};
    }
    return {std::max<std::int64_t>(0, rows.first), std::min(layer.in.height, rows.end)};
  }

  // The rows of a layer's result that come of these rows of its operand, and the layer cut to them.
  // `pad`: rows of padding that the instruction has above them (docs/facts/xdnn.md 2.3); of a
  // deconvolution rows of the result above those that it keeps.
  std::int64_t cut_rows(const Part& source, std::int64_t pad, std::int64_t count,
                        Layer& layer) const {
    const std::int64_t stride = layer.window.strides[0], above = layer.window.pads_begin[0];
    const bool transposed = layer.opcode == "XNDeconv";
    const std::int64_t reach =
        transposed ? source.first_row * stride + pad - above : source.first_row + above - pad;
    const std::int64_t first = transposed ? reach : reach / stride;
    const Rows read = rows_read(layer, first, count);
    const bool fits = reach >= 0 && (transposed || reach % stride == 0) && pad >= 0 &&
                      first + count <= layer.middle.height && read.first >= source.first_row &&
                      read.end <= source.first_row + source.rows;
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

  // The volume that the tail names is what the network joins the node's result in, or that result.
  bool names_whole(const Tail& t, std::size_t n) const {
    return entry().find("concat_channels") == nullptr ||
           t.concat_channels == shape(layers_.target(n).whole)[1];
  }

  // The channels of a convolution that is one of several instructions of its layer: where the
  // volume that it writes says so, else the next ones that come of what it reads.
  GroupBlock block_of(const Conv& conv, std::size_t n, const Part& source, const Part& rows) const {
    const auto* forward = std::get_if<workbench::Conv>(&node(n).op);
    const std::int64_t groups =
        forward != nullptr ? forward->groups : std::get<ConvTranspose>(node(n).op).groups;
    const std::int64_t ins = shape(node(n).inputs[0])[1], outs = shape(node(n).outputs[0])[1];
    const std::int64_t in_group = ins / groups, out_group = outs / groups;
    GroupBlock block{source.first_channel, source.first_channel + conv.in_ch, 0, 0};
    const auto first_read = [&](std::int64_t out) { return out / out_group * in_group; };
    const auto end_read = [&](std::int64_t out) {
      return ((out + conv.out_ch - 1) / out_group + 1) * in_group;
    };
    const auto may_begin = [&](std::int64_t out) {
      return out + conv.out_ch <= outs && first_read(out) >= block.in_begin &&
             end_read(out) <= block.in_end;
    };
    const auto computed = next_channel_.find(n);
    const std::int64_t behind = computed == next_channel_.end() ? 0 : computed->second % outs;
    block.out_begin = behind;
    for (const std::int64_t place : places(node(n).inputs[0], source)) {
      block.in_begin = place, block.in_end = place + conv.in_ch;
      const auto next = layers_.next_channel(n, rows, may_begin);
      if (!next) continue;
      block.out_begin = *next;
      break;
    }
    // Bands at the end of the map may compute again what others have.
    for (std::int64_t i = 0; i < outs && !may_begin(block.out_begin); ++i) {
      block.out_begin = (behind + i) % outs;
    }
    if (conv.tail.concat_part && names_whole(conv.tail, n)) {
      const std::int64_t start = conv.tail.concat_start - layers_.target(n).start;
      if (start >= 0 && start < outs) block.out_begin = start;
    }
    block.out_end = block.out_begin + conv.out_ch;
    if (block.out_end > outs) agree(entry(), "outchan", outs - block.out_begin, conv.out_ch);
    if (block.in_end > ins) agree(entry(), "inchan", ins - block.in_begin, conv.in_ch);
    if (!may_begin(block.out_begin)) {
      refuse(entry(),
             fmt::format("its channels {} to {} come of channels {} to {}, it reads {} to {}",
                         block.out_begin, block.out_end - 1, first_read(block.out_begin),
                         end_read(block.out_begin) - 1, block.in_begin, block.in_end - 1));
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
      source = operand(in, {conv.inaddr, conv.in_ch, conv.in_h, conv.tail.source}, conv.in_w);
    }
    Part part = values_.whole(node(n).outputs[0]);
    const auto* fused = std::get_if<ConvPool>(&whole);
    const bool fewer = fused != nullptr && fused->out_h != layer.out.height;
    if (source.rows != shape(in)[2] || conv.out_h != part.rows || fewer) {
      part.first_row = cut_rows(source, conv.pad_h, conv.out_h, layer);
      part.rows = conv.out_h;
      if (fused != nullptr) {
        layer.pool.pads_begin[0] = fused->pad_h;
        layer.out.height = fused->out_h;
      }
    }
    GroupBlock block{0, shape(in)[1], 0, part.channels};
    if (conv.in_ch != layer.in.channels || conv.out_ch != layer.middle.channels) {
      block = block_of(conv, n, source, part);
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

  // The first of the rows that the pool makes of these rows of the convolution's result.
  std::int64_t pooled_row(const Part& middle, const Node& pool, const ConvPool& fused) const {
    const Window& window = std::get<MaxPool>(pool.op).window;
    const std::int64_t stride = window.strides[0], above = window.pads_begin[0];
    const std::int64_t reach = middle.first_row + above - fused.pad_h;
    const std::int64_t first = reach / stride, all = shape(pool.inputs[0])[2];
    const std::int64_t top = std::max<std::int64_t>(0, first * stride - above);
    const std::int64_t bottom =
        std::min(all, (first + fused.out_h - 1) * stride - above + window.kernel[0]);
    const bool fits = reach >= 0 && reach % stride == 0 && fused.pad_h >= 0 &&
                      top >= middle.first_row && bottom <= middle.first_row + middle.rows;
    if (!fits) {
      refuse(entry(), fmt::format("its pool cannot make {} rows with {} rows of padding above of "
                                  "rows {} to {} of the convolution",
                                  fused.out_h, fused.pad_h, middle.first_row,
                                  middle.first_row + middle.rows - 1));
    }
    return first;
  }

  // Where a value has these channels: concats may have them more than once.
  std::vector<std::int64_t> places(ValueId value, const Part& part) const {
    return channels_.places(value, channels_.of(value, part.first_channel, part.channels));
  }

  // With the rows of the convolution that no window of the pool reads: between its own windows, and
  // behind the last.
  Part with_skipped(const Part& middle, const Node& pool, std::int64_t first,
                    std::int64_t count) const {
    const Window& window = std::get<MaxPool>(pool.op).window;
    const std::int64_t stride = window.strides[0], above = window.pads_begin[0];
    const std::int64_t all = shape(pool.inputs[0])[2];
    const bool last = first + count == shape(pool.outputs[0])[2];
    const std::int64_t next = last ? all : std::min(all, (first + count) * stride - above);
    Part with = middle;
    with.rows = std::max(middle.first_row + middle.rows, next) - middle.first_row;
    return with;
  }

  // The layer, and what it computes, of the channels of its operand that the instruction reads; of
  // several places that are the same, of one that is not computed yet.
  void cut_channels(std::size_t n, const Part& source, Layer& layer, Part& part) const {
    if (source.channels == layer.in.channels) return;
    layer.in.channels = layer.middle.channels = layer.out.channels = source.channels;
    part.first_channel = source.first_channel, part.channels = source.channels;
    for (const std::int64_t place : places(node(n).inputs[0], source)) {
      Part other = part;
      other.first_channel = place;
      if (layers_.computed(n, other)) continue;
      part = other;
      return;
    }
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
    agree(entry(), "outsize_w", shape(target.whole)[3], op.out_w);
    const std::int64_t first = pooled_row(part, node(pool), op);
    layers_.computes(entry(), n, with_skipped(part, node(pool), first, op.out_h));
    part.first_row = first;
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
      source = operand(in, {op.inaddr, op.channels, op.in_h, op.tail.source}, op.in_w);
    }
    Part part = values_.whole(node(n).outputs[0]);
    if (source.rows != shape(in)[2] || op.out_h != part.rows) {
      part.first_row = cut_rows(source, op.pad_h, op.out_h, layer);
      part.rows = op.out_h;
    }
    cut_channels(n, source, layer, part);
    stream(op, n, layer, part);
  }

  // Brings an operand of a concat to its place: the one that lies where the copy reads.
  void copy(Pool& op, ConcatOperand copied) {
    const std::vector<ValueId>& operands = node(copied.node).inputs;
    const AmPlace place{op.inaddr, op.channels, op.in_h, op.tail.source};
    for (std::size_t i = operands.size(); i-- > 0;) {
      if (values_.lies(operands[copied.operand], place)) break;
      if (values_.lies(operands[i], place)) copied.operand = i;
    }
    const ValueId value = operands[copied.operand];
    Part part = operand(value, place, op.in_w);
    Layer layer = copy_of({op.channels, shape(value)[2], op.in_w});
    if (part.rows != layer.in.height || op.out_h != part.rows) {
      part.first_row = cut_rows(part, op.pad_h, op.out_h, layer);
      part.rows = op.out_h;
    }
    hold(layer, op);
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
      // The vendor prints pieces of rows with the height of the whole map.
      const std::int64_t there = values_.rows_at(inputs[0], op.inaddr_a);
      const std::int64_t rows = there > 0 ? std::min(there, op.height) : op.height;
      const AmPlace first{op.inaddr_a, op.channels, rows, op.tail.source};
      const AmPlace second{op.inaddr_b, op.channels, rows, op.tail.source};
      // A sum does not care which operand is called A.
      const bool as_named = values_.lies(inputs[0], first) && values_.lies(inputs[1], second);
      if (!as_named && values_.lies(inputs[0], second)) std::swap(inputs[0], inputs[1]);
      find_input(inputs[1], second, op.width);
      a = operand(inputs[0], first, op.width);
      b = operand(inputs[1], second, op.width);
    }
    if (a != b) refuse(entry(), "its operands are different channels or rows");
    Layer layer = layer_of(graph_, node(n), nullptr, machine_);
    if (a.rows != layer.in.height) {  // printed with the height of the whole map
      if (op.height != a.rows) agree(entry(), "insize_h", layer.in.height, op.height);
      op.height = layer.in.height = layer.middle.height = layer.out.height = a.rows;
    }
    cut_channels(n, b, layer, a);
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
        operand(node(n).inputs[0], {op.inaddr, op.channels, op.in_h, op.tail.source}, op.in_w);
    Part part = values_.whole(node(n).outputs[0]);
    if (source.rows != layer.in.height) {
      layer.in.height = source.rows;
      part.first_row = source.first_row * layer.window.kernel[0];
      part.rows = layer.middle.height = layer.out.height = source.rows * layer.window.kernel[0];
    }
    cut_channels(n, source, layer, part);
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
  Part operand(ValueId value, const AmPlace& place, std::int64_t width) {
    find_input(value, place, width);
    return values_.reads(entry(), value, place);
  }

  // An operand in the AM that nothing has brought there is the host's.
  void find_input(ValueId value, const AmPlace& place, std::int64_t width) {
    if (values_.known(value) || !ddr_.from_host(value)) return;
    agree(entry(), "inchan", shape(value)[1], place.channels);
    agree(entry(), "insize_h", shape(value)[2], place.rows);
    agree(entry(), "insize_w", shape(value)[3], width);
    download(value, place.address, place.layout);
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
    ddr_.brings(value);
    bring(gather, {channels_.of(value, 0, s[1]), 0, s[2], s[3]},
          graph_.value(value).name + " (download)");
  }

  void bring(Gather& op, const Content& content, const std::string& name = "") {
    values_.brings(entry(), content, op.am_address, op.tail);
    push(op, target_of(content), {}, "Download", name);
  }

  static ReplayTarget target_of(const Content& content) {
    const ValueId value = content.channels.at(0).value;
    return {.value = value, .whole = value};
  }

  // Where the instruction's result goes.
  void result(const ReplayTarget& target, const Part& part, auto& op) {
    Tail& t = tail_of(op);
    if (!t.destination_in_ddr) {
      values_.computes(entry(), target, part, address_of(op), t);
      return;
    }
    // A part of a concat is brought to its place from there.
    const Content content = values_.content_of(target, part);
    const Shape& whole = shape(content.channels.at(0).value);
    if (part.rows != whole[2]) refuse(entry(), "row pieces that stream to DDR are not replayed");
    ddr_.writes(t, content, {1, part.channels, whole[2], whole[3]}, address_of(op));
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
    const Content content = ddr_.gathered(entry(), op);
    bring(op, content);
  }

  void accept(Scatter& op) {
    const std::int64_t rows = op.end_row - op.start_row + 1;
    const AmPlace place{op.am_address, op.channels, rows, op.tail.source};
    std::optional<Content> content = values_.reads_any(entry(), place, op.width);
    if (!content) {
      const ValueId value = unread_input(op);
      download(value, op.am_address, op.tail.source);
      content = values_.reads_any(entry(), place, op.width);
      CHECK(content.has_value(), "a download brings it");
    }
    const Shape& whole = shape(content->channels.at(0).value);
    agree(entry(), "outsize_h", whole[2], op.height);
    agree(entry(), "outsize_w", whole[3], op.width);
    agree(entry(), "start_row", content->first_row, op.start_row);
    store(op, *content);
  }

  // A scatter may be the first to read an input that the host puts into the AM.
  ValueId unread_input(const Scatter& op) const {
    for (const ValueId input : ddr_.inputs_like({1, op.channels, op.height, op.width})) {
      if (!values_.known(input) && !ddr_.has(input)) return input;
    }
    refuse(entry(), "no value of the network begins at its address");
  }

  void store(Scatter& op, const Content& content, const std::string& name = "") {
    ddr_.writes(op.tail, content, {1, op.channels, op.height, op.width}, op.ddr_address);
    push(op, target_of(content), {}, "Upload", name);
  }

  // Nothing has written over it since.
  void check_kept(ValueId value, const ReplayValues::Whole& held) const {
    const AmRegion words{held.word, held.word + held.words, 0, machine_.word_bytes()};
    for (std::int32_t i = held.last_writer + 1; i < now(); ++i) {
      for (const AmRegion& region :
           footprint(program_.steps[static_cast<std::size_t>(i)], machine_).am_writes) {
        if (!overlap(region, words)) continue;
        fail("{}: no instruction takes '{}' to the host, and {} writes over it", graph_.name,
             graph_.value(value).name, program_.info.instruction_text[static_cast<std::size_t>(i)]);
      }
    }
  }

  // What the host reads and no instruction takes to it, as far as it is in the AM.
  void upload_results() {
    for (const Node& reader : graph_.nodes) {
      if (on_accelerator(graph_, reader)) continue;
      for (const ValueId id : reader.inputs) {
        if (id == kNoValue || ddr_.has(id)) continue;
        const auto held = values_.whole_at(id);
        if (!held) continue;
        if (ddr_.has_some(id)) {
          fail("{}: the program takes some channels or rows of '{}' to DDR, the host reads all",
               graph_.name, graph_.value(id).name);
        }
        check_kept(id, *held);
        const Shape& s = shape(id);
        Scatter scatter{.am_address = held->place.address,
                        .width = s[3],
                        .height = s[2],
                        .channels = s[1],
                        .end_row = s[2] - 1};
        scatter.tail.source = held->place.layout;
        scatter.tail.destination_from_image_queue = true;
        set_all_waits(scatter.tail);
        note_once(fmt::format("the program leaves '{}' in the AM: an upload takes it to the host",
                              graph_.value(id).name));
        const auto content = values_.reads_any(entry(), held->place, s[3]);
        if (content) store(scatter, *content, graph_.value(id).name + " (upload)");
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
  Channels channels_;
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
