// Least times of a program's work on the cluster's resources, whatever the order of instructions
// and where buffers lie: what a better compiler could come to at best with these tiles.
#pragma once

#include "isa/bounds.h"
#include "isa/pulp/machine.h"
#include "isa/pulp/program.h"

namespace workbench::pulp {

// Resources: "cores" (the kernel calls, each by the fastest kernel that there is for it, no
// conflicts at the banks, nothing between them), "DMA in" and "DMA out" (bytes between L2 and L1,
// lines and bursts for nothing), "L3" (bytes between L3 and L2). In all, L3 counts with what L2
// cannot hold ahead: from any layer on, what is moved from then on less all of L2, behind the
// cores' work on the layers before.
Bounds least_times(const Program& program, const Machine& machine);

}  // namespace workbench::pulp
