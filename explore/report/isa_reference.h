// What the fields of an instruction mean: the instruction sets as a page of documentation, and a
// program with every field in words. Names and their order are the instructions' own field lists.
#pragma once

#include <string>
#include <string_view>

#include "isa/pulp/program.h"
#include "isa/xdnn/listing.h"

namespace workbench {

// docs/isa-FAMILY.md, "xdnn" or "pulp".
std::string isa_reference(std::string_view family);

// Every instruction with those of its fields that are not 0 (PULP: not as without), each on a line
// with its meaning. Instructions have the number that
// hazards and errors give them: their place among those that are executed, from 0; "-": it is not.
std::string explained(const xdnn::Listing& listing);
std::string explained(const pulp::Program& program);

}  // namespace workbench
