// What instructions cost when nobody is in the way: cycles from the structure of the code, i.e. its
// loops, their instruction mix, left-overs, load-use stalls, im2col, epilogue and split over cores
// (pulp.md 2.3 to 2.6). Contention for banks is the simulator's (sim/pulp/tcdm.h); here is only an
// expectation of it, for compilers that search.
#pragma once

#include <cstdint>
#include <vector>

#include "isa/pulp/instructions.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

// Cycles from the call to the arrival at the final barrier, per core; that barrier not included.
std::vector<std::int64_t> core_cycles(const Kernel& kernel, const Machine& machine);
// The slowest core and the barrier.
Cycles kernel_cycles(const Kernel& kernel, const Machine& machine);
// kernel_cycles with conflicts as they are to be expected (closed form, no simulation).
Cycles expected_kernel_cycles(const Kernel& kernel, const Machine& machine);
// What a call takes longer when its code is not in the shared instruction cache, i.e. after another
// kernel's; 0 with an ideal one.
Cycles cold_cycles(const Kernel& kernel, const Machine& machine);
// What of the conflicts that a replay of the accesses finds the machine shows, 0 to 1.
double conflict_share(const Kernel& kernel, const Machine& machine);
// Of a core that runs `code`.
Cycles code_cycles(const Code& code, const Machine& machine);

// Multiply-accumulates of a kernel call, padding counted; 0 for those without.
std::int64_t macs(const Kernel& kernel);

// A transfer alone on an idle machine, from the first command to the last byte: for searches.
Cycles dma_cycles(const Dma& transfer, const Machine& machine);
Cycles l3_cycles(const L3Transfer& transfer, const Machine& machine);
// How long the uDMA is busy with a transfer: rows begin at whole cycles.
Cycles l3_busy_cycles(const L3Transfer& transfer, const Machine& machine);

}  // namespace workbench::pulp
