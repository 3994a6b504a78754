#include "compiler/xdnn/emit.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>

#include "compiler/xdnn/lower.h"
#include "compiler/xdnn/mapping.h"
#include "compiler/xdnn/wait_rule.h"
#include "core/parallel.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/memory.h"
#include "isa/xdnn/well_formed.h"

namespace workbench::xdnn {

// --- the DDR image -------------------------------------------------------------------------------

std::span<const std::int8_t> code_bytes(const Tensor& tensor) {
  CHECK(is_code(tensor.type()), "{} are no codes", workbench::to_string(tensor.type()));
  return {reinterpret_cast<const std::int8_t*>(tensor.data()),
          static_cast<std::size_t>(tensor.size_bytes())};
}

namespace {

// A dense copy with zeros where groups do not meet.
std::vector<std::int8_t> dense_copy(const Tensor& tensor, bool transposed, std::int64_t in_group,
                                    std::int64_t out_group, const GroupBlock& b) {
  const std::span<const std::int8_t> w = code_bytes(tensor);
  // Bytes of a filter's kernel for one input channel.
  const std::int64_t area = tensor.dim(2) * tensor.dim(3) * element_bytes(tensor.type());
  const std::int64_t ins = b.in_end - b.in_begin;
  std::vector<std::int8_t> dense(static_cast<std::size_t>((b.out_end - b.out_begin) * ins * area));
  for (std::int64_t o = b.out_begin; o < b.out_end; ++o) {
    const std::int64_t first_in = o / out_group * in_group;
    const auto to = dense.begin() + ((o - b.out_begin) * ins + first_in - b.in_begin) * area;
    if (!transposed) {
      std::copy_n(w.begin() + o * in_group * area, in_group * area, to);
      continue;
    }
    for (std::int64_t i = 0; i < in_group; ++i) {
      const std::int64_t from = (first_in + i) * out_group + o % out_group;
      std::copy_n(w.begin() + from * area, area, to + i * area);
    }
  }
  return dense;
}

}  // namespace

BlockWeights block_weights(const Graph& graph, const Node& node, const GroupBlock& block) {
  const Tensor& tensor = *graph.value(node.inputs[1]).constant;
  const auto* forward = std::get_if<workbench::Conv>(&node.op);
  const std::int64_t groups =
      forward != nullptr ? forward->groups : std::get<ConvTranspose>(node.op).groups;
  const std::int64_t out_all = graph.value(node.outputs[0]).shape[1];
  const std::int64_t in_all = graph.value(node.inputs[0]).shape[1];
  BlockWeights weights;
  if (forward != nullptr && groups == 1) {  // the block's filters lie together
    const std::int64_t filter = tensor.size() / out_all;
    const std::int64_t bytes = filter * element_bytes(tensor.type());
    weights.values = code_bytes(tensor).subspan(
        static_cast<std::size_t>(block.out_begin * bytes),
        static_cast<std::size_t>((block.out_end - block.out_begin) * bytes));
  } else {
    weights.copy = dense_copy(tensor, forward == nullptr, in_all / groups, out_all / groups, block);
    weights.values = weights.copy;
  }
  return weights;
}

std::vector<ChannelConfig> channel_configs(const Graph& graph, const Node& node, std::int64_t begin,
                                           std::int64_t end) {
  CHECK(node.requantize.has_value(), "'{}' has no scale", node.name);
  const Requantize& r = *node.requantize;
  const auto at = [](const std::vector<std::int32_t>& list, std::int64_t channel) {
    return std::int64_t{list[list.size() == 1 ? 0 : static_cast<std::size_t>(channel)]};
  };
  const bool biased = node.inputs.size() > 2 && node.inputs[2] != kNoValue;
  std::vector<ChannelConfig> configs;
  for (std::int64_t c = begin; c < end; ++c) {
    ChannelConfig config{.enable = true, .scale = at(r.scale, c), .postshift = at(r.shift, c)};
    if (!r.negative_scale.empty()) config.scale |= at(r.negative_scale, c) << 8;
    if (!r.prescale.empty()) config.preshift = at(r.prescale, c);
    if (biased) {
      const Tensor& bias = *graph.value(node.inputs[2]).constant;
      config.bias = bias.values<std::int32_t>()[static_cast<std::size_t>(c)];
    }
    configs.push_back(config);
  }
  return configs;
}

namespace {

// Convolutions, forward or transposed, of as many groups.
bool alike(const Op& one, const Op& other) {
  if (one.index() != other.index()) return false;
  const auto* conv = std::get_if<workbench::Conv>(&one);
  if (conv != nullptr) return conv->groups == std::get<workbench::Conv>(other).groups;
  return std::get<ConvTranspose>(one).groups == std::get<ConvTranspose>(other).groups;
}

}  // namespace

bool same_filters(const Lowered& lowered, const LoweredOp& a, const LoweredOp& b) {
  const Node& one = lowered.graph->nodes[static_cast<std::size_t>(a.node)];
  const Node& other = lowered.graph->nodes[static_cast<std::size_t>(b.node)];
  if (one.inputs.size() < 2 || other.inputs.size() < 2) return false;
  if (one.inputs[1] != other.inputs[1]) return false;
  const auto constants = [](const Node& node) {
    return std::vector<ValueId>(node.inputs.begin() + 1, node.inputs.end());
  };
  const GroupBlock& x = a.block;
  const GroupBlock& y = b.block;
  return a.slice == b.slice && constants(one) == constants(other) && alike(one.op, other.op) &&
         one.requantize == other.requantize && x.in_begin == y.in_begin && x.in_end == y.in_end &&
         x.out_begin == y.out_begin && x.out_end == y.out_end;
}

std::vector<FilterPlace> place_filters(const Lowered& lowered, const Machine& machine) {
  std::vector<FilterPlace> places;
  std::map<ValueId, std::vector<std::size_t>> of_weights;  // ops that have them, unlike each other
  std::int64_t end = 0;
  for (std::size_t i = 0; i < lowered.ops.size(); ++i) {
    const LoweredOp& op = lowered.ops[i];
    FilterPlace& place = places.emplace_back();
    place.begin = end;
    if (op.kind != LoweredKind::Conv) continue;
    const Instruction instruction = instruction_of(lowered, op, machine);
    const auto* fused = std::get_if<ConvPool>(&instruction);
    place.shape = filter_shape(fused != nullptr ? fused->conv : std::get<Conv>(instruction));
    const Node& node = lowered.graph->nodes[static_cast<std::size_t>(op.node)];
    auto& ops = of_weights[node.inputs[1]];
    const auto same = std::find_if(ops.begin(), ops.end(), [&](std::size_t before) {
      return places[before].shape == place.shape && same_filters(lowered, lowered.ops[before], op);
    });
    if (same != ops.end()) {
      place = places[*same];
      place.shared = true;
      continue;
    }
    ops.push_back(i);
    const MachineOfSlice own(machine, op.slice);
    place.bytes = filter_bytes(place.shape, own.get());
    end += place.bytes;
  }
  return places;
}

std::int64_t end_of(std::span<const FilterPlace> places) {
  std::int64_t end = 0;
  for (const FilterPlace& place : places) end = std::max(end, place.begin + place.bytes);
  return end;
}

std::string pack_constants(const Lowered& lowered, std::span<const FilterPlace> places,
                           const Machine& machine) {
  std::string image(static_cast<std::size_t>(end_of(places)), '\0');
  parallel_for(static_cast<std::int64_t>(places.size()), 0, [&](std::int64_t i) {
    const LoweredOp& op = lowered.ops[static_cast<std::size_t>(i)];
    const FilterPlace& place = places[static_cast<std::size_t>(i)];
    if (op.kind != LoweredKind::Conv || place.shared) return;
    const MachineOfSlice own(machine, op.slice);
    const Node& node = lowered.graph->nodes[static_cast<std::size_t>(op.node)];
    pack_filters(place.shape, block_weights(*lowered.graph, node, op.block).values,
                 channel_configs(*lowered.graph, node, op.block.out_begin, op.block.out_end),
                 own.get(),
                 std::span(image).subspan(static_cast<std::size_t>(place.begin),
                                          static_cast<std::size_t>(place.bytes)));
  });
  return image;
}

// --- instructions --------------------------------------------------------------------------------

// LoweredOps with addresses -> instructions, filters in DDR, probes, memory map.

namespace {

// AM word at which channel `channel` of the volume begins in the map's first row.
std::int64_t word_of(const LoweredVolume& volume, const Map& map, std::int64_t channel,
                     const Geometry& geometry) {
  return volume.address + geometry.word_of_channel(channel, volume.height, volume.width) +
         map.row * geometry.row_words(volume.width);
}

// Builds the instruction of one op: what the node says (mapping.h), cut to the piece of it that the
// op is, with addresses and layouts.
class Selection {
 public:
  Selection(const Lowered& lowered, const LoweredOp& op, const Machine& machine)
      : lowered_(lowered), op_(op), machine_(machine), geometry_(machine.geometry()) {}

