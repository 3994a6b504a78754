// A replayed third-party program as one of ours: the listing's instructions with their schedule,
// addresses, layouts, tiles and wait bits as they are, and around them what a program needs to run
// with real data: filters packed as each instruction wants them, rescaling, DDR tensors for the
// image queue, the host's part, the memory map that the network asks for, and probes for every
// value.
#pragma once

#include <string>
#include <vector>

#include "core/graph.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

struct Replay {
  Program program;
  std::vector<std::string> notes;  // gaps and errors of the listing, one line each
};

// `quantized`: the network whose layers the instructions are, matched by name. Inactive entries and
// entries without instruction are left out. DDR tensors are placed behind the filters, wherever the
// listing has them: a descriptor of the image queue, or the runtime, decides that. Throws Error
// naming entry and field where program, network and machine do not agree: an unknown layer, other
// sizes, an address outside the activation memory, a layer without instruction.
Replay replay(const Listing& listing, const Graph& quantized, const Machine& machine);

struct WaitBits {
  std::int64_t set = 0;        // in the program
  std::int64_t redundant = 0;  // of those: everything is ordered without them, too
  std::int64_t missing = 0;    // not set, but a dependence asks for them
};
// Against the bits that set_wait_bits() would set, which are those a dependence needs.
WaitBits count_wait_bits(const Program& program, const Machine& machine);

}  // namespace workbench::xdnn
