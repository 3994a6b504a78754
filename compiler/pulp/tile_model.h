// Modelled cycles of a tiling: kernels as cost.h expects them, overlapping transfers, prologue and
// epilogue of the pipeline, slices between L3 and L2. The objective of the optimal tiler.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "compiler/pulp/tiling.h"
#include "compiler/pulp/tiling_cache.h"
#include "isa/pulp/cost.h"

namespace workbench::pulp {

// Transfers of one tile, in cycles from the first command to the last byte. Of those, cores stand
// still for the stalls: their queues hold so many commands only, and issuing more has to wait.
struct TileTransfers {
  double in = 0, weights = 0, out = 0;
  double in_stall = 0, out_stall = 0;
};
TileTransfers transfers(const Layer& layer, const Kernel& call, bool commands_2d,
                        const Machine& machine);
// The part of a transfer of so many commands that cores wait for while they issue it.
double stalled_part(double commands, const Machine& machine);

// Code and barriers of a tile beside its kernel and its transfers.
double tile_overhead(KernelKind kernel, const Machine& machine);

// How often operands are loaded, per tile: 1 each time; of tiles that share one, one loads it.
struct LoadRates {
  double in = 1, weights = 1;
};
LoadRates load_rates(const Layer& layer, LoopOrder order, double channel_tiles, double map_tiles);

// One tile of the steady state: its kernel overlaps the loads of double-buffered operands of the
// next tile and the store of the last one; other loads follow the kernel. `slowed`: see busy_l1().
double tile_turn(double kernel, const TileTransfers& transfers, const LoadRates& rates,
                 const Buffering& twice, double slowed);
// How much longer transfers take while kernels run on so many cores.
double busy_l1(const Machine& machine, std::int64_t cores);

// `tile_cycles`: of all tiles of all slices. With what slices wait for L3. The first slice's
// weights come while the layer before runs: for `before` cycles.
double with_slices(const Layer& layer, const Tiling& tiling, double tile_cycles, double before,
                   const Machine& machine);

// expected_kernel_cycles() (cost.h), remembered: tilings that are weighed against each other, and
// those of layers of one shape, have most calls in common.
class KernelCosts {
 public:
  // `cache`: of other networks, or null.
  explicit KernelCosts(const Machine& machine, TilingCache* cache = nullptr)
      : machine_(machine), cache_(cache) {}
  Cycles operator()(const Kernel& call);
  std::int64_t computed() const { return std::ssize(known_); }

 private:
  const Machine& machine_;
  TilingCache* cache_;
  std::unordered_map<Kernel, Cycles, KernelHash> known_;
};

// Kernel calls of every tile counted; `map` is not looked at.
Cycles modelled_cycles(const Layer& layer, const Tiling& tiling, const Machine& machine,
                       double before, KernelCosts& costs);
Cycles modelled_cycles(const Layer& layer, const Tiling& tiling, const Machine& machine);

// Pipelines that are filled and drained: one, or one per slice.
double pipelines(const Layer& layer, const Tiling& tiling);

}  // namespace workbench::pulp
