// The search: states are where each live volume is (AM, DDR, both) before an op; a step leads from
// one state to another some ops later. At each op the cheapest states are kept, and the one with
// least in the AM, from which every op can go on by itself.
#include "compiler/xdnn/memory_plan.h"

#include "compiler/xdnn/plan_moves.h"
#include "compiler/xdnn/plan_states.h"

namespace workbench::xdnn {

std::optional<MemoryPlan> search_plan(const MemoryModel& model, std::int64_t budget,
                                      BandChoices& choices) {
  PlanStates states(model);
  PlanMoves moves(model, budget, states, choices);
  PlanState start;
  start.where.assign(states.live(0).size(), Where::Ddr);
  states.reach(0, std::move(start));
  const int count = static_cast<int>(model.ops.size());
  for (int p = 0; p < count; ++p) {
    for (const int s : states.kept(p)) moves.from(p, s);
  }
  const auto last = states.kept(count);
  if (last.empty()) return std::nullopt;
  return states.plan_to(last[0]);
}

}  // namespace workbench::xdnn
