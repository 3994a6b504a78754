// The network of a program that came without one: reads and writes are matched by address, weights
// are seeded random numbers.
#pragma once

#include <cstdint>

#include "core/graph.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

// A float graph whose layers carry the names of the listing's, so that replay() matches them. What
// is read of several results, in order of channels, is a concat. Throws Error naming the entry that
// reads what none before it wrote, or whose sizes do not fit together.
Graph network_of(const Listing& listing, const Machine& machine, std::uint64_t seed);

}  // namespace workbench::xdnn
