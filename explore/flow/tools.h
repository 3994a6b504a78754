// Other people's programs (compilers, binutils, Graphviz, a browser), found on PATH and run without
// a shell.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace workbench {

bool is_installed(const std::string& program);

struct ToolFiles {
  std::filesystem::path output;       // of stdout
  std::filesystem::path input = {};   // empty: ours
  std::filesystem::path errors = {};  // of stderr; empty: where the output goes
};

// Runs it to its end. Returns its wait() status. Throws Error when it cannot be started.
int run_tool(const std::vector<std::string>& command, const ToolFiles& files);

}  // namespace workbench
