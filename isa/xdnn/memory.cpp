#include "isa/xdnn/memory.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "core/units.h"

namespace workbench::xdnn {

ChannelLayout plain_layout(std::int64_t channels, std::int64_t word_channels) {
  return {.full = ceil_div(channels, word_channels)};
}

ChannelLayout plain_layout(std::int64_t channels, const Geometry& geometry) {
  if (geometry.width_aligned()) return {};
  return plain_layout(channels, geometry.word_channels());
}

std::vector<SectionSlice> section_slices(const AmTensor& tensor, const Geometry& geometry) {
  const std::int64_t word = geometry.word_channels(), code = geometry.code_bytes;
  std::vector<SectionSlice> slices;
  std::int64_t channel = 0;
  const auto add = [&](std::int64_t room, std::int64_t lane, std::int64_t copies) {
    const std::int64_t n = std::min(room, tensor.channels - channel);
    slices.push_back({channel, n, lane * code, n * code, copies, copies > 1 ? room * code : 0});
    channel += n;
  };
  if (!tensor.layout.replicated()) {  // plain, possibly starting inside a word
    std::int64_t lane = tensor.start_channel % word;
    while (channel < tensor.channels) {
      add(word - lane, lane, 1);
      lane = 0;
    }
    return slices;
  }
  for (std::int64_t s = 0; s < tensor.layout.full; ++s) add(word, 0, 1);
  for (std::int64_t s = 0; s < tensor.layout.repl_sections; ++s) {
    add(tensor.layout.repl_width, 0, tensor.layout.repl_units);
  }
  return slices;
}

std::int64_t am_words(const AmTensor& tensor, const Geometry& geometry) {
  const std::int64_t planes =
      geometry.width_aligned() ? tensor.channels
                               : static_cast<std::int64_t>(section_slices(tensor, geometry).size());
  return planes * tensor.height * geometry.row_words(tensor.width);
}

namespace {

// The pixels of rows that are cut in lines, at 2 bytes each.
struct LineCutter {
  std::int64_t line_pixels, line_bytes, row_bytes;
  std::int64_t code_bytes;

  // body(byte of the line in the row, first pixel of the line, pixels in it)
  template <typename Body>
  void for_each_line(std::int64_t width, Body&& body) const {
    std::int64_t byte = 0;
    for (std::int64_t x = 0; x < width; x += line_pixels) {
      body(byte, x, std::min(line_pixels, width - x));
      byte += line_bytes;
    }
  }
  // A row of one channel: `width` pixels, `stride` bytes apart in `pixels`.
  void read(const std::int8_t* row, std::int64_t width, std::int8_t* pixels,
            std::int64_t stride) const {
    for_each_line(width, [&](std::int64_t byte, std::int64_t x, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i) {
        std::int8_t* to = pixels + (x + i) * stride;
        to[0] = row[byte + 2 * i];
        if (code_bytes == 2) to[1] = row[byte + 2 * i + 1];
      }
    });
  }
  // Codes of one byte are written twice, once for each image.
  void write(const std::int8_t* pixels, std::int64_t stride, std::int64_t width,
             std::int8_t* row) const {
    for_each_line(width, [&](std::int64_t byte, std::int64_t x, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int8_t* from = pixels + (x + i) * stride;
        row[byte + 2 * i] = from[0];
        row[byte + 2 * i + 1] = from[code_bytes - 1];
      }
      const std::int64_t end = std::min(2 * line_pixels, line_bytes);
      std::fill(row + byte + 2 * count, row + byte + end, std::int8_t{0});
    });
  }
};

LineCutter am_lines(const Geometry& geometry, std::int64_t width) {
  return {geometry.line_pixels, geometry.word_bytes,
          geometry.row_words(width) * geometry.word_bytes, geometry.code_bytes};
}

