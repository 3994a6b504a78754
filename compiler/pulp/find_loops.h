// Which of the emitted instructions are iterations of a loop: those of tiles, slices and rows, by
// the numbers in their fields and texts. Found once, where a program is made; it keeps them from
// there to files, listings and C.
#pragma once

#include "isa/pulp/program.h"

namespace workbench::pulp {

// Sets `loops`. The instructions have layers and texts.
void find_loops(Program& program);

}  // namespace workbench::pulp
