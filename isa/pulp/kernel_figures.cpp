#include "isa/pulp/kernel_figures.h"

#include <algorithm>
#include <cmath>

#include "isa/pulp/cost.h"

namespace workbench::pulp {

KernelFigures& KernelTable::of(const Kernel& kernel) {
  const auto [entry, is_new] = known_.try_emplace(alike(kernel));
  KernelFigures& figures = entry->second;
  if (!is_new) return figures;
  figures.phases = core_costs(kernel, machine_);
  figures.conflict_share = conflict_share(kernel, machine_);
  std::int64_t accesses = 0;
  for (const std::vector<CodeCost>& phase : figures.phases) {
    std::vector<std::int64_t> cycles;
    for (const CodeCost& cost : phase) {
      cycles.push_back(cost.cycles);
      accesses += cost.accesses;
    }
    append_phase(figures.alone, cycles, machine_);
  }
  const auto [least, most] = std::minmax_element(figures.alone.begin(), figures.alone.end());
  figures.fastest = *least;
  figures.slowest = *most;
  const std::int64_t slots = std::max<std::int64_t>(1, figures.slowest * machine_.l1.banks);
  figures.bank_share = static_cast<double>(accesses) / static_cast<double>(slots);
  return figures;
}

std::int64_t KernelTable::expected(KernelFigures& figures, double bytes) const {
  if (figures.conflict_share == 0) return figures.slowest;
  const auto length = static_cast<double>(std::max<std::int64_t>(1, figures.slowest));
  const std::int64_t quarters = std::llround(4 * bytes / length);  // of a byte per cycle
  for (const auto& [rate, cycles] : figures.expected) {
    if (rate == quarters) return cycles;
  }
  const std::vector<std::int64_t> cores = expected_core_cycles(
      figures.phases, figures.conflict_share, machine_, static_cast<double>(quarters) / 4);
  const std::int64_t cycles = *std::max_element(cores.begin(), cores.end());
  figures.expected.emplace_back(quarters, cycles);
  return cycles;
}

}  // namespace workbench::pulp
