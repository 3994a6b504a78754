#include <gtest/gtest.h>

#include "explore/report/text.h"

namespace workbench {
namespace {

TEST(Table, thousands_are_separated) {
  EXPECT_EQ(thousands(0), "0");
  EXPECT_EQ(thousands(999), "999");
  EXPECT_EQ(thousands(1000), "1,000");
  EXPECT_EQ(thousands(7719276544), "7,719,276,544");
  EXPECT_EQ(thousands(-123456), "-123,456");
}

TEST(Table, large_numbers_get_a_prefix) {
  EXPECT_EQ(scaled(12), "12");
  EXPECT_EQ(scaled(118013952), "118 M");
  EXPECT_EQ(scaled(3858e6), "3.86 G");
  EXPECT_EQ(byte_text(512), "512 B");
  EXPECT_EQ(byte_text(9437184), "9.00 MB");
}

TEST(Table, columns_are_as_wide_as_their_longest_cell) {
  const Table table{.columns = {{"name", false}, {"n"}}, .rows = {{"a", "1"}, {"abcdef", "22"}}};
  EXPECT_EQ(lines(table), (std::vector<std::string>{"name    n", "a       1", "abcdef 22"}));
}

TEST(Table, long_cells_lose_their_middle) {
  EXPECT_EQ(shortened("inception_3a/5x5_reduce", 12), "incep..educe");
  EXPECT_EQ(shortened("short", 12), "short");
}

TEST(Table, blocks_count_as_one_column) { EXPECT_EQ(columns_of("█a█"), 3U); }

}  // namespace
}  // namespace workbench
