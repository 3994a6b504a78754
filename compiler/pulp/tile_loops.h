// The loops of emission: over slices, tiles, rows and pieces of constants. The emitter notes where
// their iterations begin, later stages keep the notes, and in the end they are the loops of the
// program. Iterations that do what no other does (prologues, epilogues, tiles at the border) are
// peeled; where operands have two buffers that take turns, a loop's body is two iterations.
#pragma once

#include <cstdint>
#include <vector>

#include "isa/pulp/program.h"

namespace workbench::pulp {

// Iteration k is the instructions [at[k], at[k + 1]).
struct TileLoop {
  std::vector<std::int32_t> at;
  LoopOver over = LoopOver::Nothing;
};

struct LoopedProgram {
  Program program;              // without loops
  std::vector<TileLoop> loops;  // as they begin; those in an iteration behind the loop itself
};

// The program with its loops. The instructions have layers and texts.
Program in_tile_loops(LoopedProgram looped);

}  // namespace workbench::pulp
