#include "compiler/pulp/requantize.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "core/error.h"

namespace workbench::pulp {
namespace {

__extension__ using Wide = __int128;

constexpr std::int64_t kInt32Low = std::numeric_limits<std::int32_t>::min();
constexpr std::int64_t kInt32High = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kMostSteps = 1 << 16;  // staircases of more codes are not looked at

bool fits_int32(Wide value) { return value >= kInt32Low && value <= kInt32High; }
bool fits_int64(Wide value) {
  return value >= std::numeric_limits<std::int64_t>::min() &&
         value <= std::numeric_limits<std::int64_t>::max();
}

Wide floor_div(Wide numerator, Wide denominator) {
  const Wide quotient = numerator / denominator;
  return quotient - (numerator % denominator < 0 ? 1 : 0);
}
Wide ceil_div_wide(Wide numerator, Wide denominator) { return -floor_div(-numerator, denominator); }

// One channel's rescaling and the range of its accumulator; a falling one is mirrored, so that the
// staircase rises.
struct Channel {
  std::int64_t multiplier = 0, offset = 0, divisor = 1;
  Rounding rounding = Rounding::Floor;
  std::int64_t low = 0, high = 0;  // the rescaling's own clamp
  Values range;
  bool mirrored = false;

  std::int64_t at(std::int64_t x) const {
    const Wide numerator = Wide{multiplier} * x + offset;
    Wide cut = 0;
    switch (rounding) {
      case Rounding::Floor:
        cut = floor_div(numerator, divisor);
        break;
      case Rounding::HalfUp:
        cut = floor_div(numerator + divisor / 2, divisor);
        break;
      case Rounding::TowardZero:
        cut = numerator / divisor;
        break;
      case Rounding::HalfEven:
      case Rounding::HalfAwayFromZero:
        CHECK(false, "not a rounding of integer networks");
    }
    return static_cast<std::int64_t>(std::clamp<Wide>(cut, low, high));
  }

