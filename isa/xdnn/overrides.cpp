#include "isa/xdnn/overrides.h"

#include <cmath>
#include <set>

#include "core/error.h"
#include "isa/yaml_fields.h"

namespace workbench::xdnn {

namespace {

constexpr double kMegabyte = 1048576;

void set_mode(Machine& machine, const std::string& mode) {
  if (mode != "latency" && mode != "throughput") {
    fail("--mode {}: expected latency or throughput", mode);
  }
  if (mode == "throughput" && machine.slice0.rows == 0) {
    fail("--mode throughput: {} has no slice 0, the array for the first layer", machine.name);
  }
  machine.slice0.used = mode == "throughput" ? 1 : 0;
}

// `megabytes` in whole bytes, as a string that the field's own check can read.
std::string byte_count(double megabytes) {
  const double bytes = std::floor(megabytes * kMegabyte);
  return std::isfinite(bytes) && std::abs(bytes) < 1e15
             ? std::to_string(static_cast<std::int64_t>(bytes))
             : fmt::format("{}", bytes);
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

}  // namespace

Machine with_overrides(Machine machine, const MachineOverrides& overrides) {
  std::string changed;  // every option given, for contradictions between them
  const auto set = [&](const std::string& option, const std::string& key,
                       const std::string& value) { set_yaml_field(machine, key, value, option); };
  const auto note = [&](const std::string& option) {
    changed += (changed.empty() ? "" : " ") + option;
    return option;
  };
  if (overrides.dsp) {
    set(note(fmt::format("--dsp {}", *overrides.dsp)), "array.rows",
        std::to_string(*overrides.dsp));
  }
  if (overrides.bits) {
    set(note(fmt::format("--bits {}", *overrides.bits)), "array.bits",
        std::to_string(*overrides.bits));
  }
  if (overrides.memory_mb) {
    set(note(fmt::format("--memory {:g}", *overrides.memory_mb)), "am.size_bytes",
        byte_count(*overrides.memory_mb));
  }
  if (overrides.ddr_mb) {
    set(note(fmt::format("--ddr {:g}", *overrides.ddr_mb)), "ddr.size_bytes",
        byte_count(*overrides.ddr_mb));
  }
  std::set<std::string> clocks, settings;
  for (const std::string& text : overrides.clocks) {
    note("--clock " + text);
    set_pair(machine, "--clock", "clocks.", text, clocks);
  }
  if (overrides.engines) {
    set(note(fmt::format("--engines {}", *overrides.engines)), "board.engines",
        std::to_string(*overrides.engines));
  }
  if (!overrides.mode.empty()) {
    note("--mode " + overrides.mode);
    set_mode(machine, overrides.mode);
  }
  for (const std::string& text : overrides.settings) {
    note("--set " + text);
    set_pair(machine, "--set", "", text, settings);
  }
  if (changed.empty()) return machine;
  if (const std::string what = contradiction(machine); !what.empty()) fail("{}: {}", changed, what);
  return machine;
}

}  // namespace workbench::xdnn
