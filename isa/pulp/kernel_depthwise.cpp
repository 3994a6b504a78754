// Depthwise convolution, a block of channels at a time: the planes of the input are brought side by
// side, [row][column][32 channels], so that every tap is one operation on vectors.
#include <algorithm>
#include <array>
#include <cstring>

#include "core/error.h"
#include "core/units.h"
#include "isa/int8_matrix.h"
#include "isa/pulp/channel_arithmetic.h"
#include "isa/pulp/kernel_semantics.h"

namespace workbench::pulp {

namespace {

using Lanes = std::array<std::int16_t, kTileColumns>;

// [planes][length] -> [length][32] of the planes from `first` on; lanes without a plane stay 0.
void side_by_side(const std::uint8_t* codes, bool is_signed, std::int64_t first,
                  std::int64_t planes, std::int64_t length, std::vector<Lanes>& to) {
  std::fill(to.begin(), to.end(), Lanes{});
  for (std::int64_t lane = 0; lane < std::min(kTileColumns, planes - first); ++lane) {
    const std::uint8_t* from = codes + (first + lane) * length;
    std::int16_t* lanes = to.data()->data() + lane;
    for (std::int64_t i = 0; i < length; ++i) {
      lanes[i * kTileColumns] =
          is_signed ? static_cast<std::int8_t>(from[i]) : std::int16_t{from[i]};
    }
  }
}

// sums += x * w, wrapping.
void accumulate(const Lanes& x, const Lanes& w, TileRow& sums) {
  for (std::size_t c = 0; c < sums.size(); ++c) {
    sums[c] = static_cast<std::int32_t>(static_cast<std::uint32_t>(sums[c]) +
                                        static_cast<std::uint32_t>(x[c] * w[c]));
  }
}

struct Window {
  const Kernel& kernel;
  const std::vector<Lanes>& in;       // [in_h][in_w]
  const std::vector<Lanes>& weights;  // [kernel_h][kernel_w]

  void sum(std::int64_t out_y, std::int64_t out_x, TileRow& sums) const {
    for (std::int64_t ky = 0; ky < kernel.kernel_h; ++ky) {
      const std::int64_t y = out_y * kernel.stride_y - kernel.pad_top + ky * kernel.dilation_y;
      if (y < 0 || y >= kernel.in_h) continue;
      for (std::int64_t kx = 0; kx < kernel.kernel_w; ++kx) {
        const std::int64_t x = out_x * kernel.stride_x - kernel.pad_left + kx * kernel.dilation_x;
        if (x < 0 || x >= kernel.in_w) continue;
        accumulate(in[static_cast<std::size_t>(y * kernel.in_w + x)],
                   weights[static_cast<std::size_t>(ky * kernel.kernel_w + kx)], sums);
      }
    }
  }
};

}  // namespace

void depthwise(const Kernel& kernel, Bytes8& l1) {
  CHECK(kernel.in_c == kernel.out_c, "{} of {} channels", kernel.out_c, kernel.in_c);
  const std::int64_t area = kernel.in_h * kernel.in_w, taps = kernel.kernel_h * kernel.kernel_w;
  const SourceCodes in(l1, kernel.in, {kernel.in_c, area, kernel.in_bits, kernel.in_signed});
  const SourceCodes weights(l1, kernel.weights, {kernel.out_c, taps, kernel.weight_bits, true});
  const ChannelArithmetic arithmetic(kernel, l1);
  const std::int64_t pixels = kernel.out_h * kernel.out_w;
  ResultCodes out(l1, kernel.out, {pixels, kernel.out_c, kernel.out_bits});

  std::vector<Lanes> planes(static_cast<std::size_t>(area)),
      filters(static_cast<std::size_t>(taps));
  const Window window{kernel, planes, filters};
  std::array<std::uint8_t, kTileColumns> codes{};
  for (std::int64_t c = 0; c < kernel.out_c; c += kTileColumns) {
    side_by_side(in.data(), kernel.in_signed, c, kernel.in_c, area, planes);
    side_by_side(weights.data(), true, c, kernel.in_c, taps, filters);
    const auto count = static_cast<std::size_t>(std::min(kTileColumns, kernel.out_c - c));
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
      TileRow sums;
      std::copy_n(arithmetic.starts().begin() + c, kTileColumns, sums.begin());
      window.sum(pixel / kernel.out_w, pixel % kernel.out_w, sums);
      arithmetic.finish(sums, c / kTileColumns, codes.data());
      std::memcpy(out.data() + pixel * kernel.out_c + c, codes.data(), count);
    }
  }
  out.store();
}

}  // namespace workbench::pulp
