// The crossbar table of hand-tuned V3 programs (xdnn.md 2.5, 2.7): which output channels go to
// which bytes of an AM word. Where an instruction names entries of it, they say where in the first
// word its result begins, whatever its concat fields say.
#pragma once

#include <cstdint>
#include <optional>

#include "isa/xdnn/listing.h"

namespace workbench::xdnn {

// First byte of the AM word that the entry's first channels are written to; none where the entry
// names no table entry or the listing has no table. Throws Error for a table that cannot be read.
std::optional<std::int64_t> crossbar_start(const Listing& listing, const Entry& entry);

}  // namespace workbench::xdnn
