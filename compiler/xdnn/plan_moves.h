// The steps that lead on from a state of the search for a memory plan: the next op whole, some ops
// in channel chunks, or some in row bands, each with every sensible set of volumes that leave
// before it.
#pragma once

#include <map>
#include <vector>

#include "compiler/xdnn/plan_choices.h"
#include "compiler/xdnn/plan_states.h"

namespace workbench::xdnn {

class PlanMoves {
 public:
  PlanMoves(const MemoryModel& model, std::int64_t budget, PlanStates& states,
            BandChoices& choices);

  // Reaches what can be reached from state `s` before op `p` in one step.
  void from(int p, int s);

 private:
  using Places = std::map<int, Where>;  // of volumes, after a step

  const PlanState& state() const { return states_[now_]; }
  Where where(int p, int volume) const { return states_.where(now_, p, volume); }

  // Takes the step from `p`, evicting what is needed so that `extra` weight fits beside the rest.
  // `busy`: volumes that must stay; `paid`: those whose copy in DDR is paid for already.
  void take(int p, PlanStep step, std::int64_t extra, double cycles, const Places& after,
            const std::vector<int>& busy, const std::vector<int>& paid = {});
  void go(int p, const PlanStep& step, double cycles, const Places& after);
  // Something about these ops does not fit or lies in DDR: cutting them may help.
  bool hot(int begin, int end) const;

  void whole(int p);
  void download(int p, PlanStep step);
  void groups(int p);
  void group(int p, Segment segment, const std::vector<int>& outputs,
             const std::vector<int>& to_ddr);
  void segments(int p);
  void segment(int p, int q);

  const MemoryModel& model_;
  std::int64_t budget_;
  PlanStates& states_;
  int count_;  // ops
  std::vector<std::int64_t> natural_;
  BandChoices& choices_;
  int now_ = 0;  // the state that moves lead on from
};

}  // namespace workbench::xdnn
