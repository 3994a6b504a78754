// How sums read their operands: both at once, which takes all read ports of the memory and the
// shortest time, or one after the other, which leaves a port to the array meanwhile.
#pragma once

#include "compiler/xdnn/choices.h"
#include "compiler/xdnn/lower.h"
#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

// Sums of a network with layouts and addresses read by one port wherever modelled time becomes less
// than `time`; with `all` everywhere. Returns the modelled time.
Cycles choose_ports(Lowered& placed, const Machine& machine, Cycles time, const Search& search,
                    bool all);

}  // namespace workbench::xdnn
