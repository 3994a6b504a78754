#include "isa/xdnn/machine.h"

#include <array>
#include <bit>
#include <cmath>
#include <optional>

#include "core/error.h"
#include "core/file.h"
#include "isa/xdnn/int8_matrix.h"
#include "isa/yaml_fields.h"

namespace workbench::xdnn {

namespace {

constexpr std::array<std::pair<std::string_view, Family>, 4> kFamilies{
    {{"xdnn_v2", Family::V2},
     {"xdnn_v3", Family::V3},
     {"darius", Family::Darius},
     {"math_engine", Family::MathEngine}}};

std::optional<Family> family_called(std::string_view name) {
  for (const auto& [known, family] : kFamilies) {
    if (known == name) return family;
  }
  return std::nullopt;
}

}  // namespace

Family Machine::family() const {
  const auto family = family_called(family_name);
  CHECK(family.has_value(), "family '{}'", family_name);
  return *family;
}

bool Machine::width_aligned() const {
  return family() == Family::V2 || family() == Family::MathEngine;
}

bool Machine::serial() const { return family() == Family::V2; }

std::int64_t Machine::word_bytes() const {
  if (!width_aligned()) return array.rows;
  return 2 * static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(array.rows)));
}

std::string contradiction(const Machine& machine) {
  const double ratio = machine.clocks.array / machine.clocks.report;
  if (ratio < 1 || ratio != std::floor(ratio)) {
    return fmt::format("clocks.array ({} MHz) must be a whole multiple of clocks.report ({} MHz)",
                       machine.clocks.array, machine.clocks.report);
  }
  if (!machine.width_aligned() && machine.array.rows % 16 != 0) {
    return fmt::format("array.rows must be a multiple of 16, found {}", machine.array.rows);
  }
  if (machine.am_words() < 1) {
    return fmt::format("am.size_bytes ({}) holds not even one word of {} bytes",
                       machine.am.size_bytes, machine.word_bytes());
  }
  if (machine.filters.steps_max < machine.filters.buffer_steps) {
    return fmt::format("filters.steps_max ({}) is smaller than filters.buffer_steps ({})",
                       machine.filters.steps_max, machine.filters.buffer_steps);
  }
  constexpr std::int64_t kProductsMax = kDepthMax / 2;  // taps may be padded to whole dot products
  const std::int64_t products =
      machine.filters.steps_max * (machine.width_aligned() ? 1 : machine.array.rows);
  if (products > kProductsMax) {
    return fmt::format("filters.steps_max ({}) x array.rows ({}) must be at most {}",
                       machine.filters.steps_max, machine.array.rows, kProductsMax);
  }
  return "";
}

Machine parse_machine(const std::string& yaml, const std::string& name) {
  YAML::Node root;
  try {
    root = YAML::Load(yaml);
  } catch (const YAML::Exception& error) {
    fail("{}:{}: not valid YAML: {}", name, error.mark.line + 1, error.msg);
  }
  if (!root.IsDefined() || root.IsNull()) fail("{}:1: the machine file is empty", name);
  Machine machine;
  try {
    read_yaml_fields(root, machine, name, "", {"name", "family"});
  } catch (const YAML::Exception& error) {  // e.g. an alias bomb resolved late
    fail("{}:{}: not valid YAML: {}", name, error.mark.line + 1, error.msg);
  }
  if (!family_called(machine.family_name)) {
    fail("{}:{}: family must be xdnn_v2, xdnn_v3, darius or math_engine, found '{}'", name,
         root["family"].Mark().line + 1, machine.family_name);
  }
  if (const std::string what = contradiction(machine); !what.empty()) fail("{}:1: {}", name, what);
  return machine;
}

Machine load_machine(const std::filesystem::path& path) {
  return parse_machine(read_file(path), path.string());
}

MachineInfo info(const Machine& machine) {
  const double gigabytes = static_cast<double>(machine.ddr.word_bytes) * machine.clocks.ddr / 1e3;
  return {
      .name = machine.name,
      .summary = fmt::format(
          "{}x{} array at {:g} MHz, peak {:.0f} MAC/cycle at {:g} MHz, {:.2f} MB AM, DDR {:.1f} "
          "GB/s x {:.2f}",
          machine.array.rows, machine.array.columns, machine.clocks.array,
          machine.peak_macs_per_cycle(), machine.clocks.report,
          static_cast<double>(machine.am.size_bytes) / 1048576, gigabytes, machine.ddr.efficiency),
      .report_clock_mhz = machine.clocks.report,
      .peak_macs_per_cycle = machine.peak_macs_per_cycle(),
      .array_resource = "conv",
      .throughput = machine.slice0.used == 1,
  };
}

}  // namespace workbench::xdnn
