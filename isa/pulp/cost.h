// What instructions cost without contention: cycles from the structure of the code, i.e. its
// loops, their instruction mix, left-overs, load-use stalls, im2col, epilogue and split over cores
// (docs/facts/pulp.md 2.3 to 2.6). Contention for banks is the simulator's (sim/pulp/tcdm.h); here
// is only an expectation of it, for compilers that search.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "isa/pulp/instructions.h"
#include "isa/pulp/kernel_code.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

// Cycles from the call to the arrival at the final barrier, per core; that barrier not included.
std::vector<std::int64_t> core_cycles(const Kernel& kernel, const Machine& machine);
// The slowest core and the barrier.
Cycles kernel_cycles(const Kernel& kernel, const Machine& machine);
// kernel_cycles with conflicts as they are to be expected (closed form, no simulation).
Cycles expected_kernel_cycles(const Kernel& kernel, const Machine& machine);
// Share of the replayed bank conflicts that cost a stall (Machine::L1).
double conflict_share(const Kernel& kernel, const Machine& machine);
// Adds a phase, of which `phase` says what each core takes, to `total`: cores meet in between.
void append_phase(std::vector<std::int64_t>& total, const std::vector<std::int64_t>& phase,
                  const Machine& machine);

// What each core of a call takes with conflicts as they are to be expected, closed form: `phases`
// are its core_costs(), `share` its conflict_share() (cost.h), and a DMA moves so much meanwhile.
std::vector<std::int64_t> expected_core_cycles(const std::vector<std::vector<CodeCost>>& phases,
                                               double share, const Machine& machine,
                                               double dma_bytes_per_cycle = 0);

// Of a core that runs `code`.
Cycles code_cycles(const Code& code, const Machine& machine);

// Multiply-accumulates of a kernel call, padding counted; 0 for those without.
std::int64_t macs(const Kernel& kernel);

// A transfer alone on an idle machine, from the first command to the last byte: for searches.
Cycles dma_cycles(const Dma& transfer, const Machine& machine);
Cycles l3_cycles(const L3Transfer& transfer, const Machine& machine);
// How long the uDMA is busy with a transfer: rows begin at whole cycles.
Cycles l3_busy_cycles(const L3Transfer& transfer, const Machine& machine);

// Kernel calls that take the same cycles, so that each is looked at once.

// One call for all that differ only in where their buffers lie beyond a word, and in numbers of
// which the code (kernel_code.h) asks only whether they do anything. Alone they take the same.
// Conflicts depend on the banks of the buffers, too, but as on chance.
Kernel alike(Kernel kernel);

struct KernelHash {
  std::size_t operator()(const Kernel& kernel) const;
};

// Kernel figures for the analytic tier, cached per class of equal calls.

struct KernelFigures {
  std::vector<std::int64_t> alone;        // per core, with every bank to itself
  std::int64_t slowest = 0, fastest = 0;  // of these
  double bank_share = 0;                  // share of the banks' time that the cores take
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
