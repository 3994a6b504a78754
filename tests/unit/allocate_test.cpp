// Static allocation on problems small enough to draw: time to the right, addresses upwards.
#include "compiler/memory/allocate.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace workbench