  Instruction run() const {
    if (op_.kind == LoweredKind::Gather) return gather();
    if (op_.kind == LoweredKind::Scatter) return scatter();
    Instruction instruction = instruction_for(layer());
    std::visit([&](auto& op) { place(op); }, instruction);
    return instruction;
  }

 private:
  const Node* node(std::ptrdiff_t n) const {
    return n < 0 ? nullptr : &lowered_.graph->nodes[static_cast<std::size_t>(n)];
  }
  const Map& source(std::size_t i = 0) const {
    return lowered_.maps[static_cast<std::size_t>(op_.sources[i])];
  }
  const Map& result() const { return lowered_.maps[static_cast<std::size_t>(op_.result)]; }
  const LoweredVolume& volume(const Map& map) const {
    return lowered_.volumes[static_cast<std::size_t>(map.volume)];
  }
  // AM word of a map's channel `channel`, which must begin a section.
  std::int64_t word(const Map& map, std::int64_t channel = 0) const {
    return word_of(volume(map), map, map.start + channel, geometry_);
  }
  // The same as instructions count.
  std::int64_t address(const Map& map, std::int64_t channel = 0) const {
    return word(map, channel) * machine_.word_addresses();
  }
  ChannelLayout plain(std::int64_t channels) const { return plain_layout(channels, geometry_); }
  ChannelLayout layout(const Map& map) const {
    return map.whole ? volume(map).layout : plain(map.channels);
  }

