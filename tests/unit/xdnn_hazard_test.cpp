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

void wait_for_all(Instruction& instruction) {
  for (int u = 0; u < kUnits; ++u) set_wait(tail(instruction), static_cast<Unit>(u), true);
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
  // Words 0-63 and DDR bytes 0-8191 hold something. Every wait bit is set: a test that begins an
  // instruction all the same plays a simulator that ignores them.
  void watch(const std::vector<Instruction>& instructions) {
    std::vector<Instruction> all = instructions;
    for (Instruction& i : all) wait_for_all(i);
    watch_as_they_are(all);
  }
  // The same with the wait bits that `instructions` have.
  void watch_as_they_are(const std::vector<Instruction>& instructions) {
    std::vector<Instruction> all = instructions;
    for (std::int64_t word = 0; word < 64; word += 16) {
      all.push_back(download(0, word));
      wait_for_all(all.back());
    }
    program_ = program_of(all);
    monitor_.emplace(program_, machine_);
    monitor_->host_wrote(0, 8192);
    for (std::size_t i = instructions.size(); i < all.size(); ++i) {
      monitor_->begin(static_cast<std::int32_t>(i), 0);
      monitor_->end(static_cast<std::int32_t>(i));
    }
    EXPECT_EQ(lines(), std::vector<std::string>{});
  }
  // The instructions of the test: those of watch() but for the downloads it adds.
  void run_one_by_one() {
    for (std::int32_t i = 0; i + 4 < static_cast<std::int32_t>(program_.steps.size()); ++i) {
      EXPECT_TRUE(monitor_->begin(i, i));
      monitor_->end(i);
    }
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
  EXPECT_STREQ(found[0].space, "DDR");
}

TEST_F(XdnnHazards, a_machine_without_wait_bits_has_no_races) {
  Machine serial = machine_;
  serial.family_name = "xdnn_v2";
  EXPECT_TRUE(races(program_of({upload(0, 0), download(0, 200)}), serial).empty());
}

// A V2 or MathEngine with 4096 bytes of memory; a pool of 2 channels from byte 0.
std::vector<std::string> begin_pool_to(const std::string& family, std::int64_t to,
                                       std::int64_t buffers) {
  Machine machine;
  machine.family_name = family;
  machine.array.rows = family == "xdnn_v2" ? 8 : 1;
  machine.am.size_bytes = 4096, machine.am.buffers = buffers;
  Pool p{.in_w = 4, .in_h = 4, .channels = 2, .outaddr = to};
  p.out_w = p.out_h = 4;
  const Program program = program_of({p});
  HazardMonitor monitor(program, machine);
  monitor.begin(0, 3);
  std::vector<std::string> list;
  for (const Hazard& hazard : monitor.hazards()) {
    if (hazard.kind == Hazard::Kind::OutOfRange) list.push_back(to_string(hazard));
  }
  return list;
}

TEST(XdnnHazardsOfFamilies, an_address_inside_a_line_is_out_of_range) {
  EXPECT_TRUE(begin_pool_to("xdnn_v2", 0x400, 0).empty());
  EXPECT_EQ(
      begin_pool_to("xdnn_v2", 0x408, 0),
      std::vector<std::string>{"instruction 0 (L0) address out of range: AM 0x408 at cycle 3"});
}

TEST(XdnnHazardsOfFamilies, a_tensor_lies_in_one_buffer) {
  // 2 channels x 16 pixels of 2 bytes = 64 bytes; buffers of 2048 bytes = 1024 words.
  EXPECT_TRUE(begin_pool_to("math_engine", 2048 - 64, 2).empty());
  EXPECT_TRUE(begin_pool_to("math_engine", 2048 - 62, 1).empty());
  EXPECT_EQ(
      begin_pool_to("math_engine", 2048 - 62, 2),
      std::vector<std::string>{"instruction 0 (L0) address out of range: AM 0x400 at cycle 3"});
}

// --- the memory map -------------------------------------------------------------------------

TEST_F(XdnnHazards, operands_and_results_outside_every_tensor_alive) {
  watch({pool(100, 200), pool(201, 300), pool(200, 301)});
  program_.memory_map = {{"a", 100, 16, 0, 0}, {"b", 200, 16, 0, 2}, {"c", 300, 16, 1, 2}};
  monitor_.emplace(program_, machine_);
  for (std::int32_t i = 0; i < 3; ++i) {
    monitor_->begin(i, i);
    monitor_->end(i);
  }
  EXPECT_EQ(lines(),
            (Lines{"instruction 0 (L0) reads memory nobody wrote: AM 0x64 at cycle 0",
                   "instruction 0 (L0) touches memory that no tensor alive has: AM 0x64 at cycle 0",
                   "instruction 1 (L1) reads memory nobody wrote: AM 0xd8 at cycle 1",
                   "instruction 1 (L1) touches memory that no tensor alive has: AM 0xc9 at cycle 1",
                   "instruction 2 (L2) writes over a tensor that is still needed: AM 0x12d at "
                   "cycle 2"}));
}

TEST_F(XdnnHazards, what_a_dead_tensor_left_is_not_the_new_one) {
  // The second tensor at word 200 is never written.
  watch({pool(0, 200), pool(200, 300), pool(200, 100)});
  program_.memory_map = {{"input", 0, 64, 0, 9}, {"old", 200, 16, 0, 1}, {"new", 200, 16, 2, 2}};
  program_.memory_map.push_back({"c", 300, 16, 1, 1});
  program_.memory_map.push_back({"d", 100, 16, 2, 2});
  monitor_.emplace(program_, machine_);
  monitor_->host_wrote(0, 8192);
  monitor_->begin(3, 0);
  monitor_->end(3);
  for (std::int32_t i = 0; i < 3; ++i) {
    monitor_->begin(i, i);
    monitor_->end(i);
  }
  EXPECT_EQ(lines(), Lines{"instruction 2 (L2) touches memory that no tensor alive has: AM 0xc8 at "
                           "cycle 2"});
}

TEST_F(XdnnHazards, parts_that_disagree_with_their_volume) {
  Pool left = pool(0, 100, 40);
  left.tail.concat_part = true, left.tail.concat_volume = {2, 0, 0, 0};
  left.tail.concat_channels = 192;
  Pool right = left;
  right.tail.concat_start = 96, right.outaddr = 116;
  Pool shifted = right, other = right;
  shifted.tail.concat_start = 0;     // of the second section
  other.tail.concat_channels = 191;  // the others know 192
  watch({left, right, shifted, other});
  program_.memory_map = {{"input", 0, 64, 0, 9}, {"join", 100, 32, 0, 9}};
  monitor_.emplace(program_, machine_);
  monitor_->host_wrote(0, 8192);
  monitor_->begin(4, 0);  // the first download
  monitor_->end(4);
  for (std::int32_t i = 0; i < 4; ++i) {
    monitor_->begin(i, i);
    monitor_->end(i);
  }
  EXPECT_EQ(lines(), (Lines{"instruction 2 (L2) does not agree with the volume it writes a part "
                            "of: AM 0x74 at cycle 2",
                            "instruction 3 (L3) does not agree with the volume it writes a part "
                            "of: AM 0x74 at cycle 3"}));
}

TEST_F(XdnnHazards, ddr_outside_every_tensor) {
  watch({upload(0, 8192), upload(0, 8192 + 64), upload(0, 4096)});
  program_.ddr_tensors = {{"in", 0, 96, 4, 4}, {"out", 8192, 96, 4, 4}};
  monitor_.emplace(program_, machine_);
  monitor_->host_wrote(0, 8192);
  monitor_->begin(3, 0);
  monitor_->end(3);
  for (std::int32_t i = 0; i < 3; ++i) {
    monitor_->begin(i, i);
    monitor_->end(i);
  }
  EXPECT_EQ(lines(),
            (Lines{"instruction 1 (L1) touches memory that no tensor alive has: DDR 0x2040 at "
                   "cycle 1",
                   "instruction 2 (L2) touches memory that no tensor alive has: DDR 0x1000 at "
                   "cycle 2"}));
}

TEST_F(XdnnHazards, tiles_larger_than_their_buffers) {
  Conv conv{.inaddr = 0, .in_w = 4, .in_h = 4, .in_ch = 8, .outaddr = 300};
  conv.out_w = conv.out_h = 4, conv.out_ch = 8;
  conv.tail.source = conv.tail.destination = {1, 0, 0, 0};
  conv.tail.source_in_ddr = conv.tail.tiling = true;
  conv.tail.tile_width = 2, conv.tail.tile_height = 1;  // buffers of 3 x 2 words
  conv.tail.source_buffer_0 = 350, conv.tail.source_buffer_1 = 356;
  watch({conv});
  program_.scratch = {{"0", 350, 6, 0, 0}, {"1", 356, 6, 0, 0}};
  monitor_.emplace(program_, machine_);
  monitor_->begin_tiles(0, 4);
  EXPECT_EQ(lines(), Lines{});
  program_.scratch[1].words = 4;
  monitor_.emplace(program_, machine_);
  monitor_->begin_tiles(0, 4);
  EXPECT_EQ(lines(), Lines{"instruction 0 (L0) touches memory that no tensor alive has: AM 0x164 "
                           "at cycle 4"});
}

TEST_F(XdnnHazards, tile_buffers_outside_the_am) {
  Conv conv{.inaddr = 0, .in_w = 4, .in_h = 4, .in_ch = 8, .outaddr = 300};
  conv.out_w = conv.out_h = 4, conv.out_ch = 8;
  conv.tail.source = conv.tail.destination = {1, 0, 0, 0};
  conv.tail.source_in_ddr = conv.tail.tiling = true;
  conv.tail.tile_width = conv.tail.tile_height = 1;
  conv.tail.source_buffer_0 = 1 << 20;  // far behind
  watch({conv});
  monitor_->begin_tiles(0, 4);
  EXPECT_FALSE(monitor_->begin(0, 5));
  monitor_->end(0);  // the unit finishes the instruction all the same
  EXPECT_EQ(lines(), Lines{"instruction 0 (L0) address out of range: AM 0x100003 at cycle 5"});
}

TEST_F(XdnnHazards, a_deadlock_names_who_never_finished) {
  watch({pool(0, 100)});
  monitor_->deadlock(0, 99);
  EXPECT_EQ(lines(), Lines{"instruction 0 (L0) never finishes: AM 0x0 at cycle 99"});
}

}  // namespace
}  // namespace workbench::xdnn
