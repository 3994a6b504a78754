// The fastest tiling by the model: every way through L2 that fits, the best
// tiles of each by the rough model, the best of those by the exact one.
#include "compiler/pulp/optimal_tiling.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "compiler/pulp/constants.h"
#include "compiler/pulp/dory_tiling.h"
#include "compiler/pulp/kernel_rules.h"
#include "compiler/pulp/pass_search.h"
#include "compiler/pulp/tile_model.h"
#include "compiler/pulp/tile_search.h"
#include "compiler/pulp/tiling.h"
#include "core/error.h"
#include "core/units.h"
#include "isa/pulp/footprint.h"

namespace workbench::pulp {

namespace {

// Of the tiles that the rough model likes best, so many of each kernel are
// modelled call by call.
constexpr std::size_t kModelled = 5;
// A layer that takes less is tried on fewer cores.
constexpr Cycles kLittle{20000};

// Cycles its neighbours spend on transfers when this layer takes operands from
// or leaves results in L3.
std::int64_t elsewhere(const Layer& layer, const Tiling& tiling, const L2Budget& budget,
                       const Machine& machine) {
  Kernel whole = layer.call;
  whole.kind = tiling.kernel;
  std::int64_t bytes = 0;
  if (tiling.input_from_l3 && !budget.input_in_l3) {
    bytes += input_bytes(whole) + second_input_bytes(whole);
  }
  if (tiling.output_to_l3 && !budget.output_in_l3) bytes += output_bytes(whole);
  return static_cast<std::int64_t>(static_cast<double>(bytes) / machine.l3_bytes_per_cycle());
}

// How long the layer before computes at least, if it leaves L2 and L3 alone so
// that weights can come meanwhile.
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
           const L2Budget& budget, std::int64_t most, TilingMemo& memo)
      : layer_(layer),
        machine_(machine),
        budget_(budget),
        most_(most),
        memo_(memo),
        shape_(memo.shapes.number_of(layer)),
        before_(cycles_before(layer, network, machine)) {}

  void look_at(Tiling tiling) {
    tiling.modelled = modelled_cycles(layer_, tiling, machine_, before_, memo_.costs);
    keep(tiling);
  }
  void look_at_all(const Tiling& sliced) {
    const auto [known, is_new] = memo_.best.try_emplace(key_of(sliced));
    if (is_new) known->second = best_of(sliced);
    if (known->second) keep(*known->second);
  }
  void look_at_passes(const Tiling& sliced) {
    for (const Tiling& tiling : pass_tiles(layer_, sliced, machine_)) look_at(tiling);
  }
  // Of little work, entering a kernel and dealing it out takes the most.
  void look_at_fewer_cores() {
    const Use use = memo_.choices.fewer_cores;
    if (!best_ || use == Use::Never || best_->modelled > kLittle) return;
    for (std::int64_t cores = machine_.cluster.cores / 2; cores > 0; cores /= 2) {
      Tiling tiling = *best_;
      tiling.cores = cores;
      const std::int64_t active = best_->cores == 0 ? machine_.cluster.cores : best_->cores;
      if (cores < active && can_split(tiling.kernel, cores)) look_at(tiling);
    }
  }
  // So as never to be slower than DORY.
  void look_at_dorys(const Network& network) {
    std::optional<Tiling> tiling =
        dory_tiling(layer_, network, machine_, budget_, memo_.steps).tiling;
    if (!tiling || l2_bytes(layer_, *tiling, machine_) > budget_.bytes) return;
    tiling->as_dory = false;
    look_at(*tiling);
    tiling->commands_2d = true;
    look_at(*tiling);
  }
  std::optional<Tiling> take() const { return best_; }