  // --- the layer, or the piece of it ----------------------------------------------------------

  Layer layer() const {
    const Extent in{source().channels, source().height, source().width};
    const Node* pool = node(op_.fused_pool);
    Layer layer = op_.node >= 0 ? layer_of(*lowered_.graph, *node(op_.node), pool, machine_)
                  : op_.kind == LoweredKind::Eltwise ? sum_of(in)
                                                     : copy_of(in);
    const Rows middle = rows_before_pool();
    if (op_.kind == LoweredKind::Conv) {
      layer.middle.channels = layer.out.channels = op_.block.out_end - op_.block.out_begin;
      layer.middle.height = middle.count;
    }
    layer.in = in;
    if (op_.kind == LoweredKind::Conv) layer.in.channels = op_.block.in_end - op_.block.in_begin;
    if (op_.kind == LoweredKind::Eltwise && op_.block.out_end > 0) {
      layer.in.channels = op_.block.out_end - op_.block.out_begin;
    }
    layer.out.height = result().height, layer.out.width = result().width;
    // Rows of padding that the piece has above it (docs/facts/xdnn.md 2.3).
    std::int64_t& above = layer.window.pads_begin[0];
    const std::int64_t stride = layer.window.strides[0];
    const bool transposed =
        op_.node >= 0 && std::holds_alternative<ConvTranspose>(node(op_.node)->op);
    above += transposed ? middle.begin - source().first_row * stride
                        : source().first_row - middle.begin * stride;
    if (pool != nullptr) {
      layer.pool.pads_begin[0] += middle.begin - result().first_row * layer.pool.strides[0];
    }
    return layer;
  }

