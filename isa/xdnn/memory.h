// The two memories of the overlay as bytes, and how tensors lie in them. Moving bytes is all that
// happens here: when an access is legal is the simulator's business.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "isa/xdnn/instructions.h"

namespace workbench::xdnn {

struct Memory {
  std::int64_t word_bytes = 0;  // AM word
  std::vector<std::int8_t> am;  // words x word_bytes
  std::vector<std::int8_t> ddr;
};

// Layout of C channels without replication: every channel once.
ChannelLayout plain_layout(std::int64_t channels, std::int64_t word_bytes);

// A tensor of `channels` channels in the AM: the word of (section s, row y, column x) is
// address + (s * height + y) * width + x (xdnn.md 1.4). `start_channel` shifts channel 0 into the
// first word: a part of a concat volume.
struct AmTensor {
  std::int64_t address = 0, channels = 0, height = 0, width = 0;
  ChannelLayout layout;
  std::int64_t start_channel = 0;
};

// Channels a section's word holds for `tensor`, and the byte of the first: sections are those of
// the layout, or for a concat part those it touches.
struct SectionSlice {
  std::int64_t first_channel = 0, channels = 0;  // of the tensor
  std::int64_t first_byte = 0;  // in the word; copies follow every repl_width bytes
  std::int64_t copies = 1;
  std::int64_t copy_stride = 0;  // bytes between copies
};
std::vector<SectionSlice> section_slices(const AmTensor& tensor, std::int64_t word_bytes);

// [height][width][channels] out of and into the AM; every replicated copy is written.
std::vector<std::int8_t> read_am(const Memory& memory, const AmTensor& tensor);
void write_am(Memory& memory, const AmTensor& tensor, std::span<const std::int8_t> pixels);

// DDR tensor format (xdnn.md 1.6): groups of 8 channels, [group][row][column][8], each row padded
// to 64 bytes.
std::int64_t ddr_row_bytes(std::int64_t width);
std::int64_t ddr_tensor_bytes(std::int64_t channels, std::int64_t height, std::int64_t width);
std::vector<std::int8_t> read_ddr(const Memory& memory, std::int64_t address, std::int64_t channels,
                                  std::int64_t height, std::int64_t width);
void write_ddr(Memory& memory, std::int64_t address, std::int64_t channels, std::int64_t height,
               std::int64_t width, std::span<const std::int8_t> pixels);

}  // namespace workbench::xdnn
