// Exact products of 8-bit matrices, tile by tile, at the rate of the CPU's integer dot products.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace workbench {

inline constexpr std::int64_t kDotLength = 4;  // neighbours along the depth that lie side by side
inline constexpr std::int64_t kTileRows = 7;   // divides the sides of ImageNet's feature maps
inline constexpr std::int64_t kTileColumns = 32;
inline constexpr std::int64_t kDepthMax = 131072;  // deeper sums of 8-bit products need > 32 bits

// The right operand, int8 [depth][columns], stored as [column blocks][depth / 4][32][4]; depth is a
// multiple of 4, missing columns of the last block are 0.
struct PackedMatrix {
  std::int64_t depth = 0, columns = 0;
  std::vector<std::int8_t> codes;
  std::vector<std::int32_t> offsets;  // where the sum of each column starts, padding included

  PackedMatrix() = default;
  PackedMatrix(std::int64_t depth, std::int64_t columns);  // all 0
  std::int64_t blocks() const;
  // Where code (k, column) lies in `codes`.
  std::size_t index(std::int64_t k, std::int64_t column) const {
    const std::int64_t block = column / kTileColumns, lane = column % kTileColumns;
    return static_cast<std::size_t>(
        ((block * (depth / kDotLength) + k / kDotLength) * kTileColumns + lane) * kDotLength +
        k % kDotLength);
  }
  // To be called once `codes` are complete, where left operands are signed codes plus 128: makes
  // the offsets -128 * sum of the column.
  void set_offsets();
};

using TileRow = std::array<std::int32_t, kTileColumns>;
using Tile = std::array<TileRow, kTileRows>;

// Row r of the result: offsets + a[r][...] * columns [32 * block, 32 * block + 32) of b. `a` is
// uint8 [kTileRows][b.depth]. Sums wrap at 32 bits; those of at most kDepthMax products do not.
void multiply_tile(const std::uint8_t* a, const PackedMatrix& b, std::int64_t block, Tile& result);

}  // namespace workbench
