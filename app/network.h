// What compile, run and verify do alike: from options to a compiled network.
#pragma once

#include <string_view>
#include <vector>

#include "app/commands.h"
#include "explore/flow/pipeline.h"

namespace workbench::app {

// At most that many CPUs from now on (0: all): every pool of threads in the process shares what it
// is left with.
void limit_threads(int threads);

// Compiles, and writes the quantizer table and the program where asked for.
// `program`: somebody else's, to take instead of compiling; empty: none.
Compiled compile_from(const NetworkOptions& options, bool keep_reference, const Progress& progress,
                      const std::filesystem::path& program = {});

// What --report and --graph ask for, with the cycles of each layer of the program and what they
// are.
void show_views(const NetworkOptions& options, const Compiled& compiled,
                const std::vector<Cycles>& layer_cycles, std::string_view counted_as);

// Throws Error now if a file (or, for a folder, anything in it) could not be written later: nobody
// wants to hear of a missing folder after the simulation. Empty paths are no files.
void require_writable_file(const std::filesystem::path& path);
void create_folder(const std::filesystem::path& path);

}  // namespace workbench::app
