// What instructions and programs from outside have to satisfy before they are used.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "isa/pulp/instructions.h"
#include "isa/pulp/machine.h"
#include "isa/pulp/program.h"

namespace workbench::pulp {

// Why the kernel cannot run as it is (sizes that contradict, a split that these cores cannot do, a
// shift out of range, misaligned addresses); empty when it can.
std::string malformed(const Instruction& instruction, const Machine& machine);

// A field that the instruction does not read and that is not as declared: nothing in a program is
// decoration. Empty: there is none.
std::string decoration(const Instruction& instruction);
// With such fields as declared.
Kernel without_decoration(Kernel call);

// Fields that are read and may yet have several values that do the same.
struct FieldWithoutEffect {
  std::string_view instructions, fields, why;  // for people
  bool (*is)(const Instruction& instruction, std::string_view field, const Machine& machine);
};
std::span<const FieldWithoutEffect> fields_without_effect();

// Indices between the tables of a program, places inside its memories. Throws Error "NAME: not a
// program: ...". The simulator checks what instructions touch (footprint.h).
void check_program(const Program& program, const std::string& name);

}  // namespace workbench::pulp
