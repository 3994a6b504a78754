#include "isa/xdnn/conv_semantics.h"

#include <Eigen/Core>
#include <atomic>
#include <cmath>

#include "core/parallel.h"
#include "isa/xdnn/filters.h"

namespace workbench::xdnn {

namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixMap = Eigen::Map<const Matrix, 0, Eigen::OuterStride<>>;

constexpr double kExactFloat = 16777216;        // 2^24: integers up to here are exact in float32
constexpr std::int64_t kPanelFloats = 1 << 17;  // an im2col panel that stays in the L2 cache

// The words of every input pixel, [pixel][section * word_bytes], as float: what the array rows see.
std::vector<float> source_words(const Conv& conv, const Machine& machine, const Memory& memory) {
  const std::int64_t pixels = conv.in_h * conv.in_w, word = machine.word_bytes();
  const std::int64_t row = conv.tail.source.sections() * word;
  std::vector<float> words(static_cast<std::size_t>(pixels * row), 0.0F);
  const AmTensor tensor{conv.inaddr, conv.in_ch, conv.in_h, conv.in_w, conv.tail.source, 0};
  const auto slices = section_slices(tensor, word);
  const auto put = [&](std::int64_t pixel, std::int64_t byte, const std::int8_t* from,
                       std::int64_t n) {
    float* to = words.data() + pixel * row + byte;
    for (std::int64_t c = 0; c < n; ++c) {
      const auto value = static_cast<float>(from[c]);
      to[c] = conv.tail.pre_relu ? std::max(value, 0.0F) : value;
    }
  };
  std::vector<std::int8_t> ddr;
  if (conv.tail.source_in_ddr) {  // tiles are brought in and replicated by the tiling hardware
    ddr = read_ddr(memory, conv.inaddr, conv.in_ch, conv.in_h, conv.in_w);
  }
  for (std::size_t s = 0; s < slices.size(); ++s) {
    const SectionSlice& slice = slices[s];
    const std::int64_t section = static_cast<std::int64_t>(s);
    for (std::int64_t p = 0; p < pixels; ++p) {
      for (std::int64_t copy = 0; copy < slice.copies; ++copy) {
        const std::int64_t byte = slice.first_byte + copy * slice.copy_stride;
        const std::int8_t* from =
            conv.tail.source_in_ddr
                ? ddr.data() + p * conv.in_ch + slice.first_channel
                : memory.am.data() + (conv.inaddr + section * pixels + p) * word + byte;
        put(p, section * word + byte, from, slice.channels);
      }
    }
  }
  return words;
}

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

// One convolution, cut in panels of output pixels.
class Convolution {
 public:
  Convolution(const Conv& conv, std::int64_t filter_address, const Machine& machine,
              const Memory& memory)
      : conv_(conv),
        words_(source_words(conv, machine, memory)),
        row_(conv.tail.source.sections() * machine.word_bytes()),
        word_(machine.word_bytes()),
        taps_(array_taps(conv.tail.source, conv.in_ch, conv.kernel_h, conv.kernel_w, word_)),
        filters_(unpack_filters(
            filter_shape(conv),
            std::span(memory.ddr).subspan(static_cast<std::size_t>(filter_address)), machine)) {
    // Exact in float32 as long as no partial sum can reach 2^24; else the sum is cut in blocks.
    const bool exact = static_cast<double>(filters_.largest_sum) * 128 <= kExactFloat;
    block_ = exact ? filters_.depth : std::int64_t{1024};
    panel_ = std::clamp<std::int64_t>(kPanelFloats / std::max<std::int64_t>(1, filters_.depth), 16,
                                      1024);
    set_up_channels();
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
    return result;
  }