 private:
  void keep(const Tiling& tiling) {
    const std::int64_t cycles =
        tiling.modelled.value + elsewhere(layer_, tiling, budget_, machine_);
    if (best_ && cycles >= cycles_) return;
    best_ = tiling;
    cycles_ = cycles;
  }
  std::optional<Tiling> best_of(const Tiling& sliced) {
    std::optional<Tiling> best;
    for (Tiling& tiling : ranked(sliced)) {
      tiling.commands_2d = true;
      tiling.modelled = modelled_cycles(layer_, tiling, machine_, before_, memo_.costs);
      if (!best || tiling.modelled < best->modelled) best = tiling;
    }
    return best;
  }
  std::vector<Tiling> ranked(const Tiling& sliced) {
    const auto rank = [&](SearchSteps& steps) {
      return rank_tiles(layer_, sliced, machine_, kModelled, budget_.channels_outer, most_, steps,
                        memo_.choices);
    };
    if (memo_.cache == nullptr) return rank(memo_.steps);
    const Cut& slice = sliced.slice;
    const TilingCache::Key key{memo_.cache->shapes.number_of(layer_),
                               slice.out_c,
                               slice.out_h,
                               slice.out_w,
                               ways_of(sliced),
                               machine_.l1.buffer_bytes,
                               most_};
    const auto [known, is_new] = memo_.cache->ranked.try_emplace(key);
    TilingCache::Ranked& found = known->second;
    if (is_new) {
      SearchSteps steps;
      found.tilings = rank(steps);
      found.tiles = steps.tiles;
      found.stopped = steps.stopped;
    }
    memo_.steps.tiles += found.tiles;
    memo_.steps.stopped = memo_.steps.stopped || found.stopped;
    return found.tilings;
  }
  int ways_of(const Tiling& sliced) const {
    return (sliced.input_from_l3 ? 1 : 0) + (sliced.output_to_l3 ? 2 : 0) +
           (sliced.weights_from_l3_by_slice ? 4 : 0) + (sliced.l2_double_buffered ? 8 : 0) +
           (sliced.slice_order == LoopOrder::RowsOuter ? 16 : 0) +
           (budget_.channels_outer ? 32 : 0);
  }
  TilingMemo::Key key_of(const Tiling& sliced) const {
    const double before = sliced.weights_from_l3_by_slice ? before_ : 0;
    return {shape_,
            sliced.slice.out_c,
            sliced.slice.out_h,
            sliced.slice.out_w,
            ways_of(sliced),
            machine_.l1.buffer_bytes,
            before};
  }

  const Layer& layer_;
  const Machine& machine_;
  const L2Budget& budget_;
  std::int64_t most_;  // tiles looked at for each way to slice the layer
  TilingMemo& memo_;
  int shape_;
  double before_;
  std::optional<Tiling> best_;
  std::int64_t cycles_ = 0;
};

// No kernel of DORY's has a place beside those.
bool forced(const Choices& choices) {
  return choices.own_kernels == Use::Always || choices.fewer_cores == Use::Always;
}

}  // namespace

int LayerShapes::number_of(const Layer& layer) {
  const auto same = [&](const auto& shape) {
    return shape.call == layer.call && shape.family == layer.family &&
           shape.pad_bottom == layer.pad_bottom;
  };
  const auto known = std::find_if(shapes_.begin(), shapes_.end(), same);
  const auto number = static_cast<int>(known - shapes_.begin());
  if (known == shapes_.end()) shapes_.push_back({layer.call, layer.family, layer.pad_bottom});
  return number;
}

TilingResult optimal_tiling(const Layer& layer, const Network& network, const Machine& machine,
                            const L2Budget& budget) {
  KernelCosts costs(machine);
  TilingMemo memo{costs};
  return optimal_tiling(layer, network, machine, budget, memo);
}

TilingResult optimal_tiling(const Layer& layer, const Network& network, const Machine& machine,
                            const L2Budget& budget, TilingMemo& memo) {
  const std::vector<Tiling> choices = slice_choices(layer, machine, budget);
  if (choices.empty()) {
    return {std::nullopt,
            fmt::format("{}: does not fit L2: its smallest slices take {} "
                        "bytes, {} are there for "
                        "it",
                        layer.name, smallest_l2(layer, machine, budget), budget.bytes)};
  }
  Cheapest cheapest(layer, network, machine, budget, kTilesPerLayer / std::ssize(choices), memo);
  const auto look_at_passes = [&] {
    for (const Tiling& sliced : choices) cheapest.look_at_passes(sliced);
  };
  if (memo.choices.passes == Use::Always) look_at_passes();
  if (!cheapest.take()) {
    for (const Tiling& sliced : choices) cheapest.look_at_all(sliced);
    if (!forced(memo.choices) || !cheapest.take()) cheapest.look_at_dorys(network);
    // Where the columns of all cores do not fit, channels can come piece by piece instead.
    const bool few_cores = cheapest.take() && cheapest.take()->cores > 0;
    if (!cheapest.take() || (few_cores && memo.choices.passes == Use::WhereFaster)) {
      look_at_passes();
    }
  }
  cheapest.look_at_fewer_cores();
  std::optional<Tiling> best = cheapest.take();
  if (!best) {
    return {std::nullopt, fmt::format("{}: does not fit L1: its smallest tile takes {} bytes, {} "
                                      "are there",
                                      layer.name,
                                      std::min(smallest_l1(layer, choices.front(), machine),
                                               smallest_pass_l1(layer, choices.front(), machine)),
                                      machine.l1.buffer_bytes)};
  }
  best->map = l1_map(layer, *best, machine);
  CHECK(best->map.end <= machine.l1.buffer_bytes, "{}: tile of {} bytes", layer.name,
        best->map.end);
  return {best, ""};
}

