// Convolution as matrix products: the words the array rows see are gathered pixel by pixel and
// multiplied by the filters, 7 pixels by 32 channels at a time. Codes and weights of 16 bits are
// each cut in two of 8: with x = 256 a + b + 128 and w = 256 c + d + 128 the sum of x w is
// 65536 sum(a c) + 256 (sum(a d) + sum(b c)) + sum(b d) + 128 (sum(x - 128) + sum(w)).
#include "isa/xdnn/conv_semantics.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "core/parallel.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/semantics.h"

namespace workbench::xdnn {

namespace {

constexpr std::int64_t kPanelBytes = 1 << 17;  // gathered pixels that stay in the L2 cache
constexpr std::int64_t kPanelTilesMax = 64;

// The input as AM words, [section][pixel][word_bytes]: the AM itself, or for a source in DDR a copy
// as the tiling hardware brings it in, with the replicas it makes. Where words hold pixels of one
// channel, a copy with the channels of each pixel together: one section of in_ch codes per pixel.
class SourceWords {
 public:
  SourceWords(const Conv& conv, const Machine& machine, const Memory& memory)
      : word_bytes_(machine.width_aligned() ? conv.in_ch * machine.code_bytes()
                                            : machine.word_bytes()),
        section_bytes_(conv.in_h * conv.in_w * word_bytes_) {
    if (machine.width_aligned()) {
      CHECK(!conv.tail.source_in_ddr && !conv.transposed, "no field of {}", machine.family_name);
      pixels_ = read_am(memory, {.address = conv.inaddr / machine.word_addresses(),
                                 .channels = conv.in_ch,
                                 .height = conv.in_h,
                                 .width = conv.in_w});
      words_ = pixels_.data();
      return;
    }
    if (!conv.tail.source_in_ddr) {
      words_ = memory.am.data() + conv.inaddr * machine.word_bytes();
      return;
    }
    const AmTensor tensor{0, conv.in_ch, conv.in_h, conv.in_w, conv.tail.source, 0};
    tiles_.geometry = machine.geometry();
    tiles_.am.resize(static_cast<std::size_t>(conv.tail.source.sections() * section_bytes_));
    write_am(tiles_, tensor, read_ddr(memory, conv.inaddr, conv.in_ch, conv.in_h, conv.in_w));
    words_ = tiles_.am.data();
  }
  const std::int8_t* section(std::int64_t s) const { return words_ + s * section_bytes_; }
  std::int64_t word_bytes() const { return word_bytes_; }

 private:
  std::int64_t word_bytes_, section_bytes_;
  const std::int8_t* words_ = nullptr;
  Memory tiles_;
  std::vector<std::int8_t> pixels_;
};

// Input coordinate that output coordinate `out` reads through kernel tap `k`; -1 when it is padding
// or, transposed, falls between input samples.
std::int64_t input_coordinate(bool transposed, std::int64_t out, std::int64_t k,
                              std::int64_t stride, std::int64_t pad, std::int64_t dilation,
                              std::int64_t size) {
  std::int64_t in = 0;
  if (transposed) {
    const std::int64_t scaled = out + pad - k * dilation;
    if (scaled < 0 || scaled % stride != 0) return -1;
    in = scaled / stride;
  } else {
    in = out * stride - pad + k * dilation;
  }
  return in >= 0 && in < size ? in : -1;
}

// What follows the sum of products, for channels padded to whole tiles.
struct ChannelArithmetic {
  std::vector<double> bias, prescale, multiplier, negative_multiplier;

