// --hw: a machine file by path, or a shipped machine by name from any working directory.
#pragma once

#include <filesystem>
#include <string>

namespace workbench {

// `name_or_path` as a path, else NAME.yaml in the configs folder of the source tree or of the
// folders above the running executable. Throws Error naming the shipped machines.
std::filesystem::path find_machine_file(const std::string& name_or_path);

}  // namespace workbench
