#include "sim/pulp/kernel_time.h"

#include <algorithm>
#include <cmath>

#include "isa/pulp/cost.h"
#include "isa/pulp/kernel_code.h"

namespace workbench::pulp {

namespace {

KernelTime time_of(const Kernel& kernel, const Machine& machine) {
  KernelTime time;
  std::int64_t accesses = 0;
  for (const std::vector<CoreCode>& phase : kernel_code(kernel, machine).phases) {
    std::vector<std::int64_t> cycles;
    for (const CoreCode& code : phase) {
      const CodeCost cost = code_cost(code, machine);
      cycles.push_back(cost.cycles);
      accesses += cost.accesses;
    }
    append_phase(time.alone, cycles, machine);
  }
  const std::int64_t longest = *std::max_element(time.alone.begin(), time.alone.end());
  const std::int64_t slots = std::max<std::int64_t>(1, longest * machine.l1.banks);
  time.bank_share = static_cast<double>(accesses) / static_cast<double>(slots);
  return time;
}

}  // namespace

const KernelTime& KernelTimes::undisturbed(const Kernel& kernel) {
  const auto [entry, is_new] = known_.try_emplace(alike(kernel));
  if (is_new) entry->second = time_of(kernel, machine_);
  return entry->second;
}

// In steps of a quarter of a byte per cycle: calls that are alike are one for the TCDM.
std::vector<std::int64_t> KernelTimes::disturbed(const Kernel& kernel, double bytes) {
  const std::vector<std::int64_t>& alone = undisturbed(kernel).alone;
  if (conflict_share(kernel, machine_) == 0) return alone;
  const auto length =
      static_cast<double>(std::max<std::int64_t>(1, *std::max_element(alone.begin(), alone.end())));
  return tcdm_.core_cycles(kernel, std::round(4 * bytes / length) / 4);
}

}  // namespace workbench::pulp