  // result = floor((acc + bias) * multiplier + 1/2). scale / 2^shift is exact in double, and so is
  // the product (44 bits at most): this is rr((acc + bias) * scale, shift).
  ChannelArithmetic(const Conv& conv, const std::vector<ChannelConfig>& configs) {
    const auto padded =
        static_cast<std::size_t>(round_up(static_cast<std::int64_t>(configs.size()), kTileColumns));
    for (auto* list : {&bias, &prescale, &multiplier, &negative_multiplier}) {
      list->resize(padded, 0.0);
    }
    for (std::size_t c = 0; c < configs.size(); ++c) {
      const ChannelConfig& config = configs[c];
      const std::int64_t positive = conv.prelu ? config.scale & 0xff : config.scale;
      const std::int64_t negative = conv.prelu ? config.scale >> 8 & 0xff : config.scale;
      const auto shift = static_cast<int>(config.postshift);
      bias[c] = static_cast<double>(conv.bias ? config.bias : 0);
      prescale[c] = std::ldexp(1.0, -static_cast<int>(config.preshift));
      multiplier[c] = std::ldexp(static_cast<double>(positive), -shift);
      negative_multiplier[c] = std::ldexp(static_cast<double>(negative), -shift);
    }
  }
};

// From the 8-bit sums of a block's channels to codes, and how many sums were wider than 24 bits.
// Padding is 0 and never wide. Without branches and in two loops: they become vector code.
using Finish = std::int64_t(const TileRow&, const ChannelArithmetic&, std::int64_t block,
                            double low, std::array<std::int8_t, kTileColumns>&);

constexpr double kWide = 8388608;  // 2^23

std::int64_t finish(const TileRow& sums, const ChannelArithmetic& channels, std::int64_t block,
                    double low, std::array<std::int8_t, kTileColumns>& codes) {
  const double* bias = channels.bias.data() + block * kTileColumns;
  const double* positive = channels.multiplier.data() + block * kTileColumns;
  const double* negative = channels.negative_multiplier.data() + block * kTileColumns;
  std::array<std::int32_t, kTileColumns> clamped{};
  std::int64_t wide = 0;
  for (std::size_t c = 0; c < clamped.size(); ++c) {
    const double acc = static_cast<double>(sums[c]) + bias[c];
    wide += static_cast<std::int64_t>(acc >= kWide) | static_cast<std::int64_t>(acc < -kWide);
    const double up = positive[c], down = negative[c];
    const double value = std::floor(acc * (acc < 0 ? down : up) + 0.5);
    const double above = value > low ? value : low;
    clamped[c] = static_cast<std::int32_t>(above < 127.0 ? above : 127.0);
  }
  for (std::size_t c = 0; c < codes.size(); ++c) codes[c] = static_cast<std::int8_t>(clamped[c]);
  return wide;
}

double clamped_code(double value) {
  const double above = value > -128.0 ? value : -128.0;
  return above < 127.0 ? above : 127.0;
}

// docs/facts/xdnn.md 3.2, each rr() as floor(x / 2^n + 1/2) like above: 31 and 16 bits, exact in
// double. That the sum with the bias saturates is assumed (docs/facts/xdnn.md 3.2).
std::int64_t finish_prescaled(const TileRow& sums, const ChannelArithmetic& channels,
                              std::int64_t block, double low,
                              std::array<std::int8_t, kTileColumns>& codes) {
  const double* bias = channels.bias.data() + block * kTileColumns;
  const double* prescale = channels.prescale.data() + block * kTileColumns;
  const double* multiplier = channels.multiplier.data() + block * kTileColumns;
  std::array<std::int32_t, kTileColumns> clamped{};
  std::int64_t wide = 0;
  for (std::size_t c = 0; c < clamped.size(); ++c) {
    const double acc = static_cast<double>(sums[c]);
    wide += static_cast<std::int64_t>(acc >= kWide) | static_cast<std::int64_t>(acc < -kWide);
    const double narrow = clamped_code(std::floor(acc * prescale[c] + 0.5));
    const double scaled = clamped_code(std::floor(narrow * multiplier[c] + 0.5));
    const double biased = clamped_code(scaled + bias[c]);
    clamped[c] = static_cast<std::int32_t>(biased > low ? biased : low);
  }
  for (std::size_t c = 0; c < codes.size(); ++c) codes[c] = static_cast<std::int8_t>(clamped[c]);
  return wide;
}

// The same two for one sum of 16-bit products, in integers (docs/facts/xdnn.md 3.2, 3.3: the bias
// counts units of 65536, and what the prescale leaves is clamped to 24 bits). Adds to `wide` for
// sums beyond 48 bits, as which the bias is limited (3.3).
std::int16_t finish_wide(std::int64_t sum, const Conv& conv, const ChannelConfig& config,
                         bool prescales, std::int64_t& wide) {
  const auto clamped = [](std::int64_t value, std::int64_t bits) {
    const std::int64_t high = (std::int64_t{1} << (bits - 1)) - 1;
    return std::clamp(value, -high - 1, high);
  };
  const std::int64_t bias = conv.bias ? config.bias : 0;
  std::int64_t v = prescales ? sum : sum + bias * 65536;
  wide += clamped(v, 48) != v ? 1 : 0;
  const std::int64_t positive = conv.prelu ? config.scale & 0xff : config.scale;
  const std::int64_t negative = conv.prelu ? config.scale >> 8 & 0xff : config.scale;
  const std::int64_t scale = v < 0 ? negative : positive;
  v = clamped(round_shift(v, config.preshift), prescales ? 16 : 24);
  v = clamped(round_shift(v * scale, config.postshift), 16);
  if (prescales) v = clamped(v + bias, 16);
  return static_cast<std::int16_t>(conv.relu ? std::max<std::int64_t>(v, 0) : v);
}

// One convolution, cut in panels of output pixels.
class Convolution {
 public:
  Convolution(const Conv& conv, std::int64_t filter_address, const Machine& machine,
              const Memory& memory)
      : conv_(conv),
        source_(conv, machine, memory),
        word_(source_.word_bytes()),
        taps_(array_taps(filter_shape(conv), machine)),
        filters_(unpack_filters(
            filter_shape(conv),
            std::span(memory.ddr).subspan(static_cast<std::size_t>(filter_address)), machine)),
        channels_(conv, filters_.configs),
        code_bytes_(machine.code_bytes()),
        prescales_(machine.prescales()),
        finish_(machine.prescales() ? finish_prescaled : finish) {
    const std::int64_t tile_bytes = kTileRows * std::max<std::int64_t>(1, filters_.weights.depth);
    panel_ = kTileRows * std::clamp<std::int64_t>(kPanelBytes / tile_bytes, 1, kPanelTilesMax);
  }

