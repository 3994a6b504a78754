// What no instruction can say, whatever memory holds: layouts that words of the machine cannot
// have, parts outside their concat volume, tiles and kernels of no size, rows that a tensor does
// not have.
#pragma once

#include <optional>
#include <string>

#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

// Empty when the instruction is well formed, else the field and what is wrong with it. Costs and
// footprints of others are not defined. Rules: docs/facts/xdnn.md 1.5 (units x width fill the word,
// no section is empty) and 2.4 (concat_starting_ch, concat_channels, tile_width, tile_height).
std::string malformed(const Step& step, const Machine& machine);

// Why slice 0 of `machine` cannot run `instruction`; empty when it can. It takes its input from DDR
// in tiles and streams its result there: nothing else is known to be connected.
std::string slice0_obstacle(const Instruction& instruction, const Machine& machine);

}  // namespace workbench::xdnn
