// Machine files: the shipped one as published (docs/facts/xdnn.md 1.1), and what is wrong with
// wrong ones.
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/fields.h"
#include "isa/xdnn/machine.h"
#include "tests/support/temporary_folder.h"

namespace workbench::xdnn {
namespace {

constexpr const char* kMinimal = "name: m\nfamily: xdnn_v3\n";

std::string message(const std::string& yaml) {
  try {
    parse_machine(yaml, "m.yaml");
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

std::string message_of(const std::string& lines) { return message(kMinimal + lines); }

TEST(XdnnMachine, the_shipped_machine_has_the_published_figures) {
  const Machine machine = load_machine("configs/v3_96.yaml");
  EXPECT_EQ(machine.name, "v3_96");
  // docs/facts/xdnn.md 1.1: 1536 DSPs x 2 MAC at 700 MHz = 96 x 16 x 2 x 2 = 6144 per 350 MHz
  // cycle, 4300.8 Gop/s.
  EXPECT_EQ(machine.peak_macs_per_cycle(), 6144);
  EXPECT_DOUBLE_EQ(2e-3 * machine.peak_macs_per_cycle() * machine.clocks.report, 4300.8);
  // docs/facts/xdnn.md 1.1: 9 MB = 98304 words of 96 bytes.
  EXPECT_EQ(machine.am_words(), 98304);
  EXPECT_EQ(machine.word_bytes(), 96);
  // docs/facts/xdnn.md 5.2: 64-byte words at 300 MHz x 0.71, in 350 MHz cycles: 64 * 300 / 350 *
  // 0.71
  EXPECT_NEAR(machine.ddr_bytes_per_cycle(), 38.949, 0.001);
  // docs/facts/xdnn.md 1.1: 64 output channels per pass = 16 columns x 2 (simd) x 2 (clk2x); 32 in
  // half rate.
  EXPECT_EQ(machine.pass_channels(false), 64);
  EXPECT_EQ(machine.pass_channels(true), 32);
  // The skew of the array: 96 + 16 cycles of the doubled clock.
  EXPECT_EQ(machine.drain_cycles(), Cycles{56});
  // docs/facts/xdnn.md 1.2
  EXPECT_EQ(machine.control.instructions_max, 1536);
}

TEST(XdnnMachine, the_shipped_machine_is_the_default_one) {
  const Machine machine = load_machine("configs/v3_96.yaml");
  const Machine minimal = parse_machine(
      "name: v3_96\nfamily: xdnn_v3\nslice0: {rows: 21, columns: 8, am_bytes: 176128}\n"
      "board: {ddr_banks: 4}\n",
      "m.yaml");
  EXPECT_TRUE(fields_equal(machine, minimal));
}

TEST(XdnnMachine, describes_itself_in_one_line) {
  const MachineInfo about = info(load_machine("configs/v3_96.yaml"));
  EXPECT_EQ(about.name, "v3_96");
  EXPECT_EQ(about.summary,
            "96x16 array at 700 MHz, peak 6144 MAC/cycle at 350 MHz, 9.00 MB AM, DDR 19.2 GB/s x "
            "0.71");
  EXPECT_EQ(about.report_clock_mhz, 350);
}

TEST(XdnnMachine, a_given_drain_replaces_the_skew_of_the_array) {
  EXPECT_EQ(parse_machine(std::string(kMinimal) + "control:\n  drain_cycles: 9\n", "m.yaml")
                .drain_cycles(),
            Cycles{9});
}

TEST(XdnnMachine, an_unknown_key_is_answered_with_the_known_ones) {
  EXPECT_EQ(message_of("am:\n  size: 4\n"),
            "m.yaml:4: unknown key 'am.size', expected one of: size_bytes, read_ports, "
            "write_ports, partitions, buffers");
  EXPECT_EQ(message_of("amm:\n"),
            "m.yaml:3: unknown key 'amm', expected one of: name, family, clocks, array, am, "
            "filters, ddr, control, limits, features, slice0, board, host");
}

TEST(XdnnMachine, a_repeated_key_is_an_error_at_its_second_place) {
  EXPECT_EQ(message_of("am:\n  read_ports: 2\n  read_ports: 3\n"),
            "m.yaml:5: key 'am.read_ports' appears twice");
  EXPECT_EQ(message_of("name: again\n"), "m.yaml:3: key 'name' appears twice");
}

TEST(XdnnMachine, a_missing_name_or_family_is_an_error) {
  EXPECT_EQ(message("family: xdnn_v3\n"), "m.yaml:1: key 'name' is missing");
  EXPECT_EQ(message("name: m\n"), "m.yaml:1: key 'family' is missing");
}

TEST(XdnnMachine, a_value_of_the_wrong_type_is_quoted) {
  EXPECT_EQ(message_of("clocks:\n  report: fast\n"),
            "m.yaml:4: clocks.report must be a number, found 'fast'");
  EXPECT_EQ(message_of("array:\n  rows: 96.5\n"),
            "m.yaml:4: array.rows must be a whole number, found '96.5'");
  EXPECT_EQ(message_of("array:\n  rows: [96]\n"), "m.yaml:4: array.rows must be a single value");
  EXPECT_EQ(message_of("array:\n  rows:\n"), "m.yaml:4: array.rows has no value");
  EXPECT_EQ(message_of("array:\n"), "m.yaml:3: array has no value");
}

TEST(XdnnMachine, a_value_out_of_range_is_answered_with_the_range) {
  EXPECT_EQ(message_of("clocks:\n  report: 0\n"),
            "m.yaml:4: clocks.report must lie between 1 and 10000, found 0");
  EXPECT_EQ(message_of("am:\n  read_ports: 17\n"),
            "m.yaml:4: am.read_ports must lie between 1 and 16, found 17");
  EXPECT_EQ(message_of("ddr:\n  efficiency: 1.01\n"),
            "m.yaml:4: ddr.efficiency must lie between 0.01 and 1, found 1.01");
  EXPECT_EQ(message_of("ddr:\n  efficiency: .nan\n"),
            "m.yaml:4: ddr.efficiency must lie between 0.01 and 1, found .nan");
  EXPECT_EQ(message_of("limits:\n  kernel_max: -1\n"),
            "m.yaml:4: limits.kernel_max must lie between 1 and 255, found -1");
}

TEST(XdnnMachine, absurd_numbers_are_refused) {
  EXPECT_EQ(message_of("am:\n  size_bytes: 99999999999999999999\n"),
            "m.yaml:4: am.size_bytes must be a whole number, found '99999999999999999999'");
  EXPECT_EQ(message_of("clocks:\n  array: .inf\n"),
            "m.yaml:4: clocks.array must lie between 1 and 20000, found .inf");
}

TEST(XdnnMachine, the_ends_of_a_range_are_inside_it) {
  EXPECT_EQ(message_of("am:\n  read_ports: 1\n  write_ports: 16\n"), "accepted");
}

TEST(XdnnMachine, an_empty_file_is_called_empty) {
  EXPECT_EQ(message(""), "m.yaml:1: the machine file is empty");
  EXPECT_EQ(message("# only a comment\n"), "m.yaml:1: the machine file is empty");
}

TEST(XdnnMachine, what_is_no_mapping_is_refused) {
  EXPECT_EQ(message("just text"), "m.yaml:1: the machine must be a mapping of keys to values");
  EXPECT_EQ(message("[1, 2]"), "m.yaml:1: the machine must be a mapping of keys to values");
  EXPECT_EQ(message_of("clocks: 350\n"), "m.yaml:3: clocks must be a mapping of keys to values");
}

TEST(XdnnMachine, another_family_is_refused) {
  EXPECT_EQ(message("name: m\n\nfamily: pulp\n"),
            "m.yaml:3: family must be xdnn_v2, xdnn_v3, darius or math_engine, found 'pulp'");
}

TEST(XdnnMachine, text_that_is_no_yaml_is_refused_with_its_line) {
  EXPECT_EQ(message("name: m\nfamily: [xdnn_v3\n"),
            "m.yaml:3: not valid YAML: end of sequence flow not found");
  EXPECT_EQ(message(std::string(20000, '[')),
            "m.yaml:1: not valid YAML: lists and maps are nested more than 499 levels deep");
}

TEST(XdnnMachine, knobs_that_contradict_each_other_are_refused) {
  EXPECT_EQ(message_of("clocks:\n  array: 500\n"),
            "m.yaml:1: clocks.array (500 MHz) must be a whole multiple of clocks.report (350 MHz)");
  EXPECT_EQ(message_of("clocks:\n  array: 175\n"),
            "m.yaml:1: clocks.array (175 MHz) must be a whole multiple of clocks.report (350 MHz)");
  EXPECT_EQ(
      message_of("array:\n  rows: 100\n"),
      "m.yaml:1: array.rows must be a multiple of 16 from 16 to 256 in family xdnn_v3, found 100");
  EXPECT_EQ(message_of("filters:\n  steps_max: 31\n"),
            "m.yaml:1: filters.steps_max (31) is smaller than filters.buffer_steps (32)");
  // Longer sums of 8-bit products would not fit the 32 bits they are modelled in.
  EXPECT_EQ(message_of("filters:\n  steps_max: 683\n"),
            "m.yaml:1: filters.steps_max (683) x array.rows (96) must be at most 65536");
  EXPECT_EQ(message_of("filters:\n  steps_max: 682\n"), "accepted");
}

TEST(XdnnMachine, a_file_that_is_not_there_is_named) {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "none.yaml").string();
  try {
    load_machine(path);
    FAIL() << "loaded a file that is not there";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace workbench::xdnn