  // Rows of the convolution's own result that this instruction computes: those of the op's result,
  // or those its fused pool needs.
  struct Rows {
    std::int64_t begin = 0, count = 0;
  };
  Rows rows_before_pool() const {
    const Rows rows{result().first_row, result().height};
    if (op_.fused_pool < 0) return rows;
    const Node& pool = *node(op_.fused_pool);
    const Window& window = std::get<MaxPool>(pool.op).window;
    const std::int64_t all = lowered_.graph->value(node(op_.node)->outputs[0]).shape[2];
    if (rows.count == lowered_.graph->value(pool.outputs[0]).shape[2]) return {0, all};
    const std::int64_t first = rows.begin * window.strides[0] - window.pads_begin[0];
    const std::int64_t end =
        std::min(all, first + (rows.count - 1) * window.strides[0] + window.kernel[0]);
    return {std::max<std::int64_t>(0, first), end - std::max<std::int64_t>(0, first)};
  }

  // --- addresses and layouts ------------------------------------------------------------------

  // Where channels [first, first + count) of the result go.
  std::int64_t write_to(Tail& tail, std::int64_t first, std::int64_t count) const {
    const Map& map = result();
    const LoweredVolume& v = volume(map);
    if (map.whole && count == map.channels) {
      tail.destination = v.layout;
      return address(map);
    }
    if (geometry_.width_aligned()) return address(map, first);  // any channel has an address
    tail.destination = plain(count);
    tail.concat_part = true;
    tail.concat_volume = v.layout;
    tail.concat_start = map.start + first;
    tail.concat_channels = v.channels;
    return address(map, first);
  }

  void place(Conv& conv) const {
    const Node& from = *node(op_.node);
    conv.prelu = !from.requantize->negative_scale.empty();
    conv.bias = from.inputs.size() > 2 && from.inputs[2] != kNoValue;
    set_source(conv);
    const FilterMode mode = filter_mode(filter_shape(conv), machine_);
    CHECK(mode.possible, "'{}' does not fit the filter buffers", from.name);
    conv.tail.half_rate = mode.half_rate || op_.half_rate;
    // Width-aligned machines have no bit for it: they alternate where they can (cost.h).
    conv.tail.pingpong_weight =
        filter_mode(filter_shape(conv), machine_).pingpong && !geometry_.width_aligned();
    conv.tail.slice = op_.slice;
    if (op_.destination_in_ddr) {
      conv.tail.destination_in_ddr = true;
      conv.tail.destination_offset = -1;  // streams on (docs/facts/xdnn.md 2.4)
      conv.outaddr = lowered_.ddr_tensors[static_cast<std::size_t>(result().ddr)].address;
    } else {
      conv.outaddr = write_to(conv.tail, op_.block.out_begin - result().first_channel, conv.out_ch);
    }
  }

  void place(ConvPool& fused) const {
    place(fused.conv);
    fused.conv.tail.inline_maxpool = true;
  }

  void set_source(Conv& conv) const {
    if (!op_.source_in_ddr) {
      conv.inaddr = address(source(), op_.block.in_begin - source().first_channel);
      conv.tail.source = op_.blocked ? plain(conv.in_ch) : layout(source());
      return;
    }
    conv.inaddr = lowered_.ddr_tensors[static_cast<std::size_t>(source().ddr)].address;
    conv.tail.source = op_.ddr_layout;
    conv.tail.source_in_ddr = conv.tail.tiling = true;
    conv.tail.tile_width = op_.tile_width, conv.tail.tile_height = op_.tile_height;
    conv.tail.source_buffer_0 = op_.buffer_0 * machine_.word_addresses();
    conv.tail.source_buffer_1 = op_.buffer_1 * machine_.word_addresses();
  }

