// What a PULP program's results depend on, told from footprints alone: written apart from the
// simulator, whose hazards it is to be compared with.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "isa/pulp/machine.h"
#include "isa/pulp/program.h"

namespace workbench {

// The first two instructions of which the later may find what the earlier left, or not, by luck of
// timing: a transfer and something that touches the same bytes though the core that does it cannot
// know that the transfer is done. Empty when there are none: then the program computes what its
// instructions would one after the other.
std::string depends_on_timing(const pulp::Program& program, const pulp::Machine& machine);

// A number for each byte that the host or a probe reads, in order: equal numbers come from equal
// bytes by equal instructions (addresses aside), instructions one after the other. Constants are
// known by their values. What a kernel leaves that writes over what it reads is equal where its
// operands lie at the same places, too. Empty when an address lies outside the memories.
std::vector<std::uint64_t> provenance(const pulp::Program& program, const pulp::Machine& machine);

}  // namespace workbench
