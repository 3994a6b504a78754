// What a kernel call takes of the cores and of the banks.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "isa/pulp/alike.h"
#include "isa/pulp/instructions.h"
#include "isa/pulp/machine.h"
#include "sim/pulp/tcdm.h"

namespace workbench::pulp {

struct KernelTime {
  std::vector<std::int64_t> alone;  // per core, with every bank to itself
  double bank_share = 0;            // of the time of all banks, what the cores take
};

class KernelTimes {
 public:
  explicit KernelTimes(const Machine& machine) : machine_(machine), tcdm_(machine) {}

  // Remembered, once for all calls that are alike.
  const KernelTime& undisturbed(const Kernel& kernel);
  // Per core, with conflicts, and a DMA that moves `bytes` meanwhile.
  std::vector<std::int64_t> disturbed(const Kernel& kernel, double bytes);

 private:
  const Machine& machine_;
  Tcdm tcdm_;
  std::unordered_map<Kernel, KernelTime, KernelHash> known_;
};

}  // namespace workbench::pulp
