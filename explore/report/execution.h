// What `workbench execute` says of a program that ran on the detailed tier.
#pragma once

#include <string>

#include "sim/riscv/profile.h"

namespace workbench {

struct ExecutedProgram {
  std::string program, machine;
  int exit_code = 0;
  std::string console;
  riscv::Profile profile;
};

// Functions by the cycles of their slowest core, at most `functions` of them; with `instructions`,
// each with the instructions that it ran.
std::string execution_text(const ExecutedProgram& execution, std::size_t functions,
                           bool instructions);
std::string execution_json(const ExecutedProgram& execution);

}  // namespace workbench
