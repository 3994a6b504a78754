// Regions and footprints against sets of single bytes.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "isa/pulp/footprint.h"

namespace workbench::pulp {
namespace {

constexpr std::uint64_t kSeed = 43;
#if defined(__SANITIZE_ADDRESS__)
constexpr int kCases = 2000;
#else
constexpr int kCases = 20000;
#endif

using Bytes = std::set<std::int64_t>;

std::int64_t between(std::mt19937_64& random, std::int64_t low, std::int64_t high) {
  return low + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(high - low + 1));
}

Bytes bytes_of(const Region& region) {
  Bytes bytes;
  for (std::int64_t i = 0; i < region.count; ++i) {
    for (std::int64_t j = 0; j < region.length; ++j) {
      bytes.insert(region.address + i * region.stride + j);
    }
  }
  return bytes;
}

Bytes bytes_of(const std::vector<Region>& regions, Space space) {
  Bytes bytes;
  for (const Region& region : regions) {
    EXPECT_EQ(region.space, space);
    bytes.merge(bytes_of(region));
  }
  return bytes;
}

bool meet(const Bytes& a, const Bytes& b) {
  for (const std::int64_t byte : a) {
    if (b.contains(byte)) return true;
  }
  return false;
}

TEST(PulpFootprint, regions_overlap_when_they_have_a_byte_in_common) {
  std::mt19937_64 random(kSeed);
  int overlapping = 0;
  for (int i = 0; i < kCases; ++i) {
    const auto region = [&] {
      return Region{Space::L1, between(random, 0, 60), between(random, 0, 5), between(random, 1, 9),
                    between(random, 0, 12)};
    };
    const Region a = region(), b = region();
    const bool expected = meet(bytes_of(a), bytes_of(b));
    overlapping += expected ? 1 : 0;
    ASSERT_EQ(overlap(a, b), expected)
        << i << ": " << a.address << " " << a.length << " " << a.count << " " << a.stride << ", "
        << b.address << " " << b.length << " " << b.count << " " << b.stride;
    ASSERT_EQ(overlap(b, a), expected) << i;
  }
  EXPECT_GT(overlapping, kCases / 10);
  EXPECT_LT(overlapping, kCases - kCases / 10);
}

Bytes block(std::int64_t address, const Dma& op, std::int64_t line, std::int64_t row,
            std::int64_t plane) {
  Bytes bytes;
  for (std::int64_t p = 0; p < op.planes; ++p) {
    for (std::int64_t r = 0; r < op.rows; ++r) {
      for (std::int64_t l = 0; l < op.lines; ++l) {
        for (std::int64_t i = 0; i < op.length; ++i) {
          bytes.insert(address + p * plane + r * row + l * line + i);
        }
      }
    }
  }
  return bytes;
}

TEST(PulpFootprint, a_transfer_touches_the_bytes_of_its_lines_and_no_others) {
  std::mt19937_64 random(kSeed);
  const Machine machine;
  for (int i = 0; i < kCases / 10; ++i) {
    const auto stride = [&] { return between(random, 0, 40); };
    const Dma op{.to_l1 = random() % 2 == 0,
                 .l2 = between(random, 0, 99),
                 .l1 = between(random, 0, 99),
                 .length = between(random, 1, 8),
                 .lines = between(random, 1, 5),
                 .rows = between(random, 1, 5),
                 .planes = between(random, 1, 5),
                 .l2_line_stride = stride(),
                 .l2_row_stride = stride(),
                 .l2_plane_stride = stride(),
                 .l1_line_stride = stride(),
                 .l1_row_stride = stride(),
                 .l1_plane_stride = stride()};
    const Footprint touched = footprint(op, machine);
    ASSERT_EQ(bytes_of(op.to_l1 ? touched.reads : touched.writes, Space::L2),
              block(op.l2, op, op.l2_line_stride, op.l2_row_stride, op.l2_plane_stride))
        << i;
    ASSERT_EQ(bytes_of(op.to_l1 ? touched.writes : touched.reads, Space::L1),
              block(op.l1, op, op.l1_line_stride, op.l1_row_stride, op.l1_plane_stride))
        << i;
  }
}

}  // namespace
}  // namespace workbench::pulp
