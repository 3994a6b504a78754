#include "explore/target.h"

#include <yaml-cpp/yaml.h>

#include <utility>

#include "core/error.h"
#include "core/file.h"

namespace workbench {

namespace {

// Whatever is wrong with the file is told by those who read it whole.
bool is_pulp(const std::filesystem::path& path) {
  try {
    const YAML::Node root = YAML::Load(read_file(path));
    return root.IsMap() && root["family"] && root["family"].IsScalar() &&
           root["family"].Scalar() == "pulp";
  } catch (const YAML::Exception&) {
    return false;
  }
}

struct Given {
  const char* option;
  bool given;
};

void refuse(const std::vector<Given>& options, const std::string& machine, const char* family) {
  for (const Given& one : options) {
    if (one.given)
      fail("{}: {} is {} machine, which has no such thing", one.option, machine, family);
  }
}

}  // namespace

Machine load_machine(const std::filesystem::path& path, const MachineOptions& options) {
  if (is_pulp(path)) {
    pulp::Machine machine = pulp::load_machine(path);
    const xdnn::MachineOverrides& other = options.xdnn;
    refuse({{"--dsp", other.dsp.has_value()},
            {"--bits", other.bits.has_value()},
            {"--memory", other.memory_mb.has_value()},
            {"--ddr", other.ddr_mb.has_value()},
            {"--engines", other.engines.has_value()},
            {"--mode", !other.mode.empty()}},
           machine.name, "a PULP");
    pulp::MachineOverrides overrides = options.pulp;
    overrides.clocks = options.clocks;
    overrides.settings = options.settings;
    return with_overrides(std::move(machine), overrides);
  }
  xdnn::Machine machine = xdnn::load_machine(path);
  const pulp::MachineOverrides& other = options.pulp;
  refuse({{"--l1", !other.l1.empty()},
          {"--l2", !other.l2.empty()},
          {"--cores", other.cores.has_value()},
          {"--dma-width", other.dma_width.has_value()}},
         machine.name, "an xDNN");
  xdnn::MachineOverrides overrides = options.xdnn;
  overrides.clocks = options.clocks;
  overrides.settings = options.settings;
  return with_overrides(std::move(machine), overrides);
}

void save(const Program& program, const std::filesystem::path& path) {
  std::visit([&](const auto& p) { save(p, path); }, program);
}

}  // namespace workbench
