// Products of 8-bit matrices against sums written out.
#include "isa/int8_matrix.h"

#include <gtest/gtest.h>

#include <random>

namespace workbench {
namespace {

constexpr int kCases = 200;

TEST(Int8Matrix, tiles_hold_the_exact_sums_whatever_the_operands) {
  const std::uint64_t seed = 11;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < kCases; ++i) {
    const auto depth = static_cast<std::int64_t>(1 + random() % 100) * kDotLength;
    const auto columns = static_cast<std::int64_t>(1 + random() % 70);
    const bool extreme = random() % 4 == 0;  // all sums as far from 0 as they can be
    PackedMatrix b(depth, columns);
    for (std::int64_t k = 0; k < depth; ++k) {
      for (std::int64_t c = 0; c < columns; ++c) {
        b.codes[b.index(k, c)] = extreme ? std::int8_t{-128} : static_cast<std::int8_t>(random());
      }
    }
    b.set_offsets();
    std::vector<std::uint8_t> a(static_cast<std::size_t>(kTileRows * depth));
    for (std::uint8_t& code : a) code = extreme ? 0 : static_cast<std::uint8_t>(random());
    for (std::int64_t c = 0; c < b.blocks() * kTileColumns; ++c) {
      Tile tile{};
      multiply_tile(a.data(), b, c / kTileColumns, tile);
      for (std::int64_t r = 0; r < kTileRows; ++r) {
        std::int64_t sum = 0;  // padding columns are 0
        for (std::int64_t k = 0; k < depth && c < columns; ++k) {
          sum += (std::int64_t{a[static_cast<std::size_t>(r * depth + k)]} - 128) *
                 b.codes[b.index(k, c)];
        }
        ASSERT_EQ(tile[static_cast<std::size_t>(r)][static_cast<std::size_t>(c % kTileColumns)],
                  sum)
            << "row " << r << " column " << c;
      }
    }
  }
}

}  // namespace
}  // namespace workbench
