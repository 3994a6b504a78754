// The hazard monitor on hand-made programs: each kind of hazard, told in one line, and what is
// none.
#include <gtest/gtest.h>

#include "isa/xdnn/memory.h"
#include "sim/xdnn/hazards.h"

namespace workbench::xdnn {
namespace {

// 400 words of AM, 64 KiB of DDR.
Machine small_machine() {
  Machine machine;
  machine.am.size_bytes = 400 * 96;
  return machine;
}

Pool pool(std::int64_t from, std::int64_t to, std::int64_t channels = 96) {
  Pool p{.inaddr = from, .in_w = 4, .in_h = 4, .channels = channels, .outaddr = to};
  p.out_w = p.out_h = 4, p.tail.source = p.tail.destination = {1, 0, 0, 0};
  return p;
}
Eltwise add(std::int64_t a, std::int64_t b, std::int64_t to) {
  Eltwise e{.inaddr_a = a, .inaddr_b = b, .width = 4, .height = 4, .channels = 96, .outaddr = to};
  e.tail.source = e.tail.destination = {1, 0, 0, 0};
  return e;
}
Gather download(std::int64_t ddr, std::int64_t to) {
  Gather g{.am_address = to, .ddr_address = ddr, .width = 4, .height = 4, .channels = 96};
  g.end_row = 3, g.tail.destination = {1, 0, 0, 0};
  return g;
}
Scatter upload(std::int64_t from, std::int64_t ddr) {
  Scatter s{.am_address = from, .ddr_address = ddr, .width = 4, .height = 4, .channels = 96};
  s.end_row = 3, s.tail.source = {1, 0, 0, 0};
  return s;
}

// Instruction i belongs to layer "Li".
Program program_of(const std::vector<Instruction>& instructions) {
  Program program{.ddr_bytes = 65536};
  for (std::size_t i = 0; i < instructions.size(); ++i) {
    program.steps.push_back({instructions[i]});
    program.info.layers.push_back({.name = "L" + std::to_string(i)});
    program.info.instruction_layer.push_back(static_cast<std::int32_t>(i));
  }
  return program;
}

class XdnnHazards : public ::testing::Test {
 protected:
  // Words 0-63 and DDR bytes 0-8191 hold something.
  void watch(const std::vector<Instruction>& instructions) {
    std::vector<Instruction> all = instructions;
    for (std::int64_t word = 0; word < 64; word += 16) all.push_back(download(0, word));
    program_ = program_of(all);
    monitor_.emplace(program_, machine_);
    monitor_->host_wrote(0, 8192);
    for (std::size_t i = instructions.size(); i < all.size(); ++i) {
      monitor_->begin(static_cast<std::int32_t>(i), 0);
      monitor_->end(static_cast<std::int32_t>(i));
    }
    EXPECT_EQ(lines(), std::vector<std::string>{});
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> list;
    for (const Hazard& hazard : monitor_->hazards()) list.push_back(to_string(hazard));
    return list;
  }

