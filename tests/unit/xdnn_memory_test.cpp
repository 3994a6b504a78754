// Where bytes lie in the activation memory (docs/facts/xdnn.md 1.4, 1.5) and in DDR (1.6), and what
// an instruction touches.
#include <gtest/gtest.h>

#include "isa/xdnn/memory.h"

namespace workbench::xdnn {
namespace {

constexpr std::int64_t kWord = 96;

Memory blank(std::int64_t words, std::int64_t ddr_bytes = 0) {
  return {.geometry = {kWord},
          .am = std::vector<std::int8_t>(static_cast<std::size_t>(words * kWord), 99),
          .ddr = std::vector<std::int8_t>(static_cast<std::size_t>(ddr_bytes), 99)};
}

std::int8_t am_byte(const Memory& memory, std::int64_t word, std::int64_t byte) {
  return memory.am[static_cast<std::size_t>(word * kWord + byte)];
}

TEST(XdnnMemory, words_run_section_by_section_row_by_row) {
  // 97 channels of 2x2 pixels: words 10-13 hold channels 0-95, words 14-17 channel 96.
  std::vector<std::int8_t> pixels(4 * 97);
  pixels[97 * 3 + 5] = 1;   // channel 5 of the pixel in row 1, column 1
  pixels[97 * 2 + 96] = 2;  // channel 96 of the pixel in row 1, column 0
  Memory memory = blank(20);
  write_am(memory, {10, 97, 2, 2, {2, 0, 0, 0}}, pixels);
  EXPECT_EQ(am_byte(memory, 13, 5), 1);
  EXPECT_EQ(am_byte(memory, 16, 0), 2);
  EXPECT_EQ(am_byte(memory, 16, 1), 99) << "unused bytes of a word are left alone";
  EXPECT_EQ(am_byte(memory, 18, 0), 99);
}

TEST(XdnnMemory, every_copy_of_replicated_channels_is_written) {
  // 40 channels as 2 sections of 32, each three times: channel 33 is byte 1, 33 and 65 of section
  // 1.
  std::vector<std::int8_t> pixels(40);
  pixels[33] = 7;
  Memory memory = blank(2);
  write_am(memory, {0, 40, 1, 1, {0, 2, 3, 32}}, pixels);
  for (const std::int64_t byte : {1, 33, 65}) EXPECT_EQ(am_byte(memory, 1, byte), 7) << byte;
  for (const std::int64_t byte : {8, 40, 72}) EXPECT_EQ(am_byte(memory, 1, byte), 99) << byte;
}

TEST(XdnnMemory, a_concat_part_begins_inside_its_word) {
  // docs/facts/xdnn.md 1.4: GoogLeNet inception_3a, 28x28, volume at 0x176d0: the part from channel
  // 192 on begins at 0x17cf0 = 0x176d0 + 2 * 784, at byte 0; the one from channel 224 on at
  // byte 32.
  EXPECT_EQ(0x176d0 + 192 / 96 * 28 * 28, 0x17cf0);
  const auto at_192 = section_slices({0x17cf0, 32, 28, 28, {3, 0, 0, 0}, 192}, {kWord});
  ASSERT_EQ(at_192.size(), 1u);
  EXPECT_EQ(at_192[0].first_byte, 0);
  const auto at_224 = section_slices({0x17cf0, 32, 28, 28, {3, 0, 0, 0}, 224}, {kWord});
  ASSERT_EQ(at_224.size(), 1u);
  EXPECT_EQ(at_224[0].first_byte, 32);
  EXPECT_EQ(at_224[0].channels, 32);
}

TEST(XdnnMemory, a_concat_part_runs_on_in_the_next_word) {
  // 128 channels from 64 on: 32 in the first word, 96 in the next.
  const auto slices = section_slices({0, 128, 28, 28, {3, 0, 0, 0}, 64}, {kWord});
  ASSERT_EQ(slices.size(), 2u);
  EXPECT_EQ(slices[0].first_byte, 64);
  EXPECT_EQ(slices[0].channels, 32);
  EXPECT_EQ(slices[1].first_byte, 0);
  EXPECT_EQ(slices[1].first_channel, 32);
  EXPECT_EQ(slices[1].channels, 96);
}

TEST(XdnnMemory, parts_written_one_by_one_read_back_as_one_volume) {
  Memory memory = blank(8);
  write_am(memory, {0, 90, 1, 2, {2, 0, 0, 0}, 0}, std::vector<std::int8_t>(180, 1));
  write_am(memory, {0, 20, 1, 2, {2, 0, 0, 0}, 90}, std::vector<std::int8_t>(40, 2));
  const auto all = read_am(memory, {0, 110, 1, 2, {2, 0, 0, 0}});
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], i % 110 < 90 ? 1 : 2) << i;
}

TEST(XdnnMemory, a_ddr_tensor_is_rows_of_groups_of_8_channels) {
  // docs/facts/xdnn.md 1.6: H * ceil(W / 8) * ceil(C / 8) * 64 bytes.
  EXPECT_EQ(ddr_tensor_bytes(3, 224, 224, {kWord}), 401408);
  EXPECT_EQ(ddr_tensor_bytes(64, 56, 56, {kWord}), 200704);
  EXPECT_EQ(ddr_tensor_bytes(64, 112, 112, {kWord}), 802816);
  EXPECT_EQ(ddr_row_bytes(1, {kWord}), 64);
  EXPECT_EQ(ddr_row_bytes(9, {kWord}), 128);
}

TEST(XdnnMemory, a_ddr_row_is_padded_and_the_padding_left_alone) {
  // 9 channels, 2 rows of 3: group 0 rows at 0 and 64, group 1 rows at 128 and 192.
  std::vector<std::int8_t> pixels(9 * 6);
  pixels[9 * (3 + 2) + 1] = 5;  // channel 1, row 1, column 2
  pixels[9 * 1 + 8] = 6;        // channel 8, row 0, column 1
  Memory memory = blank(0, 300);
  write_ddr(memory, 0, 9, 2, 3, pixels);
  EXPECT_EQ(memory.ddr[64 + 2 * 8 + 1], 5);
  EXPECT_EQ(memory.ddr[128 + 8], 6);
  EXPECT_EQ(memory.ddr[24], 99) << "behind the 3 pixels of a row";
  EXPECT_EQ(memory.ddr[128 + 1], 99) << "channel 9 does not exist";
  EXPECT_EQ(read_ddr(memory, 0, 9, 2, 3), pixels);
}

}  // namespace
}  // namespace workbench::xdnn
