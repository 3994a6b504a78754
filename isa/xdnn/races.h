// Races between instructions that only timing avoids, found from the order of dispatch and the wait
// bits alone, for any memories and clocks. The dispatcher issues in order and holds an instruction
// until each unit it waits for is idle, so all earlier work of that unit is finished for it and for
// everything after it; a host step waits for all units.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

enum class MemorySpace { Am, Ddr };             // an address is an AM word or a DDR byte
std::string_view to_string(MemorySpace space);  // "AM"

// `instruction` must not start before `other` has finished, and nothing makes it wait.
struct Race {
  std::int32_t instruction = -1, other = -1;
  MemorySpace space = MemorySpace::Am;
  std::int64_t address = 0;  // first they share
};

// By instruction, ascending; of each unit's instructions that one races with, the first. None on a
// machine without wait bits. The slices are told apart: what one hands to the other is synchronised
// image by image.
std::vector<Race> races(const Program& program, const Machine& machine);

}  // namespace workbench::xdnn
