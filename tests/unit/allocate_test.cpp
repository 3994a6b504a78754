// Static allocation on problems small enough to draw: time to the right, addresses upwards.
#include "compiler/memory/allocate.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "compiler/memory/exact.h"
#include "compiler/memory/problem_file.h"
#include "core/error.h"

namespace workbench {
namespace {

using Messages = std::vector<std::string>;

TEST(Allocate, no_buffer_needs_no_memory) {
  const auto solution = allocate({.capacity = 0});
  ASSERT_TRUE(solution.has_value());
  EXPECT_EQ(solution->extent, 0);
  EXPECT_TRUE(solution->offsets.empty());
}

TEST(Allocate, a_buffer_of_exactly_the_capacity_fits) {
  const auto solution = allocate({.buffers = {{"a", 10, 0, 1}}, .capacity = 10});
  ASSERT_TRUE(solution.has_value());
  EXPECT_EQ(solution->offsets, std::vector<std::int64_t>{0});
  EXPECT_EQ(solution->extent, 10);
}

TEST(Allocate, one_unit_too_much_has_no_solution) {
  EXPECT_FALSE(allocate({.buffers = {{"a", 11, 0, 1}}, .capacity = 10}).has_value());
  EXPECT_FALSE(allocate({.buffers = {{"a", 5, 0, 2}, {"b", 6, 1, 3}}, .capacity = 10}).has_value());
}

TEST(Allocate, buffers_one_after_the_other_share_an_address) {
  // Lifetimes are half open: b begins when a ends.
  const auto solution =
      allocate({.buffers = {{"a", 10, 0, 3}, {"b", 10, 3, 5}, {"c", 7, 5, 6}}, .capacity = 10});
  ASSERT_TRUE(solution.has_value());
  EXPECT_EQ(solution->offsets, (std::vector<std::int64_t>{0, 0, 0}));
}

TEST(Allocate, fills_a_hole_that_is_just_large_enough) {
  // Alive at time 1: low (4) and high (4); from time 1 on the 2 between them are wanted.
  const Problem problem{
      .buffers = {{"low", 4, 0, 4}, {"gone", 2, 0, 1}, {"high", 4, 0, 4}, {"late", 2, 1, 4}},
      .capacity = 10};
  const auto solution = allocate(problem);
  ASSERT_TRUE(solution.has_value());
  EXPECT_EQ(validate(problem, *solution), Messages{});
  EXPECT_EQ(solution->extent, 10);
}

TEST(Allocate, a_buffer_that_prefers_the_top_ends_at_the_capacity) {
  const auto solution =
      allocate({.buffers = {{"a", 10, 0, 2}, {"b", 30, 0, 2, true}}, .capacity = 100});
  ASSERT_TRUE(solution.has_value());
  EXPECT_EQ(solution->offsets, (std::vector<std::int64_t>{0, 70}));
  EXPECT_EQ(solution->extent, 100);
}

TEST(Allocate, two_that_prefer_the_top_are_stacked_downwards) {
  const auto solution = allocate(
      {.buffers = {{"a", 30, 0, 2, true}, {"b", 20, 1, 3, true}, {"c", 5, 0, 3}}, .capacity = 100});
  ASSERT_TRUE(solution.has_value());
  EXPECT_EQ(solution->offsets, (std::vector<std::int64_t>{70, 50, 0}));
}

TEST(Allocate, the_wish_for_the_top_gives_way_when_nothing_else_fits) {
  // Time 0: a (4) and b (6) fill the memory. Time 1: c (6) beside a. With b at the top and a at the
  // bottom all is well; a at the top as it wishes puts b and c at the bottom. Either way is legal.
  const Problem problem{.buffers = {{"a", 4, 0, 2, true}, {"b", 6, 0, 1, true}, {"c", 6, 1, 2}},
                        .capacity = 10};
  const auto solution = allocate(problem);
  ASSERT_TRUE(solution.has_value());
  EXPECT_EQ(validate(problem, *solution), Messages{});
}

TEST(Allocate, says_the_same_each_time) {
  Problem problem{.capacity = 40};
  for (std::int64_t i = 0; i < 30; ++i) {
    problem.buffers.push_back({std::to_string(i), 1 + i * 7 % 11, i, i + 1 + i * 5 % 4});
  }
  const auto first = allocate(problem), second = allocate(problem);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->offsets, second->offsets);
}

TEST(PeakDemand, is_the_most_alive_at_once) {
  EXPECT_EQ(peak_demand({}), 0);
  // [0,2) 5, [1,3) 7, [2,4) 11: time 0: 5, 1: 12, 2: 18, 3: 11
  EXPECT_EQ(peak_demand({.buffers = {{"a", 5, 0, 2}, {"b", 7, 1, 3}, {"c", 11, 2, 4}}}), 18);
  // One after the other: never together.
  EXPECT_EQ(peak_demand({.buffers = {{"a", 5, 0, 2}, {"b", 7, 2, 3}}}), 7);
}

TEST(Validate, finds_an_overlap_of_one_unit) {
  const Problem problem{.buffers = {{"a", 10, 0, 2}, {"b", 10, 1, 3}}, .capacity = 20};
  EXPECT_EQ(validate(problem, {{0, 10}, 20}), Messages{});
  EXPECT_EQ(validate(problem, {{0, 9}, 19}), Messages{"'a' and 'b' overlap"});
  EXPECT_EQ(validate(problem, {{9, 0}, 19}), Messages{"'a' and 'b' overlap"});
}

TEST(Validate, finds_a_buffer_inside_another) {
  const Problem problem{.buffers = {{"a", 10, 0, 2}, {"b", 2, 1, 3}}, .capacity = 20};
  EXPECT_EQ(validate(problem, {{0, 4}, 10}), Messages{"'a' and 'b' overlap"});
}

TEST(Validate, lets_those_that_never_meet_share) {
  const Problem problem{.buffers = {{"a", 10, 0, 2}, {"b", 10, 2, 3}}, .capacity = 10};
  EXPECT_EQ(validate(problem, {{0, 0}, 10}), Messages{});
}

TEST(Validate, finds_every_buffer_outside_the_memory) {
  const Problem problem{.buffers = {{"a", 10, 0, 2}, {"b", 10, 2, 3}}, .capacity = 20};
  EXPECT_EQ(validate(problem, {{-1, 11}, 21}),
            (Messages{"'a' at [-1, 8] is outside [0, 20)", "'b' at [11, 20] is outside [0, 20)"}));
}

TEST(Validate, wants_one_address_per_buffer) {
  EXPECT_EQ(validate({.buffers = {{"a", 10, 0, 2}}, .capacity = 20}, {{}, 0}),
            Messages{"0 addresses for 1 buffers"});
}

TEST(Validate, finds_a_broken_alignment_and_a_broken_bucket) {
  const Problem aligned{.buffers = {{"a", 2, 0, 2, false, 4}}, .capacity = 20};
  EXPECT_EQ(validate(aligned, {{6}, 8}), Messages{"'a' at 6 is not aligned to 4"});
  const Problem parts{.buffers = {{"a", 2, 0, 2}, {"b", 2, 1, 3}}, .capacity = 20, .bucket = 5};
  EXPECT_EQ(validate(parts, {{0, 5}, 10}), Messages{});
  EXPECT_EQ(validate(parts, {{0, 6}, 10}), Messages{"'b' at [6, 7] is not in a bucket of 5"});
  EXPECT_EQ(validate(parts, {{5, 5}, 10}), Messages{"'a' and 'b' overlap"});
}

std::vector<std::int64_t> placed_by(std::string_view name) {
  // Time 1: free are [0,4), [6,16) and, above d, [18,30). c (3) and e (1) want a place.
  const Problem problem{.buffers = {{"a", 4, 0, 1},
                                    {"b", 2, 0, 9},
                                    {"hole", 10, 0, 1},
                                    {"d", 2, 0, 9},
                                    {"c", 3, 1, 9},
                                    {"e", 1, 1, 9}},
                        .capacity = 30};
  const auto offsets = place_by(name, problem, 1)->offsets;
  return {offsets[4], offsets[5]};
}

TEST(Strategies, take_the_block_and_the_end_of_it_that_was_published) {
  using Offsets = std::vector<std::int64_t>;
  EXPECT_EQ(placed_by("bysize"), (Offsets{0, 3}));
  EXPECT_EQ(placed_by("bottom"), (Offsets{0, 3}));
  EXPECT_EQ(placed_by("top"), (Offsets{18, 21}));
}

TEST(Strategies, top_places_at_a_blocks_bottom_and_tops_at_its_end) {
  const Problem problem{.buffers = {{"a", 4, 0, 1}, {"b", 3, 0, 1}}, .capacity = 30};
  EXPECT_EQ(place_by("top", problem, 1)->offsets, (std::vector<std::int64_t>{0, 4}));
  EXPECT_EQ(place_by("tops", problem, 1)->offsets, (std::vector<std::int64_t>{26, 23}));
}

TEST(Strategies, an_unknown_name_is_refused) {
  EXPECT_THROW(place_by("best", {}, 1), Error);
  EXPECT_THROW(allocate({}, {.strategy = "best"}), Error);
}

std::string refusal(std::string_view text) {
  try {
    parse_problem(text, "p.csv");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(ProblemFile, columns_come_in_any_order) {
  const Problem problem = parse_problem("size,id,upper,lower\r\n7,x,3,1\r\n", "p.csv");
  ASSERT_EQ(problem.buffers.size(), 1u);
  const Buffer& b = problem.buffers[0];
  EXPECT_EQ(b.name, "x");
  EXPECT_EQ(b.size, 7);
  EXPECT_EQ(b.begin, 1);
  EXPECT_EQ(b.end, 3);
  EXPECT_EQ(placement_csv(problem, {{5}, 12}), "id,lower,upper,size,offset\nx,1,3,7,5\n");
}

TEST(ProblemFile, mistakes_are_named_with_their_line) {
  EXPECT_EQ(refusal("id,lower,upper\n"), "p.csv:1: expected a column 'size', found none");
  EXPECT_EQ(refusal("id,lower,upper,size\n0,1,2\n"), "p.csv:2: expected 4 values, found 3");
  EXPECT_EQ(refusal("id,lower,upper,size\n0,2,2,1\n"),
            "p.csv:2: expected lower < upper, found 2 and 2");
  EXPECT_EQ(refusal("id,lower,upper,size\n0,1,2,0\n"),
            "p.csv:2: size: expected a whole number from 1 to 2^40, found '0'");
  EXPECT_NE(refusal(""), "");
}

TEST(ProblemFile, a_capacity_has_a_suffix) {
  EXPECT_EQ(parse_capacity("12", "c"), 12);
  EXPECT_EQ(parse_capacity("4k", "c"), 4096);
  EXPECT_EQ(parse_capacity("1M", "c"), 1048576);
  for (const char* wrong : {"", "k", "-1", "4kB", "99999999999M"}) {
    EXPECT_THROW(parse_capacity(wrong, "c"), Error) << wrong;
  }
}

// Problems of a production compiler, full to the last byte.
TEST(Exact, solves_the_industrial_problems) {
  const char* shared = std::getenv("WORKBENCH_SHARED");
  const auto folder =
      std::filesystem::path(shared == nullptr ? "../shared" : shared) / "allocation";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is absent";
  for (const char* name : {"A", "C", "E", "G", "K"}) {  // I takes seconds
    Problem problem = read_problem(folder / (std::string(name) + ".1048576.csv"));
    problem.capacity = 1048576;
    const auto result = place_exactly(problem, 100000);
    ASSERT_TRUE(result.solution.has_value()) << name;
    EXPECT_EQ(validate(problem, *result.solution), Messages{}) << name;
  }
}

}  // namespace
}  // namespace workbench
