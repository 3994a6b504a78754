#include "tests/support/naive_xdnn.h"

#include <algorithm>

namespace workbench {

namespace {

std::size_t at(std::int64_t y, std::int64_t x, std::int64_t c, std::int64_t width,
               std::int64_t channels) {
  return static_cast<std::size_t>((y * width + x) * channels + c);
}

std::int8_t clamp(std::int64_t value) {
  return static_cast<std::int8_t>(value < -128 ? -128 : value > 127 ? 127 : value);
}

std::int8_t relu(bool enabled, std::int8_t value) {
  return enabled && value < 0 ? std::int8_t{0} : value;
}

// Whether input sample `in` meets output sample `out` at kernel position `k`.
bool meets(bool transposed, std::int64_t out, std::int64_t in, std::int64_t k, std::int64_t stride,
           std::int64_t pad, std::int64_t dilation) {
  return transposed ? out == in * stride - pad + k * dilation
                    : in == out * stride - pad + k * dilation;
}

std::int64_t accumulate(const xdnn::Conv& conv, const Pixels& in, const std::int8_t* filter,
                        std::int64_t out_y, std::int64_t out_x) {
  std::int64_t sum = 0;
  for (std::int64_t ky = 0; ky < conv.kernel_h; ++ky) {
    for (std::int64_t y = 0; y < conv.in_h; ++y) {
      if (!meets(conv.transposed, out_y, y, ky, conv.stride_h, conv.pad_h, conv.dilation_h)) {
        continue;
      }
      for (std::int64_t kx = 0; kx < conv.kernel_w; ++kx) {
        for (std::int64_t x = 0; x < conv.in_w; ++x) {
          if (!meets(conv.transposed, out_x, x, kx, conv.stride_w, conv.pad_w, conv.dilation_w)) {
            continue;
          }
          for (std::int64_t c = 0; c < conv.in_ch; ++c) {
            const std::int8_t value =
                relu(conv.tail.pre_relu, in[at(y, x, c, conv.in_w, conv.in_ch)]);
            sum += value * filter[(c * conv.kernel_h + ky) * conv.kernel_w + kx];
          }
        }
      }
    }
  }
  return sum;
}

std::int8_t requantize(const xdnn::Conv& conv, std::int64_t sum, const xdnn::ChannelConfig& c) {
  const std::int64_t acc = sum + (conv.bias ? c.bias : 0);
  const std::int64_t scale = !conv.prelu ? c.scale : acc < 0 ? c.scale / 256 : c.scale % 256;
  return relu(conv.relu, clamp(naive_round_shift(acc * scale, c.postshift)));
}

// docs/facts/xdnn.md 3.2, step by step.
std::int8_t requantize_prescaled(const xdnn::Conv& conv, std::int64_t sum,
                                 const xdnn::ChannelConfig& c) {
  std::int64_t v = naive_round_shift(sum, c.preshift);
  v = clamp(v);
  v = v * c.scale;
  v = naive_round_shift(v, c.postshift);
  v = clamp(v);
  if (conv.bias) v = clamp(v + c.bias);
  return relu(conv.relu, static_cast<std::int8_t>(v));
}

template <typename AfterSum>
Pixels convolution(const xdnn::Conv& conv, const Pixels& in, const Pixels& weights,
                   const std::vector<xdnn::ChannelConfig>& configs, AfterSum&& after_sum) {
  Pixels out(static_cast<std::size_t>(conv.out_h * conv.out_w * conv.out_ch));
  const std::int64_t per_channel = conv.in_ch * conv.kernel_h * conv.kernel_w;
  for (std::int64_t y = 0; y < conv.out_h; ++y) {
    for (std::int64_t x = 0; x < conv.out_w; ++x) {
      for (std::int64_t c = 0; c < conv.out_ch; ++c) {
        const std::int64_t sum = accumulate(conv, in, weights.data() + c * per_channel, y, x);
        out[at(y, x, c, conv.out_w, conv.out_ch)] =
            after_sum(conv, sum, configs[static_cast<std::size_t>(c)]);
      }
    }
  }
  return out;
}

}  // namespace

Pixels random_codes(std::mt19937_64& random, std::int64_t count) {
  Pixels codes(static_cast<std::size_t>(count));
  for (std::int8_t& code : codes) {
    code = static_cast<std::int8_t>(static_cast<std::int64_t>(random() % 256) - 128);
  }
  return codes;
}

std::int64_t naive_round_shift(std::int64_t value, std::int64_t shift) {
  const std::int64_t unit = std::int64_t{1} << shift;
  const std::int64_t doubled = 2 * value + unit;  // floor(doubled / (2 * unit))
  const std::int64_t quotient = doubled / (2 * unit);
  return doubled % (2 * unit) < 0 ? quotient - 1 : quotient;
}

Pixels naive_convolution(const xdnn::Conv& conv, const Pixels& in, const Pixels& weights,
                         const std::vector<xdnn::ChannelConfig>& configs) {
  return convolution(conv, in, weights, configs, requantize);
}

Pixels naive_prescaled_convolution(const xdnn::Conv& conv, const Pixels& in, const Pixels& weights,
                                   const std::vector<xdnn::ChannelConfig>& configs) {
  return convolution(conv, in, weights, configs, requantize_prescaled);
}

Pixels naive_pool(const xdnn::Pool& pool, const Pixels& in, std::int64_t scale,
                  std::int64_t shift) {
  Pixels out(static_cast<std::size_t>(pool.out_h * pool.out_w * pool.channels));
  for (std::int64_t i = 0; i < pool.out_h * pool.out_w * pool.channels; ++i) {
    const std::int64_t c = i % pool.channels, p = i / pool.channels;
    std::int64_t largest = -128, sum = 0;
    for (std::int64_t k = 0; k < pool.kernel_h * pool.kernel_w; ++k) {
      const std::int64_t y = p / pool.out_w * pool.stride_h - pool.pad_h + k / pool.kernel_w;
      const std::int64_t x = p % pool.out_w * pool.stride_w - pool.pad_w + k % pool.kernel_w;
      if (y < 0 || y >= pool.in_h || x < 0 || x >= pool.in_w) continue;
      const std::int8_t value = relu(pool.tail.pre_relu, in[at(y, x, c, pool.in_w, pool.channels)]);
      largest = std::max<std::int64_t>(largest, value);
      sum += value;
    }
    out[static_cast<std::size_t>(i)] =
        clamp(pool.average ? naive_round_shift(sum * scale, shift) : largest);
  }
  return out;
}

Pixels naive_inline_pool(const xdnn::ConvPool& fused, const Pixels& conv_result) {
  xdnn::Pool pool{.kernel_w = fused.kernel_w, .kernel_h = fused.kernel_h};
  pool.stride_w = fused.stride_w, pool.stride_h = fused.stride_h;
  pool.pad_w = fused.pad_w, pool.pad_h = fused.pad_h;
  pool.in_w = fused.conv.out_w, pool.in_h = fused.conv.out_h;
  pool.out_w = fused.out_w, pool.out_h = fused.out_h, pool.channels = fused.conv.out_ch;
  return naive_pool(pool, conv_result, 1, 0);
}

Pixels naive_eltwise(const xdnn::Eltwise& add, const Pixels& a, const Pixels& b, std::int64_t scale,
                     std::int64_t shift) {
  Pixels out(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    const std::int64_t sum =
        std::int64_t{relu(add.tail.pre_relu, a[i])} + relu(add.tail.pre_relu, b[i]);
    out[i] = relu(add.relu, clamp(naive_round_shift(sum * scale, shift)));
  }
  return out;
}

Pixels naive_upsample(const xdnn::Upsample& up, const Pixels& in) {
  Pixels out;
  for (std::int64_t y = 0; y < up.out_h; ++y) {
    for (std::int64_t x = 0; x < up.out_w; ++x) {
      for (std::int64_t c = 0; c < up.channels; ++c) {
        out.push_back(in[at(y / up.factor_h, x / up.factor_w, c, up.in_w, up.channels)]);
      }
    }
  }
  return out;
}

}  // namespace workbench
