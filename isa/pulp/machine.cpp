#include "isa/pulp/machine.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "core/yaml.h"
#include "isa/yaml_fields.h"

namespace workbench::pulp {

namespace {

bool power_of_two(std::int64_t value) { return value > 0 && (value & (value - 1)) == 0; }

std::string bad_memory(const Machine& machine) {
  const Machine::L1& l1 = machine.l1;
  const Machine::L2& l2 = machine.l2;
  if (l1.buffer_bytes > l1.size_bytes) {
    return fmt::format("l1.buffer_bytes ({}) is larger than l1.size_bytes ({})", l1.buffer_bytes,
                       l1.size_bytes);
  }
  if (l2.buffer_bytes > l2.size_bytes) {
    return fmt::format("l2.buffer_bytes ({}) is larger than l2.size_bytes ({})", l2.buffer_bytes,
                       l2.size_bytes);
  }
  if (!power_of_two(l1.banks)) {  // the low bits of a word's address are its bank
    return fmt::format("l1.banks must be a power of two, found {}", l1.banks);
  }
  return "";
}

std::string bad_dma(const Machine& machine) {
  const auto& dma = machine.dma;
  if (!power_of_two(dma.bytes_per_cycle)) {
    return fmt::format("dma.bytes_per_cycle must be a power of two, found {}", dma.bytes_per_cycle);
  }
  if (dma.burst_bytes % dma.bytes_per_cycle != 0) {
    return fmt::format("dma.burst_bytes ({}) must be a multiple of dma.bytes_per_cycle ({})",
                       dma.burst_bytes, dma.bytes_per_cycle);
  }
  return "";
}

std::string bad_icache(const Machine& machine) {
  const auto& cache = machine.icache;
  if (cache.ideal != 0) return "";
  if (cache.private_bytes % cache.line_bytes != 0 || cache.shared_bytes % cache.line_bytes != 0) {
    return fmt::format(
        "icache.private_bytes ({}) and shared_bytes ({}) must be multiples of icache.line_bytes "
        "({})",
        cache.private_bytes, cache.shared_bytes, cache.line_bytes);
  }
  return "";
}

}  // namespace

std::string contradiction(const Machine& machine) {
  for (const auto& check : {bad_memory, bad_dma, bad_icache}) {
    if (std::string what = check(machine); !what.empty()) return what;
  }
  return "";
}

Machine read_machine(const YAML::Node& root, const std::string& name) {
  Machine machine;
  try {
    read_yaml_fields(root, machine, name, "", {"name", "family"});
  } catch (const YAML::Exception& error) {
    refuse_yaml(error, name);
  }
  if (machine.family_name != "pulp") {
    fail("{}:{}: family must be pulp, found '{}'", name, root["family"].Mark().line + 1,
         machine.family_name);
  }
  if (const std::string what = contradiction(machine); !what.empty()) fail("{}:1: {}", name, what);
  return machine;
}

Machine parse_machine(const std::string& yaml, const std::string& name) {
  return read_machine(machine_root(yaml, name), name);
}

Machine load_machine(const std::filesystem::path& path) {
  return parse_machine(read_file(path), path.string());
}

namespace {

// For people: ", 4-bit and 2-bit SIMD, mac-load (never measured)"; empty: Xpulpv2.
std::string extensions(const Machine::Isa& isa) {
  std::string names;
  const auto add = [&](std::int64_t has, const char* name) {
    if (has != 0) names += std::string(", ") + name;
  };
  add(isa.dot_4bit, "4-bit SIMD");
  add(isa.dot_2bit, "2-bit SIMD");
  add(isa.mac_load, "mac-load");
  return names.empty() ? "" : names + " (never measured)";
}

}  // namespace

MachineInfo info(const Machine& machine) {
  constexpr std::int64_t kMostBuilt = 8;  // cores of GAP8's and Mr. Wolf's clusters
  const bool extrapolated = machine.cluster.cores > kMostBuilt;
  return {
      .name = machine.name,
      .summary = fmt::format(
          "{} core{}{} at {:g} MHz, peak {:.0f} MAC/cycle, {} of {} bytes of L1 in {} banks{}, {} "
          "of "
          "{} bytes of L2 at {} B/cycle, L3 {:.1f} MB/s{}",
          machine.cluster.cores, machine.cluster.cores == 1 ? "" : "s", extensions(machine.isa),
          machine.clocks.cluster, machine.peak_macs_per_cycle(), machine.l1.buffer_bytes,
          machine.l1.size_bytes, machine.l1.banks,
          machine.l1.conflicts != 0 ? "" : " without conflicts", machine.l2.buffer_bytes,
          machine.l2.size_bytes, machine.dma.bytes_per_cycle, machine.l3.megabytes_per_second,
          extrapolated ? ", extrapolated: never built with more than 8 cores" : ""),
      .report_clock_mhz = machine.clocks.cluster,
      .peak_macs_per_cycle = machine.peak_macs_per_cycle(),
      .array_resource = "cores",
      .extrapolated = extrapolated,
      .cluster = true,
  };
}

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
  if (!overrides.l3.empty()) {
    set("--l3", overrides.l3, "l3.size_bytes", byte_count(overrides.l3));
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
    set_yaml_pair(machine, "--clock", "clocks.", text, seen);
  }
  return changed;
}

}  // namespace

Machine with_overrides(Machine machine, const MachineOverrides& overrides) {
  std::string changed = set_options(machine, overrides);  // for contradictions between them
  std::set<std::string> seen;
  for (const std::string& text : overrides.settings) {
    changed += (changed.empty() ? "--set " : " --set ") + text;
    set_yaml_pair(machine, "--set", "", text, seen);
  }
  if (changed.empty()) return machine;
  if (const std::string what = contradiction(machine); !what.empty()) fail("{}: {}", changed, what);
  return machine;
}

}  // namespace workbench::pulp
