#include "explore/flow/machine.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <utility>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "explore/flow/shipped_files.h"
#include "explore/options.h"
#include "isa/yaml_fields.h"

namespace workbench {

namespace fs = std::filesystem;

fs::path find_config_file(const std::string& path) {
  if (const auto file = shipped_file(fs::path("configs") / path)) return *file;
  fail("{}: no such file in the configs folder", path);
}

fs::path find_machine_file(const std::string& name_or_path) {
  std::error_code ignored;
  const bool named_like_it = fs::is_directory(name_or_path, ignored);  // a folder of results, say
  if (!named_like_it && fs::exists(name_or_path, ignored)) return name_or_path;
  if (name_or_path.find('/') == std::string::npos) {
    if (const auto file = shipped_file(fs::path("configs") / (name_or_path + ".yaml"))) {
      return *file;
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
