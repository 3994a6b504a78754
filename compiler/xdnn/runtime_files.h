// A program as files for the card's runtime (docs/facts/xdnn.md 1.6, 2.5): the JSON program with
// the keys that the vendor's compiler writes, and the filters as the card reads them from DDR.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "isa/xdnn/listing.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

// Instructions alone, in the dialect that the runtime reads as JSON: without the field of the
// weights' width on V3, with none of the comments that listing_of() has.
Listing vendor_listing(const Program& program);

// File name -> contents: program.json, filters.bin, filters.json (where each instruction's lie).
std::vector<std::pair<std::string, std::string>> runtime_files(const Program& program,
                                                               const Machine& machine);

}  // namespace workbench::xdnn
