// Random allocation problems: every answer is legal, and small ones are solved whenever any
// placement at all solves them.
#include "compiler/memory/allocate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>

namespace workbench {
namespace {

constexpr int kCases = 200;

Problem random_problem(std::mt19937_64& random, std::uint64_t most_buffers) {
  Problem problem;
  const std::uint64_t count = 1 + random() % most_buffers;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto begin = static_cast<std::int64_t>(random() % 12);
    problem.buffers.push_back({.name = std::to_string(i),
                               .size = static_cast<std::int64_t>(1 + random() % 20),
                               .begin = begin,
                               .end = begin + 1 + static_cast<std::int64_t>(random() % 6),
                               .prefer_top = random() % 4 == 0});
  }
  return problem;
}

// The lowest address at which buffer `i` hits none of the buffers in `done`.
std::int64_t lowest_free(const Problem& problem, const std::vector<std::int64_t>& offsets,
                         const std::vector<std::size_t>& done, std::size_t i) {
  const Buffer& buffer = problem.buffers[i];
  std::int64_t offset = 0;
  for (bool moved = true; moved;) {
    moved = false;
    for (const std::size_t j : done) {
      const Buffer& other = problem.buffers[j];
      const bool together = buffer.begin < other.end && other.begin < buffer.end;
      if (together && offset < offsets[j] + other.size && offsets[j] < offset + buffer.size) {
        offset = offsets[j] + other.size;
        moved = true;
      }
    }
  }
  return offset;
}

// The least extent of all: an optimal solution, placed again from the bottom up, first fit, only
// moves downwards, so that trying all orders finds it.
std::int64_t least_extent(const Problem& problem) {
  std::vector<std::size_t> order(problem.buffers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::int64_t best = std::numeric_limits<std::int64_t>::max();
  do {
    std::vector<std::int64_t> offsets(order.size());
    std::vector<std::size_t> done;
    std::int64_t extent = 0;
    for (const std::size_t i : order) {
      offsets[i] = lowest_free(problem, offsets, done, i);
      extent = std::max(extent, offsets[i] + problem.buffers[i].size);
      done.push_back(i);
    }
    best = std::min(best, extent);
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

TEST(AllocateProperty, every_answer_is_legal) {
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Problem problem = random_problem(random, 40);
    const std::int64_t peak = peak_demand(problem);
    problem.capacity = peak + static_cast<std::int64_t>(random() % 30);
    const auto solution = allocate(problem);
    if (!solution) continue;
    EXPECT_EQ(validate(problem, *solution), std::vector<std::string>{});
    EXPECT_GE(solution->extent, peak);
    EXPECT_LE(solution->extent, problem.capacity);
  }
}

TEST(AllocateProperty, peak_demand_is_the_sum_at_the_fullest_moment) {
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const Problem problem = random_problem(random, 40);
    std::int64_t fullest = 0;
    for (std::int64_t time = 0; time < 20; ++time) {
      std::int64_t live = 0;
      for (const Buffer& b : problem.buffers) {
        if (b.begin <= time && time < b.end) live += b.size;
      }
      fullest = std::max(fullest, live);
    }
    EXPECT_EQ(peak_demand(problem), fullest);
  }
}

TEST(AllocateProperty, small_problems_are_solved_whenever_brute_force_solves_them) {
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Problem problem = random_problem(random, 6);
    problem.capacity = least_extent(problem);
    const auto tight = allocate(problem);
    ASSERT_TRUE(tight.has_value()) << "capacity " << problem.capacity;
    EXPECT_EQ(validate(problem, *tight), std::vector<std::string>{});
    EXPECT_EQ(tight->extent, problem.capacity);
    --problem.capacity;
    EXPECT_FALSE(allocate(problem).has_value()) << "less than the least extent";
  }
}

}  // namespace
}  // namespace workbench
