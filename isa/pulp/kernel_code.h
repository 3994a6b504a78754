// What each core executes in a kernel call, as a tree of loops: straight runs of instructions,
// loads and stores with an address that depends on the loop counters, loops with their trips. One
// description for the closed-form cost (cost.h) and for the conflicts at the banks (sim/pulp).
// Structure from the loops as written in PULP-NN (pulp.md 2.3 to 2.6). What a compiler makes of
// them (set-up code, calls) is a constant, each solved from the differences of two tiles of
// kernel_cycles.json, measured on the compiled library, unless its comment says otherwise.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "isa/pulp/instructions.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

inline constexpr int kLoopDepth = 6;

// base + sum of step[d] * counter of the enclosing loop at depth d.
struct Address {
  std::int64_t base = 0;
  std::array<std::int32_t, kLoopDepth> step{};
};

struct CodeNode {
  enum class Kind : std::uint8_t { Work, Access, Loop };
  Kind kind = Kind::Work;
  std::int8_t depth = 0;          // Loop: of its counter
  std::int8_t access_bytes = 4;   // Access: 1, 2, 4
  std::int32_t instructions = 0;  // Work: of 4 bytes of code; 0 in copies of code that exists once
  std::int64_t cycles = 0;        // Work
  std::int32_t trips = 0;         // Loop, at least 2
  std::int32_t end = 0;           // Loop: index after its body, which follows the node
  std::int32_t entry_cycles = 0;  // Loop: refills of the instruction cache at entry ...
  std::int32_t iteration_cycles = 0;  // ... and in each iteration
  Address address;                    // Access
};

using CoreCode = std::vector<CodeNode>;

// Phases are separated by barriers; each has the code of every core.
struct KernelCode {
  std::vector<std::vector<CoreCode>> phases;
};

// The call is well-formed (footprint.h).
KernelCode kernel_code(const Kernel& kernel, const Machine& machine);

// Loads that wait for nobody: cycles and accesses of a piece of code. A word that crosses the end
// of its bank's word takes a second access.
struct CodeCost {
  std::int64_t cycles = 0, accesses = 0;
  double weighted_density = 0;  // sum over accesses of accesses per cycle in their innermost loop
};
CodeCost code_cost(const CoreCode& code, const Machine& machine);

// Of each core in each phase of a call; cores that do the same are looked at once.
std::vector<std::vector<CodeCost>> core_costs(const Kernel& kernel, const Machine& machine);

// Adds a phase, of which `phase` says what each core takes, to `total`: cores meet in between.
void append_phase(std::vector<std::int64_t>& total, const std::vector<std::int64_t>& phase,
                  const Machine& machine);

// What each core of a call takes with conflicts as they are to be expected, closed form: `phases`
// are its core_costs(), `share` its conflict_share() (cost.h), and a DMA moves so much meanwhile.
std::vector<std::int64_t> expected_core_cycles(const std::vector<std::vector<CodeCost>>& phases,
                                               double share, const Machine& machine,
                                               double dma_bytes_per_cycle = 0);

// Of instructions in the tree, each counted once.
std::int64_t code_bytes(const CoreCode& code);

}  // namespace workbench::pulp
