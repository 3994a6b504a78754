// The analytic tier: when each instruction would start and finish if engines and dispatcher worked
// as they do but nobody ever waited for a port or for the DDR. No SystemC, microseconds per
// program; by construction a lower bound on what the transaction tier says.
#pragma once

#include <vector>

#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

struct AnalyticSchedule {
  std::vector<Cycles> finish;  // per instruction: results in memory at the earliest
  Cycles end;                  // of the whole program, host steps excluded
};

AnalyticSchedule analytic_schedule(const Program& program, const Machine& machine);

}  // namespace workbench::xdnn