// docs/facts/xdnn.md 1.6: 64 bytes for each line, 128 when it has more than 64; lines of one pixel
// would be almost all padding, so a row of them is taken as one line.
LineCutter ddr_lines(const Geometry& geometry, std::int64_t width) {
  const std::int64_t pixels = geometry.line_pixels > 1 ? geometry.line_pixels : width;
  const std::int64_t bytes = round_up(2 * std::min(pixels, width), 64);
  return {pixels, bytes, ceil_div(width, pixels) * bytes, geometry.code_bytes};
}

// memcpy of few bytes, as it mostly is: a call takes longer than to copy them.
inline void copy_few(std::int8_t* to, const std::int8_t* from, std::int64_t bytes) {
  if (bytes > 16) {
    std::memcpy(to, from, static_cast<std::size_t>(bytes));
    return;
  }
  for (std::int64_t i = 0; i < bytes; ++i) to[i] = from[i];
}

// The same bytes, `copies` times.
inline void copy_often(std::int8_t* to, const std::int8_t* from, std::int64_t bytes,
                       std::int64_t copies, std::int64_t stride) {
  copy_few(to, from, bytes);
  if (stride != bytes) {
    for (std::int64_t copy = 1; copy < copies; ++copy) copy_few(to + copy * stride, from, bytes);
    return;
  }
  const std::int64_t all = bytes * copies;  // without gaps: what is there, once more
  for (std::int64_t done = bytes; done < all; done *= 2) {
    std::memcpy(to + done, to, static_cast<std::size_t>(std::min(done, all - done)));
  }
}

}  // namespace

std::vector<std::int8_t> read_am(const Memory& memory, const AmTensor& tensor) {
  const Geometry& geometry = memory.geometry;
  const std::int64_t pixels = tensor.height * tensor.width, code = geometry.code_bytes;
  const std::int64_t pixel_bytes = tensor.channels * code;
  std::vector<std::int8_t> out(static_cast<std::size_t>(pixels * pixel_bytes));
  if (geometry.width_aligned()) {
    const LineCutter lines = am_lines(geometry, tensor.width);
    const std::int8_t* row = memory.am.data() + tensor.address * geometry.word_bytes;
    for (std::int64_t c = 0; c < tensor.channels; ++c) {
      for (std::int64_t y = 0; y < tensor.height; ++y) {
        lines.read(row, tensor.width, out.data() + y * tensor.width * pixel_bytes + c * code,
                   pixel_bytes);
        row += lines.row_bytes;
      }
    }
    return out;
  }
  std::int64_t section = 0;
  for (const SectionSlice& slice : section_slices(tensor, geometry)) {
    const std::int8_t* word = memory.am.data() +
                              (tensor.address + section * pixels) * geometry.word_bytes +
                              slice.first_byte;
    std::int8_t* to = out.data() + slice.first_channel * code;
    for (std::int64_t p = 0; p < pixels; ++p) {
      copy_few(to, word, slice.bytes);
      word += geometry.word_bytes;
      to += pixel_bytes;
    }
    ++section;
  }
  return out;
}

void write_am(Memory& memory, const AmTensor& tensor, std::span<const std::int8_t> data) {
  const Geometry& geometry = memory.geometry;
  const std::int64_t pixels = tensor.height * tensor.width, code = geometry.code_bytes;
  const std::int64_t pixel_bytes = tensor.channels * code;
  CHECK(static_cast<std::int64_t>(data.size()) == pixels * pixel_bytes);
  if (geometry.width_aligned()) {
    const LineCutter lines = am_lines(geometry, tensor.width);
    std::int8_t* row = memory.am.data() + tensor.address * geometry.word_bytes;
    for (std::int64_t c = 0; c < tensor.channels; ++c) {
      for (std::int64_t y = 0; y < tensor.height; ++y) {
        lines.write(data.data() + y * tensor.width * pixel_bytes + c * code, pixel_bytes,
                    tensor.width, row);
        row += lines.row_bytes;
      }
    }
    return;
  }
  std::int64_t section = 0;
  for (const SectionSlice& slice : section_slices(tensor, geometry)) {
    std::int8_t* word = memory.am.data() +
                        (tensor.address + section * pixels) * geometry.word_bytes +
                        slice.first_byte;
    const std::int8_t* from = data.data() + slice.first_channel * code;
    for (std::int64_t p = 0; p < pixels; ++p) {
      copy_often(word, from, slice.bytes, slice.copies, slice.copy_stride);
      word += geometry.word_bytes;
      from += pixel_bytes;
    }
    ++section;
  }
}

