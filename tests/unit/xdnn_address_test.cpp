// The hazard monitor on hand-made programs: addresses outside what they should lie in.
#include "tests/support/hazard_programs.h"

namespace workbench::xdnn {
namespace {

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

TEST_F(XdnnHazards, a_part_beside_what_is_still_to_be_read) {
  // Channels 40 to 79 of the new tensor go where the old one has its first 40: the old one can
  // still be read, the new one has no first 40 channels yet.
  Pool part = pool(0, 200, 40);
  part.tail.concat_part = true, part.tail.concat_volume = {1, 0, 0, 0};
  part.tail.concat_start = 40, part.tail.concat_channels = 80;
  watch({pool(0, 200, 40), pool(200, 300, 40), part, pool(200, 100, 80)});
  program_.memory_map = {{"input", 0, 64, 0, 9}, {"old", 200, 16, 0, 1}, {"c", 300, 16, 1, 1}};
  program_.memory_map.push_back({"new", 200, 16, 2, 3});
  program_.memory_map.push_back({"d", 100, 16, 3, 3});
  monitor_.emplace(program_, machine_);
  monitor_->host_wrote(0, 8192);
  for (const std::int32_t i : {4, 0, 2, 1, 3}) {  // 4: the first download
    monitor_->begin(i, i);
    monitor_->end(i);
  }
  EXPECT_EQ(lines(), Lines{"instruction 3 (L3) touches memory that no tensor alive has: AM 0xc8 at "
                           "cycle 3"});
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

}  // namespace
}  // namespace workbench::xdnn
