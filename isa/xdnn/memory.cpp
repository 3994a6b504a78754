#include "isa/xdnn/memory.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "core/units.h"

namespace workbench::xdnn {

ChannelLayout plain_layout(std::int64_t channels, std::int64_t word_bytes) {
  return {.full = ceil_div(channels, word_bytes)};
}

std::vector<SectionSlice> section_slices(const AmTensor& tensor, std::int64_t word_bytes) {
  std::vector<SectionSlice> slices;
  std::int64_t channel = 0;
  const auto add = [&](std::int64_t room, std::int64_t byte, std::int64_t copies) {
    const std::int64_t n = std::min(room, tensor.channels - channel);
    slices.push_back({channel, n, byte, copies, copies > 1 ? room : 0});
    channel += n;
  };
  if (!tensor.layout.replicated()) {  // plain, possibly starting inside a word
    std::int64_t byte = tensor.start_channel % word_bytes;
    while (channel < tensor.channels) {
      add(word_bytes - byte, byte, 1);
      byte = 0;
    }
    return slices;
  }
  for (std::int64_t s = 0; s < tensor.layout.full; ++s) add(word_bytes, 0, 1);
  for (std::int64_t s = 0; s < tensor.layout.repl_sections; ++s) {
    add(tensor.layout.repl_width, 0, tensor.layout.repl_units);
  }
  return slices;
}

std::vector<std::int8_t> read_am(const Memory& memory, const AmTensor& tensor) {
  const std::int64_t pixels = tensor.height * tensor.width;
  std::vector<std::int8_t> out(static_cast<std::size_t>(pixels * tensor.channels));
  std::int64_t section = 0;
  for (const SectionSlice& slice : section_slices(tensor, memory.word_bytes)) {
    const std::int8_t* word = memory.am.data() +
                              (tensor.address + section * pixels) * memory.word_bytes +
                              slice.first_byte;
    std::int8_t* to = out.data() + slice.first_channel;
    for (std::int64_t p = 0; p < pixels; ++p) {
      std::memcpy(to, word, static_cast<std::size_t>(slice.channels));
      word += memory.word_bytes;
      to += tensor.channels;
    }
    ++section;
  }
  return out;
}

void write_am(Memory& memory, const AmTensor& tensor, std::span<const std::int8_t> data) {
  const std::int64_t pixels = tensor.height * tensor.width;
  CHECK(static_cast<std::int64_t>(data.size()) == pixels * tensor.channels);
  std::int64_t section = 0;
  for (const SectionSlice& slice : section_slices(tensor, memory.word_bytes)) {
    std::int8_t* word = memory.am.data() + (tensor.address + section * pixels) * memory.word_bytes +
                        slice.first_byte;
    const std::int8_t* from = data.data() + slice.first_channel;
    for (std::int64_t p = 0; p < pixels; ++p) {
      for (std::int64_t copy = 0; copy < slice.copies; ++copy) {
        std::memcpy(word + copy * slice.copy_stride, from,
                    static_cast<std::size_t>(slice.channels));
      }
      word += memory.word_bytes;
      from += tensor.channels;
    }
    ++section;
  }
}

std::int64_t ddr_row_bytes(std::int64_t width) { return round_up(width * 8, 64); }

std::int64_t ddr_tensor_bytes(std::int64_t channels, std::int64_t height, std::int64_t width) {
  return ceil_div(channels, 8) * height * ddr_row_bytes(width);
}

std::vector<std::int8_t> read_ddr(const Memory& memory, std::int64_t address, std::int64_t channels,
                                  std::int64_t height, std::int64_t width) {
  std::vector<std::int8_t> out(static_cast<std::size_t>(channels * height * width));
  const std::int64_t row_bytes = ddr_row_bytes(width);
  for (std::int64_t c = 0; c < channels; c += 8) {
    const auto n = static_cast<std::size_t>(std::min<std::int64_t>(8, channels - c));
    for (std::int64_t y = 0; y < height; ++y) {
      const std::int8_t* from = memory.ddr.data() + address + (c / 8 * height + y) * row_bytes;
      std::int8_t* to = out.data() + y * width * channels + c;
      for (std::int64_t x = 0; x < width; ++x) std::memcpy(to + x * channels, from + x * 8, n);
    }
  }
  return out;
}

void write_ddr(Memory& memory, std::int64_t address, std::int64_t channels, std::int64_t height,
               std::int64_t width, std::span<const std::int8_t> pixels) {
  CHECK(static_cast<std::int64_t>(pixels.size()) == channels * height * width);
  const std::int64_t row_bytes = ddr_row_bytes(width);
  for (std::int64_t c = 0; c < channels; c += 8) {
    const auto n = static_cast<std::size_t>(std::min<std::int64_t>(8, channels - c));
    for (std::int64_t y = 0; y < height; ++y) {
      std::int8_t* to = memory.ddr.data() + address + (c / 8 * height + y) * row_bytes;
      const std::int8_t* from = pixels.data() + y * width * channels + c;
      for (std::int64_t x = 0; x < width; ++x) std::memcpy(to + x * 8, from + x * channels, n);
    }
  }
}

}  // namespace workbench::xdnn
