#include "sim/golden/windows.h"

#include <numeric>

namespace workbench::golden {

std::int64_t offset_of(const Shape& shape, const Position& position) {
  std::int64_t offset = 0;
  for (std::size_t d = 0; d < shape.size(); ++d) offset = offset * shape[d] + position[d];
  return offset;
}

Position position_of(const Shape& shape, std::int64_t offset) {
  Position position(shape.size());
  for (std::size_t d = shape.size(); d-- > 0;) {
    position[d] = offset % shape[d];
    offset /= shape[d];
  }
  return position;
}

void advance(const Shape& shape, Position& position) {
  for (std::size_t d = shape.size(); d-- > 0;) {
    if (++position[d] < shape[d]) return;
    position[d] = 0;
  }
}

std::int64_t elements_between(const Shape& shape, std::size_t begin, std::size_t end) {
  std::int64_t count = 1;
  for (std::size_t d = begin; d < end; ++d) count *= shape[d];
  return count;
}

std::size_t axis_index(std::int64_t axis, std::size_t rank) {
  return static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis);
}

std::size_t channel_of(const Shape& shape, std::int64_t offset) {
  if (shape.size() < 2) return 0;
  const std::int64_t plane = elements_between(shape, 2, shape.size());
  return static_cast<std::size_t>(offset / plane % shape[1]);
}

std::vector<std::int64_t> broadcast_offsets(const Shape& in, const Shape& out) {
  std::vector<std::int64_t> offsets(static_cast<std::size_t>(element_count(out)));
  if (in == out) {
    std::iota(offsets.begin(), offsets.end(), std::int64_t{0});
    return offsets;
  }
  const std::size_t missing = out.size() - in.size();
  Position position(out.size(), 0);
  for (std::int64_t& offset : offsets) {
    offset = 0;
    for (std::size_t d = 0; d < in.size(); ++d) {
      offset = offset * in[d] + (in[d] == 1 ? 0 : position[missing + d]);
    }
    advance(out, position);
  }
  return offsets;
}

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
