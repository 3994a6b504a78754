// Ways to pass a layer through L2.
#pragma once

#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "compiler/pulp/choices.h"
#include "compiler/pulp/search_steps.h"
#include "compiler/pulp/tile_model.h"
#include "compiler/pulp/tiling.h"
#include "compiler/pulp/tiling_cache.h"

namespace workbench::pulp {

// Bytes of L2 that the layer's operands take, sliced as `tiling` says.
std::int64_t l2_bytes(const Layer& layer, const Tiling& tiling, const Machine& machine);

// Slicings that fit, all of the least intrusive kind: whole; slices of weights or of
// rows; slices of rows of input and output; of both weights and rows; the same with single buffers.
// Only what says how slices are cut is set. Empty: nothing fits.
std::vector<Tiling> slice_choices(const Layer& layer, const Machine& machine,
                                  const L2Budget& budget);

// Bytes of L2 that the smallest slices take.
std::int64_t smallest_l2(const Layer& layer, const Machine& machine, const L2Budget& budget);

// The fastest by the model, over kernels, tile sizes, loop orders, buffering, L2 slices; in passes
// where no other tile fits. None only
// when no legal tile exists: then the smallest L1 or L2 that would do is named.
TilingResult optimal_tiling(const Layer& layer, const Network& network, const Machine& machine,
                            const L2Budget& budget);

// What has been found for layers of one network on machines that differ in L1 and L2 only.
struct TilingMemo {
  KernelCosts& costs;
  // By the number of the layer's shape, slice, what of it comes from L3 or goes there, L1 and the
  // time before.
  using Key = std::tuple<int, std::int64_t, std::int64_t, std::int64_t, int, std::int64_t, double>;
  std::map<Key, std::optional<Tiling>> best = {};
  LayerShapes shapes = {};
  SearchSteps steps = {};
  Choices choices = {};
  TilingCache* cache = nullptr;  // of other networks
  bool dorys_tiles = false;      // wherever its rules find some
};
TilingResult optimal_tiling(const Layer& layer, const Network& network, const Machine& machine,
                            const L2Budget& budget, TilingMemo& memo);

}  // namespace workbench::pulp
