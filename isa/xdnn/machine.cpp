#include "isa/xdnn/machine.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <optional>
#include <set>
#include <tuple>

#include "core/error.h"
#include "core/file.h"
#include "core/yaml.h"
#include "isa/int8_matrix.h"
#include "isa/yaml_fields.h"

namespace workbench::xdnn {

// --- machine files -------------------------------------------------------------------------------

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
  if (!width_aligned()) return array.rows * code_bytes();
  return 2 * static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(array.rows)));
}

namespace {

// Widths that the layout rules of docs/facts/xdnn.md 1.4 and 1.5 can describe: lines of up to 256
// bytes, words in steps of 16 bytes; and those that were built (docs/facts/xdnn.md 1.1, 5.3).
struct Widths {
  std::int64_t low, high, step;
  std::array<std::int64_t, 2> built;
};

Widths widths(Family family) {
  switch (family) {
    case Family::V2:
      return {8, 128, 1, {28, 56}};
    case Family::V3:
      return {16, 256, 16, {96, 96}};
    case Family::Darius:
      return {16, 128, 16, {32, 64}};
    case Family::MathEngine:
      return {1, 1, 1, {1, 1}};
  }
  CHECK(false, "family {}", static_cast<int>(family));
}

// Only V2 and V3 were described at 16 bits (docs/facts/xdnn.md 1.1).
std::string bad_bits(const Machine& machine) {
  const bool both = machine.family() == Family::V2 || machine.family() == Family::V3;
  if (machine.array.bits == 8 || (machine.array.bits == 16 && both)) return "";
  return fmt::format("array.bits must be {} in family {}, found {}", both ? "8 or 16" : "8",
                     machine.family_name, machine.array.bits);
}

std::string bad_width(const Machine& machine) {
  const auto [low, high, step, built] = widths(machine.family());
  const std::int64_t rows = machine.array.rows;
  if (rows >= low && rows <= high && rows % step == 0) return "";
  if (low == high) {
    return fmt::format("array.rows must be {} in family {}, found {}", low, machine.family_name,
                       rows);
  }
  return fmt::format("array.rows must be {}{} to {} in family {}, found {}",
                     step > 1 ? fmt::format("a multiple of {} from ", step) : "", low, high,
                     machine.family_name, rows);
}

// Instructions of width-aligned machines have no field for any of V3's extras
// (docs/facts/xdnn.md 2.2), and Darius has neither replication nor tiling (docs/facts/xdnn.md 5.3).
std::string feature_without_field(const Machine& machine) {
  const Machine::Features& f = machine.features;
  const bool v3 = machine.family() == Family::V3, words = !machine.width_aligned();
  const std::tuple<const char*, std::int64_t, bool> features[] = {
      {"replication", f.replication, v3},    {"tiling", f.tiling, v3},
      {"inline_pool", f.inline_pool, words}, {"prelu", f.prelu, words},
      {"deconv", f.deconv, words},           {"upsample", f.upsample, words}};
  for (const auto& [name, value, possible] : features) {
    if (value != 0 && !possible) {
      return fmt::format("features.{} must be 0 in family {}", name, machine.family_name);
    }
  }
  return "";
}

std::string bad_memory(const Machine& machine) {
  const auto& am = machine.am;
  const bool buffers = machine.family() == Family::MathEngine;
  if (buffers != (am.buffers > 0)) {
    return fmt::format("am.buffers must be {} in family {}, found {}", buffers ? "1 or more" : "0",
                       machine.family_name, am.buffers);
  }
  const std::int64_t parts = std::max<std::int64_t>(1, am.buffers);
  if (machine.am_words() < parts) {
    return fmt::format("am.size_bytes ({}) holds not even one word of {} bytes{}", am.size_bytes,
                       machine.word_bytes(), buffers ? " per buffer" : "");
  }
  if (am.size_bytes % (parts * machine.word_bytes()) != 0 && buffers) {
    return fmt::format("am.size_bytes ({}) must be a multiple of am.buffers ({}) x {} bytes",
                       am.size_bytes, am.buffers, machine.word_bytes());
  }
  return "";
}

std::string bad_slice0(const Machine& machine) {
  const Machine::Slice0& s = machine.slice0;
  if (s.rows == 0 && s.columns == 0 && s.am_bytes == 0) {
    return s.used != 0 ? "slice0.used needs slice0.rows, columns and am_bytes" : "";
  }
  if (machine.family() != Family::V3) {
    return fmt::format("slice0 must be absent in family {}", machine.family_name);
  }
  if (s.rows == 0 || s.columns == 0 || s.am_bytes < s.rows * machine.code_bytes()) {
    return fmt::format(
        "slice0.rows ({}), columns ({}) and am_bytes ({}) must all be 0, or make an array and at "
        "least one word of memory",
        s.rows, s.columns, s.am_bytes);
  }
  return "";
}

std::string bad_filters(const Machine& machine) {
  const Machine::Filters& f = machine.filters;
  if (f.steps_max < f.buffer_steps) {
    return fmt::format("filters.steps_max ({}) is smaller than filters.buffer_steps ({})",
                       f.steps_max, f.buffer_steps);
  }
  constexpr std::int64_t kProductsMax = kDepthMax / 2;  // taps may be padded to whole dot products
  const std::int64_t per_step = machine.width_aligned() ? 1 : machine.array.rows;
  if (f.steps_max * per_step > kProductsMax) {
    return machine.width_aligned()
               ? fmt::format("filters.steps_max ({}) must be at most {}", f.steps_max, kProductsMax)
               : fmt::format("filters.steps_max ({}) x array.rows ({}) must be at most {}",
                             f.steps_max, machine.array.rows, kProductsMax);
  }
  if (machine.width_aligned() && f.steps_max > f.buffer_steps * f.buffers) {
    return fmt::format(
        "filters.steps_max ({}) must be at most filters.buffer_steps ({}) x buffers ({}): family "
        "{} has no half rate",
        f.steps_max, f.buffer_steps, f.buffers, machine.family_name);
  }
  return "";
}

}  // namespace

