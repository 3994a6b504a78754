// Instructions that get in each other's way unless timing happens to keep them apart: told from
// the order of dispatch and the wait bits alone, whatever the machine's memories and clocks make of
// them. The dispatcher issues in order and holds an instruction until each unit it waits for is
// idle, so all that such a unit was given before is finished for it and for everything behind it; a
// host step waits for all units.
#pragma once

#include <cstdint>
#include <vector>

#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

// `instruction` must not start before `other` has finished, and nothing makes it wait.
struct Race {
  std::int32_t instruction = -1, other = -1;
  const char* space = "AM";  // or "DDR"
  std::int64_t address = 0;  // first they share: AM word or DDR byte
};

// By instruction, ascending; of each unit's instructions that one races with, the first. None on a
// machine without wait bits. The slices are told apart: what one hands to the other is synchronised
// image by image.
std::vector<Race> races(const Program& program, const Machine& machine);

}  // namespace workbench::xdnn
