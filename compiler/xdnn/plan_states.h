// The states of the search for a memory plan: where each volume that is alive before an op is, the
// cheapest way there, and which of them are worth going on from.
#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include "compiler/xdnn/chunk_group.h"

namespace workbench::xdnn {

inline bool in_am(Where w) { return w == Where::Am || w == Where::Both; }

struct PlanState {
  std::vector<Where> where;  // of the volumes alive, in order
  double cost = 0;
  std::int64_t weight = 0;  // in the AM
  int parent = -1;
  PlanStep step;  // that led here
};

// Ops are positions `p` in MemoryModel::ops; states are numbers `s`, in the order they were
// reached.
class PlanStates {
 public:
  explicit PlanStates(const MemoryModel& model);

  const std::vector<int>& live(int p) const { return live_[static_cast<std::size_t>(p)]; }
  const PlanState& operator[](int s) const { return states_[static_cast<std::size_t>(s)]; }
  std::size_t size() const { return states_.size(); }
  // Of a volume, in state `s` before op `p`. Here to be inlined: the search asks all the time.
  Where where(int s, int p, int volume) const {
    const auto& list = live(p);
    const auto found = std::lower_bound(list.begin(), list.end(), volume);
    if (found == list.end() || *found != volume) return Where::Nowhere;
    return (*this)[s].where[static_cast<std::size_t>(found - list.begin())];
  }

  // Forgotten when one that is the same costs no more.
  void reach(int p, PlanState next);
  // The cheapest states before op `p`, the best first, and the one with least in the AM.
  std::vector<int> kept(int p) const;
  MemoryPlan plan_to(int s) const;

 private:
  std::vector<std::vector<int>> live_;  // before each op
  std::vector<PlanState> states_;
  std::vector<std::map<std::vector<Where>, int>> at_;  // per op: states before it
};

}  // namespace workbench::xdnn
