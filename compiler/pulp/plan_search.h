// The plans that a program is chosen from: for all of the machine, and for less of its L1 or of its
// L2; of networks of few layers, or with more effort, for less of both, for fewer cores and with
// DORY's tiles, too. What a smaller machine is planned with is weighed on a larger one, so that
// more of it is not slower.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "compiler/pulp/choices.h"
#include "compiler/pulp/l2_plan.h"
#include "compiler/pulp/layer.h"
#include "compiler/pulp/optimal_tiling.h"
#include "compiler/pulp/tile_model.h"
#include "compiler/pulp/tiling_cache.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

// The network: its layers in the shapes in which the cores share rows.
struct PlannedNetwork {
  const Network* network = nullptr;
  MemoryPlan plan;
  bool plain = false;  // what is left when nothing is tried beside it
};

class PlanSearch {
 public:
  // `network`: as layers_of() leaves it. `cache`: of other networks, or null.
  PlanSearch(const Network& network, const Machine& machine, Tiler tiler, const Choices& choices,
             const std::vector<HostTurn>& turns, const HostUses& uses, TilingCache* cache);

  // By modelled cycles, the least first, no two alike; with DORY's tiler the one that its rules
  // give. Networks live as long as the search. Throws Error naming what does not fit where there is
  // no plan.
  std::vector<PlannedNetwork> run();
  // What run() leaves out for want of time: every smaller machine, for networks of any size.
  std::vector<PlannedNetwork> run_on();
  bool stopped() const { return memo_.steps.stopped; }  // for want of steps (search_steps.h)
  // Of layers on this machine: for searches that go on from a plan.
  TilingMemo& memo() { return memo_; }

 private:
  void add_plans(const Network& network, const Machine& machine, TilingMemo& memo);
  const Network& shared_by(const Machine& machine);
  void add_as_it_is(const Machine& machine, TilingMemo& memo);
  void add_own();
  void add_smaller(const std::vector<Machine>& machines, std::int64_t costs);
  void add_fewer_cores();
  void add_dorys();
  std::vector<PlannedNetwork> ordered_by_model();

  const Network& network_;
  const Machine& machine_;
  Tiler tiler_;
  const Choices& choices_;
  const std::vector<HostTurn>& turns_;
  const HostUses& uses_;
  KernelCosts costs_;
  TilingMemo memo_;
  bool can_share_ = false;  // somewhere: how depends on the machine
  // As the cores share their rows, by cores and L1.
  std::map<std::pair<std::int64_t, std::int64_t>, Network> networks_;
  std::vector<PlannedNetwork> found_;
  std::string obstacle_;  // of the machine's own plan
};

}  // namespace workbench::pulp
