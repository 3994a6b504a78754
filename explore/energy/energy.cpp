#include "explore/energy/energy.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "explore/energy/area.h"

namespace workbench {

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

}  // namespace workbench
