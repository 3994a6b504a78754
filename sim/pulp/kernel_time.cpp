#include "sim/pulp/kernel_time.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "isa/pulp/kernel_code.h"

namespace workbench::pulp {

namespace {

std::vector<std::int64_t> key_of(Kernel kernel, const Machine& machine) {
  for (std::int64_t* address : {&kernel.in, &kernel.in2, &kernel.weights, &kernel.bias,
                                &kernel.kappa, &kernel.lambda, &kernel.out, &kernel.scratch}) {
    *address %= 4 * machine.l1.banks;
  }
  std::vector<std::int64_t> key;
  Kernel::fields(kernel, [&](std::string_view, const auto& value) {
    key.push_back(static_cast<std::int64_t>(value));
  });
  return key;
}

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
  const auto [entry, is_new] = known_.try_emplace(key_of(kernel, machine_));
  if (is_new) entry->second = time_of(kernel, machine_);
  return entry->second;
}

// In steps of a quarter of a byte per cycle: calls that are alike are one for the TCDM.
std::vector<std::int64_t> KernelTimes::disturbed(const Kernel& kernel, double bytes) {
  const std::vector<std::int64_t>& alone = undisturbed(kernel).alone;
  const auto length =
      static_cast<double>(std::max<std::int64_t>(1, *std::max_element(alone.begin(), alone.end())));
  return tcdm_.core_cycles(kernel, std::round(4 * bytes / length) / 4);
}

}  // namespace workbench::pulp
