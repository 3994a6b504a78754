// Between instructions and listing entries, and from programs to listings.
#pragma once

#include <string>

#include "isa/xdnn/listing.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

// The instruction an entry (checked, with an opcode) stands for. Fields that its dialect lacks take
// their documented defaults: wait bits 1 (everything the vendor shipped without them ran serially),
// slice 1, srcAddDDR as the image queue flag or memory_description says when HAT is on; the others
// are 0, or what instructions.h says. Throws Error for an opcode that no unit executes and for
// fields that contradict each other.
Instruction instruction_from(const Entry& entry);

// The inverse, with all fields of the dialect's template, and others where their value is not the
// default. `name` is the layer's.
Entry entry_from(const Instruction& instruction, std::int64_t id, const std::string& name,
                 Dialect dialect);
// `entry` with the instruction's values: the same fields, and others only where they are needed.
Entry updated(Entry entry, const Instruction& instruction);

// V2 where no instruction has a channel layout, else the newest V3.
Dialect dialect_of(const Program& program);
// One entry per instruction, comments with memory map and bindings before and between.
Listing listing_of(const Program& program);
// Of the contents of a file: text, JSON, or a program as save() writes it. `name`: the file's, for
// errors.
Listing any_listing(const std::string& contents, const std::string& name);

}  // namespace workbench::xdnn
