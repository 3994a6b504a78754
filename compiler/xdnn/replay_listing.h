// What of a third-party listing is executed, in the form in which replay and the network read from
// a program take it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "isa/xdnn/instructions.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

// Throws Error "WHERE: OPCODE 'name': ...".
[[noreturn]] void refuse(const Entry& entry, const std::string& what);

struct ListedStep {
  const Entry* entry = nullptr;
  Instruction instruction;
  std::string layer;  // the entry's name without the "#2" that marks a piece of rows
};

// The executed entries in order. An upload of V1 is a scatter of square maps to the image queue.
// Throws Error for a program of another family than the machine's, naming both; for an entry that
// no unit executes as it is written.
std::vector<ListedStep> listed_steps(const Listing& listing, const Machine& machine);

// Name and DDR address of the inputs and outputs that the listing gives.
std::vector<std::pair<std::string, std::int64_t>> listed_inputs(const Listing& listing);
std::vector<std::pair<std::string, std::int64_t>> listed_outputs(const Listing& listing);
// The listing's name for the network input at a DDR address; "": it gives none.
std::string listed_input(const Listing& listing, std::int64_t address);

// Layers that the listing leaves to the host ("unsupported"), each with the reason it gives.
std::map<std::string, std::string> left_to_host(const Listing& listing);
// The instruction before which the host runs a node, by its name, where the listing says so: ours
// do. Throws Error naming the file.
std::map<std::string, std::int32_t> turns_of_host(const Listing& listing);

// The convolution of an instruction, alone or with a pool behind it; null: none.
const Conv* conv_in(const Instruction& instruction);
Conv* conv_in(Instruction& instruction);

}  // namespace workbench::xdnn
