#include "compiler/pulp/other_tilings.h"

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <utility>

#include "compiler/pulp/kernel_rules.h"
#include "compiler/pulp/search_steps.h"
#include "compiler/pulp/tile_model.h"
#include "compiler/pulp/tile_search.h"

namespace workbench::pulp {
namespace {

// Of each kernel, so many tiles that the rough model likes.
constexpr std::size_t kRanked = 12;

auto identity(const Tiling& t) {
  return std::tuple(t.kernel, t.cores, t.tile.out_c, t.tile.out_h, t.tile.out_w, t.order,
                    t.passes.over, t.passes.size, t.double_buffered, t.input_twice, t.weights_twice,
                    t.commands_2d);
}

// What says how slices are cut, alone.
Tiling slices_of(const Tiling& tiling) {
  Tiling slices;
  slices.slice = tiling.slice;
  slices.input_from_l3 = tiling.input_from_l3;
  slices.output_to_l3 = tiling.output_to_l3;
  slices.weights_from_l3_by_slice = tiling.weights_from_l3_by_slice;
  slices.l2_double_buffered = tiling.l2_double_buffered;
  slices.slice_order = tiling.slice_order;
  return slices;
}

class Others {
 public:
  Others(const Layer& layer, const Tiling& tiling, const Machine& machine, TilingMemo& memo)
      : layer_(layer), tiling_(tiling), machine_(machine), memo_(memo) {}

  std::vector<Tiling> run(std::size_t most) {
    for (Tiling& tiling : rank_tiles(layer_, slices_of(tiling_), machine_, kRanked, false,
                                     kTilesPerLayer, memo_.steps, memo_.choices)) {
      tiling.commands_2d = true;
      add(tiling);
    }
    add_variants();
    std::stable_sort(found_.begin(), found_.end(),
                     [](const Tiling& a, const Tiling& b) { return a.modelled < b.modelled; });
    if (found_.size() > most) found_.resize(most);
    return std::move(found_);
  }

 private:
  // The tiling with one thing changed.
  void add_variants() {
    const std::int64_t all = machine_.cluster.cores;
    for (std::int64_t cores = all; cores > 0; cores /= 2) {
      Tiling other = tiling_;
      other.cores = cores == all ? 0 : cores;
      add(other);
    }
    Tiling turned = tiling_;
    turned.order =
        tiling_.order == LoopOrder::RowsOuter ? LoopOrder::ChannelsOuter : LoopOrder::RowsOuter;
    if (channels_can_be_sliced(layer_)) add(turned);
    Tiling buffered = tiling_;
    buffered.double_buffered = !tiling_.double_buffered;
    buffered.input_twice = buffered.weights_twice = true;
    add(buffered);
    Tiling lines = tiling_;
    lines.commands_2d = !tiling_.commands_2d;
    add(lines);
  }

  void add(Tiling tiling) {
    const std::int64_t cores = tiling.cores == 0 ? machine_.cluster.cores : tiling.cores;
    const auto same = [&](const Tiling& other) { return identity(other) == identity(tiling); };
    if (same(tiling_) || std::any_of(found_.begin(), found_.end(), same)) return;
    if (!can_split(tiling.kernel, cores)) return;
    tiling.map = l1_map(layer_, tiling, machine_);
    if (tiling.map.end > machine_.l1.buffer_bytes) return;
    tiling.modelled = modelled_cycles(layer_, tiling, machine_, 0, memo_.costs);
    found_.push_back(std::move(tiling));
  }

  const Layer& layer_;
  const Tiling& tiling_;
  const Machine& machine_;
  TilingMemo& memo_;
  std::vector<Tiling> found_;
};

}  // namespace

std::vector<Tiling> other_tilings(const Layer& layer, const Tiling& tiling, const Machine& machine,
                                  std::size_t most, TilingMemo& memo) {
  return Others(layer, tiling, machine, memo).run(most);
}

}  // namespace workbench::pulp
