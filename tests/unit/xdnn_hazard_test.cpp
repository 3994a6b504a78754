// The hazard monitor on hand-made programs: what overtakes what, told in one line, and what is no
// hazard.
#include "tests/support/hazard_programs.h"

namespace workbench::xdnn {
namespace {

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

// --- races: each instruction is begun when the one before is done ---------------------------

TEST_F(XdnnHazards, being_late_by_luck_is_a_hazard) {
  Eltwise sum = add(0, 40, 200);
  watch_as_they_are({pool(0, 32), sum});
  run_one_by_one();
  EXPECT_EQ(lines(), Lines{"instruction 1 (L1) does not wait for an instruction it depends on: AM "
                           "0x28 at cycle 1, with instruction 0 (L0)"});
  sum.tail.wait_conv = true;  // the wrong unit
  watch_as_they_are({pool(0, 32), sum});
  run_one_by_one();
  EXPECT_EQ(lines().size(), 1U);
  sum.tail.wait_pool = true;
  watch_as_they_are({pool(0, 32), sum});
  run_one_by_one();
  EXPECT_EQ(lines(), Lines{});
}

TEST_F(XdnnHazards, somebody_before_may_have_waited) {
  Eltwise waits = add(0, 16, 300);
  waits.tail.wait_pool = true;
  watch_as_they_are({pool(0, 100), waits, upload(100, 8192)});
  run_one_by_one();
  EXPECT_EQ(lines(), Lines{});
  watch_as_they_are({waits, pool(0, 100), upload(100, 8192)});
  run_one_by_one();
  EXPECT_EQ(lines(), Lines{"instruction 2 (L2) does not wait for an instruction it depends on: AM "
                           "0x64 at cycle 2, with instruction 1 (L1)"});
}

TEST_F(XdnnHazards, a_host_step_waits_for_everybody) {
  watch_as_they_are({pool(0, 100), upload(100, 8192)});
  program_.host_steps.push_back({1, {}});
  monitor_.emplace(program_, machine_);
  monitor_->host_wrote(0, 8192);
  EXPECT_EQ(races(program_, machine_).size(), 0U);
}

TEST_F(XdnnHazards, a_stream_unit_keeps_its_own_order_and_the_array_does_not) {
  EXPECT_TRUE(races(program_of({pool(0, 100), pool(100, 0)}), machine_).empty());
  Conv first{.inaddr = 0, .in_w = 4, .in_h = 4, .in_ch = 8, .outaddr = 100};
  first.out_w = first.out_h = 4, first.out_ch = 8;
  first.tail.source = first.tail.destination = {1, 0, 0, 0};
  Conv second = first;
  second.outaddr = 0;  // over the operand of the first, which has streamed by then
  EXPECT_TRUE(races(program_of({first, second}), machine_).empty());
  second.inaddr = 100;
  const std::vector<Race> found = races(program_of({first, second}), machine_);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].instruction, 1);
  EXPECT_EQ(found[0].other, 0);
  EXPECT_EQ(found[0].address, 100);
}

TEST_F(XdnnHazards, downloads_race_with_uploads_in_ddr) {
  const std::vector<Race> found = races(program_of({upload(0, 0), download(0, 200)}), machine_);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].space, MemorySpace::Ddr);
}

TEST_F(XdnnHazards, a_machine_without_wait_bits_has_no_races) {
  Machine serial = machine_;
  serial.family_name = "xdnn_v2";
  EXPECT_TRUE(races(program_of({upload(0, 0), download(0, 200)}), serial).empty());
}

TEST_F(XdnnHazards, a_deadlock_names_who_never_finished) {
  watch({pool(0, 100)});
  monitor_->deadlock(0, 99);
  EXPECT_EQ(lines(), Lines{"instruction 0 (L0) never finishes: AM 0x0 at cycle 99"});
}

}  // namespace
}  // namespace workbench::xdnn
