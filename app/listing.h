// What asm and disasm do alike.
#pragma once

#include "app/commands.h"
#include "app/network.h"
#include "app/terminal.h"
#include "isa/xdnn/listing.h"

namespace workbench::app {

// To the output, in the format that was asked for.
void write_listing(const xdnn::Listing& listing, const ListingOptions& options);

}  // namespace workbench::app
