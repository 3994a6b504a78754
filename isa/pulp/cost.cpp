#include "isa/pulp/cost.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "isa/pulp/kernel_code.h"
#include "isa/pulp/kernels.h"

namespace workbench::pulp {

namespace {

// Expected wait of one core's accesses for those of `others`, at random times and banks: each finds
// its bank busy with probability rho and then, in whole cycles, waits half a service on average and
// for the queue before it. Loops with many accesses wait more, since all cores are in them
// together. The DMA's words come last in a cycle: they are in the way where a core has made them
// late.
double expected_wait(const CodeCost& own, std::int64_t others, double dma_words, double banks) {
  if (own.accesses == 0) return 0;
  const auto accesses = static_cast<double>(own.accesses);
  const double density = own.weighted_density / accesses;
  const double cores = static_cast<double>(others) / accesses;
  const double served_late = (cores + 1) * density / banks;
  const double rho = std::min(0.9, (cores * density + dma_words * served_late) / banks);
  return accesses * rho / (2 * (1 - rho));
}

}  // namespace

void append_phase(std::vector<std::int64_t>& total, const std::vector<std::int64_t>& phase,
                  const Machine& machine) {
  if (total.empty()) {
    total = phase;
    return;
  }
  const std::int64_t met =
      *std::max_element(total.begin(), total.end()) + machine.cluster.barrier_cycles;
  for (std::size_t core = 0; core < total.size(); ++core) total[core] = met + phase[core];
}

std::vector<std::int64_t> core_cycles(const Kernel& kernel, const Machine& machine) {
  std::vector<std::int64_t> total;
  for (const std::vector<CodeCost>& phase : core_costs(kernel, machine)) {
    std::vector<std::int64_t> cycles;
    for (const CodeCost& cost : phase) cycles.push_back(cost.cycles);
    append_phase(total, cycles, machine);
  }
  return total;
}

Cycles kernel_cycles(const Kernel& kernel, const Machine& machine) {
  const std::vector<std::int64_t> cores = core_cycles(kernel, machine);
  return Cycles{*std::max_element(cores.begin(), cores.end()) + machine.cluster.barrier_cycles};
}

double conflict_share(const Kernel& kernel, const Machine& machine) {
  if (machine.l1.conflicts == 0) return 0;
  const auto share = traits(kernel.kind).conflict_share;
  return share == nullptr ? 1 : share(machine);
}

std::vector<std::int64_t> expected_core_cycles(const std::vector<std::vector<CodeCost>>& phases,
                                               double share, const Machine& machine,
                                               double dma_bytes_per_cycle) {
  std::vector<std::int64_t> total;
  for (const std::vector<CodeCost>& costs : phases) {
    std::int64_t accesses = 0;
    for (const CodeCost& cost : costs) accesses += cost.accesses;
    std::vector<std::int64_t> cycles;
    for (const CodeCost& cost : costs) {
      const double wait = expected_wait(cost, accesses - cost.accesses, dma_bytes_per_cycle / 4,
                                        static_cast<double>(machine.l1.banks));
      cycles.push_back(cost.cycles + std::llround(share * wait));
    }
    append_phase(total, cycles, machine);
  }
  return total;
}

Cycles expected_kernel_cycles(const Kernel& kernel, const Machine& machine) {
  const std::vector<std::int64_t> cores =
      expected_core_cycles(core_costs(kernel, machine), conflict_share(kernel, machine), machine);
  return Cycles{*std::max_element(cores.begin(), cores.end()) + machine.cluster.barrier_cycles};
}

Cycles code_cycles(const Code& code, const Machine& machine) {
  return Cycles{code.instructions + code.divisions * (1 + machine.core.division) +
                code.l2_loads * (1 + machine.l2.load_cycles)};
}

std::int64_t macs(const Kernel& kernel) {
  const KernelTraits& row = traits(kernel.kind);
  if (!row.weights) return 0;
  return kernel.out_h * kernel.out_w * kernel.out_c * kernel.kernel_h * kernel.kernel_w *
         (row.by_channel ? 1 : kernel.in_c);
}

// Commands of one kind, one after the other in their direction, while the cores go on issuing
// (docs/facts/pulp.md 1.9): reads move a burst or line per cycle at most, and are packed; each
// burst or line of a write takes a cycle more, the first of which hides in the latency.
Cycles dma_cycles(const Dma& transfer, const Machine& machine) {
  const Machine::Dma& dma = machine.dma;
  const std::int64_t blocks = transfer.planes * transfer.rows;
  const std::int64_t commands = transfer.two_d ? blocks : blocks * transfer.lines;
  if (transfer.bytes() == 0) return Cycles{0};
  const std::int64_t lines = transfer.two_d ? transfer.lines : 1;
  const std::int64_t bursts = ceil_div(transfer.length, dma.burst_bytes);
  std::int64_t data = std::max(lines * bursts * (transfer.two_d ? dma.read_line_cycles : 1),
                               ceil_div(transfer.length * lines, dma.bytes_per_cycle));
  std::int64_t latency = dma.latency_cycles;
  if (!transfer.to_l1) {
    const std::int64_t first = transfer.two_d ? dma.write_line_cycles : dma.write_burst_cycles;
    data = lines * (ceil_div(transfer.length, dma.bytes_per_cycle) + first +
                    (bursts - 1) * dma.write_burst_cycles);
    latency = std::max<std::int64_t>(0, latency - first);
  }
  std::int64_t dealt = transfer.rows > 1 ? transfer.rows : transfer.planes;
  if (dealt == 1 && !transfer.two_d) dealt = transfer.lines;
  const std::int64_t cores = transfer.split ? machine.cluster.cores : 1;
  const std::int64_t share = ceil_div(dealt, cores) * (commands / dealt);
  const std::int64_t issue = transfer.two_d ? dma.issue_cycles_2d : dma.issue_cycles_1d;
  // The slower one counts in full, the other with one command.
  return Cycles{latency + std::max(issue + commands * data, share * issue + data)};
}

Cycles l3_cycles(const L3Transfer& transfer, const Machine& machine) {
  const double data = static_cast<double>(transfer.bytes()) / machine.l3_bytes_per_cycle();
  return Cycles{transfer.rows * machine.l3.transfer_cycles +
                static_cast<std::int64_t>(std::ceil(data))};
}

Cycles l3_busy_cycles(const L3Transfer& transfer, const Machine& machine) {
  const double row = static_cast<double>(transfer.length) / machine.l3_bytes_per_cycle();
  return Cycles{transfer.rows *
                (machine.l3.transfer_cycles + static_cast<std::int64_t>(std::ceil(row)))};
}

Kernel alike(Kernel kernel) {
  for (std::int64_t* address : {&kernel.in, &kernel.in2, &kernel.weights, &kernel.bias,
                                &kernel.kappa, &kernel.lambda, &kernel.out, &kernel.scratch}) {
    *address &= 3;
  }
  for (std::int64_t* factor : {&kernel.multiplier, &kernel.multiplier1, &kernel.multiplier2}) {
    *factor = *factor == 1 ? 1 : 2;
  }
  // Powers of two are shifts.
  const auto divisor = static_cast<std::uint64_t>(kernel.divisor);
  kernel.divisor = divisor == 1 ? 1 : std::has_single_bit(divisor) ? 2 : 3;
  for (std::int64_t* term : {&kernel.offset, &kernel.offset1, &kernel.offset2, &kernel.shift,
                             &kernel.shift1, &kernel.shift2}) {
    *term = *term == 0 ? 0 : *term < 32 ? 1 : 32;  // 64 bits are shifted by the half or the whole
  }
  return kernel;
}

std::size_t KernelHash::operator()(const Kernel& kernel) const {
  std::uint64_t hash = 0;
  Kernel::fields(kernel, [&](std::string_view, const auto& value) {
    hash = (hash ^ static_cast<std::uint64_t>(value)) * 0x9e3779b97f4a7c15U;
    hash ^= hash >> 32;
  });
  return hash;
}

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
