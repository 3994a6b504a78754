// Sliding windows in any number of spatial dimensions: which input cells an output position sees.
#pragma once

#include <cstdint>
#include <vector>

#include "core/graph.h"
#include "sim/golden/positions.h"

namespace workbench::golden {

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

}  // namespace workbench::golden
