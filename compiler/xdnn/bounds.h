// Least times of a program's work on the machine's resources, whatever the order of instructions,
// their layouts and their wait bits: what a better compiler could come to at best.
#pragma once

#include "isa/bounds.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

// Resources: "array" (operands streaming, behind the input where all of it comes by one
// instruction; with the copies of channels that take fewest steps), "DDR" (filters once, for
// several images together where they can stay in the buffers, tiles, gathers, scatters), "filters"
// (the array and its loader, which is one slab ahead at most), one for each other engine, and
// "dispatch", and "chain": instructions that read what the one before has written, in total only.
// On machines that run one instruction at a time one resource alone: "in turn". A throughput
// program's first layer is that of slice 0 and counts in DDR only.
Bounds least_times(const Program& program, const Machine& machine);

}  // namespace workbench::xdnn
