// The plans that a program is chosen from: for all of the machine, and for less of its L1 or of its
// L2; of networks of few layers for less of both, too. What a smaller machine is planned with is
// weighed on a larger one, so that more memory is not slower.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "compiler/pulp/choices.h"
#include "compiler/pulp/l2_plan.h"
#include "compiler/pulp/layer.h"
#include "compiler/pulp/tiling_cache.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

// The network: its layers in the shapes in which the cores share rows.
struct PlannedNetwork {
  const Network* network = nullptr;
  MemoryPlan plan;
};

class PlanSearch {
 public:
  // `network`: as layers_of() leaves it. `cache`: of other networks, or null.
  PlanSearch(const Network& network, const Machine& machine, Tiler tiler, const Choices& choices,
             const std::vector<HostTurn>& turns, const HostUses& uses, TilingCache* cache);

  // Those whose modelled cycles are close to the least, no two alike; with DORY's tiler the one
  // that its rules give. Networks live as long as the search. Throws Error naming what does not fit
  // where there is no plan.
  std::vector<PlannedNetwork> run();
  bool stopped() const { return stopped_; }  // for want of steps (search_steps.h)

 private:
  void add_plans(const Network& network, const Machine& machine, TilingMemo& memo);
  const Network& shared_by(const Machine& machine);
  void add_as_it_is(const Machine& machine, TilingMemo& memo);
  void add_smaller(TilingMemo& memo);
  void order_by_model();

  const Network& network_;
  const Machine& machine_;
  Tiler tiler_;
  const Choices& choices_;
  const std::vector<HostTurn>& turns_;
  const HostUses& uses_;
  TilingCache* cache_;
  bool can_share_ = false;                    // somewhere: how depends on the machine
  std::map<std::int64_t, Network> networks_;  // by L1, as the cores share their rows
  std::vector<PlannedNetwork> found_;
  bool stopped_ = false;
  std::string obstacle_;  // of the machine's own plan
};

}  // namespace workbench::pulp
