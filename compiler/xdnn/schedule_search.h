// In what order to issue a handful of instructions: counting, enumerating, scoring and searching
// the orders that respect the operands (the linear extensions of a partial order). Knows no graph:
// what is scheduled are tasks with engines, durations and the memory they touch. Sets of finished
// tasks are "downsets"; which memory is alive depends on the set alone, so dynamic programming over
// downsets finds the least peak exactly, and the least time as far as its states are kept.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "isa/xdnn/cost.h"

namespace workbench::xdnn {

// One instruction as the model of time sees it: schedule.h with neither ports nor addresses.
struct Work {
  Unit unit = Unit::Conv;
  ConvWork conv;  // Unit::Conv only
  Cycles drain;   // Unit::Conv only
  Cycles busy;    // the other units: from start to results in memory
};

struct Task {
  std::string name;
  std::vector<int> after;     // tasks whose results it reads
  unsigned units_before = 0;  // bit u: an operand comes from before the problem, made by Unit u
  std::vector<Work> works;    // in order; none: nothing is executed (a concat)
  std::vector<int> reads, writes;  // spaces
  bool in_place = false;           // its result may take the space of an operand that dies here
};

// Memory with one lifetime: from the first task that touches it to the last.
struct Space {
  std::int64_t bytes = 0;
  bool before = false, behind = false;  // also alive before the first and after the last task
  bool reusable = true;                 // an in-place result may take it
};

// When engines and dispatcher are free; units as in Unit.
struct EngineClock {
  Cycles dispatch, loader;  // loader: the filter loader of the conv unit
  std::array<Cycles, kUnits> free{}, finished{}, taken{};
  friend bool operator==(const EngineClock&, const EngineClock&) = default;
};
Cycles now(const EngineClock& clock);  // when everything issued so far has finished

struct SchedulingProblem {
  std::vector<Task> tasks;  // operands before their readers: this order is a valid one
  std::vector<Space> spaces;
  std::int64_t resident_bytes = 0;  // alive all the while beside `spaces`
  bool serial = false;              // each instruction waits for all before it
  std::int64_t issue_cycles = 0, queue_depth = 1;
  EngineClock start;
};

using TaskOrder = std::vector<int>;

struct Score {
  Cycles time;            // from start.dispatch until all has finished
  std::int64_t peak = 0;  // most bytes alive at a step, operands and results of the step included
  std::int64_t area = 0;  // sum over the steps of the bytes alive: the integral of live volumes
  EngineClock clock;      // afterwards
};
Score score(const SchedulingProblem& problem, const TaskOrder& order);

// Each task once, after its operands.
bool is_valid(const SchedulingProblem& problem, const TaskOrder& order);
// How many valid orders there are; nothing when they are too many to count (2^62, or half a million
// downsets).
std::optional<std::int64_t> count_orders(const SchedulingProblem& problem);
// All of them, lexicographically; use count_orders() first.
std::vector<TaskOrder> all_orders(const SchedulingProblem& problem);

enum class Goal { Time, Space };
// Whether `a` is better: by time, then peak, then area; or by peak, then time, then area.
bool better(const Score& a, const Score& b, Goal goal);

struct SearchLimits {
  std::int64_t enumerate = 5000;     // up to so many orders all are scored
  std::int64_t states = 400'000;     // beyond: search with at most so many states kept in all
  std::int64_t states_per_set = 16;  // of the same finished tasks
};
struct SearchResult {
  TaskOrder order;
  Score score;
  bool exact = false;  // nothing was left out: no order has a lower time (peak)
};
// The best order found; ties go to the lexicographically first.
SearchResult best_order(const SchedulingProblem& problem, Goal goal,
                        const SearchLimits& limits = {});

}  // namespace workbench::xdnn
