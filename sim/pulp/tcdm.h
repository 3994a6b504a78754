// Conflicts at the banks of the TCDM, found by letting the cores of a kernel call issue their loads
// and stores, address by address and cycle by cycle, against banks that serve one access per cycle
// in order of arrival (docs/facts/pulp.md 1.3).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "isa/pulp/cost.h"
#include "isa/pulp/instructions.h"
#include "isa/pulp/kernel_code.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

// Cores that begin together, each with its code, to the end of each; core 0 is served before core 1
// where both come in the same cycle, the DMA last. Exact up to 60 000 accesses; from there on
// conflicts are as frequent as in the second half of those.
std::vector<std::int64_t> contended_cycles(const std::vector<CoreCode>& code,
                                           const Machine& machine, double dma_bytes_per_cycle = 0);

// core_cycles() (isa/pulp/cost.h) with what each core loses to the others, and to a DMA that moves
// `dma_bytes_per_cycle` on average meanwhile. Remembers answers: of calls that are alike (alike.h),
// all take what the first does at its banks. On MobileNetV1 that moves a layer by 0.8 % at most and
// the sum of all by 0.1 %, which is less than a longer replay does.
class Tcdm {
 public:
  explicit Tcdm(const Machine& machine);
  ~Tcdm();
  std::vector<std::int64_t> core_cycles(const Kernel& kernel, double dma_bytes_per_cycle = 0);

 private:
  struct Memo;
  const Machine& machine_;
  std::unique_ptr<Memo> memo_;
};

// Time of a kernel call on the cores and the banks.

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
