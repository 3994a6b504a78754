// Tiles of random convolutions: the output once, the input at least once, each tile in its buffer.
#include <gtest/gtest.h>

#include "isa/xdnn/cost.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/tile_runs.h"
#include "tests/support/random_xdnn.h"

namespace workbench::xdnn {
namespace {

constexpr int kCases = 200;

// One dimension, sized so that the windows reach every input sample.
struct Axis {
  std::int64_t kernel, stride, pad, in, out;
};
Axis random_axis(std::mt19937_64& random) {
  const std::int64_t kernel = between(random, 1, 7), stride = between(random, 1, kernel);
  const std::int64_t pad = between(random, 0, (kernel - 1) / 2);
  const std::int64_t out = between(random, 1, 40);
  return {kernel, stride, pad, (out - 1) * stride + kernel - 2 * pad, out};
}

Conv random_tiled(std::mt19937_64& random) {
  const Axis x = random_axis(random), y = random_axis(random);
  Conv conv{.kernel_w = x.kernel, .kernel_h = y.kernel, .stride_w = x.stride, .stride_h = y.stride};
  conv.pad_w = x.pad, conv.pad_h = y.pad;
  conv.in_w = x.in, conv.in_h = y.in, conv.in_ch = between(random, 1, 30);
  conv.out_w = x.out, conv.out_h = y.out, conv.out_ch = 8;
  conv.tail.source = {0, 1, 3, 32};
  conv.tail.tile_width = between(random, 1, 48), conv.tail.tile_height = between(random, 1, 48);
  return conv;
}

TEST(XdnnCostProperty, tiles_cover_the_output_once_and_the_input_at_least_once) {
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const Conv conv = random_tiled(random);
    std::int64_t pixels = 0, bytes = 0;
    for (const TileCost& tile : tile_costs(conv, {})) {
      EXPECT_GT(tile.out_rows * tile.out_cols, 0);
      pixels += tile.out_rows * tile.out_cols;
      bytes += tile.ddr.value;
    }
    EXPECT_EQ(pixels, conv.out_h * conv.out_w);
    EXPECT_GE(bytes, ddr_tensor_bytes(conv.in_ch, conv.in_h, conv.in_w, {}));
  }
}

// Samples of [0, size) under the windows of results [begin, end), found by listing them.
std::int64_t under_windows(std::int64_t begin, std::int64_t end, std::int64_t kernel,
                           std::int64_t stride, std::int64_t pad, std::int64_t size) {
  std::int64_t first = size, last = -1;
  for (std::int64_t result = begin; result < end; ++result) {
    for (std::int64_t tap = 0; tap < kernel; ++tap) {
      const std::int64_t at = result * stride - pad + tap;
      if (at < 0 || at >= size) continue;
      first = std::min(first, at), last = std::max(last, at);
    }
  }
  return std::max<std::int64_t>(0, last - first + 1);
}

TEST(XdnnCostProperty, runs_of_tiles_are_few_and_list_every_tile) {
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Conv conv = random_tiled(random);
    const std::int64_t longer = between(random, 1, 3) == 1 ? 4000 : 0;  // a map of long rows
    conv.out_w += longer, conv.in_w += longer * conv.stride_w;
    const std::vector<TileRun> columns = tile_columns(conv);
    std::int64_t begin = 0;
    for (const TileRun& run : columns) {
      ASSERT_GT(run.count, 0);
      for (std::int64_t i = 0; i < run.count; ++i) {
        const std::int64_t end = std::min(conv.out_w, begin + conv.tail.tile_width);
        EXPECT_EQ(run.conv, end - begin);
        EXPECT_EQ(run.result, end - begin);
        EXPECT_EQ(run.source,
                  under_windows(begin, end, conv.kernel_w, conv.stride_w, conv.pad_w, conv.in_w));
        begin = end;
      }
    }
    EXPECT_EQ(begin, conv.out_w);
    // Alike but for the last one and for those whose windows reach over a border.
    EXPECT_LE(std::ssize(columns), 2 * conv.kernel_w + 2);
  }
}

TEST(XdnnCostProperty, one_tile_for_all_reads_the_input_exactly_once) {
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Conv conv = random_tiled(random);
    conv.tail.tile_width = conv.out_w, conv.tail.tile_height = conv.out_h;
    const auto tiles = tile_costs(conv, {});
    ASSERT_EQ(tiles.size(), 1u);
    EXPECT_EQ(tiles[0].ddr, Bytes{ddr_tensor_bytes(conv.in_ch, conv.in_h, conv.in_w, {})});
  }
}

TEST(XdnnCostProperty, each_tile_fits_in_the_buffer_reserved_for_it) {
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    ConvPool fused{.conv = random_tiled(random)};
    const Conv& conv = fused.conv;
    fused.kernel_w = between(random, 1, std::min<std::int64_t>(4, conv.out_w));
    fused.kernel_h = between(random, 1, std::min<std::int64_t>(4, conv.out_h));
    fused.stride_w = between(random, 1, fused.kernel_w);
    fused.stride_h = between(random, 1, fused.kernel_h);
    fused.out_w = (conv.out_w - fused.kernel_w) / fused.stride_w + 1;
    fused.out_h = (conv.out_h - fused.kernel_h) / fused.stride_h + 1;
    for (const Instruction& instruction : {Instruction{fused}, Instruction{conv}}) {
      const std::int64_t words = tile_buffer_words(instruction);
      for (const TileCost& tile : tile_costs(instruction, {})) {
        // Input rows and columns of the tile; one word per pixel (up to 32 channels).
        const std::int64_t rows = (tile.out_rows - 1) * conv.stride_h + conv.kernel_h;
        const std::int64_t cols = (tile.out_cols - 1) * conv.stride_w + conv.kernel_w;
        ASSERT_LE(rows * cols, words);
      }
    }
  }
}

}  // namespace
}  // namespace workbench::xdnn