namespace {

constexpr std::int64_t kAlignment = 4;
// Sizes tried of one kind of slice, each with about twice as many slices as the
// one before.
constexpr int kSizes = 5;

struct SliceKind {
  bool weights = false, input = false, output = false, twice = true;
};

Tiling of_kind(const SliceKind& kind, const Cut& slice) {
  Tiling tiling;
  tiling.slice = slice;
  tiling.weights_from_l3_by_slice = kind.weights;
  tiling.input_from_l3 = kind.input;
  tiling.output_to_l3 = kind.output;
  tiling.l2_double_buffered = kind.twice;
  tiling.slice_order = kind.weights ? LoopOrder::ChannelsOuter : LoopOrder::RowsOuter;
  return tiling;
}

// Rows first as many as fit, then about half as many, and so on; channels
// likewise.
std::vector<std::int64_t> halving(std::int64_t size, std::int64_t step, bool cut) {
  if (!cut) return {size};
  std::vector<std::int64_t> result;
  for (std::int64_t most = size; most > 0; most = (result.back() - 1) / step * step) {
    const std::int64_t even = ceil_div(size, ceil_div(size, most));
    result.push_back(std::min(size, round_up(even, step)));
  }
  return result;
}

// Rows and channels that slices of one kind may have, descending.
struct Sizes {
  std::vector<std::int64_t> rows, channels;
};
Sizes sizes_of(const Layer& layer, const SliceKind& kind) {
  const Kernel& call = layer.call;
  const std::int64_t step = channel_step(layer);
  const std::int64_t unit = call.out_c >= 4 ? std::max<std::int64_t>(step, 4) : step;
  Sizes sizes{halving(call.out_h, 1, kind.input || kind.output),
              halving(call.out_c, kind.weights ? unit : 1, kind.weights)};
  if (kind.weights && step < sizes.channels.back()) sizes.channels.push_back(step);
  std::erase_if(sizes.rows,
                [&](std::int64_t rows) { return !row_tiles_read(call, call.out_h, rows); });
  return sizes;
}

// Those of one kind that fit `bytes`.
void append(std::vector<Tiling>& choices, const Layer& layer, const Machine& machine,
            std::int64_t bytes, const SliceKind& kind) {
  const Kernel& call = layer.call;
  const Sizes sizes = sizes_of(layer, kind);
  for (const std::int64_t h : sizes.rows) {
    std::int64_t taken = call.out_c + 1;
    int found = 0;
    for (const std::int64_t n : sizes.channels) {
      if (2 * n > taken && n != sizes.channels.back()) continue;
      const Tiling tiling = of_kind(kind, {n, h, call.out_w});
      if (l2_bytes(layer, tiling, machine) > bytes) continue;
      choices.push_back(tiling);
      taken = n;
      if (++found == kSizes) break;
    }
  }
}

// Rows: as many as fit, and fewer.
void thin_out(std::vector<Tiling>& choices) {
  std::vector<Tiling> kept;
  std::int64_t rows = 0;
  int found = 0;
  for (const Tiling& tiling : choices) {
    const bool new_rows = tiling.slice.out_h != rows;
    if (new_rows && found > 0 && 2 * tiling.slice.out_h > rows) continue;
    if (new_rows && ++found > kSizes) break;
    rows = tiling.slice.out_h;
    kept.push_back(tiling);
  }
  choices = kept;
}

std::vector<Tiling> choices_of(const Layer& layer, const Machine& machine, std::int64_t bytes,
                               const std::vector<SliceKind>& kinds) {
  std::vector<Tiling> result;
  for (const SliceKind& kind : kinds) {
    std::vector<Tiling> choices;
    append(choices, layer, machine, bytes, kind);
    thin_out(choices);
    result.insert(result.end(), choices.begin(), choices.end());
  }
  return result;
}

// Kinds of slices, least intrusive first; those of one group are weighed
// against each other.
std::vector<std::vector<SliceKind>> groups(const Layer& layer, const L2Budget& budget) {
  const bool in = budget.input_in_l3, out = budget.output_in_l3;
  const bool weights = channels_can_be_sliced(layer);
  const bool rows = !traits(layer.family).vector;
  std::vector<std::vector<SliceKind>> result;
  for (const bool twice : {true, false}) {
    if (!rows) {  // of a fully connected layer only the weights can be cut
      result.push_back({{true, in, out, twice}, {false, in, out, twice}});
      continue;
    }
    std::vector<SliceKind> one;
    if (weights && !in && !out) one.push_back({true, false, false, twice});
    if (!out) one.push_back({false, true, false, twice});
    if (!in) one.push_back({false, false, true, twice});
    result.push_back(one);
    result.push_back({{false, true, true, twice}});
    std::vector<SliceKind> both;
    if (weights && !out) both.push_back({true, true, false, twice});
    if (weights && !in) both.push_back({true, false, true, twice});
    result.push_back(both);
    if (weights) result.push_back({{true, true, true, twice}});
  }
  return result;
}

// Slices of constants alone, the largest that the budget allows.
std::vector<Tiling> weight_slices(const Layer& layer, const Machine& machine,
                                  const L2Budget& budget) {
  const SliceKind kind{.weights = true};
  const std::int64_t each = ceil_div(constant_bytes(layer), layer.call.out_c);
  for (const std::int64_t n : sizes_of(layer, kind).channels) {
    if (n == layer.call.out_c || n * each > budget.weights_at_once) continue;
    const Tiling tiling = of_kind(kind, {n, layer.call.out_h, layer.call.out_w});
    if (l2_bytes(layer, tiling, machine) <= budget.bytes) return {tiling};
  }
  return {};
}

}  // namespace

