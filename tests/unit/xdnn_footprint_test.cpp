// What instructions touch, and which must wait for which.
#include <gtest/gtest.h>

#include "isa/xdnn/filters.h"
#include "isa/xdnn/footprint.h"

namespace workbench::xdnn {
namespace {

const Machine kV3;

// 1x1 pool of `channels` channels on 4x4 pixels.
Pool pool(std::int64_t from, std::int64_t to, std::int64_t channels = 96) {
  Pool p{.inaddr = from, .in_w = 4, .in_h = 4, .channels = channels, .outaddr = to};
  p.out_w = p.out_h = 4;
  p.tail.source = p.tail.destination = plain_layout(channels, 96);
  return p;
}

// The same, writing channels [start, start + channels) of a concat volume of 3 words per pixel.
Pool part(std::int64_t from, std::int64_t to, std::int64_t channels, std::int64_t start) {
  Pool p = pool(from, to, channels);
  p.tail.concat_part = true;
  p.tail.concat_volume = {3, 0, 0, 0};
  p.tail.concat_start = start;
  p.tail.concat_channels = 288;
  return p;
}

bool must_wait(const Instruction& earlier, const Instruction& later) {
  return depends(footprint({earlier}, kV3), footprint({later}, kV3));
}

TEST(XdnnFootprint, a_pool_reads_its_source_and_writes_its_result) {
  const Footprint f = footprint({pool(100, 200, 100)}, kV3);
  // 100 channels: bytes 0-95 of words 100-115, bytes 0-3 of words 116-131.
  ASSERT_EQ(f.am_reads.size(), 2u);
  EXPECT_EQ(f.am_reads[0].word_begin, 100);
  EXPECT_EQ(f.am_reads[0].word_end, 116);
  EXPECT_EQ(f.am_reads[0].byte_end, 96);
  EXPECT_EQ(f.am_reads[1].word_begin, 116);
  EXPECT_EQ(f.am_reads[1].byte_end, 4);
  ASSERT_EQ(f.am_writes.size(), 2u);
  EXPECT_EQ(f.am_writes[1].word_end, 232);
  EXPECT_TRUE(f.ddr_reads.empty());
  EXPECT_TRUE(f.ddr_writes.empty());
}

TEST(XdnnFootprint, replicated_channels_are_touched_in_every_copy) {
  Pool p = pool(0, 100, 40);
  p.tail.destination = {0, 2, 3, 32};
  const Footprint f = footprint({p}, kV3);
  // Section 0: bytes 0-31, 32-63, 64-95; section 1 (8 channels): 0-7, 32-39, 64-71.
  ASSERT_EQ(f.am_writes.size(), 6u);
  EXPECT_EQ(f.am_writes[2].byte_begin, 64);
  EXPECT_EQ(f.am_writes[2].byte_end, 96);
  EXPECT_EQ(f.am_writes[4].word_begin, 116);
  EXPECT_EQ(f.am_writes[4].byte_begin, 32);
  EXPECT_EQ(f.am_writes[4].byte_end, 40);
}

TEST(XdnnFootprint, a_convolution_reads_the_filters_of_all_passes) {
  Conv conv{.inaddr = 0, .in_w = 4, .in_h = 4, .in_ch = 96, .outaddr = 50};
  conv.out_w = conv.out_h = 4, conv.out_ch = 65;  // two passes of 64
  conv.tail.source = conv.tail.destination = {1, 0, 0, 0};
  const Footprint f = footprint({conv, 4096}, kV3);
  ASSERT_EQ(f.ddr_reads.size(), 1u);
  EXPECT_EQ(f.ddr_reads[0].begin, 4096);
  EXPECT_EQ(f.ddr_reads[0].end, 4096 + 2 * (8 + 96) * 64);
}

TEST(XdnnFootprint, a_tiled_convolution_reads_ddr_and_fills_two_buffers) {
  Conv conv{.kernel_w = 3, .kernel_h = 3, .pad_w = 1, .pad_h = 1, .inaddr = 8192};
  conv.in_w = conv.in_h = conv.out_w = conv.out_h = 16, conv.in_ch = 3, conv.out_ch = 8;
  conv.tail.source = {0, 1, 12, 8}, conv.tail.destination = {1, 0, 0, 0};
  conv.tail.source_in_ddr = conv.tail.tiling = true;
  conv.tail.tile_width = 8, conv.tail.tile_height = 4;
  conv.tail.source_buffer_0 = 1000, conv.tail.source_buffer_1 = 2000;
  const Footprint f = footprint({conv}, kV3);
  EXPECT_TRUE(f.am_reads.empty());
  ASSERT_EQ(f.am_writes.size(), 3u);  // result and two buffers
  // docs/facts/xdnn.md 4.7: (K + S*m) x (K + S*n) pixels: (3 + 8) * (3 + 4) = 77 words.
  EXPECT_EQ(f.am_writes[1].word_begin, 1000);
  EXPECT_EQ(f.am_writes[1].word_end, 1077);
  EXPECT_EQ(f.am_writes[2].word_begin, 2000);
  ASSERT_EQ(f.ddr_reads.size(), 2u);  // filters and tensor: 16 rows of 2 * 64 bytes
  EXPECT_EQ(f.ddr_reads[1].begin, 8192);
  EXPECT_EQ(f.ddr_reads[1].end, 8192 + 16 * 128);
}

TEST(XdnnFootprint, tighter_buffers_hold_what_a_tile_needs) {
  // Slice 0 of the shipped GoogLeNet throughput program: conv 7x7/2 and pool 3x3/2, tiles of 56x2
  // in buffers 0x1000 words apart: (11 + 4 * 55) x (11 + 4 * 1) pixels.
  ConvPool fused{.kernel_w = 3, .kernel_h = 3, .stride_w = 2, .stride_h = 2};
  fused.out_w = fused.out_h = 56;
  Conv& conv = fused.conv;
  conv.kernel_w = conv.kernel_h = 7, conv.stride_w = conv.stride_h = 2;
  conv.in_w = conv.in_h = 224, conv.in_ch = 3;
  conv.out_w = conv.out_h = 112, conv.out_ch = 64;
  conv.tail.source = {0, 1, 12, 8}, conv.tail.destination = {1, 0, 0, 0};
  conv.tail.source_in_ddr = conv.tail.tiling = true;
  conv.tail.tile_width = 56, conv.tail.tile_height = 2;
  conv.tail.source_buffer_1 = 0x1000;
  const Footprint f = footprint({fused}, kV3);
  ASSERT_EQ(f.tile_regions, 2u);
  EXPECT_EQ(f.am_writes[1].word_end, 231 * 15);
}

TEST(XdnnFootprint, the_tile_of_a_fused_pool_follows_the_joint_kernel) {
  // (K + S*m) x (K + S*n) as in docs/facts/xdnn.md 4.7, K being the input that one pool window
  // reaches: conv 7x7/2, pool 3x3/2: K = 7 + 2 * (3 - 1) = 11, S = 2 * 2 = 4; tile 8x2: (11 + 32) *
  // (11 + 8).
  ConvPool fused{.kernel_w = 3, .kernel_h = 3, .stride_w = 2, .stride_h = 2};
  fused.conv.kernel_w = fused.conv.kernel_h = 7, fused.conv.stride_w = fused.conv.stride_h = 2;
  fused.conv.tail.source = {0, 1, 12, 8};
  fused.conv.tail.tile_width = 8, fused.conv.tail.tile_height = 2;
  EXPECT_EQ(tile_buffer_words(Instruction{fused}), (11 + 32) * (11 + 8));
}

TEST(XdnnFootprint, an_eltwise_reads_both_operands) {
  Eltwise add{.inaddr_a = 0, .inaddr_b = 100, .width = 4, .height = 4, .channels = 8};
  add.outaddr = 200, add.tail.source = add.tail.destination = {1, 0, 0, 0};
  EXPECT_TRUE(must_wait(pool(500, 0), add));
  EXPECT_TRUE(must_wait(pool(500, 100), add));
  EXPECT_FALSE(must_wait(pool(500, 300), add));
}

TEST(XdnnFootprint, downloads_and_uploads_touch_ddr) {
  Gather down{.am_address = 0, .ddr_address = 4096, .width = 4, .height = 4, .channels = 8};
  down.end_row = 3, down.tail.destination = {1, 0, 0, 0};
  Scatter up{.am_address = 100, .ddr_address = 4096, .width = 4, .height = 4, .channels = 8};
  up.end_row = 3, up.tail.source = {1, 0, 0, 0};
  EXPECT_TRUE(must_wait(up, down));  // through DDR
  EXPECT_TRUE(must_wait(down, up));
  up.ddr_address = 4096 + 256;  // 4 rows of 64 bytes further
  EXPECT_FALSE(must_wait(up, down));
}

TEST(XdnnDepends, reading_what_another_writes) {
  EXPECT_TRUE(must_wait(pool(0, 16), pool(16, 64)));
}

TEST(XdnnDepends, writing_what_another_reads) { EXPECT_TRUE(must_wait(pool(0, 16), pool(64, 0))); }

TEST(XdnnDepends, writing_what_another_writes) {
  EXPECT_TRUE(must_wait(pool(0, 16), pool(64, 16)));
}

TEST(XdnnDepends, reading_the_same_is_no_conflict) {
  EXPECT_FALSE(must_wait(pool(0, 16), pool(0, 64)));
}

TEST(XdnnDepends, neighbours_do_not_touch) {
  EXPECT_FALSE(must_wait(pool(0, 16), pool(32, 48)));
  EXPECT_TRUE(must_wait(pool(0, 16), pool(31, 48)));
}

TEST(XdnnDepends, parts_of_a_concat_in_the_same_words_are_independent) {
  EXPECT_FALSE(must_wait(part(0, 100, 32, 0), part(50, 100, 32, 32)));
  EXPECT_TRUE(must_wait(part(0, 100, 33, 0), part(50, 100, 32, 32)));
  // 128 channels from 64 on reach into the next section, where channel 96 begins.
  EXPECT_TRUE(must_wait(part(0, 100, 128, 64), part(50, 116, 32, 96)));
  EXPECT_FALSE(must_wait(part(0, 100, 32, 64), part(50, 116, 32, 96)));
}

TEST(XdnnDepends, a_reader_of_the_volume_waits_for_each_part) {
  EXPECT_TRUE(must_wait(part(0, 100, 32, 0), pool(100, 400, 288)));
  EXPECT_TRUE(must_wait(part(50, 132, 32, 192), pool(100, 400, 288)));
}

}  // namespace
}  // namespace workbench::xdnn
