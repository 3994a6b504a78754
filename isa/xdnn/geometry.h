// How the bytes of an activation memory are cut in words, and how a tensor fills them: the one
// thing about memory that differs between the families (xdnn.md 1.4).
#pragma once

#include <cstdint>

#include "core/units.h"
#include "isa/xdnn/instructions.h"

namespace workbench::xdnn {

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

}  // namespace workbench::xdnn
