// Grouped and depthwise convolutions on an array that only knows dense ones: consecutive groups are
// bundled into blocks, each block one instruction, dense over the AM words its groups touch, with
// zero weights where groups do not meet. The bundle size is chosen by modelled cost.
#pragma once

#include <cstdint>
#include <vector>

#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

struct GroupedShape {
  std::int64_t in_channels, out_channels, groups, kernel_h, kernel_w, in_h, in_w, out_h, out_w;
};

// Channels [in_begin, in_end) produce channels [out_begin, out_end); in_begin begins a word.
struct GroupBlock {
  std::int64_t in_begin = 0, in_end = 0, out_begin = 0, out_end = 0;
};

// Blocks in order, together all output channels; one block when a dense instruction is best. Empty
// when no split fits the filter buffers.
std::vector<GroupBlock> split_groups(const GroupedShape& shape, const Machine& machine);

}  // namespace workbench::xdnn
