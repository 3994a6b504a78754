// Random PULP programs for tests of files and text: what their tables say of each other holds, what
// their instructions say makes no sense.
#pragma once

#include <random>

#include "isa/pulp/loops.h"
#include "isa/pulp/program.h"

namespace workbench {

pulp::Instruction random_instruction(std::mt19937_64& random);
// Loops in loops around such, of layers [0, layers).
std::vector<pulp::Entry> random_loops(std::mt19937_64& random, std::int64_t layers);
// Half of them repeat themselves.
pulp::Program random_pulp_program(std::mt19937_64& random);

}  // namespace workbench
