// When a cluster is expected to do what a program says (schedule.h): the transaction tier's team of
// cores and its DMA (mchan.h), kernels with conflicts in closed form.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "isa/pulp/earliest_times.h"
#include "isa/pulp/instructions.h"
#include "isa/pulp/kernel_figures.h"
#include "isa/pulp/machine.h"
#include "isa/pulp/mchan.h"

namespace workbench::pulp {

class ExpectedTimes {
 public:
  // `transfers`: where [begin, end) of Dma instructions go, by instruction, once they are known:
  // kernels put off what has been issued.
  ExpectedTimes(const Machine& machine, KernelTable& kernels, std::span<Occupied> transfers);

  Occupied execute(const Barrier&);
  void issue(std::int32_t instruction, const Dma& op);
  Occupied execute(const DmaWait& op);
  Occupied execute(const L3Transfer& op);
  Occupied execute(const L3Wait& op);
  Occupied execute(const Code& op);
  Occupied execute(const Kernel& op, KernelFigures& figures);

  // Everything before is over, transfers that nobody has waited for, too.
  std::int64_t quiesce();
  std::int64_t latest() const;

 private:
  void meet_at(std::int64_t time);
  // Transfers that are done are no more the DMA's.
  void retire(std::int64_t time);

  const Machine& machine_;
  KernelTable& kernels_;
  std::span<Occupied> transfers_;
  Mchan mchan_;
  std::vector<std::int64_t> clocks_;  // per core
  std::int64_t l3_free_ = 0;
  std::unordered_map<std::int64_t, std::int64_t> l3_done_;  // by counter
};

}  // namespace workbench::pulp