 private:
  // Per channel: result = floor((acc + bias) * multiplier + 1/2). scale / 2^shift is exact in
  // double, and so is the product (44 bits at most): this is rr((acc + bias) * scale, shift).
  void set_up_channels() {
    for (const ChannelConfig& config : filters_.configs) {
      const std::int64_t positive = conv_.prelu ? config.scale & 0xff : config.scale;
      const std::int64_t negative = conv_.prelu ? config.scale >> 8 & 0xff : config.scale;
      const auto shift = static_cast<int>(config.postshift);
      bias_.push_back(static_cast<double>(conv_.bias ? config.bias : 0));
      multiplier_.push_back(std::ldexp(static_cast<double>(positive), -shift));
      negative_.push_back(std::ldexp(static_cast<double>(negative), -shift));
    }
  }

  void gather_pixel(std::int64_t pixel, float* to) const {
    const std::int64_t y = pixel / conv_.out_w, x = pixel % conv_.out_w;
    for (const Tap& tap : taps_) {
      const std::int64_t in_y = input_coordinate(conv_.transposed, y, tap.kernel_y, conv_.stride_h,
                                                 conv_.pad_h, conv_.dilation_h, conv_.in_h);
      const std::int64_t in_x = input_coordinate(conv_.transposed, x, tap.kernel_x, conv_.stride_w,
                                                 conv_.pad_w, conv_.dilation_w, conv_.in_w);
      if (in_y < 0 || in_x < 0) {
        std::fill(to, to + tap.channels, 0.0F);
      } else {
        const float* from =
            words_.data() + (in_y * conv_.in_w + in_x) * row_ + tap.section * word_ + tap.byte;
        std::copy(from, from + tap.channels, to);
      }
      to += tap.channels;
    }
  }

  // Writes `count` pixels of the result; returns how many sums were wider than 24 bits.
  std::int64_t panel(std::int64_t first, std::int64_t count, std::int8_t* out) const {
    Matrix in(count, filters_.depth);
    for (std::int64_t p = 0; p < count; ++p) gather_pixel(first + p, in.data() + p * in.cols());
    Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> wide_sum;
    Matrix sum(count, conv_.out_ch);
    for (std::int64_t k = 0; k < filters_.depth; k += block_) {
      const std::int64_t n = std::min(block_, filters_.depth - k);
      const MatrixMap weights(filters_.weights.data() + k * conv_.out_ch, n, conv_.out_ch,
                              Eigen::OuterStride<>(conv_.out_ch));
      sum.noalias() = in.middleCols(k, n) * weights;
      if (block_ < filters_.depth) {
        if (k == 0)
          wide_sum = sum.cast<double>();
        else
          wide_sum += sum.cast<double>();
      }
    }
    std::int64_t wide = 0;
    for (std::int64_t p = 0; p < count; ++p) {
      std::int8_t* to = out + p * conv_.out_ch;
      wide += block_ < filters_.depth ? finish(wide_sum.data() + p * conv_.out_ch, to)
                                      : finish(sum.data() + p * conv_.out_ch, to);
    }
    return wide;
  }

  template <typename T>
  std::int64_t finish(const T* sum, std::int8_t* to) const {
    const double low = conv_.relu ? 0.0 : -128.0;
    const double limit = 8388608;  // 2^23
    double wide = 0;
    for (std::size_t c = 0; c < bias_.size(); ++c) {
      const double acc = static_cast<double>(sum[c]) + bias_[c];
      wide += (acc >= limit || acc < -limit) ? 1.0 : 0.0;
      const double factor = acc < 0 ? negative_[c] : multiplier_[c];
      const double value = std::floor(acc * factor + 0.5);
      to[c] = static_cast<std::int8_t>(
          static_cast<std::int32_t>(std::min(127.0, std::max(low, value))));
    }
    return static_cast<std::int64_t>(wide);
  }

  const Conv& conv_;
  std::vector<float> words_;
  std::int64_t row_ = 0, word_ = 0;
  std::vector<Tap> taps_;
  UnpackedFilters filters_;
  std::int64_t block_ = 0, panel_ = 0;
  std::vector<double> bias_, multiplier_, negative_;
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
