// Files that come with the program: machines, studies, the revision it was built of. They are found
// from where the program is, so that an installed one needs no source tree.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace workbench {

// Folders that may hold shipped files, the nearest first: above the shared object (a Python module)
// and the executable, and their share/workbench; then the tree that this was built from.
std::vector<std::filesystem::path> shipped_folders();

// The file of that path below one of shipped_folders(); none if no folder has it.
std::optional<std::filesystem::path> shipped_file(const std::filesystem::path& path);

// Names of the machines in the shipped configs, in order.
std::vector<std::string> shipped_machines();

}  // namespace workbench
