// What each instruction does to the memories, bit for bit (docs/facts/pulp.md 2.2), wraps and
// truncations included. The same in every tier; timing is elsewhere. Written for speed; the golden
// model states the network's meaning independently.
#pragma once

#include <cstdint>
#include <vector>

#include "isa/pulp/instructions.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

struct Memory {
  std::vector<std::uint8_t> l1, l2, l3;
};

// One kernel call of all cores. The instruction is well-formed and inside the memories (CHECKed).
// `threads`: 0 as many as the machine has; the result does not depend on it.
void execute(const Kernel& kernel, Memory& memory, int threads = 0);
void execute(const Dma& transfer, Memory& memory);
void execute(const L3Transfer& transfer, Memory& memory);

}  // namespace workbench::pulp
