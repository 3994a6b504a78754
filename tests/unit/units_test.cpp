#include "core/units.h"

#include <gtest/gtest.h>

namespace workbench {
namespace {

template <typename A, typename B>
concept CanAdd = requires(A a, B b) {
  a + b;
};
template <typename A, typename B>
concept CanCompare = requires(A a, B b) {
  a < b;
};

static_assert(CanAdd<Cycles, Cycles> && CanCompare<Bytes, Bytes>);
static_assert(!CanAdd<Cycles, Bytes> && !CanAdd<Bytes, Macs> && !CanAdd<Cycles, int>);
static_assert(!CanCompare<Cycles, Bytes>);

TEST(Units, counts_of_one_kind_add_and_scale) {
  Cycles total{3};
  total += Cycles{4};
  total -= Cycles{1};
  EXPECT_EQ(total * 2, Cycles{12});
  EXPECT_EQ(2 * total - Cycles{2}, Cycles{10});
  EXPECT_LT(total, Cycles{7});
}

TEST(Units, ceil_div_rounds_up) {
  EXPECT_EQ(ceil_div(0, 4), 0);
  EXPECT_EQ(ceil_div(8, 4), 2);
  EXPECT_EQ(ceil_div(9, 4), 3);
}

TEST(Units, round_up_gives_the_next_multiple) {
  EXPECT_EQ(round_up(0, 64), 0);
  EXPECT_EQ(round_up(64, 64), 64);
  EXPECT_EQ(round_up(65, 64), 128);
}

}  // namespace
}  // namespace workbench
