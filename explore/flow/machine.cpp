#include "explore/flow/machine.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "explore/options.h"
#include "isa/yaml_fields.h"

namespace workbench {

namespace fs = std::filesystem;

namespace {

// Where shipped machines may be: the tree this was built from, beside the executable
// (build/release/workbench of a tree that was moved), PREFIX/share for PREFIX/bin/workbench.
std::vector<fs::path> config_folders() {
  std::vector<fs::path> folders{fs::path(WORKBENCH_SOURCE_DIR) / "configs"};
  std::error_code ignored;
  const fs::path executable = fs::read_symlink("/proc/self/exe", ignored);
  fs::path folder = executable.parent_path();
  for (int up = 0; up < 3 && folder.has_relative_path(); ++up, folder = folder.parent_path()) {
    folders.push_back(folder / "configs");
    folders.push_back(folder / "share" / "workbench" / "configs");
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

fs::path find_config_file(const std::string& path) {
  std::error_code ignored;
  for (const fs::path& folder : config_folders()) {
    if (fs::exists(folder / path, ignored)) return folder / path;
  }
  fail("{}: no such file in the configs folder", path);
}

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

namespace {

// Whatever is wrong with the file is told by the family's own reader.
bool is_pulp(const YAML::Node& root) {
  try {
    return root.IsMap() && root["family"] && root["family"].IsScalar() &&
           root["family"].Scalar() == "pulp";
  } catch (const YAML::Exception&) {
    return false;
  }
}

template <typename T>
bool is_given(const T& member) {
  if constexpr (requires { member.has_value(); })
    return member.has_value();
  else
    return !member.empty();
}

void refuse_other_family(const MachineOptions& options, std::string_view family,
                         const std::string& machine) {
  for_each_option(options, [&](const Option& option, const auto& member) {
    if (option.family.empty() || option.family == family || !is_given(member)) return;
    fail("--{}: {} is {} machine, which has no such thing", option.name, machine,
         family == "pulp" ? "a PULP" : "an xDNN");
  });
}

}  // namespace

Machine load_machine(const std::filesystem::path& path, const MachineOptions& options) {
  const YAML::Node root = machine_root(read_file(path), path.string());
  if (is_pulp(root)) {
    pulp::Machine machine = pulp::read_machine(root, path.string());
    refuse_other_family(options, "pulp", machine.name);
    pulp::MachineOverrides overrides = options.pulp;
    overrides.clocks = options.clocks;
    overrides.settings = options.settings;
    return with_overrides(std::move(machine), overrides);
  }
  xdnn::Machine machine = xdnn::read_machine(root, path.string());
  refuse_other_family(options, "xdnn", machine.name);
  xdnn::MachineOverrides overrides = options.xdnn;
  overrides.clocks = options.clocks;
  overrides.settings = options.settings;
  return with_overrides(std::move(machine), overrides);
}

void save(const Program& program, const std::filesystem::path& path) {
  std::visit([&](const auto& p) { save(p, path); }, program);
}

}  // namespace workbench
