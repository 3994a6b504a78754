// Fields of a third-party instruction that no unit acts on: nothing in a program is decoration.
// Each field is executed, compared with the network, held here against the one value that it may
// have where it means nothing, or has a row among those without effect, which docs/reliability.md
// lists.
#pragma once

#include <span>
#include <string_view>

#include "isa/xdnn/instructions.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

// Throws Error "WHERE: OPCODE 'name': field KEY: expected ..., found ...".
void check_fields_without_effect(const Entry& entry, const Instruction& instruction,
                                 const Machine& machine);

// Fields that may have any value and change nothing.
struct FieldWithoutEffect {
  std::string_view instructions, fields, why;  // for people
  bool (*is)(const Instruction& instruction, std::string_view field, const Machine& machine);
};
std::span<const FieldWithoutEffect> fields_without_effect();

}  // namespace workbench::xdnn
