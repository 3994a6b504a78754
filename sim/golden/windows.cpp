#include "sim/golden/windows.h"

namespace workbench::golden {

namespace {

// Calls index(dimension, tap) for every dimension of every tap and folds the answers into offsets.
template <typename Index>
std::vector<std::int64_t> cells(const Window& window, const Shape& plane, Index index) {
  std::vector<std::int64_t> offsets(static_cast<std::size_t>(element_count(window.kernel)));
  Position tap(plane.size(), 0);
  for (std::int64_t& offset : offsets) {
    offset = 0;
    for (std::size_t d = 0; d < plane.size() && offset != kPadding; ++d) {
      const std::int64_t i = index(d, tap[d]);
      offset = i < 0 || i >= plane[d] ? kPadding : offset * plane[d] + i;
    }
    advance(window.kernel, tap);
  }
  return offsets;
}

}  // namespace

std::vector<std::int64_t> cells_under_window(const Window& window, const Shape& plane,
                                             const Position& position) {
  return cells(window, plane, [&](std::size_t d, std::int64_t tap) {
    return position[d] * window.strides[d] - window.pads_begin[d] + tap * window.dilations[d];
  });
}

std::vector<std::int64_t> cells_reaching(const Window& window, const Shape& plane,
                                         const Position& position) {
  return cells(window, plane, [&](std::size_t d, std::int64_t tap) {
    const std::int64_t spread = position[d] + window.pads_begin[d] - tap * window.dilations[d];
    const bool reaches = spread >= 0 && spread % window.strides[d] == 0;
    return reaches ? spread / window.strides[d] : kPadding;
  });
}

std::int64_t cells_with_padding(const Window& window, const Shape& plane,
                                const Position& position) {
  std::int64_t count = 1;
  for (std::size_t d = 0; d < plane.size(); ++d) {
    const std::int64_t begin = position[d] * window.strides[d] - window.pads_begin[d];
    std::int64_t inside = 0;
    for (std::int64_t tap = 0; tap < window.kernel[d]; ++tap) {
      if (begin + tap * window.dilations[d] < plane[d] + window.pads_end[d]) ++inside;
    }
    count *= inside;
  }
  return count;
}

}  // namespace workbench::golden