  ConvResult run(int threads) const {
    const std::int64_t pixels = conv_.out_h * conv_.out_w;
    ConvResult result;
    const std::int64_t pixel_bytes = conv_.out_ch * code_bytes_;
    result.pixels.resize(static_cast<std::size_t>(pixels * pixel_bytes));
    std::atomic<std::int64_t> wide = 0;
    parallel_for(ceil_div(pixels, panel_), threads, [&](std::int64_t i) {
      const std::int64_t first = i * panel_, count = std::min(panel_, pixels - first);
      std::int8_t* const out = result.pixels.data() + first * pixel_bytes;
      wide += code_bytes_ == 1 ? panel(first, count, out)
                               : wide_panel(first, count, reinterpret_cast<std::int16_t*>(out));
    });
    result.wide_accumulators = wide;
    result.channel_off = std::any_of(filters_.configs.begin(), filters_.configs.end(),
                                     [](const ChannelConfig& config) { return !config.enable; });
    return result;
  }

 private:
  // The sources of one output pixel, codes [depth].
  template <typename Code>
  void gather_codes(std::int64_t pixel, Code* to) const {
    const std::int64_t y = pixel / conv_.out_w, x = pixel % conv_.out_w;
    Code* const begin = to;
    for (const Tap& tap : taps_) {
      const std::int64_t in_y = input_coordinate(conv_.transposed, y, tap.kernel_y, conv_.stride_h,
                                                 conv_.pad_h, conv_.dilation_h, conv_.in_h);
      const std::int64_t in_x = input_coordinate(conv_.transposed, x, tap.kernel_x, conv_.stride_w,
                                                 conv_.pad_w, conv_.dilation_w, conv_.in_w);
      const auto bytes = static_cast<std::size_t>(tap.channels) * sizeof(Code);
      if (in_y < 0 || in_x < 0) {
        std::memset(to, 0, bytes);
      } else {
        const std::int64_t word = (in_y * conv_.in_w + in_x) * word_;
        const std::int64_t byte = tap.lane * static_cast<std::int64_t>(sizeof(Code));
        std::memcpy(to, source_.section(tap.section) + word + byte, bytes);
      }
      to += round_up(tap.channels, kDotLength);
    }
    if (conv_.tail.pre_relu) {
      for (Code* v = begin; v != to; ++v) *v = *v > 0 ? *v : Code{0};
    }
  }

  // As the matrix product wants them: plus 128.
  void gather_pixel(std::int64_t pixel, std::uint8_t* to) const {
    gather_codes(pixel, reinterpret_cast<std::int8_t*>(to));
    std::uint8_t* const end = to + filters_.weights.depth;
    for (std::uint8_t* v = to; v != end; ++v) *v ^= 0x80;
  }

