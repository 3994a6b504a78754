// Where elements are: row-major positions and offsets, broadcasting, sliding windows. And what
// convolutions of every number system have in common.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/graph.h"
#include "core/parallel.h"
#include "core/tensor.h"

namespace workbench::golden {

using Position = std::vector<std::int64_t>;  // one index per dimension

std::int64_t offset_of(const Shape& shape, const Position& position);
Position position_of(const Shape& shape, std::int64_t offset);

// Moves to the next position of `shape` in row-major order, from the last back to all zeros.
void advance(const Shape& shape, Position& position);

// Product of the dimensions [begin, end).
std::int64_t elements_between(const Shape& shape, std::size_t begin, std::size_t end);

// An axis that may count from the back, as an index.
std::size_t axis_index(std::int64_t axis, std::size_t rank);

// Index along axis 1 of the element at `offset`; 0 for ranks below 2.
std::size_t channel_of(const Shape& shape, std::int64_t offset);

// Per element of `out`, the offset of the element of `in` it reads under numpy broadcasting
// (aligned at the last dimension, 1 stretches).
std::vector<std::int64_t> broadcast_offsets(const Shape& in, const Shape& out);

// Sliding windows in any number of spatial dimensions: which input cells an output position sees.
inline constexpr std::int64_t kPadding = -1;  // a cell that is not in the input

// Per tap of the kernel, in row-major order, the offset of its cell in one input plane of shape
// `plane`, or kPadding, for the output at `position` (spatial dimensions only).
std::vector<std::int64_t> cells_under_window(const Window& window, const Shape& plane,
                                             const Position& position);

// The same for a transposed convolution: the input cells whose spread reaches the output.
std::vector<std::int64_t> cells_reaching(const Window& window, const Shape& plane,
                                         const Position& position);

// How many taps at `position` lie in the input or in its declared padding. Ceil mode lets windows
// reach beyond both.
std::int64_t cells_with_padding(const Window& window, const Shape& plane, const Position& position);

// What convolutions of every number system have in common: an output is the dot product of a filter
// and the patch of input its window sees. Patches and filters run over (input channel of the group,
// kernel row, kernel column); padding is 0.

// Element is what products are taken of: wide enough for a stored element.
template <typename Element>
struct Correlation {
  Shape in, out;  // [N, C, spatial]
  std::int64_t groups = 1;
  std::int64_t patch_length = 0;
  std::vector<Element> filters;  // [Co, patch_length]
  Window window;
  bool transposed = false;
};

// Stored is the element type of the tensors: x [N,Ci,spatial], w [Co,Ci/groups,kernel].
template <typename Element, typename Stored>
Correlation<Element> correlation(const Conv& op, const Tensor& x, const Tensor& w, Shape out) {
  const auto weights = w.values<Stored>();
  return {.in = x.shape(),
          .out = std::move(out),
          .groups = op.groups,
          .patch_length = w.size() / w.dim(0),
          .filters = {weights.begin(), weights.end()},
          .window = op.window};
}

// w [Ci,Co/groups,kernel] becomes filters of the order every patch has.
template <typename Element, typename Stored>
Correlation<Element> correlation(const ConvTranspose& op, const Tensor& x, const Tensor& w,
                                 Shape out) {
  const auto weights = w.values<Stored>();
  const std::int64_t ci = w.dim(0) / op.groups;
  const std::int64_t co = w.dim(1);
  const std::int64_t taps = element_count(op.window.kernel);
  std::vector<Element> filters;
  filters.reserve(weights.size());
  for (std::int64_t o = 0; o < co * op.groups; ++o) {
    for (std::int64_t i = 0; i < ci; ++i) {
      const std::int64_t row = (o / co * ci + i) * co + o % co;
      const auto begin = weights.begin() + row * taps;
      filters.insert(filters.end(), begin, begin + taps);
    }
  }
  return {.in = x.shape(),
          .out = std::move(out),
          .groups = op.groups,
          .patch_length = ci * taps,
          .filters = std::move(filters),
          .window = op.window,
          .transposed = true};
}

// The patch of one image and group that the output position (an offset in its plane) sees,
// appended to `patch`.
template <typename Element, typename Stored>
void append_patch(const Correlation<Element>& c, std::span<const Stored> x, std::int64_t image,
                  std::int64_t group, std::int64_t output, std::vector<Element>& patch) {
  const Shape in_plane(c.in.begin() + 2, c.in.end());
  const Position position = position_of({c.out.begin() + 2, c.out.end()}, output);
  const std::vector<std::int64_t> cells = c.transposed
                                              ? cells_reaching(c.window, in_plane, position)
                                              : cells_under_window(c.window, in_plane, position);
  const std::int64_t channels = c.in[1] / c.groups;
  const std::int64_t plane = element_count(in_plane);
  const Stored* channel = x.data() + (image * c.in[1] + group * channels) * plane;
  for (std::int64_t i = 0; i < channels; ++i, channel += plane) {
    for (const std::int64_t cell : cells) {
      patch.push_back(cell == kPadding ? Element{} : Element{channel[cell]});
    }
  }
}

// Calls store(output channel, offset in the output tensor, dot(filter, patch)) for every output.
// Blocks of outputs run in parallel; each output is computed by one call of dot.
template <typename Element, typename Stored, typename Dot, typename Store>
void correlate(const Correlation<Element>& c, std::span<const Stored> x, Dot dot, Store store) {
  constexpr std::int64_t kBlock = 16;  // outputs that share a filter while it is in the cache
  const std::int64_t plane = elements_between(c.out, 2, c.out.size());
  const std::int64_t blocks = (plane + kBlock - 1) / kBlock;
  const std::int64_t channels = c.out[1] / c.groups;
  const auto length = static_cast<std::size_t>(c.patch_length);
  parallel_for(c.out[0] * c.groups * blocks, 0, [&](std::int64_t piece) {
    const std::int64_t begin = piece % blocks * kBlock;
    const std::int64_t end = std::min(begin + kBlock, plane);
    const std::int64_t group = piece / blocks % c.groups;
    const std::int64_t image = piece / blocks / c.groups;
    std::vector<Element> patches;
    patches.reserve(length * kBlock);
    for (std::int64_t output = begin; output < end; ++output) {
      append_patch(c, x, image, group, output, patches);
    }
    for (std::int64_t o = group * channels; o < (group + 1) * channels; ++o) {
      const std::span filter(c.filters.data() + o * c.patch_length, length);
      for (std::int64_t output = begin; output < end; ++output) {
        const std::span patch(patches.data() + (output - begin) * c.patch_length, length);
        store(o, (image * c.out[1] + o) * plane + output,
              dot(std::span<const Element>(filter), std::span<const Element>(patch)));
      }
    }
  });
}

// Exact for codes of 8 bits: a product is below 2^16, so 2^15 of them fit in 32 bits.
inline std::int64_t dot(std::span<const std::int16_t> a, std::span<const std::int16_t> b) {
  constexpr std::size_t kTerms = std::size_t{1} << 15;
  std::int64_t sum = 0;
  for (std::size_t begin = 0; begin < a.size(); begin += kTerms) {
    const std::size_t end = std::min(begin + kTerms, a.size());
    std::int32_t part = 0;
    for (std::size_t i = begin; i < end; ++i) part += a[i] * b[i];
    sum += part;
  }
  return sum;
}

// Exact for codes of 16 bits, and for codes of 32 bits with weights of 8.
template <typename Element>
std::int64_t wide_dot(std::span<const Element> a, std::span<const Element> b) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::int64_t{a[i]} * b[i];
  return sum;
}

}  // namespace workbench::golden
