// The fastest tiling by the model: every way through L2 that fits, the best tiles of each by the
// rough model, the best of those by the exact one.
#include <algorithm>
#include <optional>

#include "compiler/pulp/kernel_choice.h"
#include "compiler/pulp/l1_map.h"
#include "compiler/pulp/l2_slices.h"
#include "compiler/pulp/rough_kernel.h"
#include "compiler/pulp/tile_model.h"
#include "compiler/pulp/tile_search.h"
#include "core/error.h"
#include "core/units.h"
#include "isa/pulp/footprint.h"

namespace workbench::pulp {
namespace {

// Of the tiles that the rough model likes best, so many of each kernel are modelled call by call.
constexpr std::size_t kModelled = 5;

// What the layers before and after spend on moving what this one wants in L3.
std::int64_t elsewhere(const Layer& layer, const Tiling& tiling, const L2Budget& budget,
                       const Machine& machine) {
  Kernel whole = layer.call;
  whole.kind = tiling.kernel;
  std::int64_t bytes = 0;
  if (tiling.input_from_l3 && !budget.input_in_l3) {
    bytes += input_bytes(whole) + second_input_bytes(whole);
  }
  if (tiling.output_to_l3 && !budget.output_in_l3) bytes += output_bytes(whole);
  return static_cast<std::int64_t>(static_cast<double>(bytes) / machine.l3.bytes_per_cycle);
}

// How long the layer before computes at least, if it leaves L2 and L3 alone so that weights can
// come meanwhile.
double cycles_before(const Layer& layer, const Network& network, const Machine& machine) {
  for (std::size_t i = 1; i < network.layers.size(); ++i) {
    const Layer& before = network.layers[i - 1];
    if (network.layers[i].name != layer.name) continue;
    Tiling whole;
    whole.slice = {before.call.out_c, before.call.out_h, before.call.out_w};
    if (2 * l2_bytes(before, whole, machine) > machine.l2.buffer_bytes) return 0;
    const auto kernel = dory_kernel(before, machine);
    const Kernel& call = before.call;
    const std::int64_t cores = machine.cluster.cores;
    return map_work(kernel, call, cores, call.in_h, call.out_h, call.out_w) *
           channel_work(kernel, call, cores, call.out_c);
  }
  return 0;
}

// The cheapest of what it is shown.
class Cheapest {
 public:
  Cheapest(const Layer& layer, const Network& network, const Machine& machine,
           const L2Budget& budget, KernelCosts& costs)
      : layer_(layer),
        machine_(machine),
        budget_(budget),
        costs_(costs),
        before_(cycles_before(layer, network, machine)) {}

  void look_at(Tiling tiling) {
    tiling.modelled = modelled_cycles(layer_, tiling, machine_, before_, costs_);
    const std::int64_t cycles =
        tiling.modelled.value + elsewhere(layer_, tiling, budget_, machine_);
    if (best_ && cycles >= cycles_) return;
    best_ = tiling;
    cycles_ = cycles;
  }
  void look_at_all(const Tiling& sliced) {
    for (Tiling tiling : rank_tiles(layer_, sliced, machine_, kModelled)) {
      tiling.commands_2d = true;
      look_at(tiling);
    }
  }
  // So as never to be slower than DORY.
  void look_at_dorys(const Network& network) {
    try {
      Tiling tiling = dory_tiling(layer_, network, machine_, budget_);
      tiling.as_dory = false;
      if (l2_bytes(layer_, tiling, machine_) > budget_.bytes) return;
      look_at(tiling);
      tiling.commands_2d = true;
      look_at(tiling);
    } catch (const Error&) {  // DORY has none
    }
  }
  std::optional<Tiling> take() const { return best_; }

 private:
  const Layer& layer_;
  const Machine& machine_;
  const L2Budget& budget_;
  KernelCosts& costs_;
  double before_;
  std::optional<Tiling> best_;
  std::int64_t cycles_ = 0;
};

}  // namespace

Tiling optimal_tiling(const Layer& layer, const Network& network, const Machine& machine,
                      const L2Budget& budget) {
  KernelCosts costs(machine);
  return optimal_tiling(layer, network, machine, budget, costs);
}

Tiling optimal_tiling(const Layer& layer, const Network& network, const Machine& machine,
                      const L2Budget& budget, KernelCosts& costs) {
  const std::vector<Tiling> choices = slice_choices(layer, machine, budget);
  if (choices.empty()) {
    fail("{}: does not fit L2: its smallest slices take {} bytes, {} are there for it", layer.name,
         smallest_l2(layer, machine, budget), budget.bytes);
  }
  Cheapest cheapest(layer, network, machine, budget, costs);
  for (const Tiling& sliced : choices) cheapest.look_at_all(sliced);
  cheapest.look_at_dorys(network);
  std::optional<Tiling> best = cheapest.take();
  if (!best) {
    fail("{}: does not fit L1: its smallest tile takes {} bytes, {} are there", layer.name,
         smallest_l1(layer, choices.front(), machine), machine.l1.buffer_bytes);
  }
  best->map = l1_map(layer, *best, machine);
  CHECK(best->map.end <= machine.l1.buffer_bytes, "{}: tile of {} bytes", layer.name,
        best->map.end);
  return *best;
}

}  // namespace workbench::pulp