  // The smallest x with at(x) >= code, for a code above at(range.low) and not above at(range.high).
  std::int64_t step(std::int64_t code) const {
    Wide target = Wide{code} * divisor;  // of the numerator
    if (rounding == Rounding::HalfUp) target -= divisor / 2;
    if (rounding == Rounding::TowardZero && code <= 0) target = Wide{code - 1} * divisor + 1;
    return static_cast<std::int64_t>(ceil_div_wide(target - offset, multiplier));
  }
};

Channel channel_of(const AffineRequantize& affine, std::size_t c, Values range) {
  Channel channel{channel_entry(affine.multiplier, c),
                  channel_entry(affine.offset, c),
                  affine.divisor,
                  affine.rounding,
                  affine.low,
                  affine.high,
                  range};
  if (channel.multiplier < 0) {
    channel.mirrored = true;
    channel.multiplier = -channel.multiplier;
    channel.range = {-range.high, -range.low};
  }
  return channel;
}

// Accumulators at which the staircase steps: positions[i] is the first with first + i + 1.
struct Staircase {
  std::int64_t first = 0;
  std::vector<std::int64_t> positions;
  std::int64_t last() const { return first + static_cast<std::int64_t>(positions.size()); }
};

std::optional<Staircase> staircase(const Channel& channel) {
  Staircase stairs{channel.at(channel.range.low), {}};
  const std::int64_t last = channel.at(channel.range.high);
  if (last - stairs.first > kMostSteps) return std::nullopt;
  for (std::int64_t code = stairs.first + 1; code <= last; ++code) {
    stairs.positions.push_back(channel.step(code));
  }
  return stairs;
}

// Offsets with which (slope * x + offset) >> shift is that staircase; empty: low > high.
struct Offsets {
  Wide low = 0, high = 0;
  bool empty() const { return low > high; }
};

Offsets offsets_for(const Staircase& stairs, const Channel& channel, const Codes& codes,
                    std::int64_t slope, std::int64_t shift) {
  const Wide unit = Wide{1} << shift;
  Offsets offsets{-(Wide{1} << 100), Wide{1} << 100};
  std::int64_t code = stairs.first;
  for (const std::int64_t x : stairs.positions) {
    ++code;
    offsets.low = std::max(offsets.low, code * unit - Wide{slope} * x);
    offsets.high = std::min(offsets.high, code * unit - 1 - Wide{slope} * (x - 1));
  }
  if (!codes.clipped || stairs.first > codes.low) {
    offsets.low = std::max(offsets.low, stairs.first * unit - Wide{slope} * channel.range.low);
  }
  if (!codes.clipped || stairs.last() < codes.high) {
    offsets.high =
        std::min(offsets.high, (stairs.last() + 1) * unit - 1 - Wide{slope} * channel.range.high);
  }
  return offsets;
}

// Whether all products, sums and results fit `bits`, so that nothing wraps. The wide
// arithmetic hands 32 bits to the clip (docs/facts/pulp.md 2.2).
bool holds(std::int64_t slope, Wide offset, Values range, std::int64_t shift, std::int64_t bits) {
  for (const std::int64_t x : {range.low, range.high}) {
    const Wide product = Wide{slope} * x, sum = product + offset;
    if (bits == 32 && !(fits_int32(product) && fits_int32(sum))) return false;
    if (bits == 64 && !(fits_int64(product) && fits_int64(sum) && fits_int32(sum >> shift))) {
      return false;
    }
  }
  return bits == 32 ? fits_int32(slope) && fits_int32(offset) : fits_int64(offset);
}

Lines empty_lines(std::int64_t shift, std::int64_t bits) {
  Lines lines;
  lines.shift = shift;
  lines.bits = bits;
  return lines;
}

void append(Lines& lines, const Channel& channel, std::int64_t slope, std::int64_t offset) {
  lines.multiplier.push_back(channel.mirrored ? -slope : slope);
  lines.offset.push_back(offset);
}

// Whether rounding down and the kernel's own saturation do what rounding and clamp of the rescaling
// do. A clamp that is not the kernel's must never act.
bool same_clamp(const Channel& channel, const Codes& codes) {
  Channel open = channel;
  open.low = kInt32Low, open.high = kInt32High;
  const bool low_is_kernels = codes.clipped && channel.low == codes.low;
  const bool high_is_kernels = codes.clipped && channel.high == codes.high;
  if (!low_is_kernels && open.at(channel.range.low) < channel.low) return false;
  if (!high_is_kernels && open.at(channel.range.high) > channel.high) return false;
  if (channel.rounding != Rounding::TowardZero || channel.divisor == 1) return true;
  const Wide least = Wide{channel.multiplier} * channel.range.low + channel.offset;
  return least >= 0 || (low_is_kernels && channel.low >= 0);
}

// The first channel whose own numbers leave 32 bits; -1: none does.
std::int64_t first_wrapping(const AffineRequantize& affine, std::span<const Values> ranges) {
  for (std::size_t c = 0; c < ranges.size(); ++c) {
    const Channel channel = channel_of(affine, c, ranges[c]);
    if (!holds(channel.multiplier, channel.offset, channel.range, 0, 32)) {
      return static_cast<std::int64_t>(c);
    }
  }
  return -1;
}

// Bounds within which nothing leaves 32 bits and beyond which the code is saturated; none where a
// code would change.
std::optional<Values> bounds_for(const Channel& channel, Wide offset, std::int64_t shift,
                                 const Codes& codes) {
  Values bounds{kInt32Low, kInt32High};
  const Wide slope = channel.multiplier;
  if (!fits_int32(slope) || !fits_int32(offset)) return std::nullopt;
  if (!fits_int32(slope * channel.range.high + offset)) {
    bounds.high = static_cast<std::int64_t>(floor_div(kInt32High - offset, slope));
    if ((slope * bounds.high + offset) >> shift < codes.high) return std::nullopt;
  }
  if (!fits_int32(slope * channel.range.low + offset)) {
    bounds.low = static_cast<std::int64_t>(ceil_div_wide(kInt32Low - offset, slope));
    if ((slope * bounds.low + offset) >> shift > codes.low) return std::nullopt;
  }
  return bounds;
}

// The rescaling's own numbers in 32 bits, of clamped accumulators. (Products may wrap: sums modulo
// 2^32 are right where they fit.)
std::optional<Lines> clamped_lines(const AffineRequantize& affine, std::span<const Values> ranges,
                                   const Codes& codes) {
  const auto divisor = static_cast<std::uint64_t>(affine.divisor);
  if (!codes.clipped || !std::has_single_bit(divisor)) return std::nullopt;
  Lines lines = empty_lines(std::countr_zero(divisor), 32);
  if (lines.shift >= 32) return std::nullopt;
  for (std::size_t c = 0; c < ranges.size(); ++c) {
    const Channel channel = channel_of(affine, c, ranges[c]);
    if (!same_clamp(channel, codes)) return std::nullopt;
    const Wide offset =
        Wide{channel.offset} + (affine.rounding == Rounding::HalfUp ? affine.divisor / 2 : 0);
    const std::optional<Values> bounds = bounds_for(channel, offset, lines.shift, codes);
    if (!bounds) return std::nullopt;
    append(lines, channel, channel.multiplier, static_cast<std::int64_t>(offset));
    lines.low.push_back(channel.mirrored ? std::max(kInt32Low, -bounds->high) : bounds->low);
    lines.high.push_back(channel.mirrored ? std::min(kInt32High, -bounds->low) : bounds->high);
  }
  return lines;
}

// The rescaling's own numbers, where its divisor is a power of two: no search, no proof by steps.
std::optional<Lines> direct_lines(const AffineRequantize& affine, std::span<const Values> ranges,
                                  const Codes& codes, std::int64_t bits, bool may_wrap) {
  const auto divisor = static_cast<std::uint64_t>(affine.divisor);
  if (!std::has_single_bit(divisor)) return std::nullopt;
  Lines lines = empty_lines(std::countr_zero(divisor), bits);
  if (lines.shift >= bits) return std::nullopt;
  for (std::size_t c = 0; c < ranges.size(); ++c) {
    const Channel channel = channel_of(affine, c, ranges[c]);
    if (!same_clamp(channel, codes)) return std::nullopt;
    const Wide offset =
        Wide{channel.offset} + (affine.rounding == Rounding::HalfUp ? affine.divisor / 2 : 0);
    const bool fits =
        bits == 32 ? fits_int32(channel.multiplier) && fits_int32(offset) : fits_int64(offset);
    if (!fits) return std::nullopt;
    if (!may_wrap && !holds(channel.multiplier, offset, channel.range, lines.shift, bits)) {
      return std::nullopt;
    }
    append(lines, channel, channel.multiplier, static_cast<std::int64_t>(offset));
  }
  return lines;
}

// The channel's line at that shift, as near its own slope as can be.
bool add_line(Lines& lines, const Channel& channel, const Staircase& stairs, const Codes& codes) {
  const Wide scaled = Wide{channel.multiplier} << lines.shift;
  const auto below = static_cast<std::int64_t>(floor_div(scaled, channel.divisor));
  for (const std::int64_t slope : {below, below + 1, below - 1}) {
    if (slope < 0) continue;
    const Offsets offsets = offsets_for(stairs, channel, codes, slope, lines.shift);
    if (offsets.empty()) continue;
    const Wide own = floor_div(Wide{channel.offset} << lines.shift, channel.divisor);
    const Wide offset = std::clamp(own, offsets.low, offsets.high);
    if (!holds(slope, offset, channel.range, lines.shift, lines.bits)) continue;
    append(lines, channel, slope, static_cast<std::int64_t>(offset));
    return true;
  }
  return false;
}

// Bits of the largest shift at which no channel's line can leave `bits` for its slope alone.
std::int64_t largest_shift(const std::vector<Channel>& channels, std::int64_t bits) {
  std::int64_t shift = bits - 1;
  for (const Channel& channel : channels) {
    const Wide reach = std::max({Wide{channel.range.high}, Wide{-channel.range.low}, Wide{1}});
    const Wide limit = (Wide{1} << (bits - 2)) * channel.divisor;
    while (shift > 0 && ((Wide{channel.multiplier} * reach) << shift) > limit) --shift;
  }
  return std::min<std::int64_t>(shift, bits == 32 ? 31 : 47);
}

// Shifts below the largest are less exact: few are worth a look.
constexpr std::int64_t kShiftsTried = 6;

// Staircases are made when first asked for: most searches end at the first channel.
using Staircases = std::vector<std::optional<Staircase>>;

std::optional<Lines> searched_lines(const std::vector<Channel>& channels, Staircases& stairs,
                                    const Codes& codes, std::int64_t bits) {
  const std::int64_t largest = largest_shift(channels, bits);
  for (std::int64_t shift = largest; shift >= std::max<std::int64_t>(0, largest - kShiftsTried);
       --shift) {
    Lines lines = empty_lines(shift, bits);
    bool all = true;
    for (std::size_t c = 0; all && c < channels.size(); ++c) {
      if (!stairs[c]) stairs[c] = staircase(channels[c]);
      if (!stairs[c]) return std::nullopt;
      all = add_line(lines, channels[c], *stairs[c], codes);
    }
    if (all) return lines;
  }
  return std::nullopt;
}

}  // namespace

std::int64_t channel_entry(const std::vector<std::int64_t>& list, std::size_t channel) {
  return list.size() == 1 ? list[0] : list.at(channel);
}

std::int64_t rescaled(const AffineRequantize& affine, std::size_t channel, std::int64_t value) {
  Channel plain{channel_entry(affine.multiplier, channel),
                channel_entry(affine.offset, channel),
                affine.divisor,
                affine.rounding,
                affine.low,
                affine.high,
                {}};
  return plain.at(value);
}

std::optional<Lines> lines_of(const AffineRequantize& affine, std::span<const Values> ranges,
                              const Codes& codes, NormBits bits, bool may_clamp) {
  if (bits != NormBits::Bits64) {
    auto direct = direct_lines(affine, ranges, codes, 32, bits == NormBits::Bits32);
    if (direct) return direct;
  }
  std::vector<Channel> channels;
  for (std::size_t c = 0; c < ranges.size(); ++c) {
    channels.push_back(channel_of(affine, c, ranges[c]));
  }
  Staircases stairs(channels.size());
  if (bits != NormBits::Bits64) {
    if (auto found = searched_lines(channels, stairs, codes, 32)) return found;
  }
  if (bits == NormBits::Bits32) return std::nullopt;
  std::optional<Lines> lines;
  if (bits == NormBits::Auto && may_clamp) lines = clamped_lines(affine, ranges, codes);
  if (!lines) lines = direct_lines(affine, ranges, codes, 64, false);
  if (!lines) lines = searched_lines(channels, stairs, codes, 64);
  if (lines) lines->wraps = first_wrapping(affine, ranges);
  return lines;
}

namespace {

// Kernels divide as C does; the sums of unsigned codes are unsigned 32-bit numbers
// (docs/facts/pulp.md 2.2).
bool pools_alike(const PoolLine& line, const Channel& channel, const Codes& codes) {
  const auto at = [&](std::int64_t sum) -> std::optional<std::int64_t> {
    const Wide product = Wide{sum} * line.multiplier;
    const Wide value = product / line.divisor + line.offset;
    if (!fits_int32(product) || !fits_int32(value)) return std::nullopt;
    const auto cut = static_cast<std::int64_t>(value >> line.shift);
    return codes.clipped ? std::clamp(cut, codes.low, codes.high) : cut;
  };
  const auto stairs = staircase(channel);
  if (!stairs || at(channel.range.low) != stairs->first) return false;
  std::int64_t code = stairs->first;
  for (const std::int64_t x : stairs->positions) {
    ++code;
    const auto reached = at(x), before = at(x - 1);
    if (!reached || !before || *reached < code || *before >= code) return false;
  }
  return at(channel.range.high) == stairs->last();
}

}  // namespace

std::optional<PoolLine> pool_line_of(const AffineRequantize& affine, const Values& sums,
                                     std::int64_t window, const Codes& codes) {
  const Channel channel = channel_of(affine, 0, sums);
  if (channel.mirrored) return std::nullopt;
  std::vector<PoolLine> candidates;
  const std::int64_t half = affine.rounding == Rounding::HalfUp ? affine.divisor / 2 : 0;
  const auto add_power = [&](std::int64_t divisor, std::int64_t multiplier, std::int64_t by,
                             std::int64_t offset) {
    const auto power = static_cast<std::uint64_t>(divisor);
    if (divisor < 1 || !std::has_single_bit(power)) return;
    candidates.push_back({multiplier, by, offset, std::countr_zero(power)});
  };
  // The mean first: what the library's pools do, whose divisor is the window.
  if (affine.divisor % window == 0) {
    add_power(affine.divisor / window, channel.multiplier, window,
              static_cast<std::int64_t>(floor_div(Wide{channel.offset} + half, window)));
  }
  add_power(affine.divisor, channel.multiplier * window, window, channel.offset + half);
  add_power(affine.divisor, channel.multiplier, 1, channel.offset + half);
  if (const auto lines = lines_of(affine, std::span(&sums, 1), codes, NormBits::Bits32)) {
    candidates.push_back({lines->multiplier[0] * window, window, lines->offset[0], lines->shift});
    candidates.push_back({lines->multiplier[0], 1, lines->offset[0], lines->shift});
  }
  for (const PoolLine& line : candidates) {
    if (line.shift < 32 && pools_alike(line, channel, codes)) return line;
  }
  return std::nullopt;
}

}  // namespace workbench::pulp
