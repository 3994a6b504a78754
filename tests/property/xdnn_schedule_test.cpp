// Schedules of random problems against brute force: all permutations, lifetimes worked out from
// first and last use.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>

#include "compiler/xdnn/network_tasks.h"
#include "compiler/xdnn/order_search.h"

namespace workbench::xdnn {
namespace {

constexpr int kCases = 200;

std::int64_t below(std::mt19937_64& random, std::int64_t n) {
  return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n));
}

Work random_work(std::mt19937_64& random) {
  if (random() % 2 == 0) {
    const Unit unit = random() % 3 == 0 ? Unit::Eltwise : Unit::Pool;
    return {.unit = unit, .conv = {}, .drain = {}, .busy = {1 + below(random, 300)}};
  }
  ConvWork conv{.first_load = {below(random, 60)},
                .later_loads = {below(random, 200)},
                .compute = {1 + below(random, 300)},
                .last_pass = {below(random, 50)}};
  conv.overlapped = random() % 4 != 0;
  return {.unit = Unit::Conv, .conv = conv, .drain = {below(random, 20)}, .busy = {}};
}

// Each task writes one space, reads those of its operands.
OrderProblem random_problem(std::mt19937_64& random, int tasks) {
  OrderProblem p{.serial = random() % 5 == 0, .issue_cycles = below(random, 20)};
  for (int t = 0; t < tasks; ++t) {
    p.spaces.push_back({.bytes = 1 + below(random, 100), .behind = random() % 8 == 0});
    Task task{.name = "t" + std::to_string(t), .writes = {t}};
    for (int operand = 0; operand < t; ++operand) {
      if (random() % 4 != 0) continue;
      task.after.push_back(operand);
      task.reads.push_back(operand);
    }
    if (random() % 8 != 0) task.works.push_back(random_work(random));
    p.tasks.push_back(task);
  }
  if (random() % 2 == 0) {  // something that was there before
    p.spaces.push_back({.bytes = 1 + below(random, 100), .before = true});
    for (int t = 0; t < tasks; ++t) {
      if (random() % 2 == 0) p.tasks[static_cast<std::size_t>(t)].reads.push_back(tasks);
    }
  }
  return p;
}

std::vector<TaskOrder> valid_permutations(const OrderProblem& p) {
  std::vector<TaskOrder> orders;
  TaskOrder order(p.tasks.size());
  std::iota(order.begin(), order.end(), 0);
  do {
    bool valid = true;
    for (std::size_t i = 0; i < order.size(); ++i) {
      for (const int operand : p.tasks[static_cast<std::size_t>(order[i])].after) {
        valid = valid && std::find(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(i),
                                   operand) != order.begin() + static_cast<std::ptrdiff_t>(i);
      }
    }
    if (valid) orders.push_back(order);
  } while (std::next_permutation(order.begin(), order.end()));
  return orders;
}

// Most bytes alive at a step, from the first and last step that touches each space.
std::int64_t peak_by_lifetimes(const OrderProblem& p, const TaskOrder& order) {
  std::vector<std::int64_t> alive(order.size(), 0);
  for (std::size_t s = 0; s < p.spaces.size(); ++s) {
    std::vector<std::size_t> steps;
    for (std::size_t i = 0; i < order.size(); ++i) {
      const Task& task = p.tasks[static_cast<std::size_t>(order[i])];
      const auto touches = [&](const std::vector<int>& list) {
        return std::find(list.begin(), list.end(), static_cast<int>(s)) != list.end();
      };
      if (touches(task.reads) || touches(task.writes)) steps.push_back(i);
    }
    if (steps.empty()) continue;
    const std::size_t first = p.spaces[s].before ? 0 : steps.front();
    const std::size_t last = p.spaces[s].behind ? order.size() - 1 : steps.back();
    for (std::size_t i = first; i <= last; ++i) alive[i] += p.spaces[s].bytes;
  }
  return *std::max_element(alive.begin(), alive.end());
}

TEST(ScheduleSearch, counts_and_enumerates_what_brute_force_finds) {
  std::mt19937_64 random(1);
  for (int i = 0; i < kCases; ++i) {
    SCOPED_TRACE(i);
    const OrderProblem p = random_problem(random, static_cast<int>(1 + below(random, 7)));
    const std::vector<TaskOrder> expected = valid_permutations(p);
    EXPECT_EQ(all_orders(p), expected);  // both are in lexicographic order
    EXPECT_EQ(count_orders(p), static_cast<std::int64_t>(expected.size()));
    for (const TaskOrder& order : expected) EXPECT_TRUE(is_valid(p, order));
  }
}

TEST(ScheduleSearch, an_order_with_a_reader_before_its_operand_is_not_valid) {
  std::mt19937_64 random(2);
  for (int i = 0; i < kCases; ++i) {
    const OrderProblem p = random_problem(random, 6);
    const std::vector<TaskOrder> orders = valid_permutations(p);
    TaskOrder order(6);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    EXPECT_EQ(is_valid(p, order), std::find(orders.begin(), orders.end(), order) != orders.end());
    order.back() = order.front();
    EXPECT_FALSE(is_valid(p, order)) << "one task twice, one never";
  }
}