  // One map in, one map out.
  void place(auto& stream) const {
    stream.inaddr = address(source());
    stream.tail.source = layout(source());
    stream.outaddr = write_to(stream.tail, 0, stream.channels);
    // As the shipped programs have it: 1 on V2, 0 on V3.
    if constexpr (requires { stream.fcmode; }) {
      if (stream.average && geometry_.width_aligned()) stream.fcmode = 1;
    }
  }

  // Words a and b of every step of the way lie in different partitions of the AM.
  bool read_in_parallel(std::int64_t a, std::int64_t b, std::int64_t words) const {
    const std::int64_t partition = ceil_div(machine_.am_words(), machine_.am.partitions);
    for (std::int64_t i = 0; i < words;) {
      const std::int64_t at_a = a + i, at_b = b + i;
      if (at_a / partition == at_b / partition) return false;
      i += std::min(partition - at_a % partition, partition - at_b % partition);
    }
    return machine_.am.read_ports >= 2;
  }

  void place(Eltwise& add) const {
    const std::int64_t first = op_.block.out_begin;
    add.inaddr_a = address(source(0), first);
    add.inaddr_b = address(source(1), first);
    add.tail.source = plain(add.channels);
    const std::int64_t words =
        geometry_.words(add.channels, add.height, add.width, add.tail.source);
    add.tail.parallel_read =
        !op_.one_port && read_in_parallel(word(source(0), first), word(source(1), first), words);
    add.outaddr = write_to(add.tail, first, add.channels);
  }

  void place(Gather&) const { CHECK(false, "a gather computes no node"); }
  void place(Scatter&) const { CHECK(false, "a scatter computes no node"); }

  // --- transfers ------------------------------------------------------------------------------

  // DDR address of channel `op_.ddr_channel` of a tensor, on which only channels that are grouped
  // by 8 have one of their own (memory.h).
  std::int64_t ddr_address(const DdrTensor& tensor) const {
    if (op_.ddr_channel == 0) return tensor.address;
    CHECK(!geometry_.width_aligned() && op_.ddr_channel % 8 == 0, "channel {}", op_.ddr_channel);
    return tensor.address +
           op_.ddr_channel / 8 * tensor.height * ddr_row_bytes(tensor.width, geometry_);
  }
  const DdrTensor& tensor_of(const Map& map) const {
    return lowered_.ddr_tensors[static_cast<std::size_t>(op_.ddr >= 0 ? op_.ddr : map.ddr)];
  }

  Instruction gather() const {
    const DdrTensor& from = tensor_of(source());
    Gather gather{.ddr_address = ddr_address(from),
                  .width = from.width,
                  .height = from.height,
                  .channels = result().channels,
                  .start_row = op_.ddr_row,
                  .end_row = op_.ddr_row + result().height - 1};
    gather.am_address = write_to(gather.tail, 0, gather.channels);
    return gather;
  }

  Instruction scatter() const {
    const DdrTensor& to = tensor_of(source());
    Scatter scatter{.ddr_address = ddr_address(to),
                    .width = to.width,
                    .height = to.height,
                    .channels = source().channels,
                    .start_row = op_.ddr_row,
                    .end_row = op_.ddr_row + source().height - 1};
    scatter.am_address = address(source());
    scatter.tail.source = layout(source());
    return scatter;
  }

