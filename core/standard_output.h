// `-` as the name of a file that is written: standard output (write_file()), which then has that
// file alone.
#pragma once

#include <filesystem>

namespace workbench {

inline bool is_standard_output(const std::filesystem::path& path) { return path == "-"; }

// An output file is standard output: what commands print goes nowhere from here on.
void leave_standard_output_to_a_file();
bool standard_output_is_a_file();

}  // namespace workbench
