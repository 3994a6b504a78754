#include "isa/pulp/overrides.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "isa/yaml_fields.h"

namespace workbench::pulp {

namespace {

// "64k" as "65536", so that the field's own check can read it; anything else as it is.
std::string byte_count(const std::string& text) {
  const std::size_t digits = text.find_first_not_of("0123456789");
  const bool scaled = digits != std::string::npos && digits > 0 && digits <= 9 &&
                      digits + 1 == text.size() && std::string("kKM").find(text[digits]) < 3;
  if (!scaled) return text;
  const std::int64_t unit = text[digits] == 'M' ? 1048576 : 1024;
  return std::to_string(std::stoll(text.substr(0, digits)) * unit);
}

void set_pair(Machine& machine, const std::string& option, const std::string& prefix,
              const std::string& text, std::set<std::string>& seen) {
  const std::string where = fmt::format("{} {}", option, text);
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    fail("{}: expected {}", where, prefix.empty() ? "KEY=VALUE" : "NAME=MHz");
  }
  const std::string key = prefix + text.substr(0, equals);
  if (key == "family") fail("{}: a machine keeps its family; give another --hw", where);
  if (!seen.insert(key).second) fail("{}: key '{}' appears twice", where, key);
  set_yaml_field(machine, key, text.substr(equals + 1), where);
}

// Everything but the settings. Returns the options that were given.
std::string set_options(Machine& machine, const MachineOverrides& overrides) {
  std::string changed;
  const auto set = [&](const std::string& option, const std::string& shown, const std::string& key,
                       const std::string& value) {
    const std::string given = option + " " + shown;
    changed += (changed.empty() ? "" : " ") + given;
    set_yaml_field(machine, key, value, given);
  };
  if (!overrides.l1.empty()) {
    set("--l1", overrides.l1, "l1.buffer_bytes", byte_count(overrides.l1));
    machine.l1.size_bytes = std::max(machine.l1.size_bytes, machine.l1.buffer_bytes);
  }
  if (!overrides.l2.empty()) {
    set("--l2", overrides.l2, "l2.buffer_bytes", byte_count(overrides.l2));
    machine.l2.size_bytes = std::max(machine.l2.size_bytes, machine.l2.buffer_bytes);
  }
  if (overrides.cores) {
    const std::string value = std::to_string(*overrides.cores);
    set("--cores", value, "cluster.cores", value);
  }
  if (overrides.dma_width) {
    const std::string value = std::to_string(*overrides.dma_width);
    set("--dma-width", value, "dma.bytes_per_cycle", value);
  }
  std::set<std::string> seen;
  for (const std::string& text : overrides.clocks) {
    changed += (changed.empty() ? "--clock " : " --clock ") + text;
    set_pair(machine, "--clock", "clocks.", text, seen);
  }
  return changed;
}

}  // namespace

Machine with_overrides(Machine machine, const MachineOverrides& overrides) {
  std::string changed = set_options(machine, overrides);  // for contradictions between them
  std::set<std::string> seen;
  for (const std::string& text : overrides.settings) {
    changed += (changed.empty() ? "--set " : " --set ") + text;
    set_pair(machine, "--set", "", text, seen);
  }
  if (changed.empty()) return machine;
  if (const std::string what = contradiction(machine); !what.empty()) fail("{}: {}", changed, what);
  return machine;
}

}  // namespace workbench::pulp
