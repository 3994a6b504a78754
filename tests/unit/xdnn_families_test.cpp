// The machines of configs/ beside V3 96x16: their published figures, and what no machine of a
// family can have.
#include <gtest/gtest.h>

#include "core/error.h"
#include "isa/xdnn/machine.h"

namespace workbench::xdnn {
namespace {

Machine config(const std::string& name) { return load_machine("configs/" + name + ".yaml"); }

// Giga operations per second, two for each MAC.
double peak(const Machine& machine) {
  return 2e-3 * machine.peak_macs_per_cycle() * machine.clocks.report;
}

TEST(XdnnFamilies, v2_peaks_are_the_published_ones) {
  // docs/facts/xdnn.md 1.1: 896 and 1792 DSPs x 2 images x 2 operations x 500 MHz.
  EXPECT_DOUBLE_EQ(peak(config("v2_28")), 1792);
  EXPECT_DOUBLE_EQ(peak(config("v2_56")), 3584);
  EXPECT_DOUBLE_EQ(peak(config("v3_96")), 4300.8);
  EXPECT_EQ(config("v2_28").pass_channels(false), 32);
}

Machine wide(const std::string& name) {
  Machine machine = config(name);
  machine.array.bits = 16;
  EXPECT_EQ(contradiction(machine), "");
  return machine;
}

TEST(XdnnFamilies, peaks_at_16_bits_are_the_published_ones) {
  // docs/facts/xdnn.md 1.1: 896, 1792, 2150 (half of 4300.8).
  EXPECT_DOUBLE_EQ(peak(wide("v2_28")), 896);
  EXPECT_DOUBLE_EQ(peak(wide("v2_56")), 1792);
  EXPECT_DOUBLE_EQ(peak(wide("v3_96")), 2150.4);
  // What reports say, from the same source: docs/facts/xdnn.md 1.1, 8-bit batch = 2 images, 16-bit
  // = 1.
  const MachineInfo v2 = info(wide("v2_28")), v3 = info(wide("v3_96"));
  EXPECT_DOUBLE_EQ(2e-3 * v2.peak_macs_per_cycle * v2.report_clock_mhz, 896);
  EXPECT_DOUBLE_EQ(2e-3 * v3.peak_macs_per_cycle * v3.report_clock_mhz, 2150.4);
  EXPECT_EQ(v2.images, 1);
  EXPECT_EQ(v3.summary,
            "96x16 array of 16 bits at 700 MHz, peak 3072 MAC/cycle at 350 MHz, 9.00 MB AM, DDR "
            "19.2 GB/s x 0.71");
}

TEST(XdnnFamilies, words_at_16_bits_are_twice_as_long_on_v3_and_as_long_on_v2) {
  // docs/facts/xdnn.md 1.4: 192 bytes; V2 always has 2 bytes per pixel.
  EXPECT_EQ(wide("v3_96").word_bytes(), 192);
  EXPECT_EQ(wide("v3_96").am_words(), 98304 / 2);
  EXPECT_EQ(wide("v3_96").geometry().channel_granule(), 96);
  EXPECT_EQ(wide("v2_56").word_bytes(), 128);
  EXPECT_EQ(wide("v2_56").am_words(), config("v2_56").am_words());
}

TEST(XdnnFamilies, only_v2_and_v3_have_16_bits) {
  Machine machine = config("darius_64");
  machine.array.bits = 16;
  EXPECT_EQ(contradiction(machine), "array.bits must be 8 in family darius, found 16");
  machine = config("v2_28");
  machine.array.bits = 12;
  EXPECT_EQ(contradiction(machine), "array.bits must be 8 or 16 in family xdnn_v2, found 12");
}

TEST(XdnnFamilies, v2_lines_hold_two_bytes_for_each_pixel_of_a_power_of_two) {
  // docs/facts/xdnn.md 1.4: 28 -> 64, 56 -> 128.
  EXPECT_EQ(config("v2_28").word_bytes(), 64);
  EXPECT_EQ(config("v2_56").word_bytes(), 128);
  EXPECT_EQ(config("v2_28").geometry(), (Geometry{64, 28}));
  EXPECT_EQ(config("v2_28").word_addresses(), 64) << "instructions count bytes";
  EXPECT_EQ(config("v3_96").word_addresses(), 1);
}

TEST(XdnnFamilies, each_machine_knows_its_place_in_the_family) {
  for (const char* name : {"v2_28", "v2_56", "v3_96", "darius_32", "darius_64", "math_engine"}) {
    const Machine machine = config(name);
    EXPECT_EQ(machine.name, name);
    EXPECT_FALSE(info(machine).extrapolated) << name;
    EXPECT_EQ(info(machine).images, machine.width_aligned() ? 2 : 1) << name;
    EXPECT_EQ(machine.serial(), machine.family() == Family::V2) << name;
    EXPECT_EQ(machine.board.engines, 1) << name;
  }
}

TEST(XdnnFamilies, limits_of_v2_are_the_published_ones) {
  const Machine::Limits limits = config("v2_56").limits;
  EXPECT_EQ(limits.filter_max, 9792);  // docs/facts/xdnn.md 1.1
  EXPECT_EQ(config("v2_28").limits.filter_max, 4608);
  EXPECT_EQ(limits.side_max, 1023);
  EXPECT_EQ(limits.channels_max, 4095);
  // docs/facts/xdnn.md 1.8: strides 1, 2, 4, 8, dilations 1, 2, 4.
  for (const std::int64_t step : {1, 2, 4, 8}) EXPECT_TRUE(limits.stride_ok(step)) << step;
  for (const std::int64_t step : {0, 3, 5, 6, 7, 16}) EXPECT_FALSE(limits.stride_ok(step)) << step;
  EXPECT_TRUE(limits.dilation_ok(4));
  EXPECT_FALSE(limits.dilation_ok(3));
  EXPECT_FALSE(limits.dilation_ok(8));
  EXPECT_TRUE(config("v3_96").limits.stride_ok(3));
}

TEST(XdnnFamilies, slice_0_has_168_dsps_and_172_kilobytes) {
  const Machine::Slice0 slice0 = config("v3_96").slice0;  // docs/facts/xdnn.md 1.1
  EXPECT_EQ(slice0.rows * slice0.columns, 168);
  EXPECT_EQ(slice0.am_bytes, 172 * 1024);
}

TEST(XdnnFamilies, summaries_tell_what_is_special) {
  EXPECT_EQ(info(config("v2_28")).summary,
            "28x32 array at 500 MHz, 2 images, peak 1792 MAC/cycle at 500 MHz, 4.00 MB AM, DDR "
            "19.2 GB/s x 0.71");
  EXPECT_EQ(info(config("math_engine")).summary,
            "1x128 array at 500 MHz, 2 images, peak 256 MAC/cycle at 500 MHz, 8.00 MB AM in 4 "
            "buffers, DDR 19.2 GB/s x 0.71");
  Machine machine = config("darius_32");
  machine.array.rows = 48;
  EXPECT_EQ(info(machine).summary,
            "48x16 array at 700 MHz, peak 3072 MAC/cycle at 350 MHz, 3.00 MB AM, DDR 19.2 GB/s x "
            "0.71, extrapolated: never built at this width");
  EXPECT_TRUE(info(machine).extrapolated);
}

// The contradiction in a machine of configs/ after `change`.
template <typename Change>
std::string after(const std::string& name, Change&& change) {
  Machine machine = config(name);
  EXPECT_EQ(contradiction(machine), "");
  change(machine);
  return contradiction(machine);
}

TEST(XdnnFamilies, each_family_has_its_widths) {
  const auto width = [](const std::string& name, std::int64_t rows) {
    return after(name, [&](Machine& m) { m.array.rows = rows; });
  };
  for (const std::int64_t rows : {8, 27, 128}) EXPECT_EQ(width("v2_28", rows), "");
  EXPECT_EQ(width("v2_28", 7), "array.rows must be 8 to 128 in family xdnn_v2, found 7");
  EXPECT_EQ(width("v2_28", 129), "array.rows must be 8 to 128 in family xdnn_v2, found 129");
  for (const std::int64_t rows : {16, 48, 256}) EXPECT_EQ(width("v3_96", rows), "");
  EXPECT_EQ(width("v3_96", 40),
            "array.rows must be a multiple of 16 from 16 to 256 in family xdnn_v3, found 40");
  EXPECT_EQ(width("darius_64", 144),
            "array.rows must be a multiple of 16 from 16 to 128 in family darius, found 144");
  EXPECT_EQ(width("math_engine", 2), "array.rows must be 1 in family math_engine, found 2");
}

TEST(XdnnFamilies, a_machine_has_no_extra_that_its_instructions_cannot_name) {
  EXPECT_EQ(after("v2_28", [](Machine& m) { m.features.tiling = 1; }),
            "features.tiling must be 0 in family xdnn_v2");
  EXPECT_EQ(after("v2_28", [](Machine& m) { m.features.prelu = 1; }),
            "features.prelu must be 0 in family xdnn_v2");
  EXPECT_EQ(after("darius_64", [](Machine& m) { m.features.replication = 1; }),
            "features.replication must be 0 in family darius");
  EXPECT_EQ(after("darius_64", [](Machine& m) { m.features.inline_pool = 1; }), "");
  EXPECT_EQ(after("math_engine", [](Machine& m) { m.features.upsample = 1; }),
            "features.upsample must be 0 in family math_engine");
  EXPECT_EQ(after("v3_96", [](Machine& m) { m.array.images = 2; }),
            "array.images must be 1 in family xdnn_v3, found 2");
}

TEST(XdnnFamilies, only_the_math_engine_has_buffers) {
  EXPECT_EQ(after("v2_28", [](Machine& m) { m.am.buffers = 4; }),
            "am.buffers must be 0 in family xdnn_v2, found 4");
  EXPECT_EQ(after("math_engine", [](Machine& m) { m.am.buffers = 0; }),
            "am.buffers must be 1 or more in family math_engine, found 0");
  EXPECT_EQ(after("math_engine", [](Machine& m) { m.am.size_bytes = 8388610; }),
            "am.size_bytes (8388610) must be a multiple of am.buffers (4) x 2 bytes");
}

TEST(XdnnFamilies, slice_0_is_whole_or_absent) {
  EXPECT_EQ(
      after("v2_28", [](Machine& m) { m.slice0 = {.rows = 21, .columns = 8, .am_bytes = 99}; }),
      "slice0 must be absent in family xdnn_v2");
  EXPECT_EQ(after("v3_96", [](Machine& m) { m.slice0.columns = 0; }),
            "slice0.rows (21), columns (0) and am_bytes (176128) must all be 0, or make an array "
            "and at least one word of memory");
  EXPECT_EQ(after("v3_96", [](Machine& m) { m.slice0 = {.used = 1}; }),
            "slice0.used needs slice0.rows, columns and am_bytes");
}

TEST(XdnnFamilies, filters_of_width_aligned_machines_lie_in_the_buffers) {
  EXPECT_EQ(after("v2_28", [](Machine& m) { m.filters.steps_max = 9217; }),
            "filters.steps_max (9217) must be at most filters.buffer_steps (4608) x buffers (2): "
            "family xdnn_v2 has no half rate");
}

TEST(XdnnFamilies, a_file_may_say_no_more_than_its_family) {
  for (const char* family : {"xdnn_v2", "xdnn_v3", "darius", "math_engine"}) {
    EXPECT_NO_THROW(parse_machine(fmt::format("name: m\nfamily: {}\n", family), "m.yaml"))
        << family;
  }
}

}  // namespace
}  // namespace workbench::xdnn
