#include "compiler/xdnn/schedule_state.h"

#include <algorithm>

namespace workbench::xdnn {

bool TaskSet::meets(const TaskSet& other) const {
  for (std::size_t i = 0; i < words_.size(); ++i) {
    if ((words_[i] & other.words_[i]) != 0) return true;
  }
  return false;
}

bool TaskSet::within(const TaskSet& other) const {
  for (std::size_t i = 0; i < words_.size(); ++i) {
    if ((words_[i] & ~other.words_[i]) != 0) return false;
  }
  return true;
}

void TaskSet::add(const TaskSet& other) {
  for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
}

void TaskSet::subtract(const TaskSet& other) {
  for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= ~other.words_[i];
}

std::vector<unsigned> result_units(const std::vector<Task>& tasks) {
  std::vector<unsigned> units;
  for (const Task& task : tasks) {
    unsigned result = task.units_before;
    for (const int operand : task.after) result |= units[static_cast<std::size_t>(operand)];
    if (!task.works.empty()) result = 1U << static_cast<unsigned>(task.works.back().unit);
    units.push_back(result);
  }
  return units;
}

Cycles now(const EngineClock& clock) {
  return std::max(clock.dispatch, *std::max_element(clock.finished.begin(), clock.finished.end()));
}

namespace {

// What a conv keeps the array busy with when nothing else delays it.
Cycles conv_busy(const ConvWork& work) {
  const Cycles loading = work.later_loads + work.last_pass;
  return work.overlapped ? std::max(work.compute, loading) : work.compute + work.later_loads;
}

}  // namespace

Lattice::Lattice(const SchedulingProblem& problem)
    : problem_(problem), units_(result_units(problem.tasks)) {
  const std::size_t count = problem.tasks.size();
  of_unit_.fill(TaskSet(count));
  for (std::size_t t = 0; t < count; ++t) {
    const Task& task = problem.tasks[t];
    operands_.emplace_back(count);
    for (const int operand : task.after) {
      CHECK(operand >= 0 && static_cast<std::size_t>(operand) < t, "task '{}' is out of order",
            task.name);
      operands_.back().insert(operand);
    }
    busy_.emplace_back();
    for (const Work& work : task.works) {
      busy_.back()[static_cast<std::size_t>(work.unit)] +=
          work.unit == Unit::Conv ? conv_busy(work.conv) : work.busy;
    }
    for (unsigned u = 0; u < kUnits; ++u) {
      if ((units_[t] >> u & 1U) != 0) of_unit_[u].insert(static_cast<int>(t));
    }
  }
  touching_.assign(problem.spaces.size(), TaskSet(count));
  for (std::size_t t = 0; t < count; ++t) {
    for (const auto* list : {&problem.tasks[t].reads, &problem.tasks[t].writes}) {
      for (const int space : *list) {
        touching_[static_cast<std::size_t>(space)].insert(static_cast<int>(t));
      }
    }
  }
}

ScheduleState Lattice::start() const {
  ScheduleState state{empty_set(), empty_set(), (1U << kUnits) - 1, problem_.start, 0, 0};
  state.peak = alive(state.done);
  return state;
}

std::vector<int> Lattice::ready(const TaskSet& done) const {
  std::vector<int> tasks;
  for (std::size_t t = 0; t < operands_.size(); ++t) {
    const int task = static_cast<int>(t);
    if (!done.contains(task) && operands_[t].within(done)) tasks.push_back(task);
  }
  return tasks;
}

std::int64_t Lattice::alive(const TaskSet& done) const {
  std::int64_t bytes = problem_.resident_bytes;
  for (std::size_t s = 0; s < touching_.size(); ++s) {
    const Space& space = problem_.spaces[s];
    const bool begun = space.before || touching_[s].meets(done);
    const bool over = !space.behind && touching_[s].within(done);
    if (begun && !over) bytes += space.bytes;
  }
  return bytes;
}

bool Lattice::takes_an_operand(const TaskSet& done, int task, std::size_t written) const {
  const Task& t = problem_.tasks[static_cast<std::size_t>(task)];
  if (!t.in_place || t.writes.empty() || static_cast<std::size_t>(t.writes[0]) != written) {
    return false;
  }
  if (problem_.spaces[written].before || touching_[written].meets(done)) return false;
  TaskSet after = done;
  after.insert(task);
  return std::any_of(t.reads.begin(), t.reads.end(), [&](int read) {
    const Space& space = problem_.spaces[static_cast<std::size_t>(read)];
    return space.reusable && !space.behind &&
           touching_[static_cast<std::size_t>(read)].within(after);
  });
}

std::int64_t Lattice::alive_during(const TaskSet& done, int task) const {
  std::int64_t bytes = problem_.resident_bytes;
  for (std::size_t s = 0; s < touching_.size(); ++s) {
    const Space& space = problem_.spaces[s];
    const bool touched = touching_[s].contains(task);
    const bool begun = space.before || touched || touching_[s].meets(done);
    const bool over = !space.behind && touching_[s].within(done);
    if (begun && !over && !(touched && takes_an_operand(done, task, s))) bytes += space.bytes;
  }
  return bytes;
}

void Lattice::wait_for(ScheduleState& state, int unit) const {
  const auto u = static_cast<std::size_t>(unit);
  state.clock.dispatch = std::max(state.clock.dispatch, state.clock.finished[u]);
  state.unfinished.subtract(of_unit_[u]);
  state.unfinished_before &= ~(1U << u);
}

void Lattice::wait_for_operands(ScheduleState& state, int task) const {
  const auto t = static_cast<std::size_t>(task);
  const Task& described = problem_.tasks[t];
  const unsigned before = described.units_before & state.unfinished_before;
  // Engines other than the conv unit run one command after the other: nothing to wait for there.
  const bool in_turn = !described.works.empty() && described.works.front().unit != Unit::Conv;
  for (int u = 0; u < kUnits; ++u) {
    if (in_turn && described.works.front().unit == static_cast<Unit>(u)) continue;
    bool wait = (before >> u & 1U) != 0;
    for (const int operand : described.after) {
      wait = wait || (state.unfinished.contains(operand) &&
                      (units_[static_cast<std::size_t>(operand)] >> u & 1U) != 0);
    }
    if (wait) wait_for(state, u);
  }
}

void Lattice::issue(ScheduleState& state, const Work& work) const {
  EngineClock& clock = state.clock;
  const auto u = static_cast<std::size_t>(work.unit);
  if (problem_.queue_depth == 1) {  // the queue has room once the one before has left it
    clock.dispatch = std::max(clock.dispatch, clock.taken[u]);
  }
  const Cycles start = std::max(clock.dispatch, clock.free[u]);
  clock.taken[u] = start;
  if (work.unit != Unit::Conv) {
    clock.free[u] = clock.finished[u] = start + work.busy;
    return;
  }
  // As in schedule.cpp: the loader runs ahead of the array, into the next command.
  const Cycles first_slab = std::max(clock.dispatch, clock.loader) + work.conv.first_load;
  const Cycles begin = std::max(start, first_slab);
  const Cycles loaded = first_slab + work.conv.later_loads + work.conv.last_pass;
  Cycles end = std::max(begin + conv_busy(work.conv), loaded);
  if (!work.conv.overlapped) end = begin + conv_busy(work.conv);
  end = std::max(end, clock.dispatch + work.conv.inputs);
  clock.loader = first_slab + work.conv.later_loads;
  clock.free[u] = end;
  clock.finished[u] = std::max(clock.finished[u], end + work.drain);
}

void Lattice::append(ScheduleState& state, int task) const {
  const Task& described = problem_.tasks[static_cast<std::size_t>(task)];
  const std::int64_t during = alive_during(state.done, task);
  state.peak = std::max(state.peak, during);
  state.area += during;
  for (std::size_t i = 0; i < described.works.size(); ++i) {
    state.clock.dispatch += Cycles{problem_.issue_cycles};
    if (problem_.serial) {
      state.clock.dispatch = std::max(state.clock.dispatch, now(state.clock));
    } else if (i == 0) {
      wait_for_operands(state, task);
    } else if (described.works[i].unit != described.works[i - 1].unit) {
      wait_for(state, static_cast<int>(described.works[i - 1].unit));
    }
    issue(state, described.works[i]);
  }
  if (!described.works.empty()) {
    state.unfinished.insert(task);
    state.done.insert(task);
    return;
  }
  const auto& after = described.after;
  const bool open = described.units_before & state.unfinished_before ||
                    std::any_of(after.begin(), after.end(),
                                [&](int operand) { return state.unfinished.contains(operand); });
  if (open) state.unfinished.insert(task);
  state.done.insert(task);
}

Score Lattice::score(const ScheduleState& state) const {
  return {now(state.clock) - problem_.start.dispatch, state.peak, state.area, state.clock};
}

Cycles Lattice::time_bound(const ScheduleState& state) const {
  std::array<Cycles, kUnits> left{};
  for (std::size_t t = 0; t < busy_.size(); ++t) {
    if (state.done.contains(static_cast<int>(t))) continue;
    for (std::size_t u = 0; u < kUnits; ++u) left[u] += busy_[t][u];
  }
  Cycles bound = now(state.clock);
  Cycles all{};
  for (std::size_t u = 0; u < kUnits; ++u) {
    all += left[u];
    if (left[u].value == 0) continue;
    bound = std::max(bound, std::max(state.clock.dispatch, state.clock.free[u]) + left[u]);
  }
  return problem_.serial ? now(state.clock) + all : bound;
}

bool Lattice::no_later(const ScheduleState& a, const ScheduleState& b) const {
  if (a.clock.dispatch > b.clock.dispatch || a.clock.loader > b.clock.loader) return false;
  for (std::size_t u = 0; u < kUnits; ++u) {
    if (a.clock.free[u] > b.clock.free[u] || a.clock.finished[u] > b.clock.finished[u] ||
        a.clock.taken[u] > b.clock.taken[u]) {
      return false;
    }
  }
  return a.unfinished.within(b.unfinished) && (a.unfinished_before & ~b.unfinished_before) == 0;
}

}  // namespace workbench::xdnn