std::string contradiction(const Machine& machine) {
  const double ratio = machine.clocks.array / machine.clocks.report;
  if (ratio < 1 || ratio != std::floor(ratio)) {
    return fmt::format("clocks.array ({} MHz) must be a whole multiple of clocks.report ({} MHz)",
                       machine.clocks.array, machine.clocks.report);
  }
  if (machine.array.images > 1 && !machine.width_aligned()) {
    return fmt::format("array.images must be 1 in family {}, found {}", machine.family_name,
                       machine.array.images);
  }
  for (const auto& check :
       {bad_bits, bad_width, feature_without_field, bad_memory, bad_slice0, bad_filters}) {
    if (std::string what = check(machine); !what.empty()) return what;
  }
  return "";
}

namespace {

// Defaults of a file with a family alone: V3's figures, except for features that the family lacks.
// The filter size is V2's (docs/facts/xdnn.md 1.1).
Machine plainest(Family family) {
  Machine machine;
  if (family == Family::V3) return machine;
  machine.features = {0, 0, 0, 0, 0, 0};
  if (family != Family::Darius) machine.filters.buffer_steps = machine.filters.steps_max = 4608;
  if (family == Family::MathEngine) machine.array.rows = machine.am.buffers = 1;
  return machine;
}

}  // namespace

Machine read_machine(const YAML::Node& root, const std::string& name) {
  Machine machine;
  try {
    if (root.IsMap() && root["family"].IsDefined() && root["family"].IsScalar()) {
      const auto family = family_called(root["family"].Scalar());
      if (family) machine = plainest(*family);
    }
    read_yaml_fields(root, machine, name, "", {"name", "family"});
  } catch (const YAML::Exception& error) {  // e.g. an alias bomb resolved late
    refuse_yaml(error, name);
  }
  if (!family_called(machine.family_name)) {
    fail("{}:{}: family must be xdnn_v2, xdnn_v3, darius or math_engine, found '{}'", name,
         root["family"].Mark().line + 1, machine.family_name);
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

MachineInfo info(const Machine& machine) {
  const double gigabytes = static_cast<double>(machine.ddr.word_bytes) * machine.clocks.ddr / 1e3;
  const auto built = widths(machine.family()).built;
  const bool extrapolated = machine.array.rows != built[0] && machine.array.rows != built[1];
  return {
      .name = machine.name,
      .summary = fmt::format(
          "{}x{} array{} at {:g} MHz{}, peak {:.0f} MAC/cycle at {:g} MHz, {:.2f} MB AM{}, DDR "
          "{:.1f} GB/s x {:.2f}{}",
          machine.array.rows, machine.array.columns,
          machine.array.bits == 8 ? "" : fmt::format(" of {} bits", machine.array.bits),
          machine.clocks.array,
          machine.images() > 1 ? fmt::format(", {} images", machine.images()) : "",
          machine.peak_macs_per_cycle(), machine.clocks.report,
          static_cast<double>(machine.am.size_bytes) / 1048576,
          machine.am.buffers > 0 ? fmt::format(" in {} buffers", machine.am.buffers) : "",
          gigabytes, machine.ddr.efficiency,
          extrapolated ? ", extrapolated: never built at this width" : ""),
      .report_clock_mhz = machine.clocks.report,
      .peak_macs_per_cycle = machine.peak_macs_per_cycle(),
      .array_resource = "conv",
      .throughput = machine.slice0.used == 1,
      .word_bytes = machine.word_bytes(),
      .images = machine.images(),
      .extrapolated = extrapolated,
  };
}

// --- slice 0 -------------------------------------------------------------------------------------

namespace {

Machine slice0_of(const Machine& machine) {
  Machine block = machine;
  block.slice = 0;
  block.array.rows = machine.slice0.rows;
  block.array.columns = machine.slice0.columns;
  block.am.size_bytes = machine.slice0.am_bytes;
  return block;
}

}  // namespace

MachineOfSlice::MachineOfSlice(const Machine& machine, std::int64_t slice) : machine_(&machine) {
  if (slice == 0 && machine.slice != 0 && has_slice0(machine)) slice0_ = slice0_of(machine);
}

// --- overrides -----------------------------------------------------------------------------------

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
    set_yaml_pair(machine, "--clock", "clocks.", text, clocks);
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
    set_yaml_pair(machine, "--set", "", text, settings);
  }
  if (changed.empty()) return machine;
  if (const std::string what = contradiction(machine); !what.empty()) fail("{}: {}", changed, what);
  return machine;
}

}  // namespace workbench::xdnn