  const Lowered& lowered_;
  const LoweredOp& op_;
  const Machine& machine_;
  Geometry geometry_;
};

// Writers of a map: ops whose result shares channels of its volume with it.
std::vector<std::int32_t> writers(const Lowered& lowered, int id) {
  const Map& map = lowered.maps[static_cast<std::size_t>(id)];
  std::vector<std::int32_t> list;
  for (std::size_t i = 0; i < lowered.ops.size(); ++i) {
    if (lowered.ops[i].result < 0) continue;
    const int written = lowered.ops[i].result;
    const Map& other = lowered.maps[static_cast<std::size_t>(written)];
    const bool part = !map.whole && other.volume == map.volume &&
                      other.start < map.start + map.channels &&
                      map.start < other.start + other.channels;
    if (written == id || part) list.push_back(static_cast<std::int32_t>(i));
  }
  return list;
}

void add_probe(const Lowered& lowered, const Map& map, std::vector<std::int32_t> after,
               const Machine& machine, Program& program) {
  const Geometry geometry = machine.geometry();
  const LoweredVolume& volume = lowered.volumes[static_cast<std::size_t>(map.volume)];
  const Shape& all = lowered.graph->value(map.value).shape;
  const bool piece = map.channels != all[1] || map.height != all[2];
  program.probes.push_back(
      {.value = map.name,
       .after = std::move(after),
       .address = word_of(volume, map, map.start, geometry),
       .layout = map.whole ? volume.layout : plain_layout(map.channels, geometry),
       .start_channel = map.start % geometry.channel_granule(),
       .channels = map.channels,
       .height = map.height,
       .width = map.width,
       .first_channel = map.first_channel,
       .first_row = map.first_row,
       .value_channels = piece ? all[1] : 0,
       .value_height = piece ? all[2] : 0});
}

void add_probes(const Lowered& lowered, const Machine& machine, Program& program) {
  for (const MapProbe& probe : lowered.probes) {
    add_probe(lowered, lowered.maps[static_cast<std::size_t>(probe.map)], probe.after, machine,
              program);
  }
  if (!lowered.probes.empty()) return;
  for (std::size_t i = 0; i < lowered.maps.size(); ++i) {
    const Map& map = lowered.maps[i];
    if (map.value == kNoValue || map.volume < 0) continue;
    add_probe(lowered, map, writers(lowered, static_cast<int>(i)), machine, program);
  }
}

}  // namespace

Instruction instruction_of(const Lowered& lowered, const LoweredOp& op, const Machine& machine) {
  return Selection(lowered, op, machine).run();
}

Program emit(Lowered& lowered, const Machine& machine, bool constants) {
  Program program;
  const std::vector<FilterPlace> filters = place_filters(lowered, machine);
  if (constants) program.constants = pack_constants(lowered, filters, machine);
  // Tensors behind the constants, each on a burst boundary.
  std::int64_t ddr = end_of(filters);
  for (std::size_t i = 0; i < lowered.ddr_tensors.size(); ++i) {
    DdrTensor& tensor = lowered.ddr_tensors[i];
    tensor.address = round_up(ddr, 4096);
    const std::int64_t copies = static_cast<int>(i) == lowered.between_slices ? 2 : 1;
    ddr = tensor.address + copies * round_up(ddr_tensor_bytes(tensor.channels, tensor.height,
                                                              tensor.width, machine.geometry()),
                                             copies > 1 ? 4096 : 1);
  }
  if (ddr > machine.ddr.size_bytes) {
    fail("{}: weights and tensors need {} bytes of DDR, {} has {}", lowered.graph->name, ddr,
         machine.name, machine.ddr.size_bytes);
  }
  program.ddr_bytes = ddr;
  program.ddr_tensors = lowered.ddr_tensors;
  for (std::size_t i = 0; i < lowered.ops.size(); ++i) {
    const LoweredOp& op = lowered.ops[i];
    const std::int64_t filter_address = op.kind == LoweredKind::Conv ? filters[i].begin : 0;
    Instruction instruction = instruction_of(lowered, op, machine);
    Rescale rescale;
    if (op.node >= 0) {
      rescale = rescale_of(instruction, lowered.graph->nodes[static_cast<std::size_t>(op.node)]);
    } else if (op.kind == LoweredKind::Eltwise) {
      rescale = {.scale = 0};
    }
    program.steps.push_back({std::move(instruction), filter_address, rescale});
    const std::string& layer = lowered.layers[static_cast<std::size_t>(op.layer)].name;
    program.info.instruction_layer.push_back(op.layer);
    program.info.instruction_text.push_back(
        fmt::format("{} {}{}", opcode(program.steps.back().instruction), layer, op.tile));
  }
  add_probes(lowered, machine, program);
  for (const LoweredVolume& v : lowered.volumes) {
    if (v.first < 0) continue;
    program.memory_map.push_back({v.name, v.address, v.words(machine.geometry()), v.first, v.last});
  }
  for (std::size_t i = 0; i < lowered.ops.size(); ++i) {
    const LoweredOp& op = lowered.ops[i];
    if (!op.source_in_ddr) continue;
    const auto at = static_cast<std::int32_t>(i);
    const std::string& layer = lowered.layers[static_cast<std::size_t>(op.layer)].name;
    program.scratch.push_back({layer + " (input tile 0)", op.buffer_0, op.buffer_words, at, at});
    program.scratch.push_back({layer + " (input tile 1)", op.buffer_1, op.buffer_words, at, at});
  }
  program.info.layers = lowered.layers;
  program.host = std::move(lowered.host);
  program.host_steps = lowered.host_steps;
  return program;
}

// --- wait bits -----------------------------------------------------------------------------------

void set_wait_bits(Program& program, const Machine& machine) {
  if (machine.serial()) {  // no wait bits: an instruction waits for all before it
    for (Step& step : program.steps) {
      for (int u = 0; u < kUnits; ++u) set_wait(tail(step.instruction), static_cast<Unit>(u), true);
    }
    return;
  }
  const std::vector<bool> kept = kept_filters(program, machine);
  std::vector<Footprint> footprints;
  for (const Step& step : program.steps) footprints.push_back(footprint(step, machine));
  const auto step = [&](std::int32_t i) -> Step& {
    return program.steps[static_cast<std::size_t>(i)];
  };
  const auto needs = [&](std::int32_t earlier, std::int32_t later) {
    return must_wait(footprints[static_cast<std::size_t>(earlier)],
                     unit_of(step(earlier).instruction),
                     footprints[static_cast<std::size_t>(later)], step(later).instruction);
  };
  const auto count = static_cast<std::int32_t>(program.steps.size());
  std::vector<std::int32_t> loads_next(program.steps.size(), -1);  // of those that keep theirs
  for (std::int32_t i = count, next = -1; i-- > 0;) {
    if (unit_of(step(i).instruction) != Unit::Conv) continue;
    if (!kept[static_cast<std::size_t>(i)]) {
      next = i;
    } else {
      loads_next[static_cast<std::size_t>(i)] = next;
    }
  }
  WaitRule rule;
  auto host = program.host_steps.begin();
  for (std::int32_t i = 0; i < count; ++i) {
    for (; host != program.host_steps.end() && host->before <= i; ++host) rule.host_step();
    Instruction& instruction = step(i).instruction;
    const Waits waits =
        rule.next(i, unit_of(instruction), loads_next[static_cast<std::size_t>(i)], needs);
    for (int u = 0; u < kUnits; ++u) {
      set_wait(tail(instruction), static_cast<Unit>(u), waits[static_cast<std::size_t>(u)]);
    }
  }
}

// --- moved bytes ---------------------------------------------------------------------------------

namespace {

// Host values that depend on `start`, itself included.
std::set<ValueId> reached_from(const Graph& host, std::set<ValueId> values) {
  for (const Node& node : host.nodes) {  // topological order: one sweep is enough
    const bool reads = std::any_of(node.inputs.begin(), node.inputs.end(),
                                   [&](ValueId id) { return values.contains(id); });
    if (reads) values.insert(node.outputs.begin(), node.outputs.end());
  }
  return values;
}

// DDR addresses of tensors inside the network: uploaded and, after host steps, read again; or read
// and themselves made of uploaded ones.
std::set<std::int64_t> inner_tensors(const Program& program) {
  std::set<std::int64_t> uploaded, inner;
  for (const Step& step : program.steps) {
    if (const auto* scatter = std::get_if<Scatter>(&step.instruction)) {
      uploaded.insert(scatter->ddr_address);
    }
  }
  const auto ids = values_by_name(program.host);
  for (const DdrTensor& from : program.ddr_tensors) {
    if (!uploaded.contains(from.address) || !ids.contains(from.value)) continue;
    const auto reached = reached_from(program.host, {ids.at(from.value)});
    for (const DdrTensor& to : program.ddr_tensors) {
      const auto id = ids.find(to.value);  // none: a tensor that the host never sees
      if (id == ids.end() || to.address == from.address || !reached.contains(id->second)) continue;
      inner.insert(from.address);
      inner.insert(to.address);
    }
  }
  return inner;
}

// The tensor of the program that an address lies in; null: none.
const DdrTensor* tensor_at(const Program& program, std::int64_t address, const Machine& machine) {
  for (const DdrTensor& t : program.ddr_tensors) {
    const std::int64_t bytes = ddr_tensor_bytes(t.channels, t.height, t.width, machine.geometry());
    if (t.address <= address && address < t.address + bytes) return &t;
  }
  return nullptr;
}

std::int64_t am_bytes(const AmTensor& tensor, const Machine& machine) {
  if (machine.width_aligned()) {  // a volume of its own: channels rounded up to even
    return machine.geometry().words(tensor.channels, tensor.height, tensor.width, {}) *
           machine.word_bytes();
  }
  return am_words(tensor, machine.geometry()) * machine.word_bytes();
}

}  // namespace

namespace {

bool in_ddr(const Tail& t) { return t.slice != 0 && (t.source_in_ddr || t.destination_in_ddr); }

// Half of the AM bytes of operands and result together: on account of the operands' tensor where
// the result goes to the AM; else those of the operands, and those of the result on its own.
void add_tiled(const Step& step, const Operands& operands, const Machine& machine, auto&& add) {
  const Tail& t = tail(step.instruction);
  std::int64_t in = 0;
  for (const AmTensor& source : operands.sources) in += am_bytes(source, machine);
  const std::vector<DdrTensor> tensors = ddr_sources(step.instruction);
  for (const DdrTensor& source : tensors) {
    in += am_bytes({0, source.channels, source.height, source.width, t.source}, machine);
  }
  if (!t.destination_in_ddr) {
    add(tensors.at(0).address, (in + am_bytes(operands.results.at(0), machine)) / 2);
    return;
  }
  const DdrTensor to = ddr_result(step);
  const std::int64_t out = am_bytes({0, to.channels, to.height, to.width, t.destination}, machine);
  if (tensors.empty()) return add(to.address, (in + out) / 2);
  add(tensors[0].address, in / 2);
  add(to.address, out / 2);
}

}  // namespace

MovedBytes moved_bytes(const Program& program, const Machine& machine) {
  const std::set<std::int64_t> inner = inner_tensors(program);
  const auto ids = values_by_name(program.host);
  MovedBytes moved;
  // Tensors that the host does not know are spills; the others are inputs and outputs of the
  // network.
  const auto add = [&](std::int64_t address, std::int64_t bytes) {
    const DdrTensor* tensor = tensor_at(program, address, machine);
    const bool spilled = tensor != nullptr && !ids.contains(tensor->value);
    const bool inside = spilled || (tensor != nullptr && inner.contains(tensor->address));
    (inside ? moved.inside : moved.input_output) += bytes;
  };
  for (const Step& step : program.steps) {
    const Operands operands = am_operands(step, machine);
    if (const auto* gather = std::get_if<Gather>(&step.instruction)) {
      add(gather->ddr_address, am_bytes(operands.results[0], machine));
    } else if (const auto* scatter = std::get_if<Scatter>(&step.instruction)) {
      const std::int64_t rows = scatter->end_row - scatter->start_row + 1;
      add(scatter->ddr_address,
          machine.width_aligned()
              ? am_bytes(operands.sources[0], machine)
              : ddr_tensor_bytes(scatter->channels, rows, scatter->width, machine.geometry()));
    } else if (in_ddr(tail(step.instruction))) {
      add_tiled(step, operands, machine, add);
    }
  }
  return moved;
}

}  // namespace workbench::xdnn
