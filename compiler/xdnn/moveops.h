// The report's `moveops`: bytes that instructions move between DDR and AM for tensors inside the
// network (xdnn.md 4.5). The network's own input and results are counted apart.
#pragma once

#include <cstdint>

#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

// Gather: AM bytes of the destination; Scatter: DDR-format bytes, on width-aligned machines the AM
// bytes of the source; a convolution that reads DDR tile by tile: half of the AM bytes of source
// and result together.
struct MovedBytes {
  std::int64_t inside = 0;        // tensors inside the network: spilled, or on their way to a host
                                  // step and back
  std::int64_t input_output = 0;  // the network's own input and results
};
MovedBytes moved_bytes(const Program& program, const Machine& machine);
inline std::int64_t count_moveops(const Program& program, const Machine& machine) {
  return moved_bytes(program, machine).inside;
}

}  // namespace workbench::xdnn
