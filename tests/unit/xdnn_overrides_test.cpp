// Machines changed on the command line: what follows from a width, and how wrong values are
// answered.
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/fields.h"
#include "isa/xdnn/machine.h"

namespace workbench::xdnn {
namespace {

Machine machine_of(const std::string& family) {
  return parse_machine("name: m\nfamily: " + family + "\n", "m.yaml");
}

std::string message(const MachineOverrides& overrides, const std::string& family = "xdnn_v3") {
  try {
    with_overrides(machine_of(family), overrides);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(XdnnOverrides, none_leaves_the_machine_as_it_is) {
  EXPECT_TRUE(fields_equal(with_overrides(machine_of("xdnn_v3"), {}), machine_of("xdnn_v3")));
}

// docs/facts/xdnn.md 1.1, 1.4: a word is one byte for each of the rows; a pass has 16 x 2 x 2
// channels.
TEST(XdnnOverrides, the_width_of_a_v3_decides_word_and_peak) {
  const Machine machine = with_overrides(machine_of("xdnn_v3"), {.dsp = 48});
  EXPECT_EQ(machine.word_bytes(), 48);
  EXPECT_EQ(machine.am_words(), 9437184 / 48);
  EXPECT_EQ(machine.peak_macs_per_cycle(), 48 * 64);
}

// docs/facts/xdnn.md 1.4: a V2 line is 2 bytes for each pixel, the pixels rounded up to a power of
// two.
TEST(XdnnOverrides, the_width_of_a_v2_decides_the_line) {
  EXPECT_EQ(with_overrides(machine_of("xdnn_v2"), {.dsp = 28}).word_bytes(), 64);
  EXPECT_EQ(with_overrides(machine_of("xdnn_v2"), {.dsp = 33}).word_bytes(), 128);
  EXPECT_EQ(with_overrides(machine_of("xdnn_v2"), {.dsp = 8}).word_bytes(), 16);
}

TEST(XdnnOverrides, each_family_has_its_widths) {
  EXPECT_EQ(message({.dsp = 24}),
            "--dsp 24: array.rows must be a multiple of 16 from 16 to 256 in family xdnn_v3, found "
            "24");
  EXPECT_EQ(message({.dsp = 272}), "--dsp 272: array.rows must lie between 1 and 256, found 272");
  EXPECT_EQ(message({.dsp = 256}), "accepted");
  EXPECT_EQ(message({.dsp = 7}, "xdnn_v2"),
            "--dsp 7: array.rows must be 8 to 128 in family xdnn_v2, found 7");
  EXPECT_EQ(message({.dsp = 144}, "darius"),
            "--dsp 144: array.rows must be a multiple of 16 from 16 to 128 in family darius, found "
            "144");
  EXPECT_EQ(message({.dsp = 2}, "math_engine"),
            "--dsp 2: array.rows must be 1 in family math_engine, found 2");
}

TEST(XdnnOverrides, codes_have_8_or_16_bits) {
  EXPECT_EQ(with_overrides(machine_of("xdnn_v3"), {.bits = 16}).word_bytes(), 192);
  EXPECT_EQ(with_overrides(machine_of("xdnn_v3"), {.settings = {"array.bits=16"}}).word_bytes(),
            192);
  EXPECT_EQ(message({.bits = 12}),
            "--bits 12: array.bits must be 8 or 16 in family xdnn_v3, found 12");
  EXPECT_EQ(message({.bits = 32}), "--bits 32: array.bits must lie between 8 and 16, found 32");
  EXPECT_EQ(message({.bits = 16}, "darius"),
            "--bits 16: array.bits must be 8 in family darius, found 16");
}

TEST(XdnnOverrides, memories_are_counted_in_mb_of_2_to_the_20_bytes) {
  const Machine machine = with_overrides(machine_of("xdnn_v3"), {.memory_mb = 1.5, .ddr_mb = 256});
  EXPECT_EQ(machine.am.size_bytes, 1572864);
  EXPECT_EQ(machine.ddr.size_bytes, 268435456);
}

TEST(XdnnOverrides, a_memory_out_of_range_is_refused_as_in_the_file) {
  EXPECT_EQ(message({.memory_mb = 0}),
            "--memory 0: am.size_bytes must lie between 1024 and 1073741824, found 0");
  EXPECT_EQ(message({.memory_mb = -1}),
            "--memory -1: am.size_bytes must lie between 1024 and 1073741824, found -1048576");
  EXPECT_EQ(message({.ddr_mb = 1e300}).substr(0, 48),
            "--ddr 1e+300: ddr.size_bytes must be a whole num");
}

TEST(XdnnOverrides, clocks_are_set_by_name) {
  const Machine machine =
      with_overrides(machine_of("xdnn_v3"), {.clocks = {"array=600", "report=300"}});
  EXPECT_EQ(machine.clocks.array, 600);
  EXPECT_EQ(machine.clocks.report, 300);
  EXPECT_EQ(message({.clocks = {"array"}}), "--clock array: expected NAME=MHz");
  EXPECT_EQ(message({.clocks = {"axi=300"}}),
            "--clock axi=300: unknown key 'clocks.axi', expected one of: report, array, ddr");
  EXPECT_EQ(message({.clocks = {"ddr=300", "ddr=200"}}),
            "--clock ddr=200: key 'clocks.ddr' appears twice");
}

TEST(XdnnOverrides, any_knob_can_be_set) {
  const Machine machine = with_overrides(
      machine_of("xdnn_v3"), {.settings = {"ddr.efficiency=0.7", "name=mine", "am.read_ports=1"}});
  EXPECT_EQ(machine.ddr.efficiency, 0.7);
  EXPECT_EQ(machine.name, "mine");
  EXPECT_EQ(machine.am.read_ports, 1);
}

TEST(XdnnOverrides, a_wrong_setting_is_answered_as_in_the_file) {
  const auto set = [](const std::string& text) { return message({.settings = {text}}); };
  EXPECT_EQ(set("ddr.efficiency=7"),
            "--set ddr.efficiency=7: ddr.efficiency must lie between 0.01 and 1, found 7");
  EXPECT_EQ(set("ddr.efficiency=nan"),
            "--set ddr.efficiency=nan: ddr.efficiency must be a number, found 'nan'");
  EXPECT_EQ(set("am.read_ports=two"),
            "--set am.read_ports=two: am.read_ports must be a whole number, found 'two'");
  EXPECT_EQ(set("am.ports=2"),
            "--set am.ports=2: unknown key 'am.ports', expected one of: size_bytes, read_ports, "
            "write_ports, partitions, buffers");
  EXPECT_EQ(set("am=2").substr(0, 45), "--set am=2: unknown key 'am', expected one of");
  EXPECT_EQ(set("am.=2").substr(0, 24), "--set am.=2: unknown key");
  EXPECT_EQ(set("name.x=2").substr(0, 35), "--set name.x=2: unknown key 'name.x");
  EXPECT_EQ(set("=2"), "--set =2: expected KEY=VALUE");
  EXPECT_EQ(set("am.read_ports="), "--set am.read_ports=: expected KEY=VALUE");
  EXPECT_EQ(set("family=xdnn_v2"),
            "--set family=xdnn_v2: a machine keeps its family; give another --hw");
}

TEST(XdnnOverrides, engines_are_one_to_eight) {
  EXPECT_EQ(with_overrides(machine_of("xdnn_v3"), {.engines = 4}).board.engines, 4);
  EXPECT_EQ(message({.engines = 9}),
            "--engines 9: board.engines must lie between 1 and 8, found 9");
}

TEST(XdnnOverrides, throughput_mode_needs_a_slice_0) {
  EXPECT_EQ(message({.mode = "throughput"}),
            "--mode throughput: m has no slice 0, the array for the first layer");
  EXPECT_EQ(message({.mode = "fast"}), "--mode fast: expected latency or throughput");
  EXPECT_EQ(message({.mode = "latency"}), "accepted");
  Machine machine = machine_of("xdnn_v3");
  machine.slice0 = {.rows = 21, .columns = 8, .am_bytes = 176128};
  EXPECT_EQ(with_overrides(machine, {.mode = "throughput"}).slice0.used, 1);
}

TEST(XdnnOverrides, contradictions_name_every_option_that_was_given) {
  EXPECT_EQ(message({.dsp = 48, .clocks = {"report=300"}}),
            "--dsp 48 --clock report=300: clocks.array (700 MHz) must be a whole multiple of "
            "clocks.report (300 MHz)");
}

}  // namespace
}  // namespace workbench::xdnn
