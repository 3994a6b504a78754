#include "isa/pulp/semantics.h"

#include <cstring>

#include "core/error.h"
#include "isa/pulp/kernels.h"

namespace workbench::pulp {

namespace {

// A place in nested loops: the address of its first byte and how far apart neighbours are.
struct Blocks {
  std::int64_t address = 0, planes = 0, rows = 0, lines = 0;  // strides
};

void check_range(const std::vector<std::uint8_t>& memory, const Dma& dma, const Blocks& at) {
  const std::int64_t end = at.address + (dma.planes - 1) * at.planes + (dma.rows - 1) * at.rows +
                           (dma.lines - 1) * at.lines + dma.length;
  CHECK(at.address >= 0 && at.planes >= 0 && at.rows >= 0 && at.lines >= 0 &&
            end <= static_cast<std::int64_t>(memory.size()),
        "bytes {} to {} of {}", at.address, end, memory.size());
}

void copy_lines(const Dma& dma, const std::uint8_t* from, std::int64_t from_stride,
                std::uint8_t* to, std::int64_t to_stride) {
  if (dma.length == 1) {  // [H][W][C] to [C][H][W]: a call for every byte would take longer
    for (std::int64_t line = 0; line < dma.lines; ++line) {
      to[line * to_stride] = from[line * from_stride];
    }
    return;
  }
  for (std::int64_t line = 0; line < dma.lines; ++line) {
    std::memcpy(to + line * to_stride, from + line * from_stride,
                static_cast<std::size_t>(dma.length));
  }
}

void copy(const Dma& dma, const std::vector<std::uint8_t>& from, const Blocks& source,
          std::vector<std::uint8_t>& to, const Blocks& destination) {
  CHECK(dma.length >= 0 && dma.lines >= 0 && dma.rows >= 0 && dma.planes >= 0, "negative counts");
  if (dma.bytes() == 0) return;
  check_range(from, dma, source);
  check_range(to, dma, destination);
  for (std::int64_t plane = 0; plane < dma.planes; ++plane) {
    for (std::int64_t row = 0; row < dma.rows; ++row) {
      copy_lines(
          dma, from.data() + source.address + plane * source.planes + row * source.rows,
          source.lines,
          to.data() + destination.address + plane * destination.planes + row * destination.rows,
          destination.lines);
    }
  }
}

}  // namespace

void execute(const Kernel& kernel, Memory& memory, int threads) {
  traits(kernel.kind).execute(kernel, memory.l1, threads);
}

void execute(const Dma& transfer, Memory& memory) {
  const Blocks l2{transfer.l2, transfer.l2_plane_stride, transfer.l2_row_stride,
                  transfer.l2_line_stride};
  const Blocks l1{transfer.l1, transfer.l1_plane_stride, transfer.l1_row_stride,
                  transfer.l1_line_stride};
  if (transfer.to_l1) {
    copy(transfer, memory.l2, l2, memory.l1, l1);
  } else {
    copy(transfer, memory.l1, l1, memory.l2, l2);
  }
}

void execute(const L3Transfer& transfer, Memory& memory) {
  const Dma rows{.length = transfer.length, .lines = transfer.rows};
  const Blocks l3{transfer.l3, 0, 0, transfer.l3_stride}, l2{transfer.l2, 0, 0, transfer.l2_stride};
  if (transfer.to_l2) {
    copy(rows, memory.l3, l3, memory.l2, l2);
  } else {
    copy(rows, memory.l2, l2, memory.l3, l3);
  }
}

}  // namespace workbench::pulp