  using Lines = std::vector<std::string>;
  const Machine machine_ = small_machine();
  Program program_;
  std::optional<HazardMonitor> monitor_;
};

TEST_F(XdnnHazards, one_after_the_other_is_no_hazard) {
  watch({pool(0, 100), pool(100, 200), upload(200, 8192), download(8192, 300)});
  for (std::int32_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(monitor_->begin(i, i));
    monitor_->end(i);
  }
  EXPECT_EQ(lines(), Lines{});
}

TEST_F(XdnnHazards, independent_instructions_in_flight_are_no_hazard) {
  watch({pool(0, 100), add(0, 16, 200)});
  monitor_->begin(0, 0);
  monitor_->begin(1, 1);
  EXPECT_EQ(lines(), Lines{});
}

TEST_F(XdnnHazards, reading_words_nobody_wrote) {
  watch({pool(63, 200)});
  EXPECT_TRUE(monitor_->begin(0, 5));
  EXPECT_EQ(lines(), Lines{"instruction 0 (L0) reads memory nobody wrote: AM 0x40 at cycle 5"});
}

TEST_F(XdnnHazards, reading_channels_nobody_wrote) {
  watch({pool(0, 100, 40), pool(100, 200, 40), pool(100, 200, 41)});
  for (std::int32_t i = 0; i < 3; ++i) {
    monitor_->begin(i, i);
    monitor_->end(i);
  }
  EXPECT_EQ(lines(), Lines{"instruction 2 (L2) reads memory nobody wrote: AM 0x64 at cycle 2"});
}

TEST_F(XdnnHazards, reading_ddr_nobody_wrote) {
  // 12 groups of 4 rows of 64 bytes: 3072 bytes from 5121 on end behind 8192.
  watch({download(5120, 100), download(5121, 100)});
  monitor_->begin(0, 1);
  monitor_->end(0);
  EXPECT_EQ(lines(), Lines{});
  monitor_->begin(1, 2);
  EXPECT_EQ(lines(), Lines{"instruction 1 (L1) reads memory nobody wrote: DDR 0x1401 at cycle 2"});
}

TEST_F(XdnnHazards, an_address_outside_the_am) {
  watch({pool(0, 384), pool(0, 385), pool(-1, 100)});
  EXPECT_TRUE(monitor_->begin(0, 1));
  monitor_->end(0);
  EXPECT_FALSE(monitor_->begin(1, 2)) << "must not be executed";
  EXPECT_FALSE(monitor_->begin(2, 3));
  EXPECT_EQ(lines(), (Lines{"instruction 1 (L1) address out of range: AM 0x190 at cycle 2",
                            "instruction 2 (L2) address out of range: AM -0x1 at cycle 3"}));
}

TEST_F(XdnnHazards, an_address_outside_the_ddr) {
  watch({upload(0, 65536 - 3072), upload(0, 65536 - 3071), download(-64, 100)});
  EXPECT_TRUE(monitor_->begin(0, 1));
  monitor_->end(0);
  EXPECT_FALSE(monitor_->begin(1, 2));
  EXPECT_FALSE(monitor_->begin(2, 3));
  EXPECT_EQ(lines(), (Lines{"instruction 1 (L1) address out of range: DDR 0x10000 at cycle 2",
                            "instruction 2 (L2) address out of range: DDR -0x40 at cycle 3"}));
}

TEST_F(XdnnHazards, reading_what_is_still_being_written) {
  watch({pool(0, 32), add(0, 40, 200)});
  monitor_->begin(0, 3);
  monitor_->begin(1, 7);
  EXPECT_EQ(lines(), Lines{"instruction 1 (L1) reads what is still being written: AM 0x28 at cycle "
                           "7, with instruction 0 (L0)"});
}

TEST_F(XdnnHazards, writing_what_is_still_being_read) {
  watch({pool(0, 100), add(32, 32, 8)});
  monitor_->begin(0, 3);
  monitor_->begin(1, 7);
  EXPECT_EQ(lines(), Lines{"instruction 1 (L1) writes what is still being read: AM 0x8 at cycle 7, "
                           "with instruction 0 (L0)"});
}

TEST_F(XdnnHazards, writing_what_has_been_read_is_no_hazard) {
  watch({pool(0, 100), add(32, 32, 8)});
  monitor_->begin(0, 3);
  monitor_->reads_done(0);
  monitor_->begin(1, 7);
  EXPECT_EQ(lines(), Lines{});
}

TEST_F(XdnnHazards, two_units_writing_the_same_words) {
  watch({pool(0, 100), add(32, 48, 110)});
  monitor_->begin(0, 3);
  monitor_->begin(1, 7);
  EXPECT_EQ(lines(), Lines{"instruction 1 (L1) writes what is still being written: AM 0x6e at "
                           "cycle 7, with instruction 0 (L0)"});
}

TEST_F(XdnnHazards, one_unit_writes_in_order) {
  watch({pool(0, 100), pool(32, 100)});
  monitor_->begin(0, 3);
  monitor_->begin(1, 7);
  EXPECT_EQ(lines(), Lines{});
}

TEST_F(XdnnHazards, parts_of_a_concat_written_side_by_side_are_no_hazard) {
  Pool left = pool(0, 100, 40);
  left.tail.concat_part = true, left.tail.concat_volume = {1, 0, 0, 0};
  Eltwise right = add(16, 32, 100);
  right.channels = 56, right.tail.concat_part = true;
  right.tail.concat_volume = {1, 0, 0, 0}, right.tail.concat_start = 40;
  watch({left, right});
  monitor_->begin(0, 0);
  monitor_->begin(1, 0);
  EXPECT_EQ(lines(), Lines{});
}

TEST_F(XdnnHazards, ddr_is_watched_like_the_am) {
  watch({upload(0, 0), download(0, 200)});
  monitor_->begin(0, 3);
  monitor_->begin(1, 7);
  EXPECT_EQ(lines(), Lines{"instruction 1 (L1) reads what is still being written: DDR 0x0 at cycle "
                           "7, with instruction 0 (L0)"});
}

TEST_F(XdnnHazards, tiles_filled_over_what_is_still_being_read) {
  Conv conv{.inaddr = 0, .in_w = 4, .in_h = 4, .in_ch = 8, .outaddr = 300};
  conv.out_w = conv.out_h = 4, conv.out_ch = 8;
  conv.tail.source = conv.tail.destination = {1, 0, 0, 0};
  conv.tail.source_in_ddr = conv.tail.tiling = true;
  conv.tail.tile_width = conv.tail.tile_height = 1;  // buffers of 2 x 2 words
  conv.tail.source_buffer_0 = 350, conv.tail.source_buffer_1 = 10;
  watch({pool(0, 100), conv});
  monitor_->begin(0, 3);
  monitor_->begin_tiles(1, 4);
  EXPECT_EQ(lines(), Lines{"instruction 1 (L1) writes what is still being read: AM 0xa at cycle 4, "
                           "with instruction 0 (L0)"});
}

TEST_F(XdnnHazards, a_deadlock_names_who_never_finished) {
  watch({pool(0, 100)});
  monitor_->deadlock(0, 99);
  EXPECT_EQ(lines(), Lines{"instruction 0 (L0) never finishes: AM 0x0 at cycle 99"});
}

}  // namespace
}  // namespace workbench::xdnn
