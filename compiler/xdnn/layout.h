// How channels and volumes are laid out before anything has an address: replication, so that the
// array's rows are full (docs/facts/xdnn.md 1.5); grouped and depthwise convolutions, bundled for
// an array that only knows dense ones; operands whose volume a result can take.
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/xdnn/lower.h"
#include "isa/xdnn/instructions.h"
#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

// --- replication ---------------------------------------------------------------------------------

// Channel replication: how the channels of a volume are laid out so that the array's rows are full
// (docs/facts/xdnn.md 1.5).

// The replication a convolution prefers for a volume in the AM: copies 1 (plain), 2 or 3, the
// fewest array steps; ties to the fewest copies. Plain on machines without replication.
ChannelLayout am_source_layout(std::int64_t channels, std::int64_t kernel_h, std::int64_t kernel_w,
                               const Machine& machine);
// The same for tiles that hardware-assisted tiling brings from DDR, where 12 copies exist too.
ChannelLayout ddr_source_layout(std::int64_t channels, std::int64_t kernel_h, std::int64_t kernel_w,
                                const Machine& machine);

// --- grouped convolutions ------------------------------------------------------------------------

// Grouped and depthwise convolutions on an array for dense ones: consecutive groups are
// bundled into blocks, each block one instruction, dense over the AM words its groups touch, with
// zero weights where groups do not meet. The bundle size is chosen by modelled cost.

struct GroupedShape {
  std::int64_t in_channels, out_channels, groups, kernel_h, kernel_w, in_h, in_w, out_h, out_w;
};

// Blocks in order, together all output channels; one block when a dense instruction is best. Empty
// when no split fits the filter buffers.
std::vector<GroupBlock> split_groups(const GroupedShape& shape, const Machine& machine);

// --- volumes -------------------------------------------------------------------------------------

// What a volume gets whose readers would each like it laid out differently.
enum class SharedLayout {
  Plain,
  Fastest,     // the layout with which they take least time together
  MostCopies,  // as many copies as there can be
};
// Replication: gives each volume the layout all its readers want, else the one that `shared` says.
void choose_layouts(Lowered& lowered, const Machine& machine, SharedLayout shared);
// Half rate where its slabs fit one buffer, for `all` such convolutions or for those that gain:
// those whose filters fill both buffers at full rate, so that loading and computing take turns, and
// which are done sooner at half rate; and those of so few output channels that half of a slab at
// full rate is padding. Layouts are chosen.
void choose_rates(Lowered& lowered, const Machine& machine, bool all);
// An eltwise writes over an operand that is dead afterwards.
void reuse_operands(Lowered& lowered);

}  // namespace workbench::xdnn
