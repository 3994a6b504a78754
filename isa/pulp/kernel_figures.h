// What the analytic tier asks of kernel calls, once for all that are alike.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "isa/pulp/alike.h"
#include "isa/pulp/kernel_code.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

struct KernelFigures {
  std::vector<std::int64_t> alone;        // per core, with every bank to itself
  std::int64_t slowest = 0, fastest = 0;  // of these
  double bank_share = 0;                  // of the time of all banks, what the cores take
  double conflict_share = 0;              // cost.h
  std::vector<std::vector<CodeCost>> phases;
  std::vector<std::pair<std::int64_t, std::int64_t>> expected;  // KernelTable::expected()'s answers
};

class KernelTable {
 public:
  explicit KernelTable(const Machine& machine) : machine_(machine) {}

  KernelFigures& of(const Kernel& kernel);
  // The slowest core with conflicts as they are to be expected, those with a DMA that moves `bytes`
  // meanwhile included.
  std::int64_t expected(KernelFigures& figures, double bytes) const;

 private:
  const Machine& machine_;
  std::unordered_map<Kernel, KernelFigures, KernelHash> known_;
};

}  // namespace workbench::pulp
