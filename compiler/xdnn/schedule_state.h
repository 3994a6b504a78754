// The states that schedule_search.h walks through: which tasks are done, when engines are free and
// how much memory it took so far.
#pragma once

#include "compiler/xdnn/schedule_search.h"

namespace workbench::xdnn {

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

struct ScheduleState {
  TaskSet done;
  TaskSet unfinished;          // done ones whose end nobody has waited for yet
  unsigned unfinished_before;  // bit u: the same for what Unit u was given before the problem
  EngineClock clock;
  std::int64_t peak = 0, area = 0;
};

// One problem, prepared for stepping through its states. Keeps a reference to it.
class Lattice {
 public:
  explicit Lattice(const SchedulingProblem& problem);

  TaskSet empty_set() const { return TaskSet(problem_.tasks.size()); }
  ScheduleState start() const;
  // Tasks that can come next, ascending.
  std::vector<int> ready(const TaskSet& done) const;
  void append(ScheduleState& state, int task) const;
  Score score(const ScheduleState& state) const;

  // Bytes alive between the steps, once `done` is done.
  std::int64_t alive(const TaskSet& done) const;
  // Bytes alive while `task` executes as the next one.
  std::int64_t alive_during(const TaskSet& done, int task) const;
  // No order that goes on from here ends earlier.
  Cycles time_bound(const ScheduleState& state) const;
  // In no respect is `a` later than `b` (of the same finished tasks).
  bool no_later(const ScheduleState& a, const ScheduleState& b) const;

 private:
  void issue(ScheduleState& state, const Work& work) const;
  void wait_for(ScheduleState& state, int unit) const;
  void wait_for_operands(ScheduleState& state, int task) const;
  bool takes_an_operand(const TaskSet& done, int task, std::size_t written) const;

  const SchedulingProblem& problem_;
  std::vector<TaskSet> operands_;                 // per task
  std::vector<TaskSet> touching_;                 // per space: tasks
  std::vector<unsigned> units_;                   // per task: engines its result comes from
  std::array<TaskSet, kUnits> of_unit_;           // tasks whose result comes from a unit
  std::vector<std::array<Cycles, kUnits>> busy_;  // per task: time on each unit
};

}  // namespace workbench::xdnn
