// What compile, run and verify do alike: from options to a compiled network.
#pragma once

#include "app/commands.h"
#include "explore/pipeline.h"

namespace workbench::app {

// Compiles, and writes the quantizer table and the program where asked for.
// `program`: somebody else's, to take instead of compiling; empty: none.
Compiled compile_from(const NetworkOptions& options, bool keep_reference, const Progress& progress,
                      const std::filesystem::path& program = {});

// Throws Error now if a file (or, for a folder, anything in it) could not be written later: nobody
// wants to hear of a missing folder after the simulation. Empty paths are no files.
void require_writable_file(const std::filesystem::path& path);
void create_folder(const std::filesystem::path& path);

}  // namespace workbench::app
