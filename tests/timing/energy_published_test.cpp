// Estimates of energy against what was published of the machines, within their own spread. Nothing
// is fitted to the figures of this test but what the tables in configs/technology say is.
#include <gtest/gtest.h>

#include <iostream>

#include "explore/energy/energy.h"
#include "explore/flow/machine.h"
#include "explore/flow/pipeline.h"
#include "isa/pulp/schedule.h"
#include "isa/xdnn/cost.h"

namespace workbench {
namespace {

void print(const std::string& what, const Estimate& estimate, const std::string& unit,
           const std::string& published) {
  std::cout << fmt::format("{}: {:.4g} ({:.4g} to {:.4g}) {}, published {}\n", what,
                           estimate.typical, estimate.low, estimate.high, unit, published);
}

Compiled compiled(const std::string& network, const std::string& machine,
                  CompileRequest request = {}) {
  request.model.name = network;
  request.machine = find_machine_file(machine);
  request.keep_reference = false;
  return compile_network(request);
}

Estimate milliwatts(const Energy& energy, double seconds) {
  return energy.millijoules() * (1 / seconds);
}

// DORY, arXiv 2008.07127: 63 pJ/MAC on average at 4.3 frames/s, of its own programs.
TEST(PublishedEnergy, mobilenet_on_gap8_takes_what_dory_measured) {
  CompileRequest dory;
  dory.tiler = pulp::Tiler::Dory;
  dory.norm_bits = pulp::NormBits::Bits32;
  dory.overrides.pulp.l1 = "60000";  // all of the L1 but the stacks
  Compiled network = compiled("zoo:mobilenet_v1?resolution=128", "gap8", dory);
  auto& machine = std::get<pulp::Machine>(network.machine);
  const pulp::Program& program = network.pulp_program();
  const Cycles cycles = pulp::analytic_schedule(program, machine).expected.end;
  machine.clocks.cluster = 4.3 * static_cast<double>(cycles.value) * 1e-6;
  EXPECT_NEAR(machine.clocks.cluster, 100, 15) << "DORY's clock (docs/facts/pulp.md 1.1)";
  const auto technology = std::get<PulpTechnology>(default_technology(machine));
  const Energy used = energy(sum(accesses(program, machine)), cycles, machine, technology);
  const auto macs = static_cast<double>(program.info.network_macs);
  const Estimate picojoules = used.millijoules() * (1e9 / macs);
  print("MobileNetV1-128 on GAP8", picojoules, "pJ/MAC", "63");
  for (const EnergyTerm& term : used.terms) {
    std::cout << fmt::format("  {:<17} {:6.2f} pJ/MAC\n", term.name,
                             term.picojoules.typical / macs);
  }
  EXPECT_TRUE(picojoules.covers(63));
  // GreenWaves, ASAP 2018: a worst-case envelope of 75 mW at 1.0 V.
  const Estimate power = milliwatts(used, 1 / 4.3);
  print("  power", power, "mW", "at most 75");
  EXPECT_LT(power.typical, 75);
}

// The library's best kernel: 32 output channels of a 3x3 convolution of 32 channels.
pulp::Program one_kernel() {
  pulp::Program program;
  program.info.layers = {{.name = "conv"}};
  program.info.instruction_layer = {0};
  program.instructions = {pulp::Kernel{.kind = pulp::KernelKind::ConvHo,
                                       .weights = 16384,
                                       .out = 32768,
                                       .scratch = 49152,
                                       .in_w = 16,
                                       .in_h = 16,
                                       .in_c = 32,
                                       .out_w = 16,
                                       .out_h = 16,
                                       .out_c = 32,
                                       .kernel_w = 3,
                                       .kernel_h = 3,
                                       .pad_top = 1,
                                       .pad_bottom = 1,
                                       .pad_left = 1,
                                       .pad_right = 1}};
  return program;
}

struct KernelRun {
  Energy energy;
  double seconds = 0, operations = 0;
};
KernelRun run_kernel(const pulp::Machine& machine, const PulpTechnology& technology) {
  const pulp::Program program = one_kernel();
  const Cycles cycles = pulp::analytic_schedule(program, machine).expected.end;
  const PulpAccesses counted = sum(accesses(program, machine));
  return {energy(counted, cycles, machine, technology),
          static_cast<double>(cycles.value) / (machine.clocks.cluster * 1e6),
          2 * static_cast<double>(counted.macs)};
}

// Pullini et al., JSSC 2019: up to 274 MOp/s/mW, within a power envelope of 153 mW.
TEST(PublishedEnergy, mr_wolf_is_as_efficient_as_published) {
  auto machine = std::get<pulp::Machine>(load_machine(find_machine_file("mr_wolf"), {}));
  const auto technology = std::get<PulpTechnology>(default_technology(machine));
  const KernelRun fast = run_kernel(machine, technology);
  const Estimate power = milliwatts(fast.energy, fast.seconds);
  print("Mr. Wolf at 350 MHz", power, "mW", "at most 153");
  EXPECT_LT(power.typical, 153);
  EXPECT_GT(power.high, 153 / 2.0);
  machine.clocks.cluster = technology.voltage.low_mhz;
  const KernelRun best = run_kernel(machine, technology);
  const Estimate picojoules = best.energy.millijoules() * (1e9 / best.operations);
  print("Mr. Wolf at its lowest voltage", picojoules, "pJ/Op", "3.65");
  EXPECT_TRUE(picojoules.covers(1e3 / 274));
}

// Rossi et al., JSSC 2022: 615 GOPS/W on 8-bit integers, with 9 cores.
TEST(PublishedEnergy, vega_is_as_efficient_as_published) {
  auto machine = std::get<pulp::Machine>(load_machine(find_machine_file("pulp_open"), {}));
  machine.cluster.cores = 9;
  const auto technology = std::get<PulpTechnology>(find_technology("asic_22nm"));
  machine.clocks.cluster = technology.voltage.low_mhz;
  const KernelRun best = run_kernel(machine, technology);
  const Estimate picojoules = best.energy.millijoules() * (1e9 / best.operations);
  print("Vega at its lowest voltage", picojoules, "pJ/Op", "1.63");
  EXPECT_TRUE(picojoules.covers(1e3 / 615));
}

// A card of four engines takes more than an idle one, and less than the slot gives it: 225 W
// (Alveo data sheets). FINN's ResNet-50, the only one measured on a U250, 70 W at full load.
TEST(PublishedEnergy, four_engines_on_an_alveo_board_stay_within_its_power) {
  const Compiled network = compiled("zoo:googlenet_v1", "v3_96");
  const xdnn::Machine& machine = network.xdnn_machine();
  const Cycles cycles = xdnn::earliest_times(network.xdnn_program(), machine).end;
  const auto technology = std::get<XdnnTechnology>(default_technology(machine));
  const Energy used =
      energy(sum(accesses(network.xdnn_program(), machine)), cycles, machine, technology);
  const double seconds = static_cast<double>(cycles.value) / (machine.clocks.report * 1e6);
  const Estimate watts = milliwatts(used, seconds) * (4 / 1e3);
  print("four xDNN V3 engines, GoogLeNet", watts, "W", "70 (FINN), at most 225");
  for (const EnergyTerm& term : used.terms) {
    std::cout << fmt::format("  {:<17} {:6.2f} W\n", term.name,
                             4 * term.picojoules.typical * 1e-12 / seconds);
  }
  EXPECT_TRUE(watts.covers(70));
  EXPECT_LT(watts.high, 225);
}

TEST(PublishedEnergy, areas_are_printed) {
  for (const char* file : {"gap8", "mr_wolf", "pulp_open", "v3_96", "v2_28", "darius_32"}) {
    const Machine machine = load_machine(find_machine_file(file), {});
    const Estimate silicon = area(machine, default_technology(machine));
    print(file, silicon, "mm2", "nothing comparable");
    EXPECT_LT(silicon.low, silicon.typical);
    EXPECT_LT(silicon.typical, silicon.high);
  }
}

}  // namespace
}  // namespace workbench
