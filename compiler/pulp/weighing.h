// Programs of plans, weighed against each other in the analytic tier, and the search that goes on
// from the best of them.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "compiler/pulp/compile.h"
#include "compiler/pulp/l2_plan.h"
#include "compiler/pulp/plan_search.h"
#include "compiler/pulp/tile_loops.h"
#include "core/graph.h"
#include "isa/pulp/machine.h"
#include "isa/pulp/schedule.h"

namespace workbench::pulp {

class Weighing {
 public:
  Weighing(const Graph& quantized, const Machine& machine, Tiler tiler,
           const std::vector<HostTurn>& turns, const HostUses& uses);

  // Whether its program ends before the best so far, whose place it then takes.
  bool add(const Network& network, MemoryPlan plan);
  // By modelled cycles, until programs have `instructions` in all; and the plain one.
  void add(std::vector<PlannedNetwork> ways, std::size_t instructions);

  bool empty() const { return network_ == nullptr; }
  const Network& network() const { return *network_; }
  const MemoryPlan& plan() const { return plan_; }
  const Program& program() const { return looped_.program; }
  LoopedProgram take() { return std::move(looped_); }  // without the bytes of its constants
  Cycles end();
  std::size_t instructions() const { return instructions_; }  // of all programs so far

  // The best few plans of add(), no two of which end together, the best first.
  struct Start {
    Cycles end;
    const Network* network = nullptr;
    MemoryPlan plan;
  };
  const std::vector<Start>& starts() const { return starts_; }
  // With nothing weighed yet.
  Weighing anew() const;

 private:
  void keep_start(Cycles end, const Network& network, const MemoryPlan& plan);

  const Graph& quantized_;
  const Machine& machine_;
  Tiler tiler_;
  const std::vector<HostTurn>& turns_;
  const HostUses& uses_;
  ExpectedEnds ends_;
  std::size_t instructions_ = 0;
  const Network* network_ = nullptr;  // of the best, like all below
  MemoryPlan plan_;
  LoopedProgram looped_;
  std::optional<Cycles> end_;  // known once there is another
  std::vector<Start> starts_;
};

// Changes the best plan in one layer at a time (l2_plan.h), for as long as that gains or until the
// programs have so many instructions in all. `tell` is called now and then.
void refine(Weighing& weighing, const Machine& machine, const std::vector<HostTurn>& turns,
            const HostUses& uses, TilingMemo& memo, std::size_t instructions,
            const std::function<void()>& tell);

}  // namespace workbench::pulp
