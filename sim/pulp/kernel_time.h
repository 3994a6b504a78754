// What a kernel call takes of the cores and of the banks.
#pragma once

#include <cstdint>
#include <vector>

#include "isa/pulp/instructions.h"
#include "isa/pulp/kernel_figures.h"
#include "isa/pulp/machine.h"
#include "sim/pulp/tcdm.h"

namespace workbench::pulp {

class KernelTimes {
 public:
  explicit KernelTimes(const Machine& machine)
      : machine_(machine), tcdm_(machine), table_(machine) {}

  const KernelFigures& undisturbed(const Kernel& kernel) { return table_.of(kernel); }
  // Per core, with conflicts, and a DMA that moves `bytes` meanwhile.
  std::vector<std::int64_t> disturbed(const Kernel& kernel, double bytes);

 private:
  const Machine& machine_;
  Tcdm tcdm_;
  KernelTable table_;
};

}  // namespace workbench::pulp
