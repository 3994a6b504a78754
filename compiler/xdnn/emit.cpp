// LoweredOps with addresses -> instructions, filters in DDR, probes, memory map.
#include <algorithm>

#include "compiler/xdnn/lowered.h"
#include "compiler/xdnn/pack.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

namespace {

// Builds the instruction of one op.
class Selection {
 public:
  Selection(const Lowered& lowered, const LoweredOp& op, const Machine& machine)
      : lowered_(lowered), op_(op), machine_(machine), geometry_(machine.geometry()) {}

  Instruction run() const {
    switch (op_.kind) {
      case LoweredKind::Conv:
        return convolution();
      case LoweredKind::MaxPool:
      case LoweredKind::AveragePool:
        return pool();
      case LoweredKind::Eltwise:
        return eltwise();
      case LoweredKind::Upsample:
        return upsample();
      case LoweredKind::Gather:
        return gather();
      case LoweredKind::Scatter:
        return scatter();
    }
    CHECK(false, "kind {}", static_cast<int>(op_.kind));
  }

 private:
  const Node* node() const {
    return op_.node < 0 ? nullptr : &lowered_.graph->nodes[static_cast<std::size_t>(op_.node)];
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
    return volume(map).address +
           geometry_.word_of_channel(map.start + channel, map.height, map.width);
  }
  // The same as instructions count.
  std::int64_t address(const Map& map, std::int64_t channel = 0) const {
    return word(map, channel) * machine_.word_addresses();
  }
  ChannelLayout plain(std::int64_t channels) const { return plain_layout(channels, geometry_); }
  ChannelLayout layout(const Map& map) const {
    return map.whole ? volume(map).layout : plain(map.channels);
  }

  // Padding above a piece (xdnn.md 2.3): what of it the piece's own rows do not stand for.
  static std::int64_t top_padding(const Window& window, const Map& from, std::int64_t row) {
    return window.pads_begin[0] + from.first_row - row * window.strides[0];
  }

  // Rows of the convolution's own result that this instruction computes: those of the op's result,
  // or those its fused pool needs.
  struct Rows {
    std::int64_t begin = 0, count = 0;
  };
  Rows rows_before_pool() const {
    const Rows rows{result().first_row, result().height};
    if (op_.fused_pool < 0) return rows;
    const Node& pool = lowered_.graph->nodes[static_cast<std::size_t>(op_.fused_pool)];
    const Window& window = std::get<MaxPool>(pool.op).window;
    const std::int64_t all = lowered_.graph->value(node()->outputs[0]).shape[2];
    if (rows.count == lowered_.graph->value(pool.outputs[0]).shape[2]) return {0, all};
    const std::int64_t first = rows.begin * window.strides[0] - window.pads_begin[0];
    const std::int64_t end =
        std::min(all, first + (rows.count - 1) * window.strides[0] + window.kernel[0]);
    return {std::max<std::int64_t>(0, first), end - std::max<std::int64_t>(0, first)};
  }

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

