// Convolution as matrix products: the words the array rows see are gathered pixel by pixel and
// multiplied by the filters, 7 pixels by 32 channels at a time.
#include "isa/xdnn/conv_semantics.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "core/parallel.h"
#include "isa/xdnn/filters.h"

namespace workbench::xdnn {

namespace {

constexpr std::int64_t kPanelBytes = 1 << 17;  // gathered pixels that stay in the L2 cache
constexpr std::int64_t kPanelTilesMax = 64;

// The input as AM words, [section][pixel][word_bytes]: the AM itself, or for a source in DDR a copy
// as the tiling hardware brings it in, with the replicas it makes. Where words hold pixels of one
// channel, a copy with the channels of each pixel together: one section of in_ch bytes per pixel.
class SourceWords {
 public:
  SourceWords(const Conv& conv, const Machine& machine, const Memory& memory)
      : word_bytes_(machine.width_aligned() ? conv.in_ch : machine.word_bytes()),
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

// From the sums of a block's channels to codes, and how many sums were wider than 24 bits. Padding
// is 0 and never wide. Without branches and in two loops: they become vector code.
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

// xdnn.md 3.2, each rr() as floor(x / 2^n + 1/2) like above: 31 and 16 bits, exact in double. That
// the sum with the bias saturates is assumed (xdnn.md 3.2).
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
        finish_(machine.prescales() ? finish_prescaled : finish) {
    const std::int64_t tile_bytes = kTileRows * std::max<std::int64_t>(1, filters_.weights.depth);
    panel_ = kTileRows * std::clamp<std::int64_t>(kPanelBytes / tile_bytes, 1, kPanelTilesMax);
  }

  ConvResult run(int threads) const {
    const std::int64_t pixels = conv_.out_h * conv_.out_w;
    ConvResult result;
    result.pixels.resize(static_cast<std::size_t>(pixels * conv_.out_ch));
    std::atomic<std::int64_t> wide = 0;
    parallel_for(ceil_div(pixels, panel_), threads, [&](std::int64_t i) {
      const std::int64_t first = i * panel_, count = std::min(panel_, pixels - first);
      wide += panel(first, count, result.pixels.data() + first * conv_.out_ch);
    });
    result.wide_accumulators = wide;
    result.channel_off = std::any_of(filters_.configs.begin(), filters_.configs.end(),
                                     [](const ChannelConfig& config) { return !config.enable; });
    return result;
  }

 private:
  // The sources of one output pixel, [depth], as the matrix product wants them: plus 128.
  void gather_pixel(std::int64_t pixel, std::uint8_t* to) const {
    const std::int64_t y = pixel / conv_.out_w, x = pixel % conv_.out_w;
    std::uint8_t* const begin = to;
    for (const Tap& tap : taps_) {
      const std::int64_t in_y = input_coordinate(conv_.transposed, y, tap.kernel_y, conv_.stride_h,
                                                 conv_.pad_h, conv_.dilation_h, conv_.in_h);
      const std::int64_t in_x = input_coordinate(conv_.transposed, x, tap.kernel_x, conv_.stride_w,
                                                 conv_.pad_w, conv_.dilation_w, conv_.in_w);
      const auto bytes = static_cast<std::size_t>(tap.channels);
      if (in_y < 0 || in_x < 0) {
        std::memset(to, 0, bytes);
      } else {
        const std::int64_t word = (in_y * conv_.in_w + in_x) * word_;
        std::memcpy(to, source_.section(tap.section) + word + tap.byte, bytes);
      }
      to += round_up(tap.channels, kDotLength);
    }
    if (conv_.tail.pre_relu) {
      for (std::uint8_t* v = begin; v != to; ++v) *v = *v < 128 ? *v : std::uint8_t{0};
    }
    for (std::uint8_t* v = begin; v != to; ++v) *v ^= 0x80;
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

  const Conv& conv_;
  SourceWords source_;
  std::int64_t word_ = 0;
  std::vector<Tap> taps_;
  UnpackedFilters filters_;
  ChannelArithmetic channels_;
  Finish* finish_;
  std::int64_t panel_ = 0;
};

}  // namespace

ConvResult convolve(const Conv& conv, std::int64_t filter_address, const Machine& machine,
                    const Memory& memory, int threads) {
  return Convolution(conv, filter_address, machine, memory).run(threads);
}

std::vector<std::int8_t> max_pool(const PoolShape& s, const std::vector<std::int8_t>& in) {
  std::vector<std::int8_t> out(static_cast<std::size_t>(s.out_h * s.out_w * s.channels), -128);
  for (std::int64_t p = 0; p < s.out_h * s.out_w; ++p) {
    std::int8_t* to = out.data() + p * s.channels;
    for_each_in_window(s, p, [&](std::int64_t pixel) {
      const std::int8_t* from = in.data() + pixel * s.channels;
      for (std::int64_t c = 0; c < s.channels; ++c) to[c] = std::max(to[c], from[c]);
    });
  }
  return out;
}

}  // namespace workbench::xdnn