TEST(ScheduleSearch, peaks_are_those_of_the_lifetimes) {
  std::mt19937_64 random(3);
  for (int i = 0; i < kCases; ++i) {
    SCOPED_TRACE(i);
    const OrderProblem p = random_problem(random, static_cast<int>(1 + below(random, 6)));
    for (const TaskOrder& order : valid_permutations(p)) {
      EXPECT_EQ(score(p, order).peak, peak_by_lifetimes(p, order));
    }
  }
}

TEST(ScheduleSearch, dynamic_programming_finds_the_least_peak) {
  std::mt19937_64 random(4);
  for (int i = 0; i < kCases; ++i) {
    SCOPED_TRACE(i);
    const OrderProblem p = random_problem(random, static_cast<int>(1 + below(random, 7)));
    std::int64_t least = std::numeric_limits<std::int64_t>::max();
    for (const TaskOrder& order : valid_permutations(p)) {
      least = std::min(least, peak_by_lifetimes(p, order));
    }
    const SearchResult found = best_order(p, Goal::Space, {.enumerate = 0});
    EXPECT_TRUE(is_valid(p, found.order));
    EXPECT_TRUE(found.exact);
    EXPECT_EQ(found.score.peak, least);
    EXPECT_EQ(peak_by_lifetimes(p, found.order), least);
  }
}

TEST(ScheduleSearch, the_least_time_is_that_of_all_orders) {
  // Enumeration is exact by construction; the search must find the same where nothing is left out.
  std::mt19937_64 random(5);
  int missed = 0;
  for (int i = 0; i < kCases; ++i) {
    SCOPED_TRACE(i);
    const OrderProblem p = random_problem(random, static_cast<int>(1 + below(random, 7)));
    Cycles least{std::numeric_limits<std::int64_t>::max()};
    for (const TaskOrder& order : valid_permutations(p)) {
      least = std::min(least, score(p, order).time);
    }
    const SearchResult all = best_order(p, Goal::Time);
    EXPECT_TRUE(all.exact);
    EXPECT_EQ(all.score.time, least);
    const SearchResult searched = best_order(p, Goal::Time, {.enumerate = 0});
    EXPECT_TRUE(is_valid(p, searched.order));
    EXPECT_EQ(score(p, searched.order).time, searched.score.time);
    missed += searched.score.time > least ? 1 : 0;
  }
  // Waiting for an engine that has meanwhile got more to do makes dominance an approximation.
  EXPECT_LE(missed, kCases / 20);
}

TEST(ScheduleSearch, serial_machines_take_the_same_time_in_every_order) {
  std::mt19937_64 random(6);
  for (int i = 0; i < kCases; ++i) {
    OrderProblem p = random_problem(random, 5);
    p.serial = true;
    p.issue_cycles = 0;           // the dispatcher prepares the next instruction meanwhile,
    for (Task& task : p.tasks) {  // and the filter loader runs ahead
      if (!task.works.empty()) task.works[0].conv.first_load = {};
      if (!task.works.empty()) task.works[0].conv.later_loads = {};
    }
    std::set<Cycles> times;
    for (const TaskOrder& order : all_orders(p)) times.insert(score(p, order).time);
    EXPECT_EQ(times.size(), 1U);
  }
}

TEST(ScheduleSearch, a_narrow_search_still_answers) {
  std::mt19937_64 random(7);
  const OrderProblem p = random_problem(random, 60);
  for (const Goal goal : {Goal::Time, Goal::Space}) {
    const SearchResult found =
        best_order(p, goal, {.enumerate = 100, .states = 60, .states_per_set = 2});
    EXPECT_TRUE(is_valid(p, found.order));
    EXPECT_FALSE(found.exact);
  }
}

// Tasks that are all ready at once and one that reads them all: 2^n downsets.
OrderProblem wide_problem(std::mt19937_64& random, int tasks) {
  OrderProblem p{.issue_cycles = 4};
  Task last{.name = "last", .works = {random_work(random)}};
  for (int t = 0; t + 1 < tasks; ++t) {
    p.spaces.push_back({.bytes = 1 + below(random, 100)});
    p.tasks.push_back({.name = "t", .works = {random_work(random)}, .writes = {t}});
    last.after.push_back(t);
    last.reads.push_back(t);
  }
  p.tasks.push_back(std::move(last));
  return p;
}

