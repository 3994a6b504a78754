// The analytic tier: when each instruction would start and finish if cores, both directions of the
// DMA, the uDMA and barriers worked as they do but no access ever waited for a bank. No SystemC, a
// fraction of a microsecond per instruction.
//
// Two answers, because a bound is no estimate: - earliest: a lower bound on the transaction tier by
// construction. Every time in it is a
//   sum or maximum of times that are lower bounds; of the DMA's queues it knows only what holds in
//   whatever order the cores get to them.
// - expected: the DMA as the transaction tier models it, and in kernels the conflicts at the banks
//   that accesses at random would have (closed form, kernel_code.h), no replay of the accesses.
//   Neither above nor below the transaction tier; sweeps rank by it.
#pragma once

#include <vector>

#include "isa/pulp/cost.h"
#include "isa/pulp/machine.h"
#include "isa/pulp/program.h"

namespace workbench::pulp {

struct ScheduleTimes {
  std::vector<Cycles> begin, finish;  // per instruction; of a transfer: its first and last byte
  std::vector<Cycles> layer_end;      // per layer of program.info: its last instruction's finish
  Cycles end;                         // of the whole program, host steps excluded
};

struct AnalyticSchedule {
  ScheduleTimes earliest, expected;
};

// The program is one for this machine: every instruction is well-formed (footprint.h).
AnalyticSchedule analytic_schedule(const Program& program, const Machine& machine);
// expected.end alone, in half the time.
Cycles expected_end(const Program& program, const Machine& machine);

// expected_end() of one program after the other for a machine: each distinct kernel call is costed
// once for all of them.
class ExpectedEnds {
 public:
  explicit ExpectedEnds(const Machine& machine) : machine_(machine), kernels_(machine) {}
  Cycles operator()(const Program& program);

 private:
  const Machine& machine_;
  KernelTable kernels_;
};

}  // namespace workbench::pulp
