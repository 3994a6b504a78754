#include "explore/energy/energy.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/units.h"

namespace workbench {

namespace {

constexpr std::int64_t kBlockBits = 72;  // of a word, of either kind of RAM
constexpr std::int64_t kUramWords = 4096, kBramWords = 512;

std::int64_t blocks(std::int64_t bits, std::int64_t words, std::int64_t block_words) {
  return ceil_div(bits, kBlockBits) * ceil_div(words, block_words);
}

// The dimensions of a block that is read a whole step at a time.
std::int64_t filter_blocks(std::int64_t rows, std::int64_t columns, const xdnn::Machine& machine) {
  const std::int64_t bits = rows * columns * machine.weights_per_dsp() * machine.array.bits;
  return blocks(bits, machine.filters.buffers * machine.filters.buffer_steps, kBramWords);
}

Estimate scaled(const Estimate& each, std::int64_t count) {
  return each * static_cast<double>(count);
}

// Both ends of each are products of ends.
Estimate product(const Estimate& a, const Estimate& b) {
  return {a.low * b.low, a.typical * b.typical, a.high * b.high};
}

}  // namespace

FpgaBlocks fpga_blocks(const xdnn::Machine& machine) {
  constexpr std::int64_t kByteBits = 8;
  // Width-aligned arrays have a pixel per row, and the weights of one input channel at a time.
  const std::int64_t weight_rows = machine.width_aligned() ? 1 : machine.array.rows;
  FpgaBlocks result{
      .dsps = machine.array.rows * machine.array.columns,
      .urams = blocks(machine.word_bytes() * kByteBits, machine.am_words(), kUramWords),
      .brams = filter_blocks(weight_rows, machine.array.columns, machine)};
  if (machine.slice0.used == 0) return result;
  const xdnn::Machine::Slice0& first = machine.slice0;
  result.dsps += first.rows * first.columns;
  result.urams += blocks(first.rows * kByteBits, ceil_div(first.am_bytes, first.rows), kUramWords);
  result.brams += filter_blocks(first.rows, first.columns, machine);
  return result;
}

ClusterMemory cluster_memory(const pulp::Machine& machine) {
  constexpr std::int64_t kFirstStack = 3500, kOtherStack = 3400,
                         kCode = 132000;  // docs/facts/pulp.md 3.3
  return {machine.l1.buffer_bytes + kFirstStack + (machine.cluster.cores - 1) * kOtherStack,
          machine.l2.buffer_bytes + kCode};
}

Estimate area(const xdnn::Machine& machine, const XdnnTechnology& technology) {
  const FpgaBlocks engine = fpga_blocks(machine);
  const XdnnTechnology::Area& each = technology.area;
  const Estimate one = each.engine + scaled(each.dsp, engine.dsps) +
                       scaled(each.uram, engine.urams) + scaled(each.bram, engine.brams);
  return scaled(one, machine.board.engines);
}

Estimate area(const pulp::Machine& machine, const PulpTechnology& technology) {
  constexpr double kSquareMicrometres = 1e6;  // of a mm2
  constexpr std::int64_t kDmaPorts = 4;       // on the interconnect to L1 (docs/facts/pulp.md 1.5)
  const PulpTechnology::Area& each = technology.area;
  const std::int64_t cores = machine.cluster.cores;
  const double cache_kilobytes =
      static_cast<double>(machine.icache.shared_bytes + cores * machine.icache.private_bytes) /
      1024;
  const Estimate kilogates =
      scaled(each.core_kilogates, cores) + each.dma_kilogates + each.base_kilogates +
      scaled(each.crossing_kilogates, (cores + kDmaPorts) * machine.l1.banks) +
      each.icache_kilogates_per_kilobyte * cache_kilobytes;
  const Estimate logic = product(kilogates * 1000, each.gate_um2);
  const ClusterMemory bytes = cluster_memory(machine);
  const Estimate memory = scaled(each.sram_bit_um2, 8 * (bytes.l1_bytes + bytes.l2_bytes));
  return (logic + memory) * (1 / kSquareMicrometres);
}

Estimate area(const Machine& machine, const Technology& technology) {
  if (const auto* xdnn = std::get_if<xdnn::Machine>(&machine)) {
    return area(*xdnn, std::get<XdnnTechnology>(technology));
  }
  return area(std::get<pulp::Machine>(machine), std::get<PulpTechnology>(technology));
}

namespace {

constexpr double kPicojoulesPerMillijoule = 1e9;

double seconds_of(Cycles cycles, double mhz) {
  return static_cast<double>(cycles.value) / (mhz * 1e6);
}

// mW for so many seconds, in pJ.
Estimate over(const Estimate& milliwatts, double seconds) {
  return milliwatts * (seconds * kPicojoulesPerMillijoule);
}

EnergyTerm term(std::string_view name, std::int64_t count, const Estimate& each) {
  const auto times = static_cast<double>(count);
  return {name, times, each * times};
}

}  // namespace

Estimate Energy::millijoules() const {
  Estimate sum = kNothing;
  for (const EnergyTerm& term : terms) sum += term.picojoules;
  return sum * (1 / kPicojoulesPerMillijoule);
}

Energy energy(const XdnnAccesses& accesses, Cycles cycles, const xdnn::Machine& machine,
              const XdnnTechnology& technology) {
  const XdnnTechnology::Energy& each = technology.energy;
  const FpgaBlocks blocks = fpga_blocks(machine);
  const XdnnTechnology::Power& power = technology.power;
  const Estimate rest = power.engine + power.dsp * static_cast<double>(blocks.dsps) +
                        power.uram * static_cast<double>(blocks.urams) +
                        power.bram * static_cast<double>(blocks.brams);
  const double seconds = seconds_of(cycles, machine.clocks.report);
  return {{term("MAC", accesses.macs, machine.array.bits == 8 ? each.mac_8 : each.mac_16),
           term("idle MAC slots", accesses.idle_slots, each.idle_slot),
           term("activation memory", accesses.am_bytes, each.am_byte),
           term("filter buffers", accesses.filter_bytes, each.filter_byte),
           term("DDR", accesses.ddr_bytes, each.ddr_byte),
           term("instructions", accesses.instructions, each.instruction),
           {"clock and leakage", seconds, over(rest, seconds)}}};
}

Energy energy(const PulpAccesses& accesses, Cycles cycles, const pulp::Machine& machine,
              const PulpTechnology& technology) {
  const PulpTechnology::Energy& each = technology.energy;
  const double volts = technology.voltage.at(machine.clocks.cluster) / technology.voltage.volts;
  const double square = volts * volts;
  const std::int64_t waiting =
      std::max<std::int64_t>(0, machine.cluster.cores * cycles.value - accesses.core_cycles);
  const ClusterMemory memory = cluster_memory(machine);
  const auto kilobytes = static_cast<double>(memory.l1_bytes + memory.l2_bytes) / 1024;
  const PulpTechnology::Power& power = technology.power;
  const Estimate leakage = power.base + power.core * static_cast<double>(machine.cluster.cores) +
                           power.sram_kilobyte * kilobytes;
  const double seconds = seconds_of(cycles, machine.clocks.cluster);
  return {{term("cores", accesses.core_cycles, each.core_cycle * square),
           term("waiting cores", waiting, each.waiting_cycle * square),
           term("MAC", accesses.macs, each.mac * square),
           term("L1", accesses.l1_words, each.l1_word * square),
           term("L2 and DMA", accesses.l2_bytes, each.l2_byte * square),
           term("L3", accesses.l3_bytes, each.l3_byte),
           term("clock and fabric", cycles.value, each.base_cycle * square),
           {"leakage", seconds, over(leakage * square, seconds)}}};
}

namespace {

template <typename FamilyProgram, typename FamilyMachine, typename FamilyTechnology>
ProgramEnergy program_energy(const FamilyProgram& program, const FamilyMachine& machine,
                             const FamilyTechnology& technology,
                             const std::vector<Cycles>& layer_cycles) {
  const auto layers = accesses(program, machine);
  CHECK(layer_cycles.size() == layers.size(), "cycles of {} layers, found {}", layers.size(),
        layer_cycles.size());
  Cycles all;
  ProgramEnergy result;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    all += layer_cycles[i];
    result.layer_millijoules.push_back(
        energy(layers[i], layer_cycles[i], machine, technology).millijoules());
  }
  result.total = energy(sum(layers), all, machine, technology);
  return result;
}

}  // namespace

