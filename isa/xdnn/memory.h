// The two memories of the overlay as bytes, and how tensors lie in them. They only move bytes; the
// simulator checks whether an access is legal.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/units.h"
#include "isa/xdnn/instructions.h"

namespace workbench::xdnn {

// How the bytes of an activation memory are cut in words, and how a tensor fills them: the one
// thing about memory that differs between the families (docs/facts/xdnn.md 1.4).

struct Geometry {
  std::int64_t word_bytes = 96;
  // 0: channel-aligned, a word is word_channels() channels of one pixel, and a tensor is [section]
  // [row][column]. Else width-aligned: a word ("line") is line_pixels pixels of one row and
  // channel, two bytes each (one per image of the run, or one code of 16 bits), and a tensor is
  // [channel] [row][ceil(width / line_pixels)].
  std::int64_t line_pixels = 0;
  std::int64_t code_bytes = 1;

  bool width_aligned() const { return line_pixels > 0; }
  // Channel-aligned.
  std::int64_t word_channels() const { return word_bytes / code_bytes; }
  // Words of a row of one section (channel-aligned) or channel (width-aligned).
  std::int64_t row_words(std::int64_t width) const {
    return width_aligned() ? ceil_div(width, line_pixels) : width;
  }
  // Planes of `height` rows that a tensor is made of: sections, or channels rounded up to even.
  std::int64_t planes(std::int64_t channels, const ChannelLayout& layout) const {
    return width_aligned() ? round_up(channels, 2) : layout.sections();
  }
  // Words of a whole tensor: a volume of its own.
  std::int64_t words(std::int64_t channels, std::int64_t height, std::int64_t width,
                     const ChannelLayout& layout) const {
    return planes(channels, layout) * height * row_words(width);
  }
  // First word of channel `channel` of a volume, relative to the volume: its section or plane.
  std::int64_t word_of_channel(std::int64_t channel, std::int64_t height,
                               std::int64_t width) const {
    const std::int64_t plane = width_aligned() ? channel : channel / word_channels();
    return plane * height * row_words(width);
  }
  // Channels that begin at a word of their own: every one, or every word_channels()-th.
  std::int64_t channel_granule() const { return width_aligned() ? 1 : word_channels(); }
  friend bool operator==(const Geometry&, const Geometry&) = default;
};

struct Memory {
  Geometry geometry;
  std::vector<std::int8_t> am;  // words x word_bytes
  std::vector<std::int8_t> ddr;
};

// Layout of C channels without replication: every channel once.
ChannelLayout plain_layout(std::int64_t channels, std::int64_t word_channels);
// The same on any machine: all zeros where words hold pixels, not channels.
ChannelLayout plain_layout(std::int64_t channels, const Geometry& geometry);

// A tensor of `channels` channels in the AM, from AM word `address` on (docs/facts/xdnn.md 1.4).
// Channel-aligned: the word of (section s, row y, column x) is address + (s * height + y) * width +
// x; `start_channel` shifts channel 0 into the first word: a part of a concat volume.
// Width-aligned: the line of (channel c, row y, column x) is address + (c * height + y) * row_words
// + x / line_pixels, and byte 2 * (x % line_pixels) of it is the pixel of the run's first image,
// the next one that of the second; a part of a concat volume begins at its first channel's line,
// so `layout` and `start_channel` are 0. The first image alone is computed and read; the second is
// written with the same codes, so that both lanes are really there. At 16 bits there is one image,
// and both bytes are its.
struct AmTensor {
  std::int64_t address = 0, channels = 0, height = 0, width = 0;
  ChannelLayout layout;
  std::int64_t start_channel = 0;
};

// Channel-aligned: channels a section's word holds for `tensor`, and the byte of the first:
// sections are those of the layout, or for a concat part those it touches.
struct SectionSlice {
  std::int64_t first_channel = 0, channels = 0;  // of the tensor
  std::int64_t first_byte = 0, bytes = 0;  // in the word; copies follow every repl_width codes
  std::int64_t copies = 1;
  std::int64_t copy_stride = 0;  // bytes between copies
};
std::vector<SectionSlice> section_slices(const AmTensor& tensor, const Geometry& geometry);

// AM words that the tensor touches, each section or channel plane whole.
std::int64_t am_words(const AmTensor& tensor, const Geometry& geometry);

// Pixels: codes [height][width][channels], geometry.code_bytes each. Out of and into the AM; every
// replicated copy is written, and a line whole: pixels past the end of the row are 0.
std::vector<std::int8_t> read_am(const Memory& memory, const AmTensor& tensor);
void write_am(Memory& memory, const AmTensor& tensor, std::span<const std::int8_t> pixels);

// DDR tensor format (docs/facts/xdnn.md 1.6). Channel-aligned: groups of 8 channels,
// [group][row][column][8 codes], each row padded to 64 bytes. Width-aligned: [row][channel][line],
// two bytes per pixel as in the AM, each line padded to 64 bytes and no further, lines of a single
// pixel packed; that a row comes before a channel is assumed: gathers and scatters move rows.
std::int64_t ddr_row_bytes(std::int64_t width, const Geometry& geometry);  // of a group or channel
std::int64_t ddr_tensor_bytes(std::int64_t channels, std::int64_t height, std::int64_t width,
                              const Geometry& geometry);
std::vector<std::int8_t> read_ddr(const Memory& memory, std::int64_t address, std::int64_t channels,
                                  std::int64_t height, std::int64_t width);
void write_ddr(Memory& memory, std::int64_t address, std::int64_t channels, std::int64_t height,
               std::int64_t width, std::span<const std::int8_t> pixels);

}  // namespace workbench::xdnn
