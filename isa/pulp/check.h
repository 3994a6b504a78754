// What instructions and programs from outside have to satisfy before they are used.
#pragma once

#include <string>

#include "isa/pulp/instructions.h"
#include "isa/pulp/machine.h"
#include "isa/pulp/program.h"

namespace workbench::pulp {

// Why the kernel cannot run as it is (sizes that contradict, a split that these cores cannot do, a
// shift out of range, misaligned addresses); empty when it can.
std::string malformed(const Instruction& instruction, const Machine& machine);

// Indices between the tables of a program, places inside its memories. Throws Error "NAME: not a
// program: ...". The simulator checks what instructions touch (footprint.h).
void check_program(const Program& program, const std::string& name);

}  // namespace workbench::pulp