ProgramEnergy energy(const Program& program, const Machine& machine, const Technology& technology,
                     const std::vector<Cycles>& layer_cycles) {
  if (const auto* xdnn = std::get_if<xdnn::Program>(&program)) {
    return program_energy(*xdnn, std::get<xdnn::Machine>(machine),
                          std::get<XdnnTechnology>(technology), layer_cycles);
  }
  return program_energy(std::get<pulp::Program>(program), std::get<pulp::Machine>(machine),
                        std::get<PulpTechnology>(technology), layer_cycles);
}

namespace {

std::string spread(const Estimate& estimate, std::string_view unit) {
  return fmt::format("{:.4g} {} ({:.3g} to {:.3g})", estimate.typical, unit, estimate.low,
                     estimate.high);
}

// Largest first; what is below half a percent is left out.
std::string shares(const Energy& energy) {
  double all = 0;
  std::vector<EnergyTerm> terms = energy.terms;
  for (const EnergyTerm& term : terms) all += term.picojoules.typical;
  std::stable_sort(terms.begin(), terms.end(), [](const EnergyTerm& a, const EnergyTerm& b) {
    return a.picojoules.typical > b.picojoules.typical;
  });
  std::string text;
  for (const EnergyTerm& term : terms) {
    const double percent = all > 0 ? 100 * term.picojoules.typical / all : 0;
    if (percent < 0.5) continue;
    text += fmt::format("{}{} {:.0f} %", text.empty() ? "" : ", ", term.name, percent);
  }
  return text;
}

std::string blocks(const Machine& machine) {
  const auto* xdnn = std::get_if<xdnn::Machine>(&machine);
  if (xdnn == nullptr) return "";
  const FpgaBlocks engine = fpga_blocks(*xdnn);
  const std::int64_t engines = xdnn->board.engines;
  return fmt::format(": {} DSPs, {} UltraRAMs, {} block RAMs", engines * engine.dsps,
                     engines * engine.urams, engines * engine.brams);
}

}  // namespace

std::string energy_text(const Energy& energy, const Machine& machine, const Technology& technology,
                        std::int64_t images, double seconds) {
  const Estimate run = energy.millijoules();
  const double milliwatts = seconds > 0 ? run.typical / seconds : 0;
  const bool large = milliwatts >= 1000;
  return fmt::format(
      "energy     {} per image, an estimate for {}\n"
      "           {}\n"
      "power      {:.4g} {} on average\n"
      "area       {}{}\n",
      spread(run * (1 / static_cast<double>(images)), "mJ"), name(technology), shares(energy),
      large ? milliwatts / 1000 : milliwatts, large ? "W of an engine" : "mW",
      spread(area(machine, technology), "mm2"), blocks(machine));
}

}  // namespace workbench
