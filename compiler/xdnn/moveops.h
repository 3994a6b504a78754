// The report's `moveops`: bytes that instructions move between DDR and AM for tensors inside the
// network (xdnn.md 4.5). The network's own input and results are not counted.
#pragma once

#include <cstdint>

#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

// Gather: AM bytes of the destination; Scatter: DDR-format bytes, on width-aligned machines the AM
// bytes of the source; a convolution that reads DDR tile by tile: half of the AM bytes of source
// and result together.
std::int64_t count_moveops(const Program& program, const Machine& machine);

}  // namespace workbench::xdnn
