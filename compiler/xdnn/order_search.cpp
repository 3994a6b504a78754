#include "compiler/xdnn/order_search.h"

#include <algorithm>
#include <map>

namespace workbench::xdnn {

// --- states --------------------------------------------------------------------------------------

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

Lattice::Lattice(const OrderProblem& problem)
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
  touched_.resize(count);
  for (std::size_t t = 0; t < count; ++t) {
    for (const auto* list : {&problem.tasks[t].reads, &problem.tasks[t].writes}) {
      for (const int space : *list) {
        TaskSet& touching = touching_[static_cast<std::size_t>(space)];
        if (touching.contains(static_cast<int>(t))) continue;
        touching.insert(static_cast<int>(t));
        touched_[t].push_back(static_cast<std::size_t>(space));
      }
    }
  }
}

OrderState Lattice::start() const {
  OrderState state{empty_set(), empty_set(), (1U << kUnits) - 1, problem_.start, 0, 0};
  state.peak = state.alive = alive_at_start();
  for (const auto& busy : busy_) {
    for (std::size_t u = 0; u < kUnits; ++u) state.left[u] += busy[u];
  }
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

std::int64_t Lattice::alive_at_start() const {
  std::int64_t bytes = problem_.resident_bytes;
  const TaskSet none = empty_set();
  for (std::size_t s = 0; s < touching_.size(); ++s) {
    const Space& space = problem_.spaces[s];
    const bool over = !space.behind && touching_[s].within(none);
    if (space.before && !over) bytes += space.bytes;
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

void Lattice::use_spaces(OrderState& state, int task) const {
  const std::vector<std::size_t>& touched = touched_[static_cast<std::size_t>(task)];
  std::int64_t during = state.alive;
  for (const std::size_t s : touched) {
    const Space& space = problem_.spaces[s];
    if (space.before || touching_[s].meets(state.done)) continue;
    state.alive += space.bytes;
    if (!takes_an_operand(state.done, task, s)) during += space.bytes;
  }
  state.peak = std::max(state.peak, during);
  state.area += during;
  state.done.insert(task);
  for (const std::size_t s : touched) {
    const Space& space = problem_.spaces[s];
    if (!space.behind && touching_[s].within(state.done)) state.alive -= space.bytes;
  }
}

void Lattice::wait_for(OrderState& state, int unit) const {
  const auto u = static_cast<std::size_t>(unit);
  state.clock.dispatch = std::max(state.clock.dispatch, state.clock.finished[u]);
  state.unfinished.subtract(of_unit_[u]);
  state.unfinished_before &= ~(1U << u);
}

void Lattice::wait_for_operands(OrderState& state, int task) const {
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

void Lattice::issue(OrderState& state, const Work& work) const {
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
  // As in cost.cpp: the loader runs ahead of the array, into the next command.
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

void Lattice::append(OrderState& state, int task) const {
  const Task& described = problem_.tasks[static_cast<std::size_t>(task)];
  use_spaces(state, task);
  for (std::size_t u = 0; u < kUnits; ++u) {
    state.left[u] = state.left[u] - busy_[static_cast<std::size_t>(task)][u];
  }
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
    return;
  }
  const auto& after = described.after;
  const bool open = described.units_before & state.unfinished_before ||
                    std::any_of(after.begin(), after.end(),
                                [&](int operand) { return state.unfinished.contains(operand); });
  if (open) state.unfinished.insert(task);
}

Score Lattice::score(const OrderState& state) const {
  return {now(state.clock) - problem_.start.dispatch, state.peak, state.area, state.clock};
}

Cycles Lattice::time_bound(const OrderState& state) const {
  const auto& left = state.left;
  Cycles bound = now(state.clock);
  Cycles all{};
  for (std::size_t u = 0; u < kUnits; ++u) {
    all += left[u];
    if (left[u].value == 0) continue;
    bound = std::max(bound, std::max(state.clock.dispatch, state.clock.free[u]) + left[u]);
  }
  return problem_.serial ? now(state.clock) + all : bound;
}

bool Lattice::no_later(const OrderState& a, const OrderState& b) const {
  if (a.clock.dispatch > b.clock.dispatch || a.clock.loader > b.clock.loader) return false;
  for (std::size_t u = 0; u < kUnits; ++u) {
    if (a.clock.free[u] > b.clock.free[u] || a.clock.finished[u] > b.clock.finished[u] ||
        a.clock.taken[u] > b.clock.taken[u]) {
      return false;
    }
  }
  return a.unfinished.within(b.unfinished) && (a.unfinished_before & ~b.unfinished_before) == 0;
}

// --- search --------------------------------------------------------------------------------------

Score score(const OrderProblem& problem, const TaskOrder& order) {
  const Lattice lattice(problem);
  OrderState state = lattice.start();
  for (const int task : order) lattice.append(state, task);
  return lattice.score(state);
}

bool is_valid(const OrderProblem& problem, const TaskOrder& order) {
  if (order.size() != problem.tasks.size()) return false;
  std::vector<bool> done(problem.tasks.size(), false);
  for (const int task : order) {
    if (task < 0 || static_cast<std::size_t>(task) >= done.size()) return false;
    if (done[static_cast<std::size_t>(task)]) return false;
    for (const int operand : problem.tasks[static_cast<std::size_t>(task)].after) {
      if (!done[static_cast<std::size_t>(operand)]) return false;
    }
    done[static_cast<std::size_t>(task)] = true;
  }
  return true;
}

namespace {

// Nothing when there are more than `count_max`, or more downsets than `sets_max`.
std::optional<std::int64_t> count_up_to(const OrderProblem& problem, std::int64_t count_max,
                                        std::size_t sets_max) {
  const Lattice lattice(problem);
  std::map<TaskSet, std::int64_t> level{{lattice.empty_set(), 1}};
  std::size_t sets = 0;
  for (std::size_t size = 0; size < problem.tasks.size(); ++size) {
    std::map<TaskSet, std::int64_t> next;
    for (const auto& [done, ways] : level) {
      for (const int task : lattice.ready(done)) {
        TaskSet larger = done;
        larger.insert(task);
        std::int64_t& count = next[larger];
        if (count > count_max - ways) return std::nullopt;
        count += ways;
      }
    }
    sets += next.size();
    // Each set begins an order of its own.
    if (sets > sets_max || static_cast<std::int64_t>(next.size()) > count_max) return std::nullopt;
    level = std::move(next);
  }
  return level.begin()->second;
}

}  // namespace

std::optional<std::int64_t> count_orders(const OrderProblem& problem) {
  return count_up_to(problem, std::int64_t{1} << 62, 500'000);
}

std::vector<TaskOrder> all_orders(const OrderProblem& problem) {
  const Lattice lattice(problem);
  std::vector<TaskOrder> orders;
  TaskOrder prefix;
  const auto extend = [&](const TaskSet& done, const auto& self) -> void {
    if (prefix.size() == problem.tasks.size()) orders.push_back(prefix);
    for (const int task : lattice.ready(done)) {
      TaskSet larger = done;
      larger.insert(task);
      prefix.push_back(task);
      self(larger, self);
      prefix.pop_back();
    }
  };
  extend(lattice.empty_set(), extend);
  return orders;
}

bool better(const Score& a, const Score& b, Goal goal) {
  if (goal == Goal::Time && a.time != b.time) return a.time < b.time;
  if (a.peak != b.peak) return a.peak < b.peak;
  if (a.time != b.time) return a.time < b.time;
  return a.area < b.area;
}

namespace {

// To score that many orders.
std::int64_t steps_of_orders(const OrderProblem& problem, std::int64_t orders) {
  return orders * static_cast<std::int64_t>(problem.tasks.size()) * problem.steps_of_append();
}

SearchResult best_of_all(const OrderProblem& problem, Goal goal) {
  SearchResult best{.exact = true};
  for (TaskOrder& order : all_orders(problem)) {
    best.steps += steps_of_orders(problem, 1);
    const Score candidate = score(problem, order);
    if (best.order.empty() || better(candidate, best.score, goal)) {
      best.order = std::move(order);
      best.score = candidate;
    }
  }
  return best;
}

// Level by level through the downsets, the best states of each kept.
class Search {
 public:
  Search(const OrderProblem& problem, Goal goal, const SearchLimits& limits)
      : lattice_(problem),
        tasks_(problem.tasks.size()),
        goal_(goal),
        limits_(limits),
        append_(problem.steps_of_append()),
        left_(limits.steps_per_task * static_cast<std::int64_t>(tasks_)) {}

  SearchResult run() {
    Level level;
    steps_.push_back({0, -1});
    level[lattice_.empty_set()].push_back({lattice_.start(), 0, {}});
    for (std::size_t size = 0; size < tasks_; ++size) {
      Level next = successors(level, left_ / static_cast<std::int64_t>(tasks_ - size));
      keep_best_sets(next);
      level = std::move(next);
    }
    return result(level.begin()->second);
  }

 private:
  // Smaller is better.
  using Key = std::array<std::int64_t, 4>;
  // How a state was reached, kept for all; the states only of the level that is searched.
  struct Step {
    std::size_t parent;
    int task;
  };
  struct Label {
    OrderState state;
    std::size_t step;
    Key key;
  };
  using Level = std::map<TaskSet, std::vector<Label>>;  // by finished tasks

  Key key_of(const OrderState& state) const {
    const std::int64_t time = lattice_.time_bound(state).value;
    if (goal_ == Goal::Time) return {time, state.peak, state.area, 0};
    return {state.peak, state.alive, time, state.area};
  }

  // All that can come next, or what the steps allow: of the best states first, and one successor at
  // least, so that some order is found.
  Level successors(const Level& level, std::int64_t steps) {
    struct Next {
      const std::vector<Label>* labels;
      std::vector<int> ready;
    };
    std::vector<Next> sets;
    std::int64_t wanted = 0;
    for (const auto& [done, labels] : level) {
      sets.push_back({&labels, lattice_.ready(done)});
      wanted += static_cast<std::int64_t>(sets.back().ready.size() * labels.size());
    }
    const std::int64_t allowed = std::max<std::int64_t>(1, steps / append_);
    if (wanted > allowed) {
      stopped_ = true;
      exact_time_ = exact_peak_ = false;
      std::stable_sort(sets.begin(), sets.end(), [](const Next& a, const Next& b) {
        return a.labels->front().key < b.labels->front().key;
      });
    }
    Level next;
    std::int64_t appended = 0;
    for (const Next& set : sets) {
      for (const int task : set.ready) {
        for (const Label& parent : *set.labels) {
          if (appended == allowed) break;
          ++appended;
          extend(parent, task, next);
        }
      }
    }
    left_ -= appended * append_;
    steps_taken_ += appended * append_;
    return next;
  }

  void extend(const Label& parent, int task, Level& next) {
    Label label{parent.state, 0, {}};
    lattice_.append(label.state, task);
    label.key = key_of(label.state);
    std::vector<Label>& front = next[label.state.done];
    const auto dominates = [&](const OrderState& a, const OrderState& b) {
      return a.peak <= b.peak && lattice_.no_later(a, b);
    };
    for (const Label& other : front) {
      if (dominates(other.state, label.state)) return;
    }
    std::erase_if(front, [&](const Label& other) { return dominates(label.state, other.state); });
    const auto place =
        std::upper_bound(front.begin(), front.end(), label.key,
                         [](const Key& key, const Label& other) { return key < other.key; });
    if (front.size() >= static_cast<std::size_t>(limits_.states_per_set)) {
      exact_time_ = false;
      if (place == front.end()) return;
    }
    label.step = steps_.size();
    steps_.push_back({parent.step, task});
    front.insert(place, std::move(label));
    if (front.size() > static_cast<std::size_t>(limits_.states_per_set)) front.pop_back();
  }

  // At most states / tasks labels survive a level, those of the best sets.
  void keep_best_sets(Level& level) {
    const std::int64_t width =
        std::max<std::int64_t>(32, limits_.states / static_cast<std::int64_t>(tasks_));
    std::vector<Level::iterator> sets;
    for (auto it = level.begin(); it != level.end(); ++it) sets.push_back(it);
    std::stable_sort(sets.begin(), sets.end(),
                     [](auto a, auto b) { return a->second.front().key < b->second.front().key; });
    std::int64_t kept = 0;
    for (const auto it : sets) {
      if (kept >= width) {
        level.erase(it);
        exact_time_ = exact_peak_ = false;
        continue;
      }
      kept += static_cast<std::int64_t>(it->second.size());
    }
  }

  SearchResult result(const std::vector<Label>& complete) const {
    SearchResult best;
    const Label* winner = &complete.front();
    for (const Label& label : complete) {
      if (better(lattice_.score(label.state), lattice_.score(winner->state), goal_)) {
        winner = &label;
      }
    }
    best.score = lattice_.score(winner->state);
    for (std::size_t at = winner->step; steps_[at].task >= 0; at = steps_[at].parent) {
      best.order.push_back(steps_[at].task);
    }
    std::reverse(best.order.begin(), best.order.end());
    best.exact = goal_ == Goal::Time ? exact_time_ : exact_peak_;
    best.stopped = stopped_;
    best.steps = steps_taken_;
    return best;
  }

  Lattice lattice_;
  std::size_t tasks_;
  Goal goal_;
  SearchLimits limits_;
  std::int64_t append_, left_, steps_taken_ = 0;
  std::vector<Step> steps_;
  bool exact_time_ = true, exact_peak_ = true, stopped_ = false;
};

}  // namespace

SearchResult best_order(const OrderProblem& problem, Goal goal, const SearchLimits& limits) {
  const std::int64_t budget =
      limits.steps_per_task * static_cast<std::int64_t>(problem.tasks.size());
  // To list an order takes as many appended tasks as there are, to count one set a look at all.
  const std::int64_t orders =
      std::min(limits.enumerate, budget / std::max<std::int64_t>(1, steps_of_orders(problem, 1)));
  const std::int64_t sets = std::min<std::int64_t>(500'000, budget / problem.steps_of_append());
  if (count_up_to(problem, orders, static_cast<std::size_t>(sets))) {
    return best_of_all(problem, goal);
  }
  return Search(problem, goal, limits).run();
}

}  // namespace workbench::xdnn
