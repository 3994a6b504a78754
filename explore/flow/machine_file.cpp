#include "explore/flow/machine_file.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <type_traits>

#include "core/error.h"
#include "core/fields.h"
#include "core/file.h"
#include "isa/yaml_fields.h"

namespace workbench {

namespace {

// The member of that option in a request that says nothing.
template <typename T>
T default_of(std::string_view name) {
  T found{};
  const CompileRequest request;
  for_each_option(request, [&](const Option& option, const auto& member) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(member)>, T>) {
      if (option.name == name) found = member;
    }
  });
  return found;
}

template <typename T>
concept Comparable = requires(const T& a, const T& b) {
  a == b;
};

template <HasFields M>
void add_missing(const M& machine, const YAML::Node& root, const std::string& file,
                 std::vector<std::string>& lines) {
  constexpr std::array<std::string_view, 2> kNotOfAll{"features", "slice0"};
  for_each_field(machine, [&](std::string_view group, const auto& member, auto...) {
    if constexpr (HasFields<std::remove_cvref_t<decltype(member)>>) {
      if (root[std::string(group)] || std::ranges::find(kNotOfAll, group) != kNotOfAll.end()) {
        return;
      }
      std::string knobs;
      for_each_field(member, [&](std::string_view knob, const auto& value, auto...) {
        if constexpr (std::is_arithmetic_v<std::remove_cvref_t<decltype(value)>>) {
          knobs += fmt::format("{}{} {}", knobs.empty() ? "" : ", ", knob, value);
        }
      });
      lines.push_back(fmt::format("{}: no group '{}': taken as {}", file, group, knobs));
    }
  });
}

}  // namespace

void require_options_of_family(const CompileRequest& request) {
  const Machine machine = load_machine(request.machine, {});
  const std::string_view family = std::holds_alternative<pulp::Machine>(machine) ? "pulp" : "xdnn";
  for_each_option(request, [&](const Option& option, const auto& member) {
    using Member = std::remove_cvref_t<decltype(member)>;
    if constexpr (Comparable<Member>) {
      if (option.stage == Stage::Hardware || option.family.empty() || option.family == family ||
          member == default_of<Member>(option.name)) {
        return;
      }
      fail("--{}: {} is {} machine, which has no such thing", option.name, name(machine),
           family == "pulp" ? "a PULP" : "an xDNN");
    }
  });
}

std::vector<std::string> missing_groups(const std::filesystem::path& machine) {
  const std::string file = machine.string();
  const YAML::Node root = machine_root(read_file(machine), file);
  std::vector<std::string> lines;
  std::visit([&](const auto& m) { add_missing(m, root, file, lines); }, load_machine(machine, {}));
  return lines;
}

}  // namespace workbench
