// PULP machine files as published (docs/facts/pulp.md 1), machines changed on the command line, and
// what is wrong with wrong ones.
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/fields.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {
namespace {

std::string message(const std::string& yaml) {
  try {
    parse_machine(yaml, "m.yaml");
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

std::string message_of(const std::string& lines) {
  return message("name: m\nfamily: pulp\n" + lines);
}

std::string overriding(const MachineOverrides& overrides) {
  try {
    with_overrides(Machine{.name = "m"}, overrides);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(PulpMachine, the_machine_of_the_slides_is_the_default_one) {
  const Machine machine = load_machine("configs/pulp_open.yaml");
  Machine plain;
  plain.name = "pulp_open";
  plain.l1.depthwise_conflicts = machine.l1.depthwise_conflicts;  // calibrated
  EXPECT_TRUE(fields_equal(machine, plain));
  // docs/facts/pulp.md 1.6: DORY's hardware description says 32 MAC/cycle at the peak.
  EXPECT_EQ(machine.peak_macs_per_cycle(), 32);
  // docs/facts/pulp.md 3.7: --l1_buffer_size 38000 --l2_buffer_size 380000.
  EXPECT_EQ(machine.l1.buffer_bytes, 38000);
  EXPECT_EQ(machine.l2.buffer_bytes, 380000);
}

TEST(PulpMachine, gap8_leaves_of_l1_what_its_stacks_do_not_take) {
  const Machine machine = load_machine("configs/gap8.yaml");
  EXPECT_EQ(machine.l1.buffer_bytes, 64000 - 3500 - 7 * 3400);  // docs/facts/pulp.md 3.3
  EXPECT_EQ(machine.clocks.cluster, 175);                       // docs/facts/pulp.md 1.1
  // docs/facts/pulp.md 1.7: 0.65 B/cycle at 100 MHz.
  EXPECT_EQ(machine.l3.megabytes_per_second, 65);
}

TEST(PulpMachine, mr_wolf_has_the_memory_of_gap8_at_its_own_clock) {
  const Machine machine = load_machine("configs/mr_wolf.yaml");
  EXPECT_EQ(machine.clocks.cluster, 350);  // docs/facts/pulp.md 1.1
  EXPECT_EQ(machine.l3.megabytes_per_second, 65);
  EXPECT_EQ(machine.l2.buffer_bytes, 448 * 1024 - 132000);
}

TEST(PulpMachine, describes_itself_in_one_line) {
  const MachineInfo about = info(load_machine("configs/pulp_open.yaml"));
  EXPECT_EQ(about.summary,
            "8 cores at 100 MHz, peak 32 MAC/cycle, 38000 of 65536 bytes of L1 in 16 banks, 380000 "
            "of 524288 bytes of L2 at 8 B/cycle, L3 100.0 MB/s");
  EXPECT_EQ(about.array_resource, "cores");
  EXPECT_EQ(about.report_clock_mhz, 100);
}

TEST(PulpMachine, wrong_files_are_answered_with_their_line) {
  EXPECT_EQ(message(""), "m.yaml:1: the machine file is empty");
  EXPECT_EQ(message("name: m\nfamily: [pulp\n"),
            "m.yaml:3: not valid YAML: end of sequence flow not found");
  EXPECT_EQ(message("name: m\n\nfamily: xdnn_v3\n"),
            "m.yaml:3: family must be pulp, found 'xdnn_v3'");
  EXPECT_EQ(message("family: pulp\n"), "m.yaml:1: key 'name' is missing");
  EXPECT_EQ(message_of("l1:\n  bank: 4\n"),
            "m.yaml:4: unknown key 'l1.bank', expected one of: size_bytes, buffer_bytes, banks, "
            "conflicts, depthwise_conflicts, matrix_conflicts, round_robin");
  EXPECT_EQ(message_of("cluster:\n  cores: 17\n"),
            "m.yaml:4: cluster.cores must lie between 1 and 16, found 17");
  EXPECT_EQ(message_of("dma:\n  latency_cycles: few\n"),
            "m.yaml:4: dma.latency_cycles must be a whole number, found 'few'");
}

TEST(PulpMachine, knobs_that_contradict_each_other_are_refused) {
  EXPECT_EQ(message_of("l1:\n  buffer_bytes: 65537\n"),
            "m.yaml:1: l1.buffer_bytes (65537) is larger than l1.size_bytes (65536)");
  EXPECT_EQ(message_of("l2:\n  size_bytes: 4096\n"),
            "m.yaml:1: l2.buffer_bytes (380000) is larger than l2.size_bytes (4096)");
  EXPECT_EQ(message_of("l1:\n  banks: 12\n"),
            "m.yaml:1: l1.banks must be a power of two, found 12");
  EXPECT_EQ(message_of("dma:\n  bytes_per_cycle: 6\n"),
            "m.yaml:1: dma.bytes_per_cycle must be a power of two, found 6");
  EXPECT_EQ(message_of("dma:\n  bytes_per_cycle: 512\n"),
            "m.yaml:1: dma.burst_bytes (256) must be a multiple of dma.bytes_per_cycle (512)");
  EXPECT_EQ(message_of("icache:\n  ideal: 0\n  shared_bytes: 1000\n"),
            "m.yaml:1: icache.private_bytes (512) and shared_bytes (1000) must be multiples of "
            "icache.line_bytes (16)");
  EXPECT_EQ(message_of("icache:\n  shared_bytes: 1000\n"),
            "accepted");  // an ideal cache has no size
}

TEST(PulpOverrides, none_leaves_the_machine_as_it_is) {
  EXPECT_TRUE(fields_equal(with_overrides(Machine{}, {}), Machine{}));
}

TEST(PulpOverrides, buffers_are_bytes_or_kilobytes_or_megabytes) {
  EXPECT_EQ(with_overrides({}, {.l1 = "30000"}).l1.buffer_bytes, 30000);
  EXPECT_EQ(with_overrides({}, {.l1 = "64k"}).l1.buffer_bytes, 65536);
  EXPECT_EQ(with_overrides({}, {.l2 = "1M"}).l2.buffer_bytes, 1048576);
  EXPECT_EQ(with_overrides({}, {.l2 = "1K"}).l2.buffer_bytes, 1024);
  EXPECT_EQ(with_overrides({}, {.l3 = "32M"}).l3.size_bytes, 33554432);
}

TEST(PulpOverrides, a_buffer_larger_than_its_memory_makes_the_memory_as_large) {
  const Machine machine = with_overrides({}, {.l1 = "128k", .l2 = "1M"});
  EXPECT_EQ(machine.l1.size_bytes, 131072);
  EXPECT_EQ(machine.l2.size_bytes, 1048576);
  EXPECT_EQ(with_overrides({}, {.l1 = "1k"}).l1.size_bytes, 65536);
}

TEST(PulpOverrides, every_option_has_its_knob_and_settings_the_last_word) {
  const Machine machine = with_overrides({}, {.cores = 4,
                                              .dma_width = 16,
                                              .clocks = {"cluster=175", "fabric=250"},
                                              .settings = {"cluster.cores=2", "l1.conflicts=0"}});
  EXPECT_EQ(machine.cluster.cores, 2);
  EXPECT_EQ(machine.dma.bytes_per_cycle, 16);
  EXPECT_EQ(machine.clocks.cluster, 175);
  EXPECT_EQ(machine.l1.conflicts, 0);
}

TEST(PulpOverrides, wrong_values_are_answered_as_in_the_file) {
  EXPECT_EQ(overriding({.l1 = "much"}),
            "--l1 much: l1.buffer_bytes must be a whole number, found 'much'");
  EXPECT_EQ(overriding({.l1 = "k"}), "--l1 k: l1.buffer_bytes must be a whole number, found 'k'");
  EXPECT_EQ(overriding({.l1 = "1.5k"}),
            "--l1 1.5k: l1.buffer_bytes must be a whole number, found '1.5k'");
  EXPECT_EQ(overriding({.l1 = "0"}),
            "--l1 0: l1.buffer_bytes must lie between 256 and 67108864, found 0");
  EXPECT_EQ(overriding({.l2 = "999999999M"}).substr(0, 55),
            "--l2 999999999M: l2.buffer_bytes must lie between 1024 ");
  EXPECT_EQ(overriding({.cores = 0}),
            "--cores 0: cluster.cores must lie between 1 and 16, found 0");
  EXPECT_EQ(overriding({.clocks = {"cluster"}}), "--clock cluster: expected NAME=MHz");
  EXPECT_EQ(overriding({.clocks = {"core=3"}}),
            "--clock core=3: unknown key 'clocks.core', expected one of: cluster, fabric");
  EXPECT_EQ(overriding({.settings = {"family=xdnn_v3"}}),
            "--set family=xdnn_v3: a machine keeps its family; give another --hw");
  EXPECT_EQ(overriding({.settings = {"l1.banks=8", "l1.banks=4"}}),
            "--set l1.banks=4: key 'l1.banks' appears twice");
}

TEST(PulpOverrides, contradictions_name_every_option_that_was_given) {
  EXPECT_EQ(overriding({.cores = 4, .dma_width = 24}),
            "--cores 4 --dma-width 24: dma.bytes_per_cycle must be a power of two, found 24");
}

}  // namespace
}  // namespace workbench::pulp
