// How a convolution's weights and per-channel parameters lie in DDR, pass by pass
// (docs/facts/xdnn.md 1.5 and 1.6). What follows is true of channel-aligned machines; for the
// others see the end of this file, which the functions below that take a FilterShape turn to. One
// slab feeds one pass of output channels: first a 64-bit configuration word per channel, then for
// each column of the array, for each step, for each row, the weights of the column's channels. A
// step is what the array multiplies in one report cycle: one AM word of one kernel tap, or for
// replicated sections as many (section, tap) pairs as there are copies.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "isa/int8_matrix.h"
#include "isa/xdnn/instructions.h"
#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

// A run of input channels under one kernel tap, and where its weights sit in a step.
struct Tap {
  std::int64_t section = 0;  // AM section the channels are read from
  std::int64_t lane = 0;     // first code in the word (the copy this tap reads)
  std::int64_t first_channel = 0, channels = 0;
  std::int64_t kernel_y = 0, kernel_x = 0;
  std::int64_t step = 0, row = 0;  // array step, first row
};

// In the order of steps; together the taps cover every (channel, kernel_y, kernel_x) once.
std::vector<Tap> array_taps(const ChannelLayout& source, std::int64_t channels,
                            std::int64_t kernel_h, std::int64_t kernel_w,
                            std::int64_t word_channels);

// Array steps per output pixel, the "DSP data count": full*K*K + ceil(K*K*repl_sect/repl_units).
std::int64_t array_steps(const ChannelLayout& source, std::int64_t kernel_h, std::int64_t kernel_w);

// docs/facts/xdnn.md 1.5: up to one buffer ping-pong, up to both buffers single, beyond half rate.
struct FilterMode {
  bool pingpong = true, half_rate = false, possible = true;
};
// Width-aligned machines have no half rate; their steps are input channels, padded to even, x
// kernel area.
FilterMode filter_mode(std::int64_t steps, const Machine& machine);

std::int64_t slab_bytes(std::int64_t steps, bool half_rate, const Machine& machine);

// 64-bit configuration word of one output channel.
struct ChannelConfig {
  std::int64_t preshift = 0;   // bits 0-5
  bool enable = false;         // bit 7
  std::int64_t scale = 0;      // bits 8-23; PReLU: positive scale in 8-15, negative in 16-23
  std::int64_t bias = 0;       // bits 24-55, signed
  std::int64_t postshift = 0;  // bits 56-61
  friend bool operator==(const ChannelConfig&, const ChannelConfig&) = default;
};
std::uint64_t encode(const ChannelConfig& config);
ChannelConfig decode_channel_config(std::uint64_t word);

struct FilterShape {
  ChannelLayout source;
  std::int64_t in_channels = 0, out_channels = 0, kernel_h = 1, kernel_w = 1;
  bool half_rate = false;
  friend bool operator==(const FilterShape&, const FilterShape&) = default;
};
FilterShape filter_shape(const Conv& conv);

// The same for any family. Width-aligned: a line of pixels takes one step for each input channel
// and kernel position (docs/facts/xdnn.md 5.2), and a tap is all channels of a position, read from
// pixels [in_channels]; it has no step of its own. The buffers hold an even number of channels.
std::vector<Tap> array_taps(const FilterShape& shape, const Machine& machine);
std::int64_t array_steps(const FilterShape& shape, const Machine& machine);
// Of filters that are to be used at half rate, where half as many channels make a slab, `pingpong`
// is of such slabs: up to twice the steps fit one buffer (assumed: docs/facts/xdnn.md 1.5 has slabs
// of both buffers only).
FilterMode filter_mode(const FilterShape& shape, const Machine& machine);
std::int64_t slab_bytes(const FilterShape& shape, const Machine& machine);

// Size of the slabs of all passes.
std::int64_t filter_bytes(const FilterShape& shape, const Machine& machine);
// Writes the slabs of all passes to `image`, which is filter_bytes() of zeros. `weights`: the bytes
// of [out][in][kernel_h][kernel_w], the machine's codes; `configs`: one per output channel.
void pack_filters(const FilterShape& shape, std::span<const std::int8_t> weights,
                  std::span<const ChannelConfig> configs, const Machine& machine,
                  std::span<char> image);
// The same, appended to `image`.
void pack_filters(const FilterShape& shape, std::span<const std::int8_t> weights,
                  std::span<const ChannelConfig> configs, const Machine& machine,
                  std::string& image);

// The inverse, as the array sees it. The weights' depth runs over array_taps' channels in order,
// each tap padded with zeros to a multiple of kDotLength channels.
struct UnpackedFilters {
  PackedMatrix weights;  // [padded_depth(taps)][out_channels]
  // 16 bit: a weight is 256 * its code in `weights` + its code here + 128; padding is 0 in both.
  PackedMatrix low;
  std::vector<std::int64_t> sums;      // 16 bit: of the weights of each output channel
  std::vector<ChannelConfig> configs;  // of each output channel
};
// Puts the `count` weights from bytes `from` on, `stride` bytes apart, under depth `depth` of
// output channel `channel`.
void add_weights(const std::int8_t* from, std::int64_t stride, std::int64_t count,
                 std::int64_t depth, std::int64_t channel, UnpackedFilters& filters);
UnpackedFilters empty_filters(std::span<const Tap> taps, std::int64_t out_channels,
                              const Machine& machine);
std::int64_t padded_depth(std::span<const Tap> taps);
UnpackedFilters unpack_filters(const FilterShape& shape, std::span<const std::int8_t> image,
                               const Machine& machine);

// --- width-aligned machines ----------------------------------------------------------------------

// Filters of width-aligned machines (docs/facts/xdnn.md 1.6, V2), behind filters.h. One slab feeds
// one pass: four vectors of shorts, an entry for each output channel of the pass: bias, prescale,
// scale, postscale; then the weights, of the machine's width, [in channel, padded to
// even][kernel_y][kernel_x][output channel]. That the slab of a pass lies together is assumed.

std::int64_t line_slab_bytes(const FilterShape& shape, const Machine& machine);
// As pack_filters() and unpack_filters().
void pack_line_filters(const FilterShape& shape, std::span<const std::int8_t> weights,
                       std::span<const ChannelConfig> configs, const Machine& machine,
                       std::span<char> image);
UnpackedFilters unpack_line_filters(const FilterShape& shape, std::span<const std::int8_t> image,
                                    const Machine& machine);

}  // namespace workbench::xdnn