std::int64_t ddr_row_bytes(std::int64_t width, const Geometry& geometry) {
  return geometry.width_aligned() ? ddr_lines(geometry, width).row_bytes
                                  : round_up(width * 8 * geometry.code_bytes, 64);
}

std::int64_t ddr_tensor_bytes(std::int64_t channels, std::int64_t height, std::int64_t width,
                              const Geometry& geometry) {
  const std::int64_t planes = geometry.width_aligned() ? channels : ceil_div(channels, 8);
  return planes * height * ddr_row_bytes(width, geometry);
}

std::vector<std::int8_t> read_ddr(const Memory& memory, std::int64_t address, std::int64_t channels,
                                  std::int64_t height, std::int64_t width) {
  const std::int64_t code = memory.geometry.code_bytes, pixel_bytes = channels * code;
  std::vector<std::int8_t> out(static_cast<std::size_t>(pixel_bytes * height * width));
  if (memory.geometry.width_aligned()) {
    const LineCutter lines = ddr_lines(memory.geometry, width);
    const std::int8_t* row = memory.ddr.data() + address;
    for (std::int64_t y = 0; y < height; ++y) {
      for (std::int64_t c = 0; c < channels; ++c) {
        lines.read(row, width, out.data() + y * width * pixel_bytes + c * code, pixel_bytes);
        row += lines.row_bytes;
      }
    }
    return out;
  }
  const std::int64_t row_bytes = ddr_row_bytes(width, memory.geometry);
  for (std::int64_t c = 0; c < channels; c += 8) {
    const std::int64_t n = std::min<std::int64_t>(8, channels - c) * code;
    for (std::int64_t y = 0; y < height; ++y) {
      const std::int8_t* from = memory.ddr.data() + address + (c / 8 * height + y) * row_bytes;
      std::int8_t* to = out.data() + y * width * pixel_bytes + c * code;
      for (std::int64_t x = 0; x < width; ++x) {
        copy_few(to + x * pixel_bytes, from + x * 8 * code, n);
      }
    }
  }
  return out;
}

void write_ddr(Memory& memory, std::int64_t address, std::int64_t channels, std::int64_t height,
               std::int64_t width, std::span<const std::int8_t> pixels) {
  const std::int64_t code = memory.geometry.code_bytes, pixel_bytes = channels * code;
  CHECK(static_cast<std::int64_t>(pixels.size()) == pixel_bytes * height * width);
  if (memory.geometry.width_aligned()) {
    const LineCutter lines = ddr_lines(memory.geometry, width);
    std::int8_t* row = memory.ddr.data() + address;
    for (std::int64_t y = 0; y < height; ++y) {
      for (std::int64_t c = 0; c < channels; ++c) {
        lines.write(pixels.data() + y * width * pixel_bytes + c * code, pixel_bytes, width, row);
        row += lines.row_bytes;
      }
    }
    return;
  }
  const std::int64_t row_bytes = ddr_row_bytes(width, memory.geometry);
  for (std::int64_t c = 0; c < channels; c += 8) {
    const std::int64_t n = std::min<std::int64_t>(8, channels - c) * code;
    for (std::int64_t y = 0; y < height; ++y) {
      std::int8_t* to = memory.ddr.data() + address + (c / 8 * height + y) * row_bytes;
      const std::int8_t* from = pixels.data() + y * width * pixel_bytes + c * code;
      for (std::int64_t x = 0; x < width; ++x) {
        copy_few(to + x * 8 * code, from + x * pixel_bytes, n);
      }
    }
  }
}

}  // namespace workbench::xdnn
