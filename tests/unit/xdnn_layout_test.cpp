// Channel layouts, array steps and filter slabs against the figures of docs/facts/xdnn.md 1.5
// and 1.6.
#include <gtest/gtest.h>

#include "compiler/xdnn/layout.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

// For readable failures.
static void PrintTo(const ChannelLayout& l, std::ostream* out) {
  *out << "(" << l.full << "," << l.repl_sections << "," << l.repl_units << "," << l.repl_width
       << ")";
}

namespace {

const Machine kV3;

ChannelLayout from_am(std::int64_t channels, std::int64_t kernel) {
  return am_source_layout(channels, kernel, kernel, kV3);
}
ChannelLayout from_ddr(std::int64_t channels, std::int64_t kernel) {
  return ddr_source_layout(channels, kernel, kernel, kV3);
}

TEST(XdnnLayout, channels_beyond_whole_words_are_replicated_where_it_saves_steps) {
  // docs/facts/xdnn.md 1.5: 64 channels stay plain under a 1x1 kernel, and take 6 steps instead of
  // 9 under 3x3.
  EXPECT_EQ(from_am(64, 1), (ChannelLayout{1, 0, 0, 0}));
  EXPECT_EQ(from_am(64, 3), (ChannelLayout{0, 2, 3, 32}));
  EXPECT_EQ(array_steps({0, 2, 3, 32}, 3, 3), 6);
  EXPECT_EQ(array_steps({1, 0, 0, 0}, 3, 3), 9);
  // 3 channels are (0,1,3,32), one word.
  EXPECT_EQ(from_am(3, 3), (ChannelLayout{0, 1, 3, 32}));
  EXPECT_EQ(from_am(3, 3).sections(), 1);
}

TEST(XdnnLayout, twelve_copies_exist_only_for_what_comes_from_ddr) {
  // docs/facts/xdnn.md 2.6 example 11: conv1 7x7 of 3 channels from DDR is 0 1 12 8; ceil(49 / 12)
  // = 5 steps.
  EXPECT_EQ(from_ddr(3, 7), (ChannelLayout{0, 1, 12, 8}));
  EXPECT_EQ(array_steps({0, 1, 12, 8}, 7, 7), 5);
  // In the AM the best is 3 copies: ceil(49 / 3) = 17.
  EXPECT_EQ(from_am(3, 7), (ChannelLayout{0, 1, 3, 32}));
  EXPECT_EQ(array_steps({0, 1, 3, 32}, 7, 7), 17);
}

TEST(XdnnLayout, the_rest_after_whole_words_is_replicated_alone) {
  // 128 = 96 + 32: 9 steps for the word, ceil(9 * 1 / 3) = 3 for the rest; two copies of 48 would
  // take ceil(9 / 2) = 5.
  EXPECT_EQ(from_am(128, 3), (ChannelLayout{1, 1, 3, 32}));
  EXPECT_EQ(array_steps({1, 1, 3, 32}, 3, 3), 12);
  // 48 channels: one section of 48 twice, ceil(9 / 2) = 5, beats two of 32, ceil(18 / 3) = 6.
  EXPECT_EQ(from_am(48, 3), (ChannelLayout{0, 1, 2, 48}));
  EXPECT_EQ(array_steps({0, 1, 2, 48}, 3, 3), 5);
}

TEST(XdnnLayout, whole_words_are_never_replicated) {
  EXPECT_EQ(from_am(96, 3), (ChannelLayout{1, 0, 0, 0}));
  EXPECT_EQ(from_ddr(192, 5), (ChannelLayout{2, 0, 0, 0}));
}

TEST(XdnnLayout, replication_that_saves_nothing_is_left_out) {
  // 95 channels, 3x3: two copies need 2 sections, ceil(18 / 2) = 9; three need 3, 27 / 3 = 9.
  EXPECT_EQ(from_am(95, 3), (ChannelLayout{1, 0, 0, 0}));
}

TEST(XdnnLayout, a_plain_layout_has_one_word_per_96_channels) {
  EXPECT_EQ(plain_layout(1, 96), (ChannelLayout{1, 0, 0, 0}));
  EXPECT_EQ(plain_layout(96, 96), (ChannelLayout{1, 0, 0, 0}));
  EXPECT_EQ(plain_layout(97, 96), (ChannelLayout{2, 0, 0, 0}));
  EXPECT_EQ(plain_layout(2048, 96).full, 22);  // docs/facts/xdnn.md 2.6 example 8
}

TEST(XdnnLayout, array_steps_follow_the_published_formula) {
  // docs/facts/xdnn.md 1.5: cnt = full*Kw*Kh + ceil(Kw*Kh*repl_sect / repl_unit_num)
  EXPECT_EQ(array_steps({5, 0, 0, 0}, 1, 1), 5);
  EXPECT_EQ(array_steps({2, 1, 3, 32}, 1, 7), 2 * 7 + 3);
  EXPECT_EQ(array_steps({0, 2, 3, 32}, 5, 5), 17);  // ceil(50 / 3)
  // docs/facts/xdnn.md 1.7: slice 0, 7 units of 3 channels, 7x7: 7
  EXPECT_EQ(array_steps({0, 1, 7, 3}, 7, 7), 7);
}

// docs/facts/xdnn.md 1.5: cnt up to 32 alternates, up to 64 fills both buffers, up to 128 runs at
// half rate.
TEST(XdnnFilters, up_to_32_steps_alternate_between_the_buffers) {
  for (const std::int64_t steps : {1, 32}) {
    EXPECT_TRUE(filter_mode(steps, kV3).pingpong) << steps;
    EXPECT_FALSE(filter_mode(steps, kV3).half_rate) << steps;
    EXPECT_TRUE(filter_mode(steps, kV3).possible) << steps;
  }
}

TEST(XdnnFilters, from_33_to_64_steps_fill_both_buffers) {
  for (const std::int64_t steps : {33, 64}) {
    EXPECT_FALSE(filter_mode(steps, kV3).pingpong) << steps;
    EXPECT_FALSE(filter_mode(steps, kV3).half_rate) << steps;
    EXPECT_TRUE(filter_mode(steps, kV3).possible) << steps;
  }
}

TEST(XdnnFilters, from_65_to_128_steps_run_at_half_rate) {
  for (const std::int64_t steps : {65, 128}) {
    EXPECT_FALSE(filter_mode(steps, kV3).pingpong) << steps;
    EXPECT_TRUE(filter_mode(steps, kV3).half_rate) << steps;
    EXPECT_TRUE(filter_mode(steps, kV3).possible) << steps;
  }
}

// A slab of half the channels has half the weights: 64 steps of it fit the buffer of 32.
TEST(XdnnFilters, up_to_64_steps_at_half_rate_alternate_between_the_buffers) {
  for (const std::int64_t channels : {96, 64 * 96, 65 * 96}) {
    const FilterShape shape{plain_layout(channels, 96), channels, 64, 1, 1, true};
    EXPECT_EQ(filter_mode(shape, kV3).pingpong, channels <= 64 * 96) << channels;
  }
}

TEST(XdnnFilters, more_than_128_steps_cannot_run) { EXPECT_FALSE(filter_mode(129, kV3).possible); }

TEST(XdnnFilters, one_buffer_never_alternates) {
  Machine machine;
  machine.filters.buffers = 1;
  EXPECT_FALSE(filter_mode(1, machine).pingpong);
  EXPECT_FALSE(filter_mode(32, machine).half_rate);
  EXPECT_TRUE(filter_mode(33, machine).half_rate);
  EXPECT_FALSE(filter_mode(65, machine).possible);
}

TEST(XdnnFilters, a_slab_is_8_plus_96_words_per_step_of_64_bytes) {
  // docs/facts/xdnn.md 1.6 and 5.2: (8 + 96 * cnt) AXI words, half of it for 32 channels.
  EXPECT_EQ(slab_bytes(5, false, kV3), (8 + 96 * 5) * 64);
  EXPECT_EQ(slab_bytes(128, true, kV3), (8 + 96 * 128) * 64 / 2);
}

TEST(XdnnFilters, the_channel_configuration_has_the_published_bits) {
  // docs/facts/xdnn.md 1.6: bits 0-5 preshift, 7 enable, 8-23 scale, 24-55 bias (signed), 56-61
  // postshift.
  EXPECT_EQ(encode({.preshift = 0x3f}), 0x3fu);
  EXPECT_EQ(encode({.enable = true}), 0x80u);
  EXPECT_EQ(encode({.scale = 0xffff}), 0xffff00u);
  EXPECT_EQ(encode({.bias = 1}), 0x1000000u);
  EXPECT_EQ(encode({.bias = -1}), 0xffffffffull << 24);
  EXPECT_EQ(encode({.postshift = 0x3f}), 0x3full << 56);
  // docs/facts/xdnn.md 3.5: ResNet-50 conv1, scale 32768, postshift 23.
  EXPECT_EQ(encode({.enable = true, .scale = 32768, .postshift = 23}),
            1ull << 7 | 1ull << 23 | 23ull << 56);
}

TEST(XdnnFilters, a_slab_begins_with_the_configurations_and_then_runs_column_by_column) {
  // One 1x1 filter for each of 2 channels over 2 input channels, weights 1..4. Column 0 holds the
  // first 4 output channels side by side (lanes), row after row: [row 0: w(0,0) w(1,0) . .]
  // [row 1: w(0,1) w(1,1) . .]; behind 64 configuration words of 8 bytes.
  const FilterShape shape{{1, 0, 0, 0}, 2, 2, 1, 1, false};
  const std::vector<std::int8_t> weights = {1, 2, 3, 4};
  const std::vector<ChannelConfig> configs = {{.enable = true, .scale = 7}, {.bias = 9}};
  std::string image;
  pack_filters(shape, weights, configs, kV3, image);
  ASSERT_EQ(image.size(), static_cast<std::size_t>((8 + 96) * 64));
  EXPECT_EQ(image.substr(0, 16),
            std::string("\x80\x07\0\0\0\0\0\0", 8) + std::string("\0\0\0\x09\0\0\0\0", 8));
  EXPECT_EQ(image.substr(512, 8), std::string("\1\3\0\0\2\4\0\0", 8));
  EXPECT_EQ(image.find_first_not_of('\0', 520), std::string::npos);
}

TEST(XdnnFilters, each_copy_of_replicated_channels_serves_another_kernel_tap) {
  // 3 channels, 1x2 kernel, 3 copies of 32: one step, tap 0 in rows 0-2, tap 1 in rows 32-34.
  const auto taps = array_taps({0, 1, 3, 32}, 3, 1, 2, 96);
  ASSERT_EQ(taps.size(), 2u);
  EXPECT_EQ(taps[0].kernel_x, 0);
  EXPECT_EQ(taps[0].row, 0);
  EXPECT_EQ(taps[1].kernel_x, 1);
  EXPECT_EQ(taps[1].row, 32);
  EXPECT_EQ(taps[1].lane, 32);
  EXPECT_EQ(taps[0].step, 0);
  EXPECT_EQ(taps[1].step, 0);
}

}  // namespace
}  // namespace workbench::xdnn
