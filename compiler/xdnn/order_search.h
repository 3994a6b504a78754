// In what order to issue a handful of instructions: counting, enumerating, scoring and searching
// the orders that respect the operands (the linear extensions of a partial order). Knows no graph:
// what comes in order are tasks with engines, durations and the memory they touch. Sets of finished
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

// One instruction as the model of time sees it: earliest_times() without addresses.
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

struct OrderProblem {
  std::vector<Task> tasks;  // operands before their readers: this order is a valid one
  std::vector<Space> spaces;
  std::int64_t resident_bytes = 0;  // alive all the while beside `spaces`
  bool serial = false;              // each instruction waits for all before it
  std::int64_t issue_cycles = 0, queue_depth = 1;
  EngineClock start;

  // What appending one task to a state counts: the words of as many sets as there are, which is
  // more than are looked at.
  std::int64_t steps_of_append() const {
    const auto words = static_cast<std::int64_t>((tasks.size() + 63) / 64);
    return words * static_cast<std::int64_t>(2 * spaces.size() + tasks.size() + 8);
  }
};

using TaskOrder = std::vector<int>;

struct Score {
  Cycles time;            // from start.dispatch until all has finished
  std::int64_t peak = 0;  // most bytes alive at a step, operands and results of the step included
  std::int64_t area = 0;  // sum over the steps of the bytes alive: the integral of live volumes
  EngineClock clock;      // afterwards
};
Score score(const OrderProblem& problem, const TaskOrder& order);

// Each task once, after its operands.
bool is_valid(const OrderProblem& problem, const TaskOrder& order);
// How many valid orders there are; nothing when they are too many to count (2^62, or half a million
// downsets).
std::optional<std::int64_t> count_orders(const OrderProblem& problem);
// All of them, lexicographically; use count_orders() first.
std::vector<TaskOrder> all_orders(const OrderProblem& problem);

enum class Goal { Time, Space };
// Whether `a` is better: by time, then peak, then area; or by peak, then time, then area.
bool better(const Score& a, const Score& b, Goal goal);

struct SearchLimits {
  std::int64_t enumerate = 5000;     // up to so many orders all are scored
  std::int64_t states = 20'000;      // beyond: search with at most so many states kept in all
  std::int64_t states_per_set = 16;  // of the same finished tasks
  // For each task of the problem: words of sets that are counted. Time is bounded by it and related
  // to nothing else, whatever the machine it runs on, so that the same order is found anywhere.
  std::int64_t steps_per_task = std::int64_t{1} << 21;
};
struct SearchResult {
  TaskOrder order;
  Score score;
  bool exact = false;    // nothing was left out: no order has a lower time (peak)
  bool stopped = false;  // the steps were spent: what was left out was not for want of promise
  std::int64_t steps = 0;
};
// The best order found; ties go to the lexicographically first.
SearchResult best_order(const OrderProblem& problem, Goal goal, const SearchLimits& limits = {});

// --- states of the search ------------------------------------------------------------------------

// Which tasks are done, when engines are free and
// how much memory it took so far.

// A set of tasks of one problem, by number.
class TaskSet {
 public:
  explicit TaskSet(std::size_t tasks = 0) : words_((tasks + 63) / 64) {}
  void insert(int task) { word(task) |= bit(task); }
  void erase(int task) { word(task) &= ~bit(task); }
  bool contains(int task) const {
    return (words_[static_cast<std::size_t>(task) / 64] & bit(task)) != 0;
  }
  bool meets(const TaskSet& other) const;   // a common task
  bool within(const TaskSet& other) const;  // no task that `other` lacks
  void add(const TaskSet& other);
  void subtract(const TaskSet& other);
  friend auto operator<=>(const TaskSet&, const TaskSet&) = default;

 private:
  std::uint64_t& word(int task) { return words_[static_cast<std::size_t>(task) / 64]; }
  static std::uint64_t bit(int task) { return std::uint64_t{1} << (task % 64); }
  std::vector<std::uint64_t> words_;
};

// Per task: bit u when its result comes from Unit u. What executes nothing is finished when its
// operands are.
std::vector<unsigned> result_units(const std::vector<Task>& tasks);

struct OrderState {
  TaskSet done;
  TaskSet unfinished;          // done ones that no task has waited for yet
  unsigned unfinished_before;  // bit u: the same for what Unit u was given before the problem
  EngineClock clock;
  std::int64_t peak = 0, area = 0;
  std::int64_t alive = 0;             // bytes, once `done` is done
  std::array<Cycles, kUnits> left{};  // time on each unit of the tasks that are not
};

// One problem, prepared for stepping through its states. Keeps a reference to it.
class Lattice {
 public:
  explicit Lattice(const OrderProblem& problem);

  TaskSet empty_set() const { return TaskSet(problem_.tasks.size()); }
  OrderState start() const;
  // Tasks that can come next, ascending.
  std::vector<int> ready(const TaskSet& done) const;
  void append(OrderState& state, int task) const;
  Score score(const OrderState& state) const;

  // No order that goes on from here ends earlier.
  Cycles time_bound(const OrderState& state) const;
  // In no respect is `a` later than `b` (of the same finished tasks).
  bool no_later(const OrderState& a, const OrderState& b) const;

 private:
  std::int64_t alive_at_start() const;
  // The spaces that the task begins to use are alive now, as peak and area know, and those that it
  // was the last to use no more.
  void use_spaces(OrderState& state, int task) const;
  void issue(OrderState& state, const Work& work) const;
  void wait_for(OrderState& state, int unit) const;
  void wait_for_operands(OrderState& state, int task) const;
  bool takes_an_operand(const TaskSet& done, int task, std::size_t written) const;

  const OrderProblem& problem_;
  std::vector<TaskSet> operands_;                  // per task
  std::vector<TaskSet> touching_;                  // per space: tasks
  std::vector<std::vector<std::size_t>> touched_;  // per task: spaces, each once
  std::vector<unsigned> units_;                    // per task: engines its result comes from
  std::array<TaskSet, kUnits> of_unit_;            // tasks whose result comes from a unit
  std::vector<std::array<Cycles, kUnits>> busy_;   // per task: time on each unit
};

}  // namespace workbench::xdnn
