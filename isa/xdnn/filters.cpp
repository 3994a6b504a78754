#include "isa/xdnn/filters.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace workbench::xdnn {

std::vector<Tap> array_taps(const ChannelLayout& source, std::int64_t channels,
                            std::int64_t kernel_h, std::int64_t kernel_w, std::int64_t word_bytes) {
  const std::int64_t area = kernel_h * kernel_w;
  std::vector<Tap> taps;
  for (std::int64_t s = 0; s < source.full; ++s) {
    const std::int64_t first = s * word_bytes;
    const std::int64_t n = std::min(word_bytes, channels - first);
    for (std::int64_t t = 0; t < area; ++t) {
      taps.push_back({s, 0, first, n, t / kernel_w, t % kernel_w, s * area + t, 0});
    }
  }
  // Replicated: consecutive (section, tap) pairs share a step, each on its own copy.
  for (std::int64_t pair = 0; pair < source.repl_sections * area; ++pair) {
    const std::int64_t s = pair / area, t = pair % area;
    const std::int64_t unit = pair % source.repl_units;
    const std::int64_t first = source.full * word_bytes + s * source.repl_width;
    const std::int64_t n = std::min(source.repl_width, channels - first);
    if (n <= 0) continue;
    taps.push_back({source.full + s, unit * source.repl_width, first, n, t / kernel_w, t % kernel_w,
                    source.full * area + pair / source.repl_units, unit * source.repl_width});
  }
  return taps;
}

std::int64_t array_steps(const ChannelLayout& source, std::int64_t kernel_h,
                         std::int64_t kernel_w) {
  const std::int64_t area = kernel_h * kernel_w;
  const std::int64_t replicated =
      source.replicated() ? ceil_div(area * source.repl_sections, source.repl_units) : 0;
  return source.full * area + replicated;
}

FilterMode filter_mode(std::int64_t steps, const Machine& machine) {
  const std::int64_t one = machine.filters.buffer_steps;
  const std::int64_t both = one * machine.filters.buffers;
  return {.pingpong = steps <= one && machine.filters.buffers > 1,
          .half_rate = steps > both,
          .possible = steps <= std::min(2 * both, machine.filters.steps_max)};
}

std::int64_t slab_bytes(std::int64_t steps, bool half_rate, const Machine& machine) {
  const std::int64_t channels = machine.pass_channels(half_rate);
  return channels * (machine.filters.config_bytes_per_channel + machine.array.rows * steps);
}

std::uint64_t encode(const ChannelConfig& config) {
  CHECK(config.scale >= 0 && config.scale < 65536, "scale {}", config.scale);
  CHECK(config.postshift >= 0 && config.postshift < 64, "postshift {}", config.postshift);
  CHECK(config.bias >= INT32_MIN && config.bias <= INT32_MAX, "bias {}", config.bias);
  const auto bias = static_cast<std::uint32_t>(static_cast<std::int32_t>(config.bias));
  return static_cast<std::uint64_t>(config.preshift & 0x3f) |
         static_cast<std::uint64_t>(config.enable ? 1 : 0) << 7 |
         static_cast<std::uint64_t>(config.scale) << 8 | static_cast<std::uint64_t>(bias) << 24 |
         static_cast<std::uint64_t>(config.postshift) << 56;
}

ChannelConfig decode_channel_config(std::uint64_t word) {
  return {.preshift = static_cast<std::int64_t>(word & 0x3f),
          .enable = (word >> 7 & 1) != 0,
          .scale = static_cast<std::int64_t>(word >> 8 & 0xffff),
          .bias = static_cast<std::int32_t>(static_cast<std::uint32_t>(word >> 24 & 0xffffffff)),
          .postshift = static_cast<std::int64_t>(word >> 56 & 0x3f)};
}

FilterShape filter_shape(const Conv& conv) {
  return {conv.tail.source, conv.in_ch,    conv.out_ch,
          conv.kernel_h,    conv.kernel_w, conv.tail.half_rate};
}

namespace {

// Offsets inside a slab, shared by packing and unpacking.
struct SlabGeometry {
  std::int64_t channels, lanes, steps, rows, config_bytes, bytes;

