// What a command says of its machine file before it computes.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "explore/options.h"

namespace workbench {

// Throws Error where the request has an option that machines of request.machine's family do not
// have (--tiler of an xDNN machine), other than by its default.
void require_options_of_family(const CompileRequest& request);

// A line for each group of knobs that machines of the family have and the file leaves out, whose
// knobs have their defaults then. The groups that not all machines of a family have (slice0,
// features) may be missing.
std::vector<std::string> missing_groups(const std::filesystem::path& machine);

}  // namespace workbench
