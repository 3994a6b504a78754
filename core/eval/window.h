// Sliding windows of one, two or three spatial dimensions, all seen as three: missing ones are put
// in front with size 1, which leaves every row-major order as it is.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/graph.h"
#include "core/units.h"

namespace workbench::eval {

using Index3 = std::array<std::int64_t, 3>;

inline std::int64_t volume(const Index3& dims) { return dims[0] * dims[1] * dims[2]; }

struct Window3 {
  Index3 in{1, 1, 1}, out{1, 1, 1};  // spatial sizes of the operand and of the result
  Index3 kernel{1, 1, 1}, stride{1, 1, 1}, dilation{1, 1, 1}, pad_begin{0, 0, 0}, pad_end{0, 0, 0};

  // Operand index that kernel index k of output index o reads in dimension d; may be outside.
  std::int64_t source(std::size_t d, std::int64_t o, std::int64_t k) const {
    return o * stride[d] - pad_begin[d] + k * dilation[d];
  }
  // Kernel indices [first, second) whose source lies inside [0, size).
  std::pair<std::int64_t, std::int64_t> valid_kernel(std::size_t d, std::int64_t o,
                                                     std::int64_t size) const {
    const std::int64_t start = source(d, o, 0);
    const std::int64_t first = start >= 0 ? 0 : ceil_div(-start, dilation[d]);
    const std::int64_t last = start >= size ? 0 : ceil_div(size - start, dilation[d]);
    return {std::min(first, kernel[d]), std::clamp(last, std::min(first, kernel[d]), kernel[d])};
  }
  // Output indices [first, second) whose source for kernel index k lies inside the operand.
  std::pair<std::int64_t, std::int64_t> valid_out(std::size_t d, std::int64_t k) const {
    const std::int64_t start = source(d, 0, k);
    const std::int64_t first = start >= 0 ? 0 : ceil_div(-start, stride[d]);
    const std::int64_t last = start >= in[d] ? 0 : ceil_div(in[d] - start, stride[d]);
    return {std::min(first, out[d]), std::clamp(last, std::min(first, out[d]), out[d])};
  }
  bool pointwise() const {
    return volume(kernel) == 1 && volume(stride) == 1 && in == out && pad_begin == Index3{};
  }
};

// Calls visit(source cell, kernel cell) for each cell of output position o's window that lies
// inside the operand, in row-major order of the kernel.
template <typename Visit>
void for_each_cell(const Window3& w, const Index3& o, Visit&& visit) {
  const auto [d0, d1] = w.valid_kernel(0, o[0], w.in[0]);
  const auto [h0, h1] = w.valid_kernel(1, o[1], w.in[1]);
  const auto [w0, w1] = w.valid_kernel(2, o[2], w.in[2]);
  for (std::int64_t kd = d0; kd < d1; ++kd) {
    for (std::int64_t kh = h0; kh < h1; ++kh) {
      const std::int64_t plane_row = w.source(0, o[0], kd) * w.in[1] + w.source(1, o[1], kh);
      const std::int64_t row = plane_row * w.in[2];
      const std::int64_t kernel_row = (kd * w.kernel[1] + kh) * w.kernel[2];
      for (std::int64_t kw = w0; kw < w1; ++kw) {
        visit(row + w.source(2, o[2], kw), kernel_row + kw);
      }
    }
  }
}

// Calls visit(position, linear index) for each output position in row-major order.
template <typename Visit>
void for_each_position(const Index3& out, Visit&& visit) {
  std::int64_t index = 0;
  for (std::int64_t d = 0; d < out[0]; ++d) {
    for (std::int64_t h = 0; h < out[1]; ++h) {
      for (std::int64_t w = 0; w < out[2]; ++w) visit(Index3{d, h, w}, index++);
    }
  }
}

// `x`, `y`: shapes [N, C, spatial] with at most three spatial dimensions; more throws Error.
inline Window3 window3(const Window& window, const Shape& x, const Shape& y) {
  const std::size_t rank = window.kernel.size();
  if (rank > 3) fail("sliding window: expected at most 3 spatial dimensions, found {}", rank);
  CHECK(x.size() == rank + 2 && y.size() == rank + 2, "{} to {}", to_string(x), to_string(y));
  Window3 w;
  for (std::size_t i = 0; i < rank; ++i) {
    const std::size_t d = 3 - rank + i;
    w.in[d] = x[i + 2];
    w.out[d] = y[i + 2];
    w.kernel[d] = window.kernel[i];
    w.stride[d] = window.strides[i];
    w.dilation[d] = window.dilations[i];
    w.pad_begin[d] = window.pads_begin[i];
    w.pad_end[d] = window.pads_end[i];
  }
  return w;
}

}  // namespace workbench::eval
