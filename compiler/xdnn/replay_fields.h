// Fields of a third-party instruction that no unit acts on: nothing in a program is decoration.
// Each field is executed, compared with the network, held here against the one value that it may
// have where it means nothing, or one of unmodelled_fields().
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

struct UnmodelledField {
  std::string_view opcodes, field, reason;
};
// What may have any value and changes nothing, with the reason (docs/assembly.md).
std::span<const UnmodelledField> unmodelled_fields();

// Whether `field` of `opcode` is one of them.
bool is_unmodelled(std::string_view opcode, std::string_view field);

}  // namespace workbench::xdnn
