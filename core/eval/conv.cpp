// Convolution. Fast: panels of output pixels are gathered into a matrix [weights of one filter,
// pixels] and multiplied by the filters; depthwise filters are applied row by row.
#include <vector>

#include "core/eval/fast_math.h"
#include "core/eval/kernels.h"
#include "core/eval/window.h"
#include "core/parallel.h"

namespace workbench::eval {

namespace {

constexpr std::int64_t kFilterBlock = 256;      // filters per task
constexpr std::int64_t kPanelFloats = 1 << 18;  // 1 MiB: gathered once, read from the L2 cache
constexpr std::int64_t kMinPixels = 64;         // fewer leave the matrix product idle
constexpr std::int64_t kMaxPixels = 512;

struct ConvProblem {
  const Conv& op;
  const float* x;
  const float* w;
  const float* bias;  // [filters], or null
  float* y;
  Window3 window;
  std::int64_t images, groups, channels, filters;  // the last two per group

  std::int64_t cells() const { return channels * volume(window.kernel); }  // of one filter
  std::int64_t pixels() const { return volume(window.out); }
  const float* plane(std::int64_t image, std::int64_t group) const {
    return x + (image * groups + group) * channels * volume(window.in);
  }
};

void finish(const ConvProblem& p, std::int64_t filter, std::span<float> values) {
  activate_in_place(p.op.activation, values, static_cast<std::size_t>(filter), Arithmetic::Fast);
}

// The sources of output pixels [begin, end) of one output row for kernel index kw.
void gather_row(const Window3& w, const float* row, std::int64_t kw, std::int64_t begin,
                std::int64_t end, float* to) {
  const auto [valid_begin, valid_end] = w.valid_out(2, kw);
  const std::int64_t first = std::clamp(valid_begin, begin, end);
  const std::int64_t last = std::clamp(valid_end, first, end);
  std::fill(to, to + (first - begin), 0.0F);
  const float* from = row + w.source(2, first, kw);
  float* target = to + (first - begin);
  if (w.stride[2] == 1) {
    std::copy(from, from + (last - first), target);
  } else {
    for (std::int64_t i = 0; i < last - first; ++i) target[i] = from[i * w.stride[2]];
  }
  std::fill(to + (last - begin), to + (end - begin), 0.0F);
}

// One row of the panel: the sources of output pixels [begin, end) for one channel and kernel cell.
void gather_pixels(const Window3& w, const float* plane, const Index3& k, std::int64_t begin,
                   std::int64_t end, float* to) {
  const std::int64_t width = w.out[2];
  for (std::int64_t pixel = begin; pixel < end;) {
    const std::int64_t row = pixel / width;
    const std::int64_t stop = std::min(end, (row + 1) * width);
    const std::int64_t depth = w.source(0, row / w.out[1], k[0]);
    const std::int64_t line = w.source(1, row % w.out[1], k[1]);
    if (depth < 0 || depth >= w.in[0] || line < 0 || line >= w.in[1]) {
      std::fill(to, to + (stop - pixel), 0.0F);
    } else {
      const float* source = plane + (depth * w.in[1] + line) * w.in[2];
      gather_row(w, source, k[2], pixel - row * width, stop - row * width, to);
    }
    to += stop - pixel;
    pixel = stop;
  }
}

void gather_panel(const ConvProblem& p, const float* planes, std::int64_t begin, std::int64_t end,
                  float* panel) {
  for (std::int64_t c = 0; c < p.channels; ++c) {
    const float* plane = planes + c * volume(p.window.in);
    for_each_position(p.window.kernel, [&](const Index3& k, std::int64_t) {
      gather_pixels(p.window, plane, k, begin, end, panel);
      panel += end - begin;
    });
  }
}

std::int64_t panel_pixels(const ConvProblem& p) {
  const std::int64_t fitting = std::clamp(kPanelFloats / p.cells(), kMinPixels, kMaxPixels);
  const std::int64_t panels = ceil_div(p.pixels(), fitting);
  return std::min(p.pixels(), round_up(ceil_div(p.pixels(), panels), 16));
}

// Filters [f0, f1) of `group` (counted in the group) at pixels [p0, p1) of `image`.
void multiply_panel(const ConvProblem& p, std::int64_t image, std::int64_t group, std::int64_t f0,
                    std::int64_t f1, std::int64_t p0, std::int64_t p1) {
  const std::int64_t first = group * p.filters + f0;
  float* out = p.y + (image * p.groups * p.filters + first) * p.pixels() + p0;
  const MatrixView<float> y{out, f1 - f0, p1 - p0, p.pixels()};
  for (std::int64_t f = 0; f < y.rows; ++f) {
    float* row = y.data + f * y.stride;
    std::fill(row, row + y.columns, p.bias != nullptr ? p.bias[first + f] : 0.0F);
  }
  std::vector<float> panel;
  MatrixView<const float> sources{p.plane(image, group) + p0, p.cells(), y.columns, p.pixels()};
  if (!p.window.pointwise()) {
    panel.resize(static_cast<std::size_t>(p.cells() * y.columns));
    gather_panel(p, p.plane(image, group), p0, p1, panel.data());
    sources = {panel.data(), p.cells(), y.columns, y.columns};
  }
  const MatrixView<const float> w{p.w + first * p.cells(), y.rows, p.cells(), p.cells()};
  multiply_add(w, Transposed::No, sources, Transposed::No, y);
  for (std::int64_t f = 0; f < y.rows; ++f) {
    finish(p, first + f, {y.data + f * y.stride, static_cast<std::size_t>(y.columns)});
  }
}

void conv_by_panels(const ConvProblem& p, const Context& context) {
  const std::int64_t width = panel_pixels(p);
  const std::int64_t panels = ceil_div(p.pixels(), width);
  const std::int64_t blocks = ceil_div(p.filters, kFilterBlock);
  parallel_for(p.images * p.groups * panels * blocks, context.threads, [&](std::int64_t task) {
    const std::int64_t block = task % blocks;
    const std::int64_t panel = task / blocks % panels;
    const std::int64_t plane = task / blocks / panels;
    multiply_panel(p, plane / p.groups, plane % p.groups, block * kFilterBlock,
                   std::min(p.filters, (block + 1) * kFilterBlock), panel * width,
                   std::min(p.pixels(), (panel + 1) * width));
  });
}

// y += weight * the row of x shifted by kernel index kw.
void accumulate_row(const Window3& w, const float* x, float weight, std::int64_t kw, float* y) {
  const auto [first, last] = w.valid_out(2, kw);
  const float* from = x + w.source(2, first, kw);
  if (w.stride[2] == 1) {
    for (std::int64_t i = first; i < last; ++i) y[i] += weight * from[i - first];
  } else {
    for (std::int64_t i = first; i < last; ++i) y[i] += weight * from[(i - first) * w.stride[2]];
  }
}

void depthwise_plane(const Window3& w, const float* x, const float* weights, float* y) {
  for (std::int64_t row = 0; row < w.out[0] * w.out[1]; ++row) {
    const std::int64_t od = row / w.out[1];
    const std::int64_t oh = row % w.out[1];
    const auto [d0, d1] = w.valid_kernel(0, od, w.in[0]);
    const auto [h0, h1] = w.valid_kernel(1, oh, w.in[1]);
    for (std::int64_t kd = d0; kd < d1; ++kd) {
      for (std::int64_t kh = h0; kh < h1; ++kh) {
        const std::int64_t line = w.source(0, od, kd) * w.in[1] + w.source(1, oh, kh);
        const float* kernel = weights + (kd * w.kernel[1] + kh) * w.kernel[2];
        for (std::int64_t kw = 0; kw < w.kernel[2]; ++kw) {
          accumulate_row(w, x + line * w.in[2], kernel[kw], kw, y + row * w.out[2]);
        }
      }
    }
  }
}

void conv_depthwise(const ConvProblem& p, const Context& context) {
  const std::int64_t filters = p.groups * p.filters;
  parallel_for(p.images * filters, context.threads, [&](std::int64_t task) {
    const std::int64_t filter = task % filters;
    float* y = p.y + task * p.pixels();
    std::fill(y, y + p.pixels(), p.bias != nullptr ? p.bias[filter] : 0.0F);
    depthwise_plane(p.window, p.plane(task / filters, filter / p.filters), p.w + filter * p.cells(),
                    y);
    finish(p, filter, {y, static_cast<std::size_t>(p.pixels())});
  });
}

void conv_exact(const ConvProblem& p, const Context& context) {
  const std::int64_t filters = p.groups * p.filters;
  const std::int64_t taps = volume(p.window.kernel);
  parallel_for(p.images * filters, context.threads, [&](std::int64_t task) {
    const std::int64_t filter = task % filters;
    const float* planes = p.plane(task / filters, filter / p.filters);
    const float* weights = p.w + filter * p.cells();
    for_each_position(p.window.out, [&](const Index3& position, std::int64_t pixel) {
      double sum = 0;
      for (std::int64_t c = 0; c < p.channels; ++c) {
        const float* plane = planes + c * volume(p.window.in);
        for_each_cell(p.window, position, [&](std::int64_t source, std::int64_t k) {
          sum += static_cast<double>(plane[source]) * static_cast<double>(weights[c * taps + k]);
        });
      }
      if (p.bias != nullptr) sum += static_cast<double>(p.bias[filter]);
      p.y[task * p.pixels() + pixel] =
          static_cast<float>(activate(p.op.activation, sum, static_cast<std::size_t>(filter)));
    });
  });
}

// Exact: sum over (input channel of the group, kernel indices in order), cells in the padding left
// out, then + bias, then the activation. `bias` is null or [Co].
Tensor conv(const Conv& op, const Tensor& x, const Tensor& w, const Tensor* bias, const Shape& out,
            const Context& context) {
  Tensor y = Tensor::uninitialized(ElementType::Float32, out,
                                   out.size() == 4 ? Layout::Nchw : Layout::RowMajor);
  const ConvProblem p{.op = op,
                      .x = x.values<float>().data(),
                      .w = w.values<float>().data(),
                      .bias = bias != nullptr ? bias->values<float>().data() : nullptr,
                      .y = y.mutable_values<float>().data(),
                      .window = window3(op.window, x.shape(), out),
                      .images = x.dim(0),
                      .groups = op.groups,
                      .channels = w.dim(1),
                      .filters = w.dim(0) / op.groups};
  if (context.exact()) {
    conv_exact(p, context);
  } else if (p.channels == 1 && p.groups > 1) {
    conv_depthwise(p, context);
  } else {
    conv_by_panels(p, context);
  }
  return y;
}

}  // namespace

template <>
Tensors result_of(const Conv& op, Evaluation& at) {
  at.expect_floats();
  return one(conv(op, at.x(), at.operands[1], at.optional(2), at.out(), at.context));
}

// Transposed convolution. Fast: each input pixel is multiplied by all filters at once, and the
// products are then added into the output cells they reach.

namespace {

constexpr std::int64_t kTransposedBlock = 8;  // output channels per task

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
  const std::int64_t blocks = ceil_div(p.filters, kTransposedBlock);
  const std::int64_t taps = volume(p.window.kernel);
  const std::int64_t pixels = volume(p.window.out);
  const std::int64_t out_pixels = volume(p.window.in);
  parallel_for(p.images * p.groups * blocks, context.threads, [&](std::int64_t task) {
    const std::int64_t f0 = task % blocks * kTransposedBlock;
    const std::int64_t f1 = std::min(p.filters, f0 + kTransposedBlock);
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

// Exact: the same order, over the (input channel, kernel index) pairs that reach the output cell.
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

}  // namespace

template <>
Tensors result_of(const ConvTranspose& op, Evaluation& at) {
  at.expect_floats();
  return one(conv_transpose(op, at.x(), at.operands[1], at.optional(2), at.out(), at.context));
}

}  // namespace workbench::eval
