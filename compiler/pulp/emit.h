// Placed layers -> program in the tilers' loops: layers' bodies in order, prefetches and counters
// around them, places, probes, the memory map, the host's part and what reports say.
#pragma once

#include <vector>

#include "compiler/pulp/compile.h"
#include "compiler/pulp/l2_plan.h"
#include "compiler/pulp/layer.h"
#include "compiler/pulp/tile_loops.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

// The layer whose tiles are so small for its maps that the program would have more instructions
// than kMostInstructions (search_steps.h); null: none. Programs with one are refused: they throw
// Error.
const Layer* layer_too_long(const Network& network, const MemoryPlan& plan);

LoopedProgram emit(const Graph& quantized, const Network& network, const MemoryPlan& plan,
                   const std::vector<HostTurn>& turns, const HostUses& uses, Tiler tiler,
                   const Machine& machine);
// The same without the bytes of the constants, on which no time depends: programs are weighed so,
// and the chosen one gets its constants.
LoopedProgram emit_without_constants(const Graph& quantized, const Network& network,
                                     const MemoryPlan& plan, const std::vector<HostTurn>& turns,
                                     const HostUses& uses, Tiler tiler, const Machine& machine);
void add_constants(const Network& network, const MemoryPlan& plan, Program& program);

}  // namespace workbench::pulp
