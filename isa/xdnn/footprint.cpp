#include "isa/xdnn/footprint.h"

#include <algorithm>
#include <cstdlib>

#include "core/error.h"
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
    return in_am(op.tail, {{{op.inaddr, op.channels, op.in_h, op.in_w, op.tail.source, 0}},
                           {result_of(op.tail, op.outaddr, op.channels, op.out_h, op.out_w)}});
  }
  Operands operator()(const Eltwise& op) const {
    return in_am(op.tail, {{{op.inaddr_a, op.channels, op.height, op.width, op.tail.source, 0},
                            {op.inaddr_b, op.channels, op.height, op.width, op.tail.source, 0}},
                           {result_of(op.tail, op.outaddr, op.channels, op.height, op.width)}});
  }
  static Operands in_am(const Tail& tail, Operands all) {
    if (tail.source_in_ddr) all.sources.clear();
    if (tail.destination_in_ddr) all.results.clear();
    return all;
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

DdrRegion region_of(const DdrTensor& t, const Machine& machine) {
  return {t.address,
          t.address + ddr_tensor_bytes(t.channels, t.height, t.width, machine.geometry())};
}

// Of a tile buffer: what our compiler reserves where the program leaves that room between its two
// buffers; else what a tile needs.
std::int64_t buffer_words(const Instruction& instruction) {
  const Tail& t = tail(instruction);
  const std::int64_t needed = tile_words(instruction);
  if (unit_of(instruction) != Unit::Conv) return needed;
  const std::int64_t reserved = tile_buffer_words(instruction);
  const std::int64_t apart = std::abs(t.source_buffer_1 - t.source_buffer_0);
  return apart < reserved ? needed : reserved;
}

// DDR-sourced: the tensors, and the two AM buffers their tiles are brought to.
void add_tiled_sources(const Instruction& instruction, const Machine& machine, Footprint& result) {
  for (const DdrTensor& tensor : ddr_sources(instruction)) {
    result.ddr_reads.push_back(region_of(tensor, machine));
  }
  const Tail& t = tail(instruction);
  const std::int64_t words = buffer_words(instruction);
  const auto* sum = std::get_if<Eltwise>(&instruction);
  for (const std::int64_t buffer : {t.source_buffer_0, t.source_buffer_1}) {
    // A sum has the tile of its second operand behind that of the first.
    const std::int64_t end = buffer + (sum != nullptr ? sum->second_source_offset : 0) + words;
    result.am_writes.push_back({buffer, end, 0, machine.word_bytes()});
    ++result.tile_regions;
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

namespace {

// One dimension of the input tile of results of a whole tile, which is no larger than the result.
std::int64_t tile_side(std::int64_t reach, std::int64_t stride, std::int64_t tile,
                       std::int64_t result) {
  return (std::min(tile, result) - 1) * stride + reach;
}

struct TileWordsOf {
  std::int64_t conv(const Conv& op, const ConvPool& behind, std::int64_t out_w,
                    std::int64_t out_h) const {
    const Tail& t = op.tail;
    const std::int64_t reach_w =
        (op.kernel_w - 1) * op.dilation_w + 1 + op.stride_w * (behind.kernel_w - 1);
    const std::int64_t reach_h =
        (op.kernel_h - 1) * op.dilation_h + 1 + op.stride_h * (behind.kernel_h - 1);
    return tile_side(reach_w, op.stride_w * behind.stride_w, t.tile_width, out_w) *
           tile_side(reach_h, op.stride_h * behind.stride_h, t.tile_height, out_h) *
           t.source.sections();
  }
  std::int64_t operator()(const Conv& op) const { return conv(op, {}, op.out_w, op.out_h); }
  std::int64_t operator()(const ConvPool& op) const {
    return conv(op.conv, op, op.out_w, op.out_h);
  }
  std::int64_t operator()(const Pool& op) const {
    return tile_side(op.kernel_w, op.stride_w, op.tail.tile_width, op.out_w) *
           tile_side(op.kernel_h, op.stride_h, op.tail.tile_height, op.out_h) *
           op.tail.source.sections();
  }
  std::int64_t operator()(const Eltwise& op) const {
    return tile_side(1, 1, op.tail.tile_width, op.width) *
           tile_side(1, 1, op.tail.tile_height, op.height) * op.tail.source.sections();
  }
  std::int64_t operator()(const auto&) const { CHECK(false, "no tiled instruction"); }
};

struct DdrSourcesOf {
  std::vector<DdrTensor> operator()(const Conv& op) const {
    return {{"", op.inaddr, op.in_ch, op.in_h, op.in_w}};
  }
  std::vector<DdrTensor> operator()(const ConvPool& op) const { return (*this)(op.conv); }
  std::vector<DdrTensor> operator()(const Pool& op) const {
    return {{"", op.inaddr, op.channels, op.in_h, op.in_w}};
  }
  std::vector<DdrTensor> operator()(const Eltwise& op) const {
    return {{"", op.inaddr_a, op.channels, op.height, op.width},
            {"", op.inaddr_b, op.channels, op.height, op.width}};
  }
  std::vector<DdrTensor> operator()(const auto&) const { CHECK(false, "no tiled instruction"); }
};

struct DdrResultOf {
  DdrTensor operator()(const Conv& op) const {
    return {"", op.outaddr, op.out_ch, op.out_h, op.out_w};
  }
  DdrTensor operator()(const ConvPool& op) const {
    return {"", op.conv.outaddr, op.conv.out_ch, op.out_h, op.out_w};
  }
  DdrTensor operator()(const Pool& op) const {
    return {"", op.outaddr, op.channels, op.out_h, op.out_w};
  }
  DdrTensor operator()(const Eltwise& op) const {
    return {"", op.outaddr, op.channels, op.height, op.width};
  }
  DdrTensor operator()(const auto&) const { CHECK(false, "no tiled instruction"); }
};

}  // namespace

std::int64_t tile_words(const Instruction& instruction) {
  return std::visit(TileWordsOf{}, instruction);
}

std::vector<DdrTensor> ddr_sources(const Instruction& instruction) {
  if (!tail(instruction).source_in_ddr) return {};
  return std::visit(DdrSourcesOf{}, instruction);
}

DdrTensor ddr_result(const Step& step) { return std::visit(DdrResultOf{}, step.instruction); }

std::int64_t tile_buffer_words(const Instruction& instruction) {
  if (const auto* fused = std::get_if<ConvPool>(&instruction)) {
    const Tail& t = fused->conv.tail;
    return tile_buffer_words(fused->conv, fused->kernel_w, fused->kernel_h, fused->stride_w,
                             fused->stride_h, t.tile_width, t.tile_height);
  }
  const Conv& conv = std::get<Conv>(instruction);
  return tile_buffer_words(conv, 1, 1, 1, 1, conv.tail.tile_width, conv.tail.tile_height);
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
  }
  if (tail(step.instruction).source_in_ddr) add_tiled_sources(step.instruction, machine, result);
  if (tail(step.instruction).destination_in_ddr) {
    result.ddr_writes.push_back(region_of(ddr_result(step), machine));
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
