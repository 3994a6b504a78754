#include "explore/energy/technology.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/file.h"
#include "core/yaml.h"
#include "isa/yaml_fields.h"

namespace workbench {

double PulpTechnology::Voltage::at(double mhz) const {
  if (mhz <= low_mhz) return low_volts;
  return low_volts + (mhz - low_mhz) * (high_volts - low_volts) / (high_mhz - low_mhz);
}

namespace {

void check_estimate(const Estimate& estimate, const std::string& file, const std::string& key) {
  for (const double end : {estimate.low, estimate.typical, estimate.high}) {
    if (std::isnan(end)) fail("{}: {}: expected low, typical and high, found fewer", file, key);
  }
  if (estimate.low < 0 || estimate.low > estimate.typical || estimate.typical > estimate.high) {
    fail("{}: {}: expected 0 <= low <= typical <= high, found {}, {}, {}", file, key, estimate.low,
         estimate.typical, estimate.high);
  }
}

void check(const PulpTechnology::Voltage& voltage, const std::string& file) {
  const bool rising = voltage.low_mhz > 0 && voltage.high_mhz > voltage.low_mhz &&
                      voltage.low_volts > 0 && voltage.high_volts >= voltage.low_volts;
  if (!rising || voltage.volts <= 0) {
    fail("{}: voltage: expected volts > 0 and two clocks with a voltage each, the lower first",
         file);
  }
}

// Every estimate of the sections that hold nothing else.
template <HasFields T>
void check_estimates(const T& technology, const std::string& file) {
  for_each_field(technology, [&](std::string_view section, const auto& group, auto...) {
    if constexpr (HasFields<std::remove_cvref_t<decltype(group)>>) {
      for_each_field(group, [&](std::string_view key, const auto& estimate, auto...) {
        if constexpr (std::same_as<std::remove_cvref_t<decltype(estimate)>, Estimate>) {
          check_estimate(estimate, file, fmt::format("{}.{}", section, key));
        }
      });
    }
  });
}

template <HasFields T>
T read_technology(const YAML::Node& root, const std::string& file) {
  T technology;
  read_yaml_fields(root, technology, file, "", {"name", "family", "energy", "power", "area"});
  check_estimates(technology, file);
  if constexpr (std::same_as<T, PulpTechnology>) check(technology.voltage, file);
  return technology;
}

}  // namespace

Technology parse_technology(const std::string& yaml, const std::string& name) {
  const YAML::Node root = parse_yaml(yaml, name);
  const std::string family =
      root.IsMap() && root["family"] && root["family"].IsScalar() ? root["family"].Scalar() : "";
  if (family == "xdnn") return read_technology<XdnnTechnology>(root, name);
  if (family == "pulp") return read_technology<PulpTechnology>(root, name);
  fail("{}: family: expected xdnn or pulp, found '{}'", name, family);
}

std::vector<std::string> technology_names() {
  std::vector<std::string> names;
  for (const ShippedTechnology& shipped : shipped_technologies()) names.emplace_back(shipped.name);
  return names;
}

Technology find_technology(const std::string& name_or_path) {
  for (const ShippedTechnology& shipped : shipped_technologies()) {
    if (shipped.name != name_or_path) continue;
    return parse_technology(std::string(shipped.yaml),
                            fmt::format("configs/technology/{}.yaml", shipped.name));
  }
  if (!std::filesystem::is_regular_file(name_or_path)) {
    fail("technology '{}': expected a file or one of {}", name_or_path,
         fmt::join(technology_names(), ", "));
  }
  return parse_technology(read_file(name_or_path), name_or_path);
}

Technology default_technology(const Machine& machine) {
  struct MadeIn {
    std::string_view machine, technology;
  };
  // docs/facts/pulp.md 1.1: processes of the two that are chips.
  constexpr MadeIn kMadeIn[] = {{"gap8", "asic_55nm"}, {"mr_wolf", "asic_40nm"}};
  const bool xdnn = std::holds_alternative<xdnn::Machine>(machine);
  std::string_view technology = xdnn ? "fpga_16nm" : "asic_40nm";
  for (const MadeIn& made : kMadeIn) {
    if (name(machine).starts_with(made.machine)) technology = made.technology;
  }
  return find_technology(std::string(technology));
}

Technology technology_for(const Machine& machine, const std::string& name_or_path) {
  if (name_or_path.empty() || name_or_path == "default") return default_technology(machine);
  Technology technology = find_technology(name_or_path);
  if (technology.index() != machine.index()) {
    const bool xdnn = std::holds_alternative<xdnn::Machine>(machine);
    fail("technology {}: expected one of family {} for machine {}, found one of {}",
         name(technology), xdnn ? "xdnn" : "pulp", name(machine), xdnn ? "pulp" : "xdnn");
  }
  return technology;
}

}  // namespace workbench
