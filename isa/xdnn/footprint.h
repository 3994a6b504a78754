// What an instruction touches: the contract that wait bits, allocation checks and hazard detection
// are derived from.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "isa/xdnn/machine.h"
#include "isa/xdnn/memory.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

// Bytes [byte_begin, byte_end) of each AM word in [word_begin, word_end), in the memory of `slice`.
struct AmRegion {
  std::int64_t word_begin = 0, word_end = 0, byte_begin = 0, byte_end = 0;
  std::int64_t slice = 1;
};
struct DdrRegion {
  std::int64_t begin = 0, end = 0;  // bytes
};

struct Footprint {
  std::vector<AmRegion> am_reads, am_writes;
  std::vector<DdrRegion> ddr_reads, ddr_writes;  // filters included
  std::size_t tile_regions = 0;  // of am_writes the last: buffers that input tiles are brought to
};

Footprint footprint(const Step& step, const Machine& machine);

// The AM tensors an instruction reads and writes, addresses in words; absent where the operand is
// in DDR. An address that is no whole number of words (instructions of width-aligned machines count
// bytes) is rounded down: see misaligned_address.
struct Operands {
  std::vector<AmTensor> sources;
  std::vector<AmTensor> results;  // at most one
};
Operands am_operands(const Step& step, const Machine& machine);
// The same with the addresses as the instruction has them.
Operands operands(const Instruction& instruction);

// The first AM address of the instruction that does not begin a word, as the instruction has it.
std::optional<std::int64_t> misaligned_address(const Step& step, const Machine& machine);

// The DDR tensors that a tiled instruction reads; no names.
std::vector<DdrTensor> ddr_sources(const Instruction& instruction);
// The DDR tensor that an instruction with destination_in_ddr streams its result to; no name.
DdrTensor ddr_result(const Step& step);

bool overlap(const AmRegion& a, const AmRegion& b);
bool overlap(const DdrRegion& a, const DdrRegion& b);
// True when `later` must not start before `earlier` has finished.
bool depends(const Footprint& earlier, const Footprint& later);
// The same for `earlier` on `unit` and the instruction `later`, whose footprint is `touched`, with
// what units keep in order by themselves taken into account. Pool, eltwise, upsample and the DMAs
// run one command after the other. The conv unit starts streaming the next one while the last
// results of the one before still drain: what streams in order cannot overtake (WAR, WAW), but it
// can read too early. Tiles are fetched even before that, so their buffers need the full check.
bool must_wait(const Footprint& earlier, Unit unit, const Footprint& touched,
               const Instruction& later);

// AM words of one input tile buffer of hardware-assisted tiling, as the compiler reserves them
// (docs/facts/xdnn.md 4.7).
std::int64_t tile_buffer_words(const Conv& conv, std::int64_t pool_kernel_w,
                               std::int64_t pool_kernel_h, std::int64_t pool_stride_w,
                               std::int64_t pool_stride_h, std::int64_t tile_w,
                               std::int64_t tile_h);
// Of a convolution with tiling on.
std::int64_t tile_buffer_words(const Instruction& instruction);
// AM words of the input tile that results of a whole tile need. The vendor's compiler reserves less
// than ours for some fused pools, and no less than this.
std::int64_t tile_words(const Instruction& instruction);

}  // namespace workbench::xdnn
