#include "compiler/xdnn/schedule_search.h"

#include <algorithm>
#include <map>

#include "compiler/xdnn/schedule_state.h"

namespace workbench::xdnn {

Score score(const SchedulingProblem& problem, const TaskOrder& order) {
  const Lattice lattice(problem);
  ScheduleState state = lattice.start();
  for (const int task : order) lattice.append(state, task);
  return lattice.score(state);
}

bool is_valid(const SchedulingProblem& problem, const TaskOrder& order) {
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

std::optional<std::int64_t> count_orders(const SchedulingProblem& problem) {
  constexpr std::int64_t kCountMax = std::int64_t{1} << 62;
  constexpr std::size_t kSetsMax = 500'000;
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
        if (count > kCountMax - ways) return std::nullopt;
        count += ways;
      }
    }
    sets += next.size();
    if (sets > kSetsMax) return std::nullopt;
    level = std::move(next);
  }
  return level.begin()->second;
}

std::vector<TaskOrder> all_orders(const SchedulingProblem& problem) {
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

SearchResult best_of_all(const SchedulingProblem& problem, Goal goal) {
  SearchResult best{.exact = true};
  for (TaskOrder& order : all_orders(problem)) {
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
  Search(const SchedulingProblem& problem, Goal goal, const SearchLimits& limits)
      : lattice_(problem), tasks_(problem.tasks.size()), goal_(goal), limits_(limits) {}

  SearchResult run() {
    std::map<TaskSet, std::vector<std::size_t>> level;  // finished tasks -> labels_
    labels_.push_back({lattice_.start(), 0, -1, {}});
    level[lattice_.empty_set()] = {0};
    for (std::size_t size = 0; size < tasks_; ++size) {
      std::map<TaskSet, std::vector<std::size_t>> next;
      for (const auto& [done, indices] : level) {
        for (const int task : lattice_.ready(done)) {
          for (const std::size_t parent : indices) extend(parent, task, next);
        }
      }
      keep_best_sets(next);
      level = std::move(next);
    }
    return result(level.begin()->second);
  }

 private:
  // Smaller is better.
  using Key = std::array<std::int64_t, 4>;
  struct Label {
    ScheduleState state;
    std::size_t parent;
    int task;
    Key key;
  };

  Key key_of(const ScheduleState& state) const {
    const std::int64_t time = lattice_.time_bound(state).value;
    if (goal_ == Goal::Time) return {time, state.peak, state.area, 0};
    return {state.peak, lattice_.alive(state.done), time, state.area};
  }

  void extend(std::size_t parent, int task, std::map<TaskSet, std::vector<std::size_t>>& next) {
    Label label{labels_[parent].state, parent, task, {}};
    lattice_.append(label.state, task);
    label.key = key_of(label.state);
    std::vector<std::size_t>& front = next[label.state.done];
    const auto dominates = [&](const ScheduleState& a, const ScheduleState& b) {
      return a.peak <= b.peak && lattice_.no_later(a, b);
    };
    for (const std::size_t other : front) {
      if (dominates(labels_[other].state, label.state)) return;
    }
    std::erase_if(front,
                  [&](std::size_t other) { return dominates(label.state, labels_[other].state); });
    const auto place = std::upper_bound(
        front.begin(), front.end(), label.key,
        [&](const Key& key, std::size_t other) { return key < labels_[other].key; });
    if (front.size() >= static_cast<std::size_t>(limits_.states_per_set)) {
      exact_time_ = false;
      if (place == front.end()) return;
    }
    front.insert(place, labels_.size());
    labels_.push_back(std::move(label));
    if (front.size() > static_cast<std::size_t>(limits_.states_per_set)) front.pop_back();
  }

  // At most states / tasks labels survive a level, those of the best sets.
  void keep_best_sets(std::map<TaskSet, std::vector<std::size_t>>& level) {
    const std::int64_t width =
        std::max<std::int64_t>(32, limits_.states / static_cast<std::int64_t>(tasks_));
    std::vector<std::map<TaskSet, std::vector<std::size_t>>::iterator> sets;
    for (auto it = level.begin(); it != level.end(); ++it) sets.push_back(it);
    const auto best_key = [&](auto it) -> const Key& { return labels_[it->second.front()].key; };
    std::stable_sort(sets.begin(), sets.end(),
                     [&](auto a, auto b) { return best_key(a) < best_key(b); });
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

  SearchResult result(const std::vector<std::size_t>& complete) const {
    SearchResult best;
    std::size_t winner = complete.front();
    for (const std::size_t index : complete) {
      if (better(lattice_.score(labels_[index].state), lattice_.score(labels_[winner].state),
                 goal_)) {
        winner = index;
      }
    }
    best.score = lattice_.score(labels_[winner].state);
    for (std::size_t at = winner; labels_[at].task >= 0; at = labels_[at].parent) {
      best.order.push_back(labels_[at].task);
    }
    std::reverse(best.order.begin(), best.order.end());
    best.exact = goal_ == Goal::Time ? exact_time_ : exact_peak_;
    return best;
  }

  Lattice lattice_;
  std::size_t tasks_;
  Goal goal_;
  SearchLimits limits_;
  std::vector<Label> labels_;
  bool exact_time_ = true, exact_peak_ = true;
};

}  // namespace

SearchResult best_order(const SchedulingProblem& problem, Goal goal, const SearchLimits& limits) {
  const auto count = count_orders(problem);
  if (count && *count <= limits.enumerate) return best_of_all(problem, goal);
  return Search(problem, goal, limits).run();
}

}  // namespace workbench::xdnn
