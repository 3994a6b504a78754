// Area of a machine: blocks of an FPGA and what they stand for in silicon, or gates and memory
// cells. What the machine file describes and nothing else: no pads, no PLLs, no board.
#pragma once

#include <cstdint>

#include "explore/energy/technology.h"

namespace workbench {

// Blocks of UltraScale+ that an engine takes: 72 bits x 4096 words of UltraRAM, 72 bits x 512 words
// of block RAM (UG573), one DSP48E2 per cell of the array (UG579).
struct FpgaBlocks {
  std::int64_t dsps = 0;   // the first layer's own block included, where the mode uses it
  std::int64_t urams = 0;  // activation memory
  std::int64_t brams = 0;  // filter buffers: a weight for each multiplier in each step
};
FpgaBlocks fpga_blocks(const xdnn::Machine& machine);

// Memory that a cluster needs for what its file gives to programs: buffers, a stack per core in L1,
// code in L2 (pulp.md 3.3). That is all the memory of the chips that were built, but follows the
// buffers where they are varied.
struct ClusterMemory {
  std::int64_t l1_bytes = 0, l2_bytes = 0;
};
ClusterMemory cluster_memory(const pulp::Machine& machine);

// mm2. xDNN: of all engines of the card.
Estimate area(const xdnn::Machine& machine, const XdnnTechnology& technology);
Estimate area(const pulp::Machine& machine, const PulpTechnology& technology);
Estimate area(const Machine& machine, const Technology& technology);

}  // namespace workbench
