// Exact products of 8-bit matrices, tile by tile, at the rate of the CPU's integer dot products.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace workbench::xdnn {

inline constexpr std::int64_t kDotLength = 4;  // neighbours along the depth that lie side by side
inline constexpr std::int64_t kTileRows = 7;   // divides the sides of ImageNet's feature maps
inline constexpr std::int64_t kTileColumns = 32;
inline constexpr std::int64_t kDepthMax = 131072;  // deeper sums of 8-bit products need > 32 bits

// The right operand, int8 [depth][columns], stored as [column blocks][depth / 4][32][4]; depth is a
// multiple of 4, missing columns of the last block are 0.
struct PackedMatrix {
  std::int64_t depth = 0, columns = 0;
  std::vector<std::int8_t> codes;
  std::vector<std::int32_t> offsets;  // -128 * sum of each column, padding included

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
  void set_offsets();  // to be called once `codes` are complete
};

using TileRow = std::array<std::int32_t, kTileColumns>;
using Tile = std::array<TileRow, kTileRows>;

// Row r of the result: (a[r][...] - 128) * columns [32 * block, 32 * block + 32) of b. `a` is
// uint8 [kTileRows][b.depth]; exact as long as at most kDepthMax weights of a column are not 0.
void multiply_tile(const std::uint8_t* a, const PackedMatrix& b, std::int64_t block, Tile& result);

}  // namespace workbench::xdnn
