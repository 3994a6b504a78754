// What every program that comes from outside has to satisfy before anybody looks at it.
#pragma once

#include <string>

#include "isa/pulp/program.h"

namespace workbench::pulp {

// Indices between the tables of a program, places inside its memories. Throws Error "NAME: not a
// program: ...". What instructions touch is the simulator's business (footprint.h).
void check_program(const Program& program, const std::string& name);

}  // namespace workbench::pulp
