// Random pieces of xDNN programs for property tests: legal by construction, small.
#pragma once

#include <cstdint>
#include <random>

#include "isa/xdnn/filters.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/memory.h"

namespace workbench {

// Uniform in [low, high].
inline std::int64_t between(std::mt19937_64& random, std::int64_t low, std::int64_t high) {
  return low + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(high - low + 1));
}

// A machine whose words have 16, 32 ... 256 bytes, with any number of columns and lanes.
inline xdnn::Machine random_array(std::mt19937_64& random) {
  xdnn::Machine machine;
  machine.array.rows = 16 * between(random, 1, 16);
  machine.array.columns = between(random, 1, 16);
  machine.array.weights_per_dsp = between(random, 1, 2);
  machine.clocks.array = machine.clocks.report * static_cast<double>(between(random, 1, 2));
  return machine;
}

// Plain, or the channels beyond whole words in 2 to 12 copies.
inline xdnn::ChannelLayout random_layout(std::mt19937_64& random, std::int64_t channels,
                                         std::int64_t word_bytes) {
  const std::int64_t rest = channels % word_bytes;
  const std::int64_t units = between(random, 1, 12);
  if (rest == 0 || units == 1) return xdnn::plain_layout(channels, word_bytes);
  const std::int64_t width = word_bytes / units;
  return {channels / word_bytes, ceil_div(rest, width), units, width};
}

inline xdnn::ChannelConfig random_channel_config(std::mt19937_64& random) {
  return {.preshift = between(random, 0, 63),
          .enable = random() % 2 == 0,
          .scale = between(random, 0, 65535),
          .bias = between(random, INT32_MIN, INT32_MAX),
          .postshift = between(random, 0, 63)};
}

}  // namespace workbench
