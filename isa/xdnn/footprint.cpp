#include "isa/xdnn/footprint.h"

#include <algorithm>

#include "isa/xdnn/filters.h"
#include "isa/xdnn/well_formed.h"

namespace workbench::xdnn {

namespace {

AmTensor result_of(const Tail& tail, std::int64_t address, std::int64_t channels, std::int64_t h,
                   std::int64_t w) {
  if (tail.concat_part) {
    return {address, channels, h, w, tail.concat_volume, tail.concat_start};
  }
  return {address, channels, h, w, tail.destination, 0};
}

// With the addresses of the instruction as they are.
struct OperandsOf {
  Operands operator()(const Conv& op) const {
    Operands operands;
    if (!op.tail.source_in_ddr) {
      operands.sources.push_back({op.inaddr, op.in_ch, op.in_h, op.in_w, op.tail.source, 0});
    }
    if (!op.tail.destination_in_ddr) {
      operands.results.push_back(result_of(op.tail, op.outaddr, op.out_ch, op.out_h, op.out_w));
    }
    return operands;
  }
  Operands operator()(const ConvPool& op) const {
    Operands operands = (*this)(op.conv);
    if (operands.results.empty()) return operands;
    operands.results[0].height = op.out_h;
    operands.results[0].width = op.out_w;
    return operands;
  }
  // One map in, one map out.
  Operands operator()(const auto& op) const {
    return {{{op.inaddr, op.channels, op.in_h, op.in_w, op.tail.source, 0}},
            {result_of(op.tail, op.outaddr, op.channels, op.out_h, op.out_w)}};
  }
  Operands operator()(const Eltwise& op) const {
    return {{{op.inaddr_a, op.channels, op.height, op.width, op.tail.source, 0},
             {op.inaddr_b, op.channels, op.height, op.width, op.tail.source, 0}},
            {result_of(op.tail, op.outaddr, op.channels, op.height, op.width)}};
  }
  Operands operator()(const Gather& op) const {
    const std::int64_t rows = op.end_row - op.start_row + 1;
    return {{}, {result_of(op.tail, op.am_address, op.channels, rows, op.width)}};
  }
  Operands operator()(const Scatter& op) const {
    const std::int64_t rows = op.end_row - op.start_row + 1;
    return {{{op.am_address, op.channels, rows, op.width, op.tail.source, 0}}, {}};
  }
};

std::vector<AmRegion> regions(const AmTensor& tensor, const Geometry& geometry) {
  if (geometry.width_aligned()) {  // whole lines, both images, without the unused lanes at the end
    return {
        {tensor.address, tensor.address + am_words(tensor, geometry), 0, 2 * geometry.line_pixels}};
  }
  std::vector<AmRegion> result;
  const std::int64_t pixels = tensor.height * tensor.width;
  std::int64_t word = tensor.address;
  for (const SectionSlice& slice : section_slices(tensor, geometry)) {
    for (std::int64_t copy = 0; copy < slice.copies && slice.channels > 0; ++copy) {
      const std::int64_t byte = slice.first_byte + copy * slice.copy_stride;
      result.push_back({word, word + pixels, byte, byte + slice.bytes});
    }
    word += pixels;
  }
  return result;
}

void add_filters(const Conv& conv, const Step& step, const Machine& machine, Footprint& result) {
  const std::int64_t bytes = filter_bytes(filter_shape(conv), machine);
  result.ddr_reads.push_back({step.filter_address, step.filter_address + bytes});
}

// DDR-sourced: the tensor, and the two AM buffers its tiles are brought to.
void add_tiled_source(const Conv& conv, std::int64_t buffer_words, const Machine& machine,
                      Footprint& result) {
  result.ddr_reads.push_back(
      {conv.inaddr,
       conv.inaddr + ddr_tensor_bytes(conv.in_ch, conv.in_h, conv.in_w, machine.geometry())});
  for (const std::int64_t buffer : {conv.tail.source_buffer_0, conv.tail.source_buffer_1}) {
    result.am_writes.push_back({buffer, buffer + buffer_words, 0, machine.word_bytes()});
  }
}

}  // namespace

Operands operands(const Instruction& instruction) { return std::visit(OperandsOf{}, instruction); }

Operands am_operands(const Step& step, const Machine& machine) {
  Operands operands = xdnn::operands(step.instruction);
  for (auto* list : {&operands.sources, &operands.results}) {
    for (AmTensor& tensor : *list) tensor.address /= machine.word_addresses();
  }
  return operands;
}

std::optional<std::int64_t> misaligned_address(const Step& step, const Machine& machine) {
  const Operands operands = xdnn::operands(step.instruction);
  for (const auto* list : {&operands.sources, &operands.results}) {
    for (const AmTensor& tensor : *list) {
      if (tensor.address % machine.word_addresses() != 0) return tensor.address;
    }
  }
  return std::nullopt;
}

std::int64_t tile_buffer_words(const Conv& conv, std::int64_t pool_kernel_w,
                               std::int64_t pool_kernel_h, std::int64_t pool_stride_w,
                               std::int64_t pool_stride_h, std::int64_t tile_w,
                               std::int64_t tile_h) {
  const auto side = [](std::int64_t kernel, std::int64_t dilation, std::int64_t stride,
                       std::int64_t pool_kernel, std::int64_t pool_stride, std::int64_t tile) {
    const std::int64_t reach = (kernel - 1) * dilation + 1 + stride * (pool_kernel - 1);
    return reach + stride * pool_stride * tile;
  };
  return side(conv.kernel_w, conv.dilation_w, conv.stride_w, pool_kernel_w, pool_stride_w, tile_w) *
         side(conv.kernel_h, conv.dilation_h, conv.stride_h, pool_kernel_h, pool_stride_h, tile_h) *
         conv.tail.source.sections();
}

std::int64_t tile_buffer_words(const Instruction& instruction) {
  if (const auto* fused = std::get_if<ConvPool>(&instruction)) {
    const Tail& t = fused->conv.tail;
    return tile_buffer_words(fused->conv, fused->kernel_w, fused->kernel_h, fused->stride_w,
                             fused->stride_h, t.tile_width, t.tile_height);
  }
  const Conv& conv = std::get<Conv>(instruction);
  return tile_buffer_words(conv, 1, 1, 1, 1, conv.tail.tile_width, conv.tail.tile_height);
}

DdrTensor ddr_result(const Step& step) {
  const auto* fused = std::get_if<ConvPool>(&step.instruction);
  const Conv& conv = fused != nullptr ? fused->conv : std::get<Conv>(step.instruction);
  return {"", conv.outaddr, conv.out_ch, fused != nullptr ? fused->out_h : conv.out_h,
          fused != nullptr ? fused->out_w : conv.out_w};
}

Footprint footprint(const Step& step, const Machine& card) {
  const MachineOfSlice own(card, tail(step.instruction).slice);
  const Machine& machine = own.get();
  Footprint result;
  const Operands operands = am_operands(step, machine);
  for (const AmTensor& source : operands.sources) {
    for (const AmRegion& region : regions(source, machine.geometry())) {
      result.am_reads.push_back(region);
    }
  }
  for (const AmTensor& tensor : operands.results) {
    for (const AmRegion& region : regions(tensor, machine.geometry())) {
      result.am_writes.push_back(region);
    }
  }
  const Conv* conv = std::get_if<Conv>(&step.instruction);
  if (const auto* fused = std::get_if<ConvPool>(&step.instruction)) conv = &fused->conv;
  if (conv != nullptr) {
    add_filters(*conv, step, machine, result);
    if (conv->tail.source_in_ddr) {
      add_tiled_source(*conv, tile_buffer_words(step.instruction), machine, result);
    }
    if (conv->tail.destination_in_ddr) {
      const DdrTensor to = ddr_result(step);
      result.ddr_writes.push_back(
          {to.address,
           to.address + ddr_tensor_bytes(to.channels, to.height, to.width, machine.geometry())});
    }
  }
  if (const auto* gather = std::get_if<Gather>(&step.instruction)) {
    result.ddr_reads.push_back(
        {gather->ddr_address,
         gather->ddr_address + ddr_tensor_bytes(gather->channels, gather->height, gather->width,
                                                machine.geometry())});
  }
  if (const auto* scatter = std::get_if<Scatter>(&step.instruction)) {
    result.ddr_writes.push_back(
        {scatter->ddr_address,
         scatter->ddr_address + ddr_tensor_bytes(scatter->channels, scatter->height, scatter->width,
                                                 machine.geometry())});
  }
  for (auto* list : {&result.am_reads, &result.am_writes}) {
    for (AmRegion& region : *list) region.slice = machine.slice;
  }
  return result;
}

bool overlap(const AmRegion& a, const AmRegion& b) {
  return a.slice == b.slice && a.word_begin < b.word_end && b.word_begin < a.word_end &&
         a.byte_begin < b.byte_end && b.byte_begin < a.byte_end;
}

bool overlap(const DdrRegion& a, const DdrRegion& b) { return a.begin < b.end && b.begin < a.end; }

namespace {

template <typename Region>
bool any(const std::vector<Region>& left, const std::vector<Region>& right) {
  return std::any_of(left.begin(), left.end(), [&](const Region& a) {
    return std::any_of(right.begin(), right.end(), [&](const Region& b) { return overlap(a, b); });
  });
}

}  // namespace

bool depends(const Footprint& earlier, const Footprint& later) {
  return any(earlier.am_writes, later.am_reads) || any(earlier.am_reads, later.am_writes) ||
         any(earlier.am_writes, later.am_writes) || any(earlier.ddr_writes, later.ddr_reads) ||
         any(earlier.ddr_reads, later.ddr_writes) || any(earlier.ddr_writes, later.ddr_writes);
}

bool must_wait(const Footprint& earlier, Unit unit, const Footprint& touched,
               const Instruction& later) {
  if (unit != unit_of(later) || (unit == Unit::Conv && tail(later).tiling)) {
    return depends(earlier, touched);
  }
  return unit == Unit::Conv && any(earlier.am_writes, touched.am_reads);
}

}  // namespace workbench::xdnn