TEST(ScheduleSearch, steps_grow_with_the_tasks_and_no_faster) {
  std::mt19937_64 random(11);
  constexpr std::int64_t kStepsPerTask = 1 << 16;
  for (const int tasks : {30, 100, 250, 500}) {
    for (const bool wide : {true, false}) {
      SCOPED_TRACE(fmt::format("{} tasks, {}", tasks, wide ? "wide" : "random"));
      const OrderProblem p = wide ? wide_problem(random, tasks) : random_problem(random, tasks);
      for (const Goal goal : {Goal::Time, Goal::Space}) {
        const SearchResult found = best_order(p, goal, {.steps_per_task = kStepsPerTask});
        EXPECT_TRUE(is_valid(p, found.order));
        // One append for each task is always made.
        EXPECT_LE(found.steps, tasks * std::max(kStepsPerTask, p.steps_of_append()));
        EXPECT_TRUE(!found.stopped || !found.exact);
        EXPECT_TRUE(found.stopped || !wide || tasks < 100);
      }
    }
  }
}

// Bytes that are alive all through tasks [begin, end) although none of them touches the space.
std::int64_t resident_in(const OrderProblem& p, int begin, int end) {
  std::int64_t bytes = 0;
  for (std::size_t s = 0; s < p.spaces.size(); ++s) {
    bool before = p.spaces[s].before, behind = p.spaces[s].behind, inside = false;
    for (int t = 0; t < static_cast<int>(p.tasks.size()); ++t) {
      const Task& task = p.tasks[static_cast<std::size_t>(t)];
      const auto touches = [&](const std::vector<int>& list) {
        return std::find(list.begin(), list.end(), static_cast<int>(s)) != list.end();
      };
      if (!touches(task.reads) && !touches(task.writes)) continue;
      (t < begin ? before : t < end ? inside : behind) = true;
    }
    if (before && behind && !inside) bytes += p.spaces[s].bytes;
  }
  return bytes;
}

TEST(ScheduleSearch, parts_of_a_network_know_what_lives_around_them) {
  std::mt19937_64 random(17);
  for (int c = 0; c < kCases; ++c) {
    OrderProblem p = random_problem(random, 12);
    for (Space& space : p.spaces) {
      space.before = space.before || random() % 6 == 0;
      space.behind = space.behind || random() % 6 == 0;
    }
    p.spaces.push_back({.bytes = 7, .before = true});  // touched by no task
    p.spaces.push_back({.bytes = 11, .before = true, .behind = true});
    p.spaces.push_back({.bytes = 13, .behind = true});
    const NetworkParts parts(p);
    for (int begin = 0, end = 0; begin < 12; begin = end) {
      end = std::min<int>(12, begin + 1 + static_cast<int>(below(random, 5)));
      SCOPED_TRACE(fmt::format("case {}, tasks {} to {}", c, begin, end));
      const OrderProblem part = parts.part({.name = "", .entry = "", .begin = begin, .end = end});
      EXPECT_EQ(part.resident_bytes, resident_in(p, begin, end));
      EXPECT_EQ(part.tasks.size(), static_cast<std::size_t>(end - begin));
    }
  }
}

TEST(ScheduleSearch, a_search_with_enough_steps_does_not_stop) {
  std::mt19937_64 random(12);
  const OrderProblem p = wide_problem(random, 12);
  EXPECT_FALSE(best_order(p, Goal::Time).stopped);
  EXPECT_FALSE(best_order(p, Goal::Space).stopped);
}

TEST(ScheduleSearch, a_result_in_place_takes_no_room_when_its_operand_dies) {
  OrderProblem p;
  p.spaces = {{.bytes = 10}, {.bytes = 10}, {.bytes = 10}};
  p.tasks = {{.name = "a", .writes = {0}},
             {.name = "b", .writes = {1}},
             {.name = "sum", .after = {0, 1}, .reads = {0, 1}, .writes = {2}, .in_place = true}};
  EXPECT_EQ(score(p, {0, 1, 2}).peak, 20);
  p.spaces[0].behind = p.spaces[1].behind = true;  // both are read later
  EXPECT_EQ(score(p, {0, 1, 2}).peak, 30);
  p.spaces[1] = {.bytes = 10};
  EXPECT_EQ(score(p, {0, 1, 2}).peak, 20);
  p.spaces[1].reusable = false;  // a part of a concat
  EXPECT_EQ(score(p, {0, 1, 2}).peak, 30);
}

TEST(ScheduleSearch, a_pool_runs_beside_a_convolution_unless_the_machine_is_serial) {
  OrderProblem p;
  p.tasks = {{.name = "conv", .works = {{.unit = Unit::Conv, .conv = {.compute = {100}}}}},
             {.name = "pool", .works = {{.unit = Unit::Pool, .busy = {80}}}}};
  EXPECT_EQ(score(p, {0, 1}).time, Cycles{100});
  p.serial = true;
  EXPECT_EQ(score(p, {0, 1}).time, Cycles{180});
  p.serial = false;
  p.tasks[1].after = {0};
  EXPECT_EQ(score(p, {0, 1}).time, Cycles{180});
}

}  // namespace
}  // namespace workbench::xdnn
