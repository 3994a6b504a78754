#include "core/eval/window.h"

namespace workbench::eval {

Window3 window3(const Window& window, const Shape& x, const Shape& y) {
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
