// What the fields of an instruction mean: the instruction sets as a page of documentation, and a
// program with every field in words. Names and their order are the instructions' own field lists.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "isa/pulp/program.h"
#include "isa/xdnn/listing.h"

namespace workbench {

// docs/isa-FAMILY.md, "xdnn" or "pulp".
std::string isa_reference(std::string_view family);

struct ExplainedField {
  std::string field, value;
  std::string_view unit, meaning;  // empty: of a vendor's key that nothing is known of
};
struct ExplainedInstruction {
  std::int64_t number = -1;  // its place among those that are executed, from 0; -1: it is not
  std::string text;          // opcode and name
  std::vector<ExplainedField> fields;
};

std::vector<ExplainedInstruction> explained_instructions(const xdnn::Listing& listing);
std::vector<ExplainedInstruction> explained_instructions(const pulp::Program& program);

// Every instruction with those of its fields that are not 0 (PULP: not as without), each on a line
// with its meaning. Instructions have the number that
// hazards and errors give them: their place among those that are executed, from 0; "-": it is not.
std::string explained(const std::vector<ExplainedInstruction>& instructions);

}  // namespace workbench
