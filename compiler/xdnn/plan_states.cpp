// States reached, compared and traced back to the start.
#include "compiler/xdnn/plan_states.h"

#include <algorithm>

namespace workbench::xdnn {

namespace {

constexpr std::size_t kStatesKept = 24;

std::size_t at(int index) { return static_cast<std::size_t>(index); }

}  // namespace

PlanStates::PlanStates(const MemoryModel& model) {
  const int count = static_cast<int>(model.ops.size());
  for (int p = 0; p <= count; ++p) {
    live_.emplace_back();
    for (std::size_t v = 0; v < model.volumes.size(); ++v) {
      if (model.volumes[v].last >= p && model.volumes[v].first < p) {
        live_.back().push_back(static_cast<int>(v));
      }
    }
  }
  at_.resize(at(count) + 1);
}

void PlanStates::reach(int p, PlanState next) {
  auto& known = at_[at(p)];
  const auto found = known.find(next.where);
  if (found != known.end() && states_[at(found->second)].cost <= next.cost) return;
  states_.push_back(std::move(next));
  known[states_.back().where] = static_cast<int>(states_.size()) - 1;
}

std::vector<int> PlanStates::kept(int p) const {
  std::vector<int> list;
  for (const auto& [where, index] : at_[at(p)]) list.push_back(index);
  std::sort(list.begin(), list.end(), [&](int a, int b) {
    const PlanState &x = states_[at(a)], &y = states_[at(b)];
    if (x.cost != y.cost) return x.cost < y.cost;
    return x.weight != y.weight ? x.weight < y.weight : x.where < y.where;
  });
  if (list.size() <= kStatesKept) return list;
  const auto smallest = *std::min_element(list.begin(), list.end(), [&](int a, int b) {
    return states_[at(a)].weight < states_[at(b)].weight;
  });
  list.resize(kStatesKept);
  if (std::find(list.begin(), list.end(), smallest) == list.end()) list.push_back(smallest);
  return list;
}

MemoryPlan PlanStates::plan_to(int s) const {
  MemoryPlan plan{.steps = {}, .cycles = states_[at(s)].cost};
  for (; states_[at(s)].parent >= 0; s = states_[at(s)].parent) {
    plan.steps.push_back(states_[at(s)].step);
  }
  std::reverse(plan.steps.begin(), plan.steps.end());
  return plan;
}

}  // namespace workbench::xdnn
