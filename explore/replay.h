// Somebody else's program in the place of ours: `run --program`.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/graph.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench {

// Text or JSON, or the vendor's text. Throws Error.
xdnn::Listing load_listing(const std::filesystem::path& path);

// The listing as a program for `machine`, with what it leaves open told in `remarks`, and how many
// of its wait bits nothing depends on.
xdnn::Program replayed_program(const xdnn::Listing& listing, const Graph& quantized,
                               const xdnn::Machine& machine, std::vector<std::string>& remarks);

}  // namespace workbench
