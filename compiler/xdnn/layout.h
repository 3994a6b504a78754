// Channel replication: how the channels of a volume are laid out so that the array's rows are full
// (xdnn.md 1.5).
#pragma once

#include "isa/xdnn/instructions.h"
#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

// What a convolution wants of a volume in the AM: copies 1 (plain), 2 or 3, the fewest array steps;
// ties to the fewest copies. Plain on machines without replication.
ChannelLayout am_source_layout(std::int64_t channels, std::int64_t kernel_h, std::int64_t kernel_w,
                               const Machine& machine);
// The same for tiles that hardware-assisted tiling brings from DDR, where 12 copies exist too.
ChannelLayout ddr_source_layout(std::int64_t channels, std::int64_t kernel_h, std::int64_t kernel_w,
                                const Machine& machine);

}  // namespace workbench::xdnn
