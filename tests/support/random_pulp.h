// Random PULP programs for tests of files and text: what their tables say of each other holds, what
// their instructions say makes no sense.
#pragma once

#include <random>

#include "isa/pulp/program.h"

namespace workbench {

pulp::Instruction random_instruction(std::mt19937_64& random);
pulp::Program random_pulp_program(std::mt19937_64& random);

}  // namespace workbench
