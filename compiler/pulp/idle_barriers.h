// Barriers of an emitted program that order nothing.
#pragma once

#include "compiler/pulp/tile_loops.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

// Takes out each barrier before which no core has waited for anything that another core could touch
// before the next one. One in front of a counter delimits a measurement: it goes only where all
// cores come to it together, as they have met and only run code since. One right behind a turn of
// the host stays.
void drop_idle_barriers(LoopedProgram& looped, const Machine& machine);

}  // namespace workbench::pulp
