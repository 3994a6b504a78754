// A machine file, by path or by the name of a shipped machine, as a machine of one of the two
// families; and a program of either.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "isa/pulp/machine.h"
#include "isa/pulp/program.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench {

using Machine = std::variant<xdnn::Machine, pulp::Machine>;
using Program = std::variant<xdnn::Program, pulp::Program>;

// What is different from the machine's file. Clocks and settings go to whichever family it is.
struct MachineOptions {
  xdnn::MachineOverrides xdnn;
  pulp::MachineOverrides pulp;
  std::vector<std::string> clocks, settings;
};

// The machine of a YAML file, by its key `family`. Throws Error as the families' load_machine() do,
// and for an option that machines of the family do not have.
Machine load_machine(const std::filesystem::path& path, const MachineOptions& options);

// "xdnn" or "pulp".
inline std::string_view family_of(const Machine& machine) {
  return std::holds_alternative<pulp::Machine>(machine) ? "pulp" : "xdnn";
}
inline const std::string& name(const Machine& machine) {
  return std::visit([](const auto& m) -> const std::string& { return m.name; }, machine);
}
inline MachineInfo machine_info(const Machine& machine) {
  return std::visit([](const auto& m) { return info(m); }, machine);
}
inline const ProgramInfo& info(const Program& program) {
  return std::visit([](const auto& p) -> const ProgramInfo& { return p.info; }, program);
}
inline ProgramInfo& info(Program& program) {
  return std::visit([](auto& p) -> ProgramInfo& { return p.info; }, program);
}
void save(const Program& program, const std::filesystem::path& path);

// `name_or_path` as a path, else NAME.yaml in the configs folder of the source tree or of the
// folders above the running executable. Throws Error naming the shipped machines.
std::filesystem::path find_machine_file(const std::string& name_or_path);
// Another shipped file by its path below the configs folder. Throws Error: it is not there.
std::filesystem::path find_config_file(const std::string& path);

}  // namespace workbench
