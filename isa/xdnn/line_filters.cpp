#include "isa/xdnn/line_filters.h"

#include <algorithm>
#include <cstring>

namespace workbench::xdnn {

namespace {

constexpr std::int64_t kVectors = 4;  // of the configuration

// Offsets inside a slab, shared by packing and unpacking.
struct LineSlab {
  std::int64_t code_bytes, channels, area, config_bytes, bytes;

  LineSlab(const FilterShape& shape, const Machine& machine)
      : code_bytes(machine.code_bytes()),
        channels(machine.pass_channels(false)),
        area(shape.kernel_h * shape.kernel_w),
        config_bytes(kVectors * channels * static_cast<std::int64_t>(sizeof(std::int16_t))),
        bytes(config_bytes + round_up(shape.in_channels, 2) * area * channels * code_bytes) {}

  // Of output channel `co`: its slab; in that, entry `vector` of its configuration; its weights.
  std::int64_t begin(std::int64_t co) const { return co / channels * bytes; }
  std::int64_t config(std::int64_t co, std::int64_t vector) const {
    return begin(co) + (vector * channels + co % channels) * 2;
  }
  std::int64_t weight(std::int64_t co, std::int64_t in, std::int64_t tap) const {
    return begin(co) + config_bytes + ((in * area + tap) * channels + co % channels) * code_bytes;
  }
};

void store(std::int64_t value, char* to) {
  CHECK(value >= INT16_MIN && value <= INT16_MAX, "{} is no short", value);
  const auto narrow = static_cast<std::int16_t>(value);
  std::memcpy(to, &narrow, sizeof narrow);
}

std::int64_t load_short(const std::int8_t* from) {
  std::int16_t value = 0;
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace

std::int64_t line_slab_bytes(const FilterShape& shape, const Machine& machine) {
  return LineSlab(shape, machine).bytes;
}

void pack_line_filters(const FilterShape& shape, std::span<const std::int8_t> weights,
                       std::span<const ChannelConfig> configs, const Machine& machine,
                       std::span<char> image) {
  const LineSlab slab(shape, machine);
  for (std::int64_t co = 0; co < shape.out_channels; ++co) {
    const ChannelConfig& c = configs[static_cast<std::size_t>(co)];
    const std::int64_t fields[kVectors] = {c.bias, c.preshift, c.scale, c.postshift};
    for (std::int64_t v = 0; v < kVectors; ++v) store(fields[v], &image[slab.config(co, v)]);
    const std::int8_t* from = weights.data() + co * shape.in_channels * slab.area * slab.code_bytes;
    for (std::int64_t in = 0; in < shape.in_channels; ++in) {
      for (std::int64_t tap = 0; tap < slab.area; ++tap) {
        char* const to = &image[static_cast<std::size_t>(slab.weight(co, in, tap))];
        to[0] = static_cast<char>(from[0]);
        if (slab.code_bytes == 2) to[1] = static_cast<char>(from[1]);
        from += slab.code_bytes;
      }
    }
  }
}

UnpackedFilters unpack_line_filters(const FilterShape& shape, std::span<const std::int8_t> image,
                                    const Machine& machine) {
  const LineSlab slab(shape, machine);
  const auto taps = array_taps(shape, machine);
  UnpackedFilters filters = empty_filters(taps, shape.out_channels, machine);
  for (std::int64_t co = 0; co < shape.out_channels; ++co) {
    const auto field = [&](std::int64_t v) {
      return load_short(image.data() + slab.config(co, v));
    };
    filters.configs.push_back({.preshift = field(1),
                               .enable = true,
                               .scale = field(2),
                               .bias = field(0),
                               .postshift = field(3)});
    std::int64_t depth = 0;
    for (const Tap& tap : taps) {
      const std::int64_t position = tap.kernel_y * shape.kernel_w + tap.kernel_x;
      const std::int64_t stride = slab.weight(co, 1, 0) - slab.weight(co, 0, 0);
      add_weights(image.data() + slab.weight(co, 0, position), stride, tap.channels, depth, co,
                  filters);
      depth += round_up(tap.channels, kDotLength);
    }
  }
  filters.weights.set_offsets();
  filters.low.set_offsets();
  return filters;
}

}  // namespace workbench::xdnn
