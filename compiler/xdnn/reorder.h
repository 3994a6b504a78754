// Instructions that have their addresses, in another order: behind a pass that takes long stands
// one whose filters take long to load, and what waits for the last results of another stands where
// these have been waited for already.
#pragma once

#include "compiler/xdnn/choices.h"
#include "compiler/xdnn/lower.h"
#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

// Moves ops of a network with layouts and addresses, one or a few that stand together at a time,
// wherever modelled time becomes less than `time`; with `all` as far as each can be moved. Every op
// stays behind those it depends on, and behind the turns of the host that it was behind.
// Programs with more pairs of ops than the search has steps stay as they are. Returns the modelled
// time.
Cycles reorder(Lowered& placed, const Machine& machine, Cycles time, const Search& search,
               bool all);

}  // namespace workbench::xdnn
