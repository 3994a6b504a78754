#include "explore/machine_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/error.h"

namespace workbench {

namespace fs = std::filesystem;

namespace {

// Where shipped machines may be: the tree this was built from, then beside the executable
// (build/release/workbench of a tree that was moved).
std::vector<fs::path> config_folders() {
  std::vector<fs::path> folders{fs::path(WORKBENCH_SOURCE_DIR) / "configs"};
  std::error_code ignored;
  const fs::path executable = fs::read_symlink("/proc/self/exe", ignored);
  fs::path folder = executable.parent_path();
  for (int up = 0; up < 3 && folder.has_relative_path(); ++up, folder = folder.parent_path()) {
    folders.push_back(folder / "configs");
  }
  return folders;
}

std::vector<std::string> shipped_machines() {
  std::vector<std::string> names;
  for (const fs::path& folder : config_folders()) {
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
      if (entry->path().extension() == ".yaml") names.push_back(entry->path().stem().string());
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace

fs::path find_machine_file(const std::string& name_or_path) {
  std::error_code ignored;
  if (fs::exists(name_or_path, ignored)) return name_or_path;
  if (name_or_path.find('/') == std::string::npos) {
    for (const fs::path& folder : config_folders()) {
      const fs::path candidate = folder / (name_or_path + ".yaml");
      if (fs::exists(candidate, ignored)) return candidate;
    }
  }
  fail("--hw {}: expected a machine file or one of: {}; found no such file", name_or_path,
       fmt::join(shipped_machines(), ", "));
}

}  // namespace workbench