  SlabGeometry(const FilterShape& shape, const Machine& machine)
      : channels(machine.pass_channels(shape.half_rate)),
        lanes(channels / machine.array.columns),
        steps(array_steps(shape.source, shape.kernel_h, shape.kernel_w)),
        rows(machine.array.rows),
        config_bytes(channels * machine.filters.config_bytes_per_channel),
        bytes(slab_bytes(steps, shape.half_rate, machine)) {}

  std::int64_t weight(std::int64_t column, std::int64_t step, std::int64_t row) const {
    return config_bytes + ((column * steps + step) * rows + row) * lanes;
  }
};

}  // namespace

void pack_filters(const FilterShape& shape, std::span<const std::int8_t> weights,
                  std::span<const ChannelConfig> configs, const Machine& machine,
                  std::string& image) {
  const SlabGeometry slab(shape, machine);
  const std::int64_t area = shape.kernel_h * shape.kernel_w;
  const std::int64_t per_channel = shape.in_channels * area;
  CHECK(static_cast<std::int64_t>(weights.size()) == shape.out_channels * per_channel);
  CHECK(static_cast<std::int64_t>(configs.size()) == shape.out_channels);
  const auto taps = array_taps(shape.source, shape.in_channels, shape.kernel_h, shape.kernel_w,
                               machine.word_bytes());
  const std::int64_t passes = ceil_div(shape.out_channels, slab.channels);
  const std::size_t begin = image.size();
  image.resize(begin + static_cast<std::size_t>(passes * slab.bytes), '\0');
  for (std::int64_t co = 0; co < shape.out_channels; ++co) {
    char* base = image.data() + begin + co / slab.channels * slab.bytes;
    const std::int64_t in_pass = co % slab.channels;
    const std::uint64_t word = encode(configs[static_cast<std::size_t>(co)]);
    std::memcpy(base + in_pass * 8, &word, sizeof word);
    const std::int64_t column = in_pass / slab.lanes, lane = in_pass % slab.lanes;
    const std::int8_t* filter = weights.data() + co * per_channel;
    for (const Tap& tap : taps) {
      char* to = base + slab.weight(column, tap.step, tap.row) + lane;
      const std::int8_t* from =
          filter + tap.first_channel * area + tap.kernel_y * shape.kernel_w + tap.kernel_x;
      for (std::int64_t c = 0; c < tap.channels; ++c) {
        to[c * slab.lanes] = static_cast<char>(from[c * area]);
      }
    }
  }
}

UnpackedFilters unpack_filters(const FilterShape& shape, std::span<const std::int8_t> image,
                               const Machine& machine) {
  const SlabGeometry slab(shape, machine);
  const auto taps = array_taps(shape.source, shape.in_channels, shape.kernel_h, shape.kernel_w,
                               machine.word_bytes());
  UnpackedFilters filters;
  for (const Tap& tap : taps) filters.depth += tap.channels;
  filters.weights.resize(static_cast<std::size_t>(filters.depth * shape.out_channels));
  std::vector<std::int32_t> sums(static_cast<std::size_t>(shape.out_channels), 0);
  for (std::int64_t first = 0; first < shape.out_channels; first += slab.channels) {
    const std::int8_t* base = image.data() + first / slab.channels * slab.bytes;
    const std::int64_t in_pass = std::min(slab.channels, shape.out_channels - first);
    for (std::int64_t c = 0; c < in_pass; ++c) {
      std::uint64_t word = 0;
      std::memcpy(&word, base + c * 8, sizeof word);
      filters.configs.push_back(decode_channel_config(word));
    }
    for (std::int64_t c = 0; c < in_pass; c += slab.lanes) {
      const std::int64_t n = std::min(slab.lanes, in_pass - c);
      std::int32_t* sum = sums.data() + first + c;
      float* to = filters.weights.data() + first + c;
      for (const Tap& tap : taps) {
        const std::int8_t* from = base + slab.weight(c / slab.lanes, tap.step, tap.row);
        for (std::int64_t k = 0; k < tap.channels; ++k) {
          for (std::int64_t lane = 0; lane < n; ++lane) {
            to[lane] = static_cast<float>(from[lane]);
            sum[lane] += std::abs(static_cast<std::int32_t>(from[lane]));
          }
          from += slab.lanes;
          to += shape.out_channels;
        }
      }
    }
  }
  for (const std::int32_t sum : sums) {
    filters.largest_sum = std::max<std::int64_t>(filters.largest_sum, sum);
  }
  return filters;
}

}  // namespace workbench::xdnn
