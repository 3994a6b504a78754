#include "isa/xdnn/filters.h"

#include <algorithm>
#include <cstring>

namespace workbench::xdnn {

// --- channel-aligned machines --------------------------------------------------------------------

std::vector<Tap> array_taps(const ChannelLayout& source, std::int64_t channels,
                            std::int64_t kernel_h, std::int64_t kernel_w,
                            std::int64_t word_channels) {
  const std::int64_t area = kernel_h * kernel_w;
  std::vector<Tap> taps;
  for (std::int64_t s = 0; s < source.full; ++s) {
    const std::int64_t first = s * word_channels;
    const std::int64_t n = std::min(word_channels, channels - first);
    for (std::int64_t t = 0; t < area; ++t) {
      taps.push_back({s, 0, first, n, t / kernel_w, t % kernel_w, s * area + t, 0});
    }
  }
  // Replicated: consecutive (section, tap) pairs share a step, each on its own copy.
  for (std::int64_t pair = 0; pair < source.repl_sections * area; ++pair) {
    const std::int64_t s = pair / area, t = pair % area;
    const std::int64_t unit = pair % source.repl_units;
    const std::int64_t first = source.full * word_channels + s * source.repl_width;
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
  if (machine.width_aligned()) {
    return {.pingpong = steps <= one && machine.filters.buffers > 1,
            .possible = steps <= std::min(both, machine.filters.steps_max)};
  }
  return {.pingpong = steps <= one && machine.filters.buffers > 1,
          .half_rate = steps > both,
          .possible = steps <= std::min(2 * both, machine.filters.steps_max)};
}

namespace {

// Slice 0 gets its filters in whole 512-bit words: a column's 21 rows x 32 bit of a step fill two
// (docs/facts/xdnn.md 1.6), and the configuration takes 8 as on the main array
// (docs/facts/xdnn.md 5.2, 8 + 16 cnt).
constexpr std::int64_t kFilterWordBytes = 64, kConfigWords = 8;

std::int64_t column_step_bytes(std::int64_t lanes, const Machine& machine) {
  const std::int64_t bytes = machine.array.rows * lanes * machine.code_bytes();
  return machine.slice == 0 ? round_up(bytes, kFilterWordBytes) : bytes;
}

std::int64_t config_block_bytes(std::int64_t channels, const Machine& machine) {
  const std::int64_t bytes = channels * machine.filters.config_bytes_per_channel;
  return machine.slice == 0 ? std::max(bytes, kConfigWords * kFilterWordBytes) : bytes;
}

}  // namespace

std::int64_t slab_bytes(std::int64_t steps, bool half_rate, const Machine& machine) {
  CHECK(!machine.width_aligned());
  const std::int64_t channels = machine.pass_channels(half_rate);
  const std::int64_t lanes = channels / machine.array.columns;
  return config_block_bytes(channels, machine) +
         machine.array.columns * steps * column_step_bytes(lanes, machine);
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

std::vector<Tap> array_taps(const FilterShape& shape, const Machine& machine) {
  if (!machine.width_aligned()) {
    return array_taps(shape.source, shape.in_channels, shape.kernel_h, shape.kernel_w,
                      machine.geometry().word_channels());
  }
  std::vector<Tap> taps;
  for (std::int64_t t = 0; t < shape.kernel_h * shape.kernel_w; ++t) {
    taps.push_back({.channels = shape.in_channels,
                    .kernel_y = t / shape.kernel_w,
                    .kernel_x = t % shape.kernel_w});
  }
  return taps;
}

std::int64_t array_steps(const FilterShape& shape, const Machine& machine) {
  if (machine.width_aligned()) return shape.in_channels * shape.kernel_h * shape.kernel_w;
  return array_steps(shape.source, shape.kernel_h, shape.kernel_w);
}

FilterMode filter_mode(const FilterShape& shape, const Machine& machine) {
  if (machine.width_aligned()) {
    return filter_mode(round_up(shape.in_channels, 2) * shape.kernel_h * shape.kernel_w, machine);
  }
  const std::int64_t steps = array_steps(shape, machine);
  FilterMode mode = filter_mode(steps, machine);
  if (!shape.half_rate || machine.filters.buffers < 2) return mode;
  const std::int64_t channels = machine.pass_channels(true);
  mode.pingpong = steps * channels <= machine.filters.buffer_steps * machine.pass_channels(false);
  return mode;
}

std::int64_t slab_bytes(const FilterShape& shape, const Machine& machine) {
  if (machine.width_aligned()) return line_slab_bytes(shape, machine);
  return slab_bytes(array_steps(shape, machine), shape.half_rate, machine);
}

namespace {

// Offsets inside a slab, shared by packing and unpacking.
struct SlabGeometry {
  std::int64_t code_bytes, channels, lanes, steps, step_bytes, config_bytes, bytes;

  SlabGeometry(const FilterShape& shape, const Machine& machine)
      : code_bytes(machine.code_bytes()),
        channels(machine.pass_channels(shape.half_rate)),
        lanes(channels / machine.array.columns),
        steps(array_steps(shape.source, shape.kernel_h, shape.kernel_w)),
        step_bytes(column_step_bytes(lanes, machine)),
        config_bytes(config_block_bytes(channels, machine)),
        bytes(slab_bytes(steps, shape.half_rate, machine)) {}

  std::int64_t weight(std::int64_t column, std::int64_t step, std::int64_t row) const {
    return config_bytes + (column * steps + step) * step_bytes + row * lanes * code_bytes;
  }
};

// `count` weights of one output channel, `stride` bytes apart, into a column of a PackedMatrix.
void copy_column(const std::int8_t* from, std::int64_t stride, std::int64_t count,
                 std::int8_t* to) {
  constexpr std::int64_t kStep = kTileColumns * kDotLength;
  for (; count >= kDotLength; count -= kDotLength) {
    for (std::int64_t j = 0; j < kDotLength; ++j) to[j] = from[j * stride];
    from += kDotLength * stride;
    to += kStep;
  }
  for (std::int64_t j = 0; j < count; ++j) to[j] = from[j * stride];
}

}  // namespace

UnpackedFilters empty_filters(std::span<const Tap> taps, std::int64_t out_channels,
                              const Machine& machine) {
  const std::int64_t depth = padded_depth(taps);
  UnpackedFilters filters{.weights = {depth, out_channels}};
  if (machine.code_bytes() == 2) {
    filters.low = {depth, out_channels};
    filters.sums.assign(static_cast<std::size_t>(out_channels), 0);
  }
  return filters;
}

void add_weights(const std::int8_t* from, std::int64_t stride, std::int64_t count,
                 std::int64_t depth, std::int64_t channel, UnpackedFilters& filters) {
  if (filters.sums.empty()) {
    copy_column(from, stride, count,
                filters.weights.codes.data() + filters.weights.index(depth, channel));
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) {
    std::int16_t weight = 0;
    std::memcpy(&weight, from + i * stride, sizeof weight);
    const std::size_t at = filters.weights.index(depth + i, channel);
    filters.weights.codes[at] = static_cast<std::int8_t>(weight >> 8);
    filters.low.codes[at] = static_cast<std::int8_t>((weight & 0xff) - 128);
    filters.sums[static_cast<std::size_t>(channel)] += weight;
  }
}

std::int64_t padded_depth(std::span<const Tap> taps) {
  std::int64_t depth = 0;
  for (const Tap& tap : taps) depth += round_up(tap.channels, kDotLength);
  return depth;
}

std::int64_t filter_bytes(const FilterShape& shape, const Machine& machine) {
  const bool half_rate = shape.half_rate && !machine.width_aligned();
  const std::int64_t passes = ceil_div(shape.out_channels, machine.pass_channels(half_rate));
  return passes * slab_bytes(shape, machine);
}

void pack_filters(const FilterShape& shape, std::span<const std::int8_t> weights,
                  std::span<const ChannelConfig> configs, const Machine& machine,
                  std::span<char> image) {
  const std::int64_t area = shape.kernel_h * shape.kernel_w;
  const std::int64_t per_channel = shape.in_channels * area;
  const std::int64_t code = machine.code_bytes();
  CHECK(static_cast<std::int64_t>(weights.size()) == shape.out_channels * per_channel * code);
  CHECK(static_cast<std::int64_t>(configs.size()) == shape.out_channels);
  CHECK(static_cast<std::int64_t>(image.size()) == filter_bytes(shape, machine));
  if (machine.width_aligned()) return pack_line_filters(shape, weights, configs, machine, image);
  const SlabGeometry slab(shape, machine);
  const auto taps = array_taps(shape, machine);
  for (std::int64_t co = 0; co < shape.out_channels; ++co) {
    const std::int64_t in_pass = co % slab.channels;
    const std::uint64_t word = encode(configs[static_cast<std::size_t>(co)]);
    std::memcpy(image.data() + co / slab.channels * slab.bytes + in_pass * 8, &word, sizeof word);
  }
  // The channels of a column together: their weights are neighbours.
  for (std::int64_t co = 0; co < shape.out_channels; co += slab.lanes) {
    const std::int64_t lanes = std::min(slab.lanes, shape.out_channels - co);
    char* base = image.data() + co / slab.channels * slab.bytes;
    const std::int64_t column = co % slab.channels / slab.lanes;
    for (const Tap& tap : taps) {
      char* to = base + slab.weight(column, tap.step, tap.row);
      const std::int8_t* from = weights.data() + (co * per_channel + tap.first_channel * area +
                                                  tap.kernel_y * shape.kernel_w + tap.kernel_x) *
                                                     code;
      for (std::int64_t c = 0; c < tap.channels; ++c) {
        for (std::int64_t lane = 0; lane < lanes; ++lane) {
          const std::int8_t* weight = from + (lane * per_channel + c * area) * code;
          char* const at = to + (c * slab.lanes + lane) * code;
          at[0] = static_cast<char>(weight[0]);
          if (code == 2) at[1] = static_cast<char>(weight[1]);
        }
      }
    }
  }
}

void pack_filters(const FilterShape& shape, std::span<const std::int8_t> weights,
                  std::span<const ChannelConfig> configs, const Machine& machine,
                  std::string& image) {
  const std::size_t begin = image.size();
  image.resize(begin + static_cast<std::size_t>(filter_bytes(shape, machine)), '\0');
  pack_filters(shape, weights, configs, machine, std::span(image).subspan(begin));
}

UnpackedFilters unpack_filters(const FilterShape& shape, std::span<const std::int8_t> image,
                               const Machine& machine) {
  const std::int64_t products = shape.in_channels * shape.kernel_h * shape.kernel_w;
  CHECK(products <= kDepthMax, "{} products in a sum", products);
  if (machine.width_aligned()) return unpack_line_filters(shape, image, machine);
  const SlabGeometry slab(shape, machine);
  const auto taps = array_taps(shape, machine);
  UnpackedFilters filters = empty_filters(taps, shape.out_channels, machine);
  for (std::int64_t co = 0; co < shape.out_channels; ++co) {
    std::uint64_t word = 0;
    std::memcpy(&word, image.data() + co / slab.channels * slab.bytes + co % slab.channels * 8,
                sizeof word);
    filters.configs.push_back(decode_channel_config(word));
  }
  for (std::int64_t co = 0; co < shape.out_channels; co += slab.lanes) {
    const std::int64_t lanes = std::min(slab.lanes, shape.out_channels - co);
    const std::int8_t* base = image.data() + co / slab.channels * slab.bytes;
    std::int64_t depth = 0;
    for (const Tap& tap : taps) {
      const std::int8_t* from =
          base + slab.weight(co % slab.channels / slab.lanes, tap.step, tap.row);
      for (std::int64_t lane = 0; lane < lanes; ++lane) {
        add_weights(from + lane * slab.code_bytes, slab.lanes * slab.code_bytes, tap.channels,
                    depth, co + lane, filters);
      }
      depth += round_up(tap.channels, kDotLength);
    }
  }
  filters.weights.set_offsets();
  filters.low.set_offsets();
  return filters;
}

// --- width-aligned machines ----------------------------------------------------------------------

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
