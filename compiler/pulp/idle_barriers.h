// Barriers that make no difference: emitters put one wherever a core may have waited for what
// others go on with; who goes on with what depends on how the cores divide each transfer.
#pragma once

#include "isa/pulp/machine.h"
#include "isa/pulp/program.h"

namespace workbench::pulp {

// Takes out each barrier before which no core has waited for anything that another core could touch
// before the next one. Barriers in front of counters stay: they begin and end what is measured.
void drop_idle_barriers(Program& program, const Machine& machine);

}  // namespace workbench::pulp
