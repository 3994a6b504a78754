// The detailed tier of `run`: the network's application (application.h) is built by a RISC-V
// compiler in a folder of its own and executed instruction by instruction (sim/riscv/network.h).
// What the host runs between its layers is computed as in the other tiers, and in no cycle.
#pragma once

#include <vector>

#include "explore/flow/pipeline.h"
#include "sim/riscv/profile.h"

namespace workbench {

struct DetailedRun {
  SimulatedNetwork network;
  std::vector<riscv::Spent> layers;  // cycles of all cores by cause, by layer of the program
  std::int64_t instructions = 0;     // that all cores executed, with loading
};

// Throws Error saying what to install unless there is such a compiler.
void require_riscv_compiler();

// Throws Error "--tier detailed: ...": another family's machine, no values wanted, a network that
// is no application (emit_c()), or one that does not fit the memories.
DetailedRun run_detailed(const Compiled& compiled, const RunRequest& request,
                         const Progress& progress = {});

}  // namespace workbench
