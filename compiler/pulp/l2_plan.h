// The memory map of L2 and L3 over the network's run: activations, the layers' constants
// (prefetched during layers before where L2 allows it, docs/facts/pulp.md 3.5), buffers of L3
// slices. And the tiling of each layer, which depends on the memory left for it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/pulp/compile.h"
#include "compiler/pulp/layer.h"
#include "compiler/pulp/optimal_tiling.h"
#include "compiler/pulp/tiling.h"
#include "isa/pulp/footprint.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

// Constants of output channels [first, first + channels) of a layer: kappa, lambda, bias, weights,
// each on a word boundary, one behind the other in L2. In L3 either the same or, as DORY's files
// have it, the weights of the whole layer, then all kappa, all lambda. They come in pieces, a
// transfer each: with kappa, lambda and bias the weights of the first channels, then of the next.
struct ConstantPart {
  std::int64_t first = 0, channels = 0;
  std::int64_t weights = 0, kappa = 0, lambda = 0, bias = 0;  // offsets from the L2 buffer
  std::int64_t bytes = 0;                                     // in L2
  struct Piece {
    std::int64_t l3 = 0, offset = 0, bytes = 0;  // L3 address, offset in the L2 buffer
    std::int64_t end = 0;  // with it and those before, channels [first, end) are complete
  };
  std::vector<Piece> pieces;
};

struct LayerPlan {
  Tiling tiling;
  std::vector<ConstantPart>
      constants;                   // one, or one per slice of output channels; none: no weights
  std::int64_t constants_l2[2]{};  // buffers; the second is used where parts alternate
  std::int64_t ahead = 0;  // the first part is asked for so many layers before; 0: in its own
  // Buffers of slices, where the operand passes through L2.
  std::int64_t in_l2[2]{}, in2_l2[2]{}, out_l2[2]{};
  std::int64_t l2_bytes = 0;  // of the layer's operands in L2
};

// Where an activation lies. Parts lie in their whole.
struct Home {
  Space space = Space::L2;
  std::int64_t address = 0;
};

// A piece of L2 or L3 from the first instruction of layer `begin` to the last of layer `end - 1`.
struct PlannedVolume {
  std::string name;
  Space space = Space::L2;
  std::int64_t address = 0, bytes = 0, begin = 0, end = 0;
};

struct MemoryPlan {
  std::vector<Home> homes;  // per activation
  std::vector<LayerPlan> layers;
  std::vector<PlannedVolume> volumes;
  std::int64_t constants_bytes = 0;  // L3 [0, constants_bytes)
  std::int64_t l2_bytes = 0, l3_bytes = 0;
  double cycles = 0;  // by the model of the layers and of the queue of L3's transfers
};

struct MemoryPlans {
  std::vector<MemoryPlan> plans;
  std::string obstacle;  // where there are none: one line, what fits in no way
};

// Plans to choose from by the time of their programs. Of the first, constants come one layer ahead,
// and in slices only where they do not fit L2; of another, which the optimal tiler may find, as far
// ahead and in as many slices as the queue of L3's transfers gains by (prefetch.h). `memo`: of the
// network's layers on machines that differ in L1 and L2 only.
MemoryPlans plan_memory(const Network& network, const Machine& machine, Tiler tiler,
                        const std::vector<HostTurn>& turns, const HostUses& uses, TilingMemo& memo);
MemoryPlans plan_memory(const Network& network, const Machine& machine, Tiler tiler,
                        const std::vector<HostTurn>& turns, const HostUses& uses);

// Plans that differ from one of the optimal tiler's in a single layer: in its tiles (`most` or
// fewer ways, other_tilings.h), in how its constants are sliced, or in when they are asked for.
// Placed anew; those that L2 has no room for are left out.
std::vector<MemoryPlan> plans_beside(const Network& network, const Machine& machine,
                                     const std::vector<HostTurn>& turns, const HostUses& uses,
                                     const MemoryPlan& plan, std::size_t layer, std::size_t most,
                                     TilingMemo& memo);

// "WHAT N bytes of L3, ..." where the machine has fewer, with the option to change it; else "".
std::string l3_obstacle(std::string_view what, std::int64_t bytes, const Machine& machine);

}  // namespace workbench::pulp
