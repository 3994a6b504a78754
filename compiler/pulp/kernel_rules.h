// Which of the library's kernels runs a layer, or which of ours where none of them is correct.
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/pulp/choices.h"
#include "compiler/pulp/layer.h"
#include "isa/pulp/instructions.h"

namespace workbench::pulp {

// All that these cores can split the layer with, the one that DORY's code calls first
// (docs/facts/pulp.md 2.4).
std::vector<KernelKind> usable_kernels(const Layer& layer, const Machine& machine);
// The same; Never: the library's choice alone; Always: those beside it, where there are such.
std::vector<KernelKind> usable_kernels(const Layer& layer, const Machine& machine, Use own);
KernelKind dory_kernel(const Layer& layer, const Machine& machine);
// Whether so many cores can share a call; kernels that split the width deal rows to pairs of them.
bool can_split(KernelKind kernel, std::int64_t cores);

// Roughly the cycles of a kernel in a few operations, for searches that weigh thousands of tiles
// and scale the figure to the exact cost of one (docs/facts/pulp.md 4.4; cost.h has the structure
// behind it). What separates is separated: cycles of a tile = its map's pairs and singles times its
// channels' cost.

// Of the slowest core: pairs of pixels and pixels left alone, or whatever the kernel counts.
struct MapWork {
  double pairs = 0, singles = 0;
  MapWork& operator+=(const MapWork& other) {
    pairs += other.pairs;
    singles += other.singles;
    return *this;
  }
};
struct ChannelWork {
  double per_pair = 0, per_single = 0;
  ChannelWork& operator+=(const ChannelWork& other) {
    per_pair += other.per_pair;
    per_single += other.per_single;
    return *this;
  }
};
inline double operator*(const MapWork& map, const ChannelWork& channels) {
  return map.pairs * channels.per_pair + map.singles * channels.per_single;
}

// Of `rows` x `columns` of output from `in_rows` (with padding) of input; `layer` has the window.
MapWork map_work(KernelKind kind, const Kernel& layer, std::int64_t cores, std::int64_t in_rows,
                 std::int64_t rows, std::int64_t columns);
ChannelWork channel_work(KernelKind kind, const Kernel& layer, std::int64_t cores,
                         std::int64_t channels);

}  // namespace workbench::pulp
