// What a tile takes of L1.
#pragma once

#include <cstdint>

#include "compiler/pulp/tiling.h"

namespace workbench::pulp {

struct TileBytes {
  std::int64_t in = 0, in2 = 0, out = 0, weights = 0, norm = 0, bias = 0, scratch = 0;
};
TileBytes tile_bytes(const Kernel& largest_call, const Machine& machine);
// Which operands have two buffers; constants go with the weights.
struct Buffering {
  bool in = true, weights = true, out = true;
  bool all() const { return in && weights && out; }
};
Buffering buffering(const Tiling& tiling);
// Of all buffers at the closest they can be packed.
std::int64_t l1_bytes(const TileBytes& bytes, const Buffering& twice);

// Most rows or columns of the input that a tile of that many of the output needs, and with padding.
// Tiles begin anew in each slice.
struct Extent {
  std::int64_t data = 0, padded = 0;
};
Extent row_extent(const Layer& layer, std::int64_t tile, std::int64_t slice);
Extent column_extent(const Layer& layer, std::int64_t tile, std::int64_t slice);

// A call as large as the largest of the layer's tiles in every buffer that it needs; its sizes are
// those of no tile in particular.
Kernel largest_call(const Layer& layer, KernelKind kernel, const Cut& tile, const Cut& slice);
Kernel largest_call(const Layer& layer, const Tiling& tiling);

}  // namespace workbench::pulp
