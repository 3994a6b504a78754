// Fields of a third-party instruction that no unit acts on: nothing in a program is decoration.
// Each field is executed, compared with the network, held here against the one value that it may
// have where it means nothing, or among those that docs/reliability.md lists as not modelled.
#pragma once

#include "isa/xdnn/instructions.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

// Throws Error "WHERE: OPCODE 'name': field KEY: expected ..., found ...".
void check_fields_without_effect(const Entry& entry, const Instruction& instruction,
                                 const Machine& machine);

}  // namespace workbench::xdnn
