// Energy and area: tables as shipped and wrong ones, and sums worked out by hand.
#include "explore/energy/energy.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "explore/energy/technology.h"

namespace workbench {
namespace {

std::string message(const std::string& yaml) {
  try {
    parse_technology(yaml, "t.yaml");
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

std::string shipped(std::string_view name) {
  for (const ShippedTechnology& one : shipped_technologies()) {
    if (one.name == name) return std::string(one.yaml);
  }
  return "";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

Machine machine_of(const std::string& file) { return load_machine("configs/" + file, {}); }

TEST(Technology, all_that_are_shipped_can_be_read) {
  EXPECT_EQ(technology_names(), (std::vector<std::string>{"asic_22nm", "asic_28nm", "asic_40nm",
                                                          "asic_55nm", "fpga_16nm"}));
  for (const std::string& each : technology_names()) {
    EXPECT_EQ(name(find_technology(each)), each);
  }
}

TEST(Technology, machines_have_one_that_they_are_made_in) {
  EXPECT_EQ(name(default_technology(machine_of("gap8.yaml"))), "asic_55nm");
  EXPECT_EQ(name(default_technology(machine_of("mr_wolf.yaml"))), "asic_40nm");
  EXPECT_EQ(name(default_technology(machine_of("pulp_open.yaml"))), "asic_40nm");
  EXPECT_EQ(name(default_technology(machine_of("v2_28.yaml"))), "fpga_16nm");
  EXPECT_EQ(name(technology_for(machine_of("gap8.yaml"), "asic_22nm")), "asic_22nm");
}

TEST(Technology, says_what_is_wrong_with_a_table) {
  const std::string good = shipped("asic_55nm");
  EXPECT_EQ(message(good), "accepted");
  EXPECT_EQ(message("family: cpu\n"), "t.yaml: family: expected xdnn or pulp, found 'cpu'");
  EXPECT_EQ(message(replaced(good, "l1_word: {low: 6, typical: 10, high: 16}",
                             "l1_word: {low: 6, typical: 10}")),
            "t.yaml: energy.l1_word: expected low, typical and high, found fewer");
  EXPECT_EQ(message(replaced(good, "l1_word: {low: 6, typical: 10, high: 16}",
                             "l1_word: {low: 11, typical: 10, high: 16}")),
            "t.yaml: energy.l1_word: expected 0 <= low <= typical <= high, found 11, 10, 16");
  EXPECT_NE(message(replaced(good, "l1_word:", "l1_wort:")).find("unknown key 'energy.l1_wort'"),
            std::string::npos);
  EXPECT_EQ(message(replaced(good, "low_mhz: 90", "low_mhz: 190")),
            "t.yaml: voltage: expected volts > 0 and two clocks with a voltage each, the lower "
            "first");
  EXPECT_EQ(message("family: pulp\nname: [\n").substr(0, 7), "t.yaml:");
}

TEST(Technology, names_the_shipped_ones_for_one_that_is_not) {
  const auto text = [](const std::string& name, const Machine& machine) {
    try {
      technology_for(machine, name);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(text("asic_7nm", machine_of("gap8.yaml")),
            "technology 'asic_7nm': expected a file or one of asic_22nm, asic_28nm, asic_40nm, "
            "asic_55nm, fpga_16nm");
  EXPECT_EQ(
      text("fpga_16nm", machine_of("gap8.yaml")),
      "technology fpga_16nm: expected one of family pulp for machine gap8, found one of xdnn");
}

TEST(Technology, voltage_rises_with_the_clock_from_the_lowest_on) {
  const PulpTechnology::Voltage voltage{1.0, 100, 1.0, 200, 1.2};
  EXPECT_DOUBLE_EQ(voltage.at(50), 1.0);
  EXPECT_DOUBLE_EQ(voltage.at(150), 1.1);
  EXPECT_DOUBLE_EQ(voltage.at(250), 1.3);
}

PulpTechnology plain_pulp() {
  PulpTechnology t;
  t.voltage = {1, 100, 1, 200, 2};
  const auto all = [](double value) { return Estimate{value / 2, value, 2 * value}; };
  t.energy = {all(10), all(1), all(0.5), all(4), all(3), all(200), all(50)};
  t.power = {all(0.1), all(0.01), all(1)};
  t.area = {all(2), all(1), all(50), all(100), all(0.5), all(30), all(300)};
  return t;
}

TEST(Energy, of_a_cluster_is_what_its_accesses_take) {
  pulp::Machine machine;  // 8 cores: 27 300 bytes of stacks in L1, 132 000 of code in L2
  machine.clocks.cluster = 100;
  machine.l1.buffer_bytes = 65536 - 27300;
  machine.l2.buffer_bytes = 524288 - 132000;
  const PulpAccesses accesses{
      .core_cycles = 6000, .macs = 8000, .l1_words = 3000, .l2_bytes = 500, .l3_bytes = 70};
  const Energy result = energy(accesses, Cycles{1000}, machine, plain_pulp());
  // 8 x 1000 - 6000 cycles of cores waiting. 1000 cycles are 10 us: 1 + 8 x 0.1 + 576 x 0.01 mW.
  const double dynamic = 60000 + 2000 + 4000 + 12000 + 1500 + 14000 + 50000;
  const double leakage = (1 + 0.8 + 5.76) * 1e-3 * 10e-6 * 1e12;
  EXPECT_NEAR(result.millijoules().typical, (dynamic + leakage) * 1e-9, 1e-15);
  EXPECT_NEAR(result.millijoules().low, (dynamic + leakage) * 1e-9 / 2, 1e-15);
  EXPECT_NEAR(result.millijoules().high, (dynamic + leakage) * 1e-9 * 2, 1e-15);
}

TEST(Energy, goes_with_the_square_of_the_voltage_but_for_what_is_outside) {
  pulp::Machine machine;
  machine.clocks.cluster = 200;  // 2 V
  PulpTechnology technology = plain_pulp();
  technology.power = {kNothing, kNothing, kNothing};
  const PulpAccesses accesses{.core_cycles = 8000, .l3_bytes = 70};
  const Energy result = energy(accesses, Cycles{1000}, machine, technology);
  EXPECT_NEAR(result.millijoules().typical, (4 * (80000 + 50000) + 14000) * 1e-9, 1e-15);
}

TEST(Energy, of_an_engine_is_what_its_accesses_take) {
  xdnn::Machine machine;  // 96 x 16 at 350 MHz
  XdnnTechnology t;
  const auto all = [](double value) { return Estimate{value, value, value}; };
  t.energy = {all(2), all(6), all(0.5), all(3), all(1), all(150), all(1000)};
  t.power = {all(1000), all(1), all(5), all(2)};
  const XdnnAccesses accesses{.macs = 1000,
                              .idle_slots = 200,
                              .am_bytes = 300,
                              .filter_bytes = 50,
                              .ddr_bytes = 80,
                              .instructions = 2};
  const Energy result = energy(accesses, Cycles{350}, machine, t);  // 1 us
  const double milliwatts = 1000 + 1536 + 5 * 264 + 2 * 342;
  EXPECT_NEAR(result.millijoules().typical,
              (2000 + 100 + 900 + 50 + 12000 + 2000 + milliwatts * 1e-3 * 1e-6 * 1e12) * 1e-9,
              1e-15);
  machine.array.bits = 16;
  EXPECT_EQ(energy(accesses, Cycles{350}, machine, t).terms[0].picojoules.typical, 6000);
}

TEST(Energy, is_told_with_its_spread_and_where_most_of_it_goes) {
  pulp::Machine machine;
  machine.name = "m";
  PulpTechnology technology = plain_pulp();
  technology.name = "paper";
  Energy used;
  used.terms = {{"cores", 1, {1e9, 2e9, 4e9}},
                {"L1", 1, {3e9, 6e9, 12e9}},
                {"leakage", 1, {0, 0.01e9, 0.02e9}}};
  const std::string text = energy_text(used, machine, technology, 2, 0.1);
  EXPECT_EQ(text.substr(0, text.find("area")),
            "energy     4.005 mJ (2 to 8.01) per image, an estimate for paper\n"
            "           L1 75 %, cores 25 %\n"
            "power      80.1 mW on average\n");
}

// docs/facts/xdnn.md 1.1: DSPs, and how many engines a board holds; UltraScale+ product table:
// DSP48E2, UltraRAM and block RAM of VU13P (U250) and VU9P (U200).
TEST(Area, engines_fit_the_boards_that_they_ran_on) {
  struct Case {
    const char* machine;
    std::int64_t dsps, on_u250, on_u200;
  };
  for (const Case& c : {Case{"v3_96.yaml", 1536, 4, 2}, Case{"v2_28.yaml", 896, 6, 4},
                        Case{"v2_56.yaml", 1792, 4, 2}}) {
    const Machine machine = machine_of(c.machine);
    const FpgaBlocks engine = fpga_blocks(std::get<xdnn::Machine>(machine));
    EXPECT_EQ(engine.dsps, c.dsps) << c.machine;
    EXPECT_LE(c.on_u250 * engine.dsps, 12288) << c.machine;
    EXPECT_LE(c.on_u250 * engine.urams, 1280) << c.machine;
    EXPECT_LE(c.on_u250 * engine.brams, 2688) << c.machine;
    EXPECT_LE(c.on_u200 * engine.dsps, 6840) << c.machine;
    EXPECT_LE(c.on_u200 * engine.urams, 960) << c.machine;
    EXPECT_LE(c.on_u200 * engine.brams, 2160) << c.machine;
  }
}

TEST(Area, the_first_layers_block_counts_where_it_is_used) {
  auto machine = std::get<xdnn::Machine>(machine_of("v3_96.yaml"));
  const std::int64_t without = fpga_blocks(machine).dsps;
  machine.slice0.used = 1;
  EXPECT_EQ(fpga_blocks(machine).dsps, without + 168);  // docs/facts/xdnn.md 1.1
}

TEST(Area, of_a_cluster_is_that_of_its_gates_and_bits) {
  pulp::Machine machine;
  machine.icache.private_bytes = 0;
  machine.l1.buffer_bytes = 65536 - 27300;
  machine.l2.buffer_bytes = 524288 - 132000;
  // (8 x 50 + 100 + 300 + 12 x 16 x 0.5 + 30 x 4) kilogates of 2 um2, 576 KB of bits of 1 um2.
  const double expected = (400 + 100 + 300 + 96 + 120) * 1000 * 2 + 576 * 8192.0;
  EXPECT_NEAR(area(machine, plain_pulp()).typical, expected * 1e-6, 1e-9);
}

// docs/facts/pulp.md 1.1: 64 KiB and 512 KiB; the 2 x 32 KiB of Mr. Wolf's L2 that are private are
// not given to programs.
TEST(Area, memory_of_the_chips_is_what_programs_and_their_stacks_and_code_take) {
  const auto gap8 = std::get<pulp::Machine>(machine_of("gap8.yaml"));
  EXPECT_NEAR(static_cast<double>(cluster_memory(gap8).l1_bytes), 65536, 1600);
  EXPECT_NEAR(static_cast<double>(cluster_memory(gap8).l2_bytes), 524288, 12300);
  const auto wolf = std::get<pulp::Machine>(machine_of("mr_wolf.yaml"));
  EXPECT_EQ(cluster_memory(wolf).l2_bytes, 448 * 1024);
}

TEST(Area, grows_with_what_there_is_more_of) {
  const Machine machine = machine_of("gap8.yaml");
  const Technology technology = default_technology(machine);
  const double before = area(machine, technology).typical;
  for (const auto& change : std::vector<std::function<void(pulp::Machine&)>>{
           [](pulp::Machine& m) { m.cluster.cores = 9; },
           [](pulp::Machine& m) { m.l1.buffer_bytes *= 2; },
           [](pulp::Machine& m) { m.l1.banks *= 2; },
           [](pulp::Machine& m) { m.l2.buffer_bytes *= 2; }}) {
    Machine larger = machine;
    change(std::get<pulp::Machine>(larger));
    EXPECT_GT(area(larger, technology).typical, before);
  }
}

}  // namespace
}  // namespace workbench
