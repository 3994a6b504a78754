// A layer's instructions as the table that an emitted application runs: loops stay loops, a command
// has the fields that differ from those of the last one of its opcode
// (runtime/pulp/network/layer.h has the format).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "isa/pulp/loops.h"

namespace workbench::pulp {

// A command and what it is for.
struct TableRow {
  std::vector<std::uint8_t> bytes;
  std::string comment;
  int depth = 0;  // loops around it
};

// `kernels`: indices of the C functions that calls name (c_kernels.h); new ones are appended.
// Throws Error naming `layer` where a number does not fit 32 bits.
std::vector<TableRow> table_of(const std::vector<Entry>& entries, const std::string& layer,
                               std::vector<std::string>& kernels);

}  // namespace workbench::pulp