std::int64_t l2_bytes(const Layer& layer, const Tiling& tiling, const Machine& machine) {
  const KernelKind kernel = dory_kernel(layer, machine);
  Kernel whole = layer.call;
  whole.kind = kernel;
  const Kernel slice = largest_call(layer, kernel, tiling.slice, tiling.slice);
  const std::int64_t copies = tiling.l2_double_buffered ? 2 : 1;
  const auto aligned = [](std::int64_t bytes) { return round_up(bytes, kAlignment); };
  const Kernel& in = tiling.input_from_l3 ? slice : whole;
  const Kernel& out = tiling.output_to_l3 ? slice : whole;
  const Kernel& constants = tiling.weights_from_l3_by_slice ? slice : whole;
  return (tiling.input_from_l3 ? copies : 1) *
             (aligned(input_bytes(in)) + aligned(second_input_bytes(in))) +
         (tiling.output_to_l3 ? copies : 1) * aligned(output_bytes(out)) +
         (tiling.weights_from_l3_by_slice ? copies : 1) *
             (aligned(weight_bytes(constants)) + 2 * aligned(norm_bytes(constants)) +
              aligned(bias_bytes(constants)));
}

std::vector<Tiling> slice_choices(const Layer& layer, const Machine& machine,
                                  const L2Budget& budget) {
  if (budget.weights_at_once > 0) return weight_slices(layer, machine, budget);
  const Cut whole{layer.call.out_c, layer.call.out_h, layer.call.out_w};
  Tiling one = of_kind({.twice = false}, whole);
  one.slice_order = LoopOrder::ChannelsOuter;
  if (!budget.input_in_l3 && !budget.output_in_l3 &&
      l2_bytes(layer, one, machine) <= budget.bytes) {
    return {one};
  }
  for (const std::vector<SliceKind>& kinds : groups(layer, budget)) {
    const auto choices = choices_of(layer, machine, budget.bytes, kinds);
    if (!choices.empty()) return choices;
  }
  return {};
}

std::int64_t smallest_l2(const Layer& layer, const Machine& machine, const L2Budget& budget) {
  auto least = std::numeric_limits<std::int64_t>::max();
  for (const std::vector<SliceKind>& kinds : groups(layer, budget)) {
    for (const SliceKind& kind : kinds) {
      const Sizes sizes = sizes_of(layer, kind);
      for (const std::int64_t h : sizes.rows) {
        for (const std::int64_t n : sizes.channels) {
          const Tiling tiling = of_kind(kind, {n, h, layer.call.out_w});
          least = std::min(least, l2_bytes(layer, tiling, machine));
        }
      }
    }
  }
  return least;
}

}  // namespace workbench::pulp
