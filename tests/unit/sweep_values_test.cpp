#include <gtest/gtest.h>

#include "core/error.h"
#include "explore/sweep/values.h"

namespace workbench {
namespace {

using Texts = std::vector<std::string>;

Texts values(const std::string& text) { return parse_values(text, "--set p"); }

std::string refusal(const std::string& text) {
  try {
    const Texts found = values(text);
    return fmt::format("no error, but {}", fmt::join(found, " "));
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(SweepValues, a_list_is_its_items) {
  EXPECT_EQ(values("1,2,4,8"), (Texts{"1", "2", "4", "8"}));
  EXPECT_EQ(values("optimal, dory"), (Texts{"optimal", "dory"}));
  EXPECT_EQ(values("0.50,007,+3,-0"), (Texts{"0.5", "7", "3", "0"}));
  EXPECT_EQ(values("../data,a..b"), (Texts{"../data", "a..b"}));
}

TEST(SweepValues, steps_multiply_and_keep_the_suffix) {
  EXPECT_EQ(values("16k..128k:x2"), (Texts{"16k", "32k", "64k", "128k"}));
  EXPECT_EQ(values("512..2k:x2"), (Texts{"512", "1024", "2048"}));
  EXPECT_EQ(values("512k..2M:x2"), (Texts{"512k", "1024k", "2048k"}));
  EXPECT_EQ(values("1k..1.5k:x1.5"), (Texts{"1k", "1536"}));
  EXPECT_EQ(values("0.5..13.5:x3"), (Texts{"0.5", "1.5", "4.5", "13.5"}));
}

TEST(SweepValues, decimal_steps_do_not_drift) {
  EXPECT_EQ(values("0.3..0.9:0.1"), (Texts{"0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9"}));
  EXPECT_EQ(values("-0.1..0.1:+0.1"), (Texts{"-0.1", "0", "0.1"}));
  EXPECT_EQ(values("2..16:2").size(), 8u);
  const Texts thousandths = values("0..999.999:0.001");
  ASSERT_EQ(thousandths.size(), 1000000u);
  EXPECT_EQ(thousandths[300001], "300.001");
  EXPECT_EQ(thousandths.back(), "999.999");
}

TEST(SweepValues, without_a_step_whole_numbers_come_one_by_one) {
  EXPECT_EQ(values("1..4"), (Texts{"1", "2", "3", "4"}));
  EXPECT_EQ(values("1k..3k"), (Texts{"1k", "2k", "3k"}));
  EXPECT_EQ(values("5..5"), (Texts{"5"}));
  EXPECT_NE(refusal("0.1..0.5").find("LOW..HIGH:STEP"), std::string::npos);
}

TEST(SweepValues, a_count_divides_the_range) {
  EXPECT_EQ(values("16..128:n8"), (Texts{"16", "32", "48", "64", "80", "96", "112", "128"}));
  EXPECT_EQ(values("0..1:n5"), (Texts{"0", "0.25", "0.5", "0.75", "1"}));
  EXPECT_NE(refusal("0..1:n4").find("decimals"), std::string::npos);
  EXPECT_NE(refusal("0..1:n1").find("n and a whole number above 1"), std::string::npos);
}

TEST(SweepValues, lists_may_have_ranges) {
  EXPECT_EQ(values("1,2,4..16:x2"), (Texts{"1", "2", "4", "8", "16"}));
}

TEST(SweepValues, what_comes_twice_is_named) {
  EXPECT_EQ(refusal("1,2,1"), "--set p: expected each value once, found 1 twice");
  EXPECT_EQ(refusal("1..4,3..6"), "--set p: expected each value once, found 3 twice");
  EXPECT_EQ(refusal("16k,16384"),
            "--set p: expected each value once, found 16k and 16384, which are the same");
  EXPECT_EQ(refusal("dory,dory"), "--set p: expected each value once, found dory twice");
}

TEST(SweepValues, empty_and_reversed_ranges_are_refused) {
  EXPECT_EQ(refusal(""), "--set p: expected a value, found none");
  EXPECT_EQ(refusal("1,,2"), "--set p: expected a value, found none");
  EXPECT_EQ(refusal("8..2"), "--set p: expected LOW..HIGH, found '8..2', which is reversed");
  EXPECT_NE(refusal("1..").find("number of at most 15 digits"), std::string::npos);
  EXPECT_NE(refusal("1..x").find("found 'x' in '1..x'"), std::string::npos);
}

TEST(SweepValues, steps_that_do_not_arrive_are_refused) {
  EXPECT_EQ(refusal("16k..100k:x2"),
            "--set p: expected a step that arrives at 100k, found 64k and then 128k in "
            "'16k..100k:x2'");
  EXPECT_EQ(refusal("2..15:+4"),
            "--set p: expected a step that arrives at 15, found 14 and then 18 in '2..15:+4'");
  for (const char* step : {"0", "-1", "+0", "x1", "x0.5", "x0", "x-2", "y2", "", "n0", "n2.5"}) {
    const std::string text = refusal(std::string("2..16:") + step);
    EXPECT_EQ(text.rfind("--set p: expected ", 0), 0u) << step << ": " << text;
  }
  EXPECT_NE(refusal("0..16:x2").find("above 0"), std::string::npos);
}

TEST(SweepValues, too_many_are_refused_before_they_are_made) {
  EXPECT_NE(refusal("0..999999999:1").find("at most 1000000 values"), std::string::npos);
  EXPECT_NE(refusal("0..1:0.0000001").find("at most 1000000 values"), std::string::npos);
  EXPECT_NE(refusal("1..2:x1.0000000001").find("digits"), std::string::npos);
  EXPECT_NE(refusal("0.000000000001..100000000:50000000").find("digits"), std::string::npos);
}

TEST(SweepValues, numbers_have_suffixes_and_words_none) {
  EXPECT_EQ(numeric_value("16k"), 16384);
  EXPECT_EQ(numeric_value("2M"), 2097152);
  EXPECT_EQ(numeric_value("-0.5"), -0.5);
  EXPECT_EQ(numeric_value("1e-3"), 0.001);
  for (const char* word : {"dory", "", "k", "nan", "inf", "1x", "0x10", "1 2"}) {
    EXPECT_EQ(numeric_value(word), std::nullopt) << word;
  }
}

}  // namespace
}  // namespace workbench
