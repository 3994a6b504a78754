// Convolution and pooling on pixels: the arithmetic behind semantics.h, at matrix speed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "isa/xdnn/instructions.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

struct ConvResult {
  std::vector<std::int8_t> pixels;     // [out_h][out_w][out_ch]
  std::int64_t wide_accumulators = 0;  // sums beyond signed 24 bits
  bool channel_off = false;  // an output channel of a conv is not enabled by its configuration
};

// Conv (or deconv) with the filters at DDR byte `filter_address`: exact integer sums, then bias,
// scale, shift, clamp, ReLU or PReLU (docs/facts/xdnn.md 3.3); on machines that prescale: prescale,
// clamp, scale, postscale, clamp, bias, clamp, ReLU (docs/facts/xdnn.md 3.2). Codes of 16 bits are
// two bytes of pixels each, their sums wide beyond 48 bits.
ConvResult convolve(const Conv& conv, std::int64_t filter_address, const Machine& machine,
                    const Memory& memory, int threads);

struct PoolShape {
  std::int64_t kernel_w, kernel_h, stride_w, stride_h, pad_w, pad_h, in_w, in_h, out_w, out_h,
      channels;
};

// body(input pixel index) for each cell of output pixel p's window that lies inside the input.
template <typename Body>
void for_each_in_window(const PoolShape& s, std::int64_t p, Body&& body) {
  const std::int64_t top = p / s.out_w * s.stride_h - s.pad_h;
  const std::int64_t left = p % s.out_w * s.stride_w - s.pad_w;
  for (std::int64_t y = std::max<std::int64_t>(0, top); y < std::min(s.in_h, top + s.kernel_h);
       ++y) {
    for (std::int64_t x = std::max<std::int64_t>(0, left); x < std::min(s.in_w, left + s.kernel_w);
         ++x) {
      body(y * s.in_w + x);
    }
  }
}

// [in_h][in_w][channels] -> [out_h][out_w][channels]. A window wholly in the padding gives the
// least code.
template <typename Code>
void max_pool(const PoolShape& s, const Code* in, Code* out) {
  for (std::int64_t p = 0; p < s.out_h * s.out_w; ++p) {
    Code* const to = out + p * s.channels;
    std::fill_n(to, s.channels, std::numeric_limits<Code>::min());
    for_each_in_window(s, p, [&](std::int64_t pixel) {
      const Code* from = in + pixel * s.channels;
      for (std::int64_t c = 0; c < s.channels; ++c) to[c] = std::max(to[c], from[c]);
    });
  }
}

}  // namespace workbench::xdnn
