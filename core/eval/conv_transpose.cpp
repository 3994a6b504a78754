// Transposed convolution. Fast: each input pixel is multiplied by all filters at once, and the
// products are then added into the output cells they reach.

#include <vector>

#include "core/eval/fast_math.h"
#include "core/eval/kernels.h"
#include "core/eval/window.h"
#include "core/parallel.h"

namespace workbench::eval {

namespace {

constexpr std::int64_t kFilterBlock = 8;  // output channels per task

// `window` is that of the convolution this one transposes: its `in` is our output.
struct Problem {
  const ConvTranspose& op;
  const float* x;
  const float* w;     // [groups * channels, filters, kernel]
  const float* bias;  // [groups * filters], or null
  float* y;
  Window3 window;
  std::int64_t images, groups, channels, filters;  // the last two per group
};

// Adds products [kernel cells, input pixels] of one output channel into its plane.
void scatter(const Window3& w, const float* products, float* plane) {
  for_each_position(w.kernel, [&](const Index3& k, std::int64_t) {
    const auto [d0, d1] = w.valid_out(0, k[0]);
    const auto [h0, h1] = w.valid_out(1, k[1]);
    const auto [w0, w1] = w.valid_out(2, k[2]);
    for (std::int64_t d = d0; d < d1; ++d) {
      for (std::int64_t h = h0; h < h1; ++h) {
        const std::int64_t line = w.source(0, d, k[0]) * w.in[1] + w.source(1, h, k[1]);
        float* to = plane + line * w.in[2] + w.source(2, 0, k[2]);
        const float* from = products + (d * w.out[1] + h) * w.out[2];
        for (std::int64_t i = w0; i < w1; ++i) to[i * w.stride[2]] += from[i];
      }
    }
    products += volume(w.out);
  });
}

void fast(const Problem& p, const Context& context) {
  const std::int64_t blocks = ceil_div(p.filters, kFilterBlock);
  const std::int64_t taps = volume(p.window.kernel);
  const std::int64_t pixels = volume(p.window.out);
  const std::int64_t out_pixels = volume(p.window.in);
  parallel_for(p.images * p.groups * blocks, context.threads, [&](std::int64_t task) {
    const std::int64_t f0 = task % blocks * kFilterBlock;
    const std::int64_t f1 = std::min(p.filters, f0 + kFilterBlock);
    const std::int64_t plane = task / blocks;  // image * groups + group
    const std::int64_t group = plane % p.groups;
    const MatrixView<const float> w{p.w + (group * p.channels * p.filters + f0) * taps, p.channels,
                                    (f1 - f0) * taps, p.filters * taps};
    std::vector<float> products(static_cast<std::size_t>(w.columns * pixels), 0.0F);
    multiply_add(w, Transposed::Yes,
                 {p.x + plane * p.channels * pixels, p.channels, pixels, pixels}, Transposed::No,
                 {products.data(), w.columns, pixels, pixels});
    for (std::int64_t f = f0; f < f1; ++f) {
      const std::int64_t channel = group * p.filters + f;
      float* y = p.y + (plane * p.filters + f) * out_pixels;
      std::fill(y, y + out_pixels, p.bias != nullptr ? p.bias[channel] : 0.0F);
      scatter(p.window, products.data() + (f - f0) * taps * pixels, y);
      activate_in_place(p.op.activation, {y, static_cast<std::size_t>(out_pixels)},
                        static_cast<std::size_t>(channel), Arithmetic::Fast);
    }
  });
}

// Input index that reaches output index o through kernel index k in dimension d, or -1.
std::int64_t reaching(const Window3& w, std::size_t d, std::int64_t o, std::int64_t k) {
  const std::int64_t distance = o + w.pad_begin[d] - k * w.dilation[d];
  if (distance < 0 || distance % w.stride[d] != 0) return -1;
  const std::int64_t i = distance / w.stride[d];
  return i < w.out[d] ? i : -1;
}

double exact_sum(const Problem& p, const float* x, const float* w, const Index3& o) {
  double sum = 0;
  const std::int64_t taps = volume(p.window.kernel);
  for (std::int64_t c = 0; c < p.channels; ++c) {
    for_each_position(p.window.kernel, [&](const Index3& k, std::int64_t tap) {
      const Index3 i{reaching(p.window, 0, o[0], k[0]), reaching(p.window, 1, o[1], k[1]),
                     reaching(p.window, 2, o[2], k[2])};
      if (i[0] < 0 || i[1] < 0 || i[2] < 0) return;
      const std::int64_t pixel = (i[0] * p.window.out[1] + i[1]) * p.window.out[2] + i[2];
      sum += static_cast<double>(x[c * volume(p.window.out) + pixel]) *
             static_cast<double>(w[c * p.filters * taps + tap]);
    });
  }
  return sum;
}

void exact(const Problem& p, const Context& context) {
  const std::int64_t filters = p.groups * p.filters;
  const std::int64_t taps = volume(p.window.kernel);
  const std::int64_t out_pixels = volume(p.window.in);
  parallel_for(p.images * filters, context.threads, [&](std::int64_t task) {
    const std::int64_t channel = task % filters;
    const std::int64_t group = channel / p.filters;
    const std::int64_t plane = task / filters * p.groups + group;
    const float* x = p.x + plane * p.channels * volume(p.window.out);
    const float* w = p.w + (group * p.channels * p.filters + channel % p.filters) * taps;
    for_each_position(p.window.in, [&](const Index3& o, std::int64_t pixel) {
      double sum = exact_sum(p, x, w, o);
      if (p.bias != nullptr) sum += static_cast<double>(p.bias[channel]);
      p.y[task * out_pixels + pixel] =
          static_cast<float>(activate(p.op.activation, sum, static_cast<std::size_t>(channel)));
    });
  });
}

}  // namespace

Tensor conv_transpose(const ConvTranspose& op, const Tensor& x, const Tensor& w, const Tensor* bias,
                      const Shape& out, const Context& context) {
  Tensor y = Tensor::uninitialized(ElementType::Float32, out,
                                   out.size() == 4 ? Layout::Nchw : Layout::RowMajor);
  const Problem p{.op = op,
                  .x = x.values<float>().data(),
                  .w = w.values<float>().data(),
                  .bias = bias != nullptr ? bias->values<float>().data() : nullptr,
                  .y = y.mutable_values<float>().data(),
                  .window = window3(op.window, out, x.shape()),
                  .images = x.dim(0),
                  .groups = op.groups,
                  .channels = w.dim(0) / op.groups,
                  .filters = w.dim(1)};
  if (context.exact()) {
    exact(p, context);
  } else {
    fast(p, context);
  }
  return y;
}

}  // namespace workbench::eval
