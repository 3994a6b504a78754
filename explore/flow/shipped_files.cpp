#include "explore/flow/shipped_files.h"

#include <dlfcn.h>

#include <set>

namespace workbench {

namespace fs = std::filesystem;

namespace {

constexpr int kLevels = 3;  // build/release/tests/NAME of a source tree

void add_folders_above(const fs::path& program, std::vector<fs::path>& folders) {
  fs::path folder = program.parent_path();
  for (int up = 0; up < kLevels && folder.has_relative_path(); ++up) {
    folders.push_back(folder);
    folders.push_back(folder / "share" / "workbench");
    folder = folder.parent_path();
  }
}

// Of a Python module; the executable is the interpreter then.
std::optional<fs::path> shared_object() {
  Dl_info info{};
  const bool found = dladdr(reinterpret_cast<const void*>(&shipped_folders), &info) != 0;
  if (!found || info.dli_fname == nullptr) return std::nullopt;
  const fs::path object = info.dli_fname;
  if (object.extension() != ".so") return std::nullopt;
  return fs::absolute(object);
}

}  // namespace

std::vector<fs::path> shipped_folders() {
  std::vector<fs::path> folders;
  if (const auto object = shared_object()) add_folders_above(*object, folders);
  std::error_code ignored;
  add_folders_above(fs::read_symlink("/proc/self/exe", ignored), folders);
  folders.emplace_back(WORKBENCH_SOURCE_DIR);
  return folders;
}

std::optional<fs::path> shipped_file(const fs::path& path) {
  std::error_code ignored;
  for (const fs::path& folder : shipped_folders()) {
    if (fs::exists(folder / path, ignored)) return folder / path;
  }
  return std::nullopt;
}

std::vector<std::string> shipped_machines() {
  std::set<std::string> names;
  for (const fs::path& folder : shipped_folders()) {
    std::error_code error;
    for (fs::directory_iterator entry(folder / "configs", error), end; !error && entry != end;
         entry.increment(error)) {
      if (entry->path().extension() == ".yaml") names.insert(entry->path().stem().string());
    }
  }
  return {names.begin(), names.end()};
}

}  // namespace workbench
