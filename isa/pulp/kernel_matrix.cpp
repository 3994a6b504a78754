// Convolution as matrix products: im2col columns are gathered pixel by pixel (padding is 0) and
// multiplied by the weights, 7 pixels by 32 channels at a time. Signed activations are gathered
// plus 128, as the product wants them, and start 128 times the sum of their weights lower.
#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "core/parallel.h"
#include "core/units.h"
#include "isa/int8_matrix.h"
#include "isa/pulp/channel_arithmetic.h"
#include "isa/pulp/kernel_semantics.h"

namespace workbench::pulp {

namespace {

constexpr std::int64_t kPanelBytes = 1 << 17;      // gathered pixels that stay in the L2 cache
constexpr std::int64_t kMacsForThreads = 1 << 27;  // milliseconds: starting threads costs 0.1

std::int64_t depth(const Kernel& kernel) { return kernel.kernel_h * kernel.kernel_w * kernel.in_c; }

// Linear kernels see the whole input as one pixel.
Kernel as_convolution(const Kernel& kernel) {
  Kernel conv = kernel;
  if (kernel.kind != KernelKind::Linear && kernel.kind != KernelKind::Linear32) return conv;
  CHECK(kernel.out_w == 1 && kernel.out_h == 1 && kernel.kernel_w == 1 && kernel.kernel_h == 1);
  conv.in_c = kernel.in_c * kernel.in_h * kernel.in_w;
  conv.in_h = conv.in_w = 1;
  return conv;
}

PackedMatrix packed_weights(const Kernel& kernel, const Bytes8& l1) {
  const std::int64_t length = depth(kernel);
  const SourceCodes weights(l1, kernel.weights, {kernel.out_c, length, kernel.weight_bits, true});
  PackedMatrix packed(round_up(length, kDotLength), kernel.out_c);
  const std::int64_t whole = length / kDotLength, rest = length % kDotLength;
  for (std::int64_t c = 0; c < kernel.out_c; ++c) {
    const std::uint8_t* from = weights.data() + c * length;
    std::int8_t* to = packed.codes.data() + packed.index(0, c);
    for (std::int64_t k = 0; k < whole; ++k) {
      std::memcpy(to, from, kDotLength);
      from += kDotLength;
      to += kTileColumns * kDotLength;
    }
    if (rest > 0) std::memcpy(to, from, static_cast<std::size_t>(rest));
  }
  return packed;
}

class Convolution {
 public:
  Convolution(const Kernel& call, Bytes8& l1)
      : kernel_(as_convolution(call)),
        depth_(depth(kernel_)),
        in_(l1, call.in, {call.in_h * call.in_w, call.in_c, call.in_bits, call.in_signed}),
        weights_(packed_weights(kernel_, l1)),
        arithmetic_(call, l1) {
    if (kernel_.in_signed) weights_.set_offsets();
    for (std::size_t c = 0; c < weights_.offsets.size(); ++c) {
      weights_.offsets[c] =
          static_cast<std::int32_t>(static_cast<std::uint32_t>(weights_.offsets[c]) +
                                    static_cast<std::uint32_t>(arithmetic_.starts()[c]));
    }
    const std::int64_t tile_bytes = kTileRows * std::max<std::int64_t>(1, weights_.depth);
    panel_ = kTileRows * std::max<std::int64_t>(1, kPanelBytes / tile_bytes);
  }

  // `out`: [pixels][out_c], codes of a byte or, for Linear32, accumulators.
  void run(std::uint8_t* out, int threads) const {
    const std::int64_t pixels = kernel_.out_h * kernel_.out_w;
    const bool small = pixels * kernel_.out_c * depth_ < kMacsForThreads;
    parallel_for(ceil_div(pixels, panel_), small ? 1 : threads, [&](std::int64_t i) {
      panel(i * panel_, std::min(panel_, pixels - i * panel_), out);
    });
  }

 private:
  void gather(std::int64_t pixel, std::uint8_t* to) const {
    const Kernel& k = kernel_;
    std::uint8_t* const begin = to;
    const std::int64_t top = pixel / k.out_w * k.stride_y - k.pad_top;
    const std::int64_t left = pixel % k.out_w * k.stride_x - k.pad_left;
    const auto bytes = static_cast<std::size_t>(k.in_c);
    for (std::int64_t ky = 0; ky < k.kernel_h; ++ky) {
      const std::int64_t y = top + ky * k.dilation_y;
      for (std::int64_t kx = 0; kx < k.kernel_w; ++kx, to += k.in_c) {
        const std::int64_t x = left + kx * k.dilation_x;
        if (y < 0 || y >= k.in_h || x < 0 || x >= k.in_w) {
          std::memset(to, 0, bytes);
        } else {
          std::memcpy(to, in_.data() + (y * k.in_w + x) * k.in_c, bytes);
        }
      }
    }
    if (!k.in_signed) return;
    for (std::uint8_t* code = begin; code != to; ++code) *code ^= 0x80;
  }

  void panel(std::int64_t first, std::int64_t count, std::uint8_t* out) const {
    Bytes8 sources(static_cast<std::size_t>(round_up(count, kTileRows) * weights_.depth), 0);
    for (std::int64_t p = 0; p < count; ++p) {
      gather(first + p, sources.data() + p * weights_.depth);
    }
    Tile sums;
    for (std::int64_t block = 0; block < weights_.blocks(); ++block) {
      for (std::int64_t p = 0; p < count; p += kTileRows) {
        multiply_tile(sources.data() + p * weights_.depth, weights_, block, sums);
        for (std::int64_t r = 0; r < std::min(kTileRows, count - p); ++r) {
          write(first + p + r, block, sums[static_cast<std::size_t>(r)], out);
        }
      }
    }
  }

  void write(std::int64_t pixel, std::int64_t block, const TileRow& sums, std::uint8_t* out) const {
    const std::int64_t at = pixel * kernel_.out_c + block * kTileColumns;
    const std::int64_t count = std::min(kTileColumns, kernel_.out_c - block * kTileColumns);
    if (kernel_.kind == KernelKind::Linear32) {
      std::memcpy(out + at * 4, sums.data(), static_cast<std::size_t>(count * 4));
      return;
    }
    std::array<std::uint8_t, kTileColumns> codes;
    arithmetic_.finish(sums, block, codes.data());
    std::memcpy(out + at, codes.data(), static_cast<std::size_t>(count));
  }

  Kernel kernel_;
  std::int64_t depth_, panel_ = kTileRows;
  SourceCodes in_;
  PackedMatrix weights_;
  ChannelArithmetic arithmetic_;
};

}  // namespace

void multiply(const Kernel& kernel, Bytes8& l1, int threads) {
  const Convolution convolution(kernel, l1);
  if (kernel.kind == KernelKind::Linear32) {
    convolution.run(bytes_at(l1, kernel.out, kernel.out_c * 4), threads);
    return;
  }
  ResultCodes out(l1, kernel.out, {kernel.out_h * kernel.out_w, kernel.out_c, kernel.out_bits});
  convolution.run(out.data(), threads);
  out.store();
}

}  // namespace workbench::pulp
