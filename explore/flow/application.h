// --emit-c: a compiled network as an application in C (compiler/pulp/emit_c.h), with what the golden
// model says of its input, layers and outputs.
#pragma once

#include <filesystem>

#include "explore/flow/pipeline.h"

namespace workbench {

// Throws Error "--emit-c FOLDER: ..." where there is a file of that name, or a folder with other
// things in it than an application that was written before. An empty path is fine.
void require_application_folder(const std::filesystem::path& folder);

// Written beside it and then renamed: FOLDER has all of the application or is as it was. One that is
// there already is replaced, whatever was added to it. The machine is a PULP cluster.
void write_application(const std::filesystem::path& folder, const Compiled& compiled);

}  // namespace workbench