  // Writes `count` pixels of the result; returns how many sums were wider than 24 bits.
  std::int64_t panel(std::int64_t first, std::int64_t count, std::int8_t* out) const {
    const PackedMatrix& weights = filters_.weights;
    std::vector<std::uint8_t> sources(
        static_cast<std::size_t>(round_up(count, kTileRows) * weights.depth));
    for (std::int64_t p = 0; p < count; ++p) {
      gather_pixel(first + p, sources.data() + p * weights.depth);
    }
    const double low = conv_.relu ? 0.0 : -128.0;
    std::int64_t wide = 0;
    Tile sums;
    std::array<std::int8_t, kTileColumns> codes{};
    for (std::int64_t block = 0; block < weights.blocks(); ++block) {
      for (std::int64_t p = 0; p < count; p += kTileRows) {
        multiply_tile(sources.data() + p * weights.depth, weights, block, sums);
        for (std::int64_t r = 0; r < std::min(kTileRows, count - p); ++r) {
          wide += finish_(sums[static_cast<std::size_t>(r)], channels_, block, low, codes);
          std::memcpy(out + (p + r) * conv_.out_ch + block * kTileColumns, codes.data(),
                      static_cast<std::size_t>(
                          std::min(kTileColumns, conv_.out_ch - block * kTileColumns)));
        }
      }
    }
    return wide;
  }

  // As panel(), of 16-bit codes: four products of their halves.
  std::int64_t wide_panel(std::int64_t first, std::int64_t count, std::int16_t* out) const {
    const PackedMatrix &high = filters_.weights, &low = filters_.low;
    const std::int64_t depth = high.depth, rows = round_up(count, kTileRows);
    const auto size = static_cast<std::size_t>(rows * depth);
    std::vector<std::uint8_t> upper(size), lower(size);
    std::vector<std::int64_t> source_sums(static_cast<std::size_t>(rows), 0);
    std::vector<std::int16_t> codes(static_cast<std::size_t>(depth), 0);
    for (std::int64_t p = 0; p < count; ++p) {
      gather_codes(first + p, codes.data());
      for (std::int64_t k = 0; k < depth; ++k) {
        const std::int16_t code = codes[static_cast<std::size_t>(k)];
        upper[static_cast<std::size_t>(p * depth + k)] =
            static_cast<std::uint8_t>((code >> 8) + 128);
        lower[static_cast<std::size_t>(p * depth + k)] = static_cast<std::uint8_t>(code & 0xff);
        source_sums[static_cast<std::size_t>(p)] += code;
      }
    }
    const std::int64_t products = conv_.in_ch * conv_.kernel_h * conv_.kernel_w;
    std::int64_t wide = 0;
    Tile upper_high, upper_low, lower_high, lower_low;
    for (std::int64_t block = 0; block < high.blocks(); ++block) {
      const std::int64_t begin = block * kTileColumns;
      const std::int64_t end = std::min(begin + kTileColumns, conv_.out_ch);
      for (std::int64_t p = 0; p < count; p += kTileRows) {
        multiply_tile(upper.data() + p * depth, high, block, upper_high);
        multiply_tile(upper.data() + p * depth, low, block, upper_low);
        multiply_tile(lower.data() + p * depth, high, block, lower_high);
        multiply_tile(lower.data() + p * depth, low, block, lower_low);
        for (std::int64_t r = 0; r < std::min(kTileRows, count - p); ++r) {
          const auto row = static_cast<std::size_t>(r);
          const std::int64_t source = source_sums[static_cast<std::size_t>(p + r)] - 128 * products;
          for (std::int64_t c = begin; c < end; ++c) {
            const auto lane = static_cast<std::size_t>(c - begin),
                       channel = static_cast<std::size_t>(c);
            const std::int64_t middle =
                std::int64_t{upper_low[row][lane]} + std::int64_t{lower_high[row][lane]};
            const std::int64_t sum = 65536 * std::int64_t{upper_high[row][lane]} + 256 * middle +
                                     lower_low[row][lane] + 128 * (source + filters_.sums[channel]);
            out[(p + r) * conv_.out_ch + c] =
                finish_wide(sum, conv_, filters_.configs[channel], prescales_, wide);
          }
        }
      }
    }
    return wide;
  }

  const Conv& conv_;
  SourceWords source_;
  std::int64_t word_ = 0;
  std::vector<Tap> taps_;
  UnpackedFilters filters_;
  ChannelArithmetic channels_;
  std::int64_t code_bytes_ = 1;
  bool prescales_ = false;
  Finish* finish_;
  std::int64_t panel_ = 0;
};

}  // namespace

ConvResult convolve(const Conv& conv, std::int64_t filter_address, const Machine& machine,
                    const Memory& memory, int threads) {
  return Convolution(conv, filter_address, machine, memory).run(threads);
}

}  // namespace workbench::xdnn
