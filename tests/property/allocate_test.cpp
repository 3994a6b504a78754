// Random allocation problems: every answer is legal, and small ones are solved whenever any
// placement at all solves them.
#include "compiler/memory/allocate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <set>

#include "compiler/memory/exact.h"

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

// A small problem: few times and sizes, so that buffers fit tightly; some with alignments.
Problem tight_problem(std::mt19937_64& random, std::uint64_t most_buffers, std::uint64_t longest) {
  Problem problem;
  const std::uint64_t count = 1 + random() % most_buffers;
  const bool aligned = random() % 3 == 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto begin = static_cast<std::int64_t>(random() % 10);
    problem.buffers.push_back({.name = std::to_string(i),
                               .size = static_cast<std::int64_t>(1 + random() % 5),
                               .begin = begin,
                               .end = begin + 1 + static_cast<std::int64_t>(random() % longest),
                               .alignment = aligned ? std::int64_t{1} << random() % 3 : 1});
  }
  return problem;
}

// Every address of every buffer, in the order they begin; of the past only where the live ones lie
// matters. No idea in common with the search.
bool fits_somewhere(const Problem& problem) {
  std::vector<Buffer> buffers = problem.buffers;
  std::stable_sort(buffers.begin(), buffers.end(),
                   [](const Buffer& a, const Buffer& b) { return a.begin < b.begin; });
  using State = std::vector<std::int64_t>;  // address of each buffer so far, -1 when it is dead
  std::set<State> states{State{}};
  for (const Buffer& b : buffers) {
    std::set<State> next;
    for (State state : states) {
      for (std::size_t j = 0; j < state.size(); ++j) {
        if (buffers[j].end <= b.begin) state[j] = -1;
      }
      for (std::int64_t at = 0; at + b.size <= problem.capacity; at += b.alignment) {
        bool free = true;
        for (std::size_t j = 0; j < state.size() && free; ++j) {
          free = state[j] < 0 || at + b.size <= state[j] || state[j] + buffers[j].size <= at;
        }
        if (!free) continue;
        state.push_back(at);
        next.insert(state);
        state.pop_back();
      }
    }
    states = std::move(next);
  }
  return !states.empty();
}

std::int64_t least_extent_by_force(Problem problem) {
  for (problem.capacity = peak_demand(problem); !fits_somewhere(problem);) ++problem.capacity;
  return problem.capacity;
}

TEST(AllocateExactProperty, agrees_with_brute_force_on_up_to_12_buffers) {
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Problem problem = tight_problem(random, 12, 4);
    const std::int64_t least = least_extent_by_force(problem);
    problem.capacity = least + 10;
    const ExactResult best = least_extent(problem, 1000000);
    ASSERT_TRUE(best.proved && best.solution.has_value());
    EXPECT_EQ(best.solution->extent, least);
    EXPECT_EQ(best.lower_bound, least);
    EXPECT_EQ(validate(problem, *best.solution), std::vector<std::string>{});
    problem.capacity = least;
    const ExactResult tight = place_exactly(problem, 1000000);
    ASSERT_TRUE(tight.proved && tight.solution.has_value());
    EXPECT_EQ(validate(problem, *tight.solution), std::vector<std::string>{});
    EXPECT_TRUE(allocate(problem).has_value());
    problem.capacity = least - 1;
    const ExactResult none = place_exactly(problem, 1000000);
    EXPECT_TRUE(none.proved && !none.solution.has_value());
    EXPECT_LE(none.lower_bound, least);
    EXPECT_GT(none.lower_bound, problem.capacity);
  }
}

TEST(AllocateExactProperty, needs_as_many_buckets_as_are_alive_at_once) {
  // Intervals on a line: colours needed = most that overlap.
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Problem problem = random_problem(random, 30);
    problem.bucket = 20;
    Problem counted = problem;
    for (Buffer& b : counted.buffers) b.size = 1;
    problem.capacity = peak_demand(counted) * problem.bucket;
    const auto solution = allocate(problem);
    ASSERT_TRUE(solution.has_value());
    EXPECT_EQ(validate(problem, *solution), std::vector<std::string>{});
    const auto exact = place_exactly(problem, 100000);
    ASSERT_TRUE(exact.solution.has_value());
    EXPECT_EQ(validate(problem, *exact.solution), std::vector<std::string>{});
    --problem.capacity;
    EXPECT_FALSE(allocate(problem).has_value());
  }
}

TEST(StrategiesProperty, every_placement_is_legal_and_there_is_one_with_room_enough) {
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    std::mt19937_64 random(seed);
    Problem problem = tight_problem(random, 30, 9);
    std::int64_t all = 0;
    for (const Buffer& b : problem.buffers) all += b.size + b.alignment;
    for (const Strategy& strategy : strategies()) {
      SCOPED_TRACE("seed " + std::to_string(seed) + " " + std::string(strategy.name));
      for (const std::int64_t capacity : {peak_demand(problem), peak_demand(problem) * 5 / 4}) {
        problem.capacity = capacity;
        const auto solution = place_by(strategy.name, problem, seed);
        if (!solution) continue;
        EXPECT_EQ(validate(problem, *solution), std::vector<std::string>{});
        EXPECT_TRUE(place_by("all", problem, seed).has_value());
        EXPECT_EQ(place_by(strategy.name, problem, seed)->offsets, solution->offsets);
      }
      // In the worst case each buffer lies in the middle of the largest hole, and holes halve.
      problem.capacity = all * all;
      EXPECT_TRUE(place_by(strategy.name, problem, seed).has_value());
    }
  }
}

}  // namespace
}  // namespace workbench
