// Tiles of hardware-assisted tiling (cost.h) without listing them: what a tile costs depends on its
// row and on its column of tiles alone, and most of these are alike.
#pragma once

#include <cstdint>
#include <vector>

#include "isa/xdnn/cost.h"

namespace workbench::xdnn {

// Along one axis: `count` tiles, one behind the other, that are alike.
struct TileRun {
  std::int64_t conv = 0;    // rows or columns of the convolution's output, ...
  std::int64_t source = 0;  // ... of the input, ...
  std::int64_t result = 0;  // ... and of the result
  std::int64_t count = 0;
  bool alike(const TileRun& other) const {
    return conv == other.conv && source == other.source && result == other.result;
  }
};

// Of the tile heights and of the tile widths of a convolution, in order.
std::vector<TileRun> tile_rows(const Instruction& instruction);
std::vector<TileRun> tile_columns(const Instruction& instruction);

// Of each tile in these rows and columns.
TileCost tile_cost(const Instruction& instruction, const TileRun& rows, const TileRun& columns,
                   const Geometry& geometry);

}  // namespace workbench::xdnn
