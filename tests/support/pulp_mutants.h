// Mutants of PULP programs: one instruction taken out or one address moved, each a change that a
// compiler with a small bug could make. What they are for: a simulator that lets one pass is blind
// there.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "isa/pulp/machine.h"
#include "isa/pulp/program.h"

namespace workbench {

// CounterBarrier: in front of a counter. It makes the cores begin and end a measurement together,
// data need it or not.
enum class PulpMutantKind { Wait, Barrier, L1Address, L2Address, L3Address, CounterBarrier };
inline constexpr int kPulpMutantKinds = 6;
std::string_view to_string(PulpMutantKind kind);

struct PulpMutant {
  PulpMutantKind kind = PulpMutantKind::Wait;
  std::size_t instruction = 0;
  std::string field;  // empty: the instruction is gone
  std::int64_t value = 0;
};

// Every mutant of a program, in order:
// - each wait for the DMA or for L3, and each barrier, gone;
// - each address of transfers and of kernels' operands that is in use: moved by the smallest step
//   that is an address (4 bytes where words lie, else 1) either way, and to a random place of what
//   the program occupies of that memory.
// Left out, as they do nothing in whatever program: a wait for a counter under which nothing has
// been asked for since the last wait for it; a barrier before which nothing has been waited for
// since the last one (kernels end with one), or behind which no transfer and no kernel comes before
// the next one. DORY's code has many of them.
std::vector<PulpMutant> all_mutants(const pulp::Program& program, const pulp::Machine& machine,
                                    std::mt19937_64& random);

// An instruction that is gone is replaced by code of no length: all others keep their numbers.
pulp::Program mutated(const pulp::Program& program, const PulpMutant& mutant);

// Why the mutant does what the program does, whatever the host computes; empty when that is not
// known. From footprints, not from what kernels compute: nothing depends on timing, and every byte
// that is observed comes from the same instructions in the same way (pulp_dataflow.h), or a
// transfer of constants finds the same ones where it was moved to.
std::string equivalent(const pulp::Program& program, const PulpMutant& mutant,
                       const pulp::Machine& machine);

}  // namespace workbench