  Instruction convolution() const {
    const auto* forward = std::get_if<workbench::Conv>(&node()->op);
    const auto* transpose = std::get_if<ConvTranspose>(&node()->op);
    const Window& window = forward != nullptr ? forward->window : transpose->window;
    const Activation& activation = forward != nullptr ? forward->activation : transpose->activation;
    const Shape& out = lowered_.graph->value(node()->outputs[0]).shape;
    const Rows middle = rows_before_pool();
    Conv conv;
    conv.transposed = transpose != nullptr;
    conv.kernel_h = window.kernel[0], conv.kernel_w = window.kernel[1];
    conv.stride_h = window.strides[0], conv.stride_w = window.strides[1];
    conv.pad_h = conv.transposed
                     ? window.pads_begin[0] + middle.begin - source().first_row * conv.stride_h
                     : top_padding(window, source(), middle.begin);
    conv.pad_w = window.pads_begin[1];
    conv.dilation_h = window.dilations[0], conv.dilation_w = window.dilations[1];
    conv.relu = activation.kind == Activation::Kind::Relu;
    conv.prelu = !node()->requantize->negative_scale.empty();
    conv.bias = node()->inputs.size() > 2 && node()->inputs[2] != kNoValue;
    conv.in_h = source().height, conv.in_w = source().width;
    conv.in_ch = op_.block.in_end - op_.block.in_begin;
    conv.out_h = middle.count, conv.out_w = out[3];
    conv.out_ch = op_.block.out_end - op_.block.out_begin;
    set_source(conv);
    const FilterMode mode = filter_mode(filter_shape(conv), machine_);
    CHECK(mode.possible, "'{}' does not fit the filter buffers", node()->name);
    // Width-aligned machines have no bit for it: they alternate where they can (cost.h).
    conv.tail.pingpong_weight = mode.pingpong && !geometry_.width_aligned();
    conv.tail.half_rate = mode.half_rate;
    conv.tail.slice = op_.slice;
    if (op_.destination_in_ddr) {
      conv.tail.destination_in_ddr = true;
      conv.tail.destination_offset = -1;  // streams on (xdnn.md 2.4)
      conv.outaddr = lowered_.ddr_tensors[static_cast<std::size_t>(result().ddr)].address;
    } else {
      conv.outaddr = write_to(conv.tail, op_.block.out_begin - result().first_channel, conv.out_ch);
    }
    if (op_.fused_pool < 0) return conv;
    return with_pool(conv);
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

  Instruction with_pool(const Conv& conv) const {
    const Node& pool = lowered_.graph->nodes[static_cast<std::size_t>(op_.fused_pool)];
    const Window& window = std::get<MaxPool>(pool.op).window;
    ConvPool fused{.conv = conv};
    fused.kernel_h = window.kernel[0], fused.kernel_w = window.kernel[1];
    fused.stride_h = window.strides[0], fused.stride_w = window.strides[1];
    fused.pad_h =
        window.pads_begin[0] + rows_before_pool().begin - result().first_row * window.strides[0];
    fused.pad_w = window.pads_begin[1];
    fused.out_h = result().height, fused.out_w = fused.conv_outsize_w = result().width;
    fused.conv.tail.inline_maxpool = true;
    return fused;
  }

  Instruction pool() const {
    Pool pool;
    const Window* window = nullptr;
    if (node() != nullptr) {  // a copy or a lone ReLU keeps the 1x1 window
      if (const auto* max = std::get_if<MaxPool>(&node()->op)) window = &max->window;
      if (const auto* average = std::get_if<AveragePool>(&node()->op)) window = &average->window;
    }
    if (window != nullptr) {
      pool.kernel_h = window->kernel[0], pool.kernel_w = window->kernel[1];
      pool.stride_h = window->strides[0], pool.stride_w = window->strides[1];
      pool.pad_h = top_padding(*window, source(), result().first_row);
      pool.pad_w = window->pads_begin[1];
    }
    pool.average = op_.kind == LoweredKind::AveragePool;
    // As the shipped programs have it: 1 on V2, 0 on V3.
    if (pool.average && geometry_.width_aligned()) pool.fcmode = 1;
    pool.tail.pre_relu = op_.pre_relu;
    pool.channels = source().channels;
    pool.in_h = source().height, pool.in_w = source().width;
    pool.out_h = result().height, pool.out_w = result().width;
    pool.inaddr = address(source());
    pool.tail.source = layout(source());
    pool.outaddr = write_to(pool.tail, 0, pool.channels);
    return pool;
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

  Instruction eltwise() const {
    Eltwise add;
    const auto* sum = std::get_if<Binary>(&node()->op);  // else a lone ReLU
    add.relu = sum == nullptr || sum->activation.kind == Activation::Kind::Relu;
    add.width = source().width, add.height = source().height, add.channels = source().channels;
    add.inaddr_a = address(source(0));
    add.inaddr_b = address(source(1));
    add.tail.source = plain(add.channels);
    const std::int64_t words =
        geometry_.words(add.channels, add.height, add.width, add.tail.source);
    add.tail.parallel_read = read_in_parallel(word(source(0)), word(source(1)), words);
    add.outaddr = write_to(add.tail, 0, add.channels);
    return add;
  }

  Instruction upsample() const {
    Upsample up;
    up.in_h = source().height, up.in_w = source().width, up.channels = source().channels;
    up.out_h = result().height, up.out_w = result().width;
    up.factor_h = up.out_h / up.in_h, up.factor_w = up.out_w / up.in_w;
    up.inaddr = address(source());
    up.tail.source = layout(source());
    up.outaddr = write_to(up.tail, 0, up.channels);
    return up;
  }

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

Rescale rescale_of(const Lowered& lowered, const LoweredOp& op) {
  if (op.kind != LoweredKind::AveragePool && op.kind != LoweredKind::Eltwise) return {};
  const Node& node = lowered.graph->nodes[static_cast<std::size_t>(op.node)];
  if (std::holds_alternative<Activate>(node.op)) return {128, 8};  // half of x + x
  const auto& requantize = node.requantize;
  CHECK(requantize && requantize->scale.size() == 1);
  return {requantize->scale[0], requantize->shift[0]};
}

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
       .address = volume.address + geometry.word_of_channel(map.start, map.height, map.width),
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
  std::int64_t ddr = filters.empty() ? 0 : filters.back().begin + filters.back().bytes;
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
    program.steps.push_back(
        {instruction_of(lowered, op, machine), filter_address, rescale_of(lowered, op)});
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

}  // namespace workbench::xdnn
