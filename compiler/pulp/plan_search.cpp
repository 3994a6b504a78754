#include "compiler/pulp/plan_search.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <utility>

#include "compiler/pulp/optimal_tiling.h"
#include "compiler/pulp/share_rows.h"
#include "compiler/pulp/tile_model.h"
#include "core/error.h"

namespace workbench::pulp {
namespace {
// Of networks of so few layers, machines with less of L1, of L2 and of both are planned for, each
// size with each; the same ones for every larger machine, so that its least is none of theirs.
constexpr std::int64_t kFewLayers = 5;
// Of others, machines with less of either: so many, and fewer of networks with many layers.
constexpr std::int64_t kMost = 6, kFewest = 3, kManyLayers = 20;

// No further machine is planned for once so many kernel calls have been costed, which is what
// planning takes its time for.
constexpr std::int64_t kKernelCosts = 8000;

// Smaller memories than these are not planned for: what fits them is slow on any larger one.
constexpr std::int64_t kLeastL1 = 2048, kLeastL2 = 8192;

// Powers of two and one and a half of them from `least` to below `bytes`, descending: what a memory
// of such a size is planned with is weighed for every larger one.
std::vector<std::int64_t> smaller_sizes(std::int64_t bytes, std::int64_t least) {
  std::vector<std::int64_t> result;
  for (std::int64_t octave = least; octave < bytes; octave *= 2) {
    result.push_back(octave);
    if (octave / 2 * 3 < bytes) result.push_back(octave / 2 * 3);
  }
  std::reverse(result.begin(), result.end());
  return result;
}

// With less of L1, less of L2; in turns, `count` or fewer, the largest powers of two first, so that
// few reach far.
std::vector<Machine> largest_smaller(const Machine& machine, std::int64_t count) {
  std::vector<Machine> result;
  std::int64_t l1 = static_cast<std::int64_t>(
      std::bit_floor(static_cast<std::uint64_t>(machine.l1.buffer_bytes - 1)));
  std::int64_t l2 = static_cast<std::int64_t>(
      std::bit_floor(static_cast<std::uint64_t>(machine.l2.buffer_bytes - 1)));
  for (; l1 >= kLeastL1 || l2 >= kLeastL2; l1 /= 2, l2 /= 2) {
    if (l1 >= kLeastL1) result.emplace_back(machine).l1.buffer_bytes = l1;
    if (l2 >= kLeastL2) result.emplace_back(machine).l2.buffer_bytes = l2;
  }
  result.resize(std::min(result.size(), static_cast<std::size_t>(count)));
  return result;
}

// Each size of L1 with each of L2.
std::vector<Machine> all_smaller(const Machine& machine) {
  std::vector<std::int64_t> l1 = smaller_sizes(machine.l1.buffer_bytes, kLeastL1);
  std::vector<std::int64_t> l2 = smaller_sizes(machine.l2.buffer_bytes, kLeastL2);
  l1.insert(l1.begin(), machine.l1.buffer_bytes);
  l2.insert(l2.begin(), machine.l2.buffer_bytes);
  std::vector<Machine> result;
  for (const std::int64_t one : l1) {
    for (const std::int64_t two : l2) {
      Machine& smaller = result.emplace_back(machine);
      smaller.l1.buffer_bytes = one;
      smaller.l2.buffer_bytes = two;
    }
  }
  result.erase(result.begin());  // the machine itself
  return result;
}

std::vector<Machine> smaller_machines(const Machine& machine, std::int64_t layers) {
  if (layers <= kFewLayers) return all_smaller(machine);
  return largest_smaller(machine, layers < kManyLayers ? kMost : kFewest);
}

// What tells two plans apart.
std::vector<std::int64_t> key_of(const PlannedNetwork& way) {
  std::vector<std::int64_t> key;
  for (std::size_t i = 0; i < way.plan.layers.size(); ++i) {
    const LayerPlan& layer = way.plan.layers[i];
    const Tiling& t = layer.tiling;
    key.insert(key.end(), {way.network->layers[i].call.out_w,
                           static_cast<std::int64_t>(t.kernel),
                           t.cores,
                           t.tile.out_c,
                           t.tile.out_h,
                           t.tile.out_w,
                           t.slice.out_c,
                           t.slice.out_h,
                           t.slice.out_w,
                           static_cast<std::int64_t>(t.order),
                           static_cast<std::int64_t>(t.slice_order),
                           t.passes.size,
                           t.double_buffered,
                           t.input_twice,
                           t.weights_twice,
                           t.input_from_l3,
                           t.output_to_l3,
                           t.weights_from_l3_by_slice,
                           t.l2_double_buffered,
                           t.commands_2d,
                           t.map.end,
                           layer.ahead,
                           layer.constants_l2[0],
                           layer.constants_l2[1]});
  }
  return key;
}

}  // namespace

PlanSearch::PlanSearch(const Network& network, const Machine& machine, Tiler tiler,
                       const Choices& choices, const std::vector<HostTurn>& turns,
                       const HostUses& uses, TilingCache* cache)
    : network_(network),
      machine_(machine),
      tiler_(tiler),
      choices_(choices),
      turns_(turns),
      uses_(uses),
      cache_(cache),
      can_share_(std::any_of(network.layers.begin(), network.layers.end(), [&](const Layer& layer) {
        return can_share_rows(layer, machine, tiler, choices.other_rows);
      })) {}

std::vector<PlannedNetwork> PlanSearch::run() {
  KernelCosts costs(machine_, cache_);
  TilingMemo memo{.costs = costs, .choices = choices_, .cache = cache_};
  add_plans(shared_by(machine_), machine_, memo);
  if (tiler_ == Tiler::Optimal) {
    add_as_it_is(machine_, memo);
    add_smaller(memo);
  }
  stopped_ = memo.steps.stopped;
  if (found_.empty()) fail("{}", obstacle_);
  order_by_model();
  return std::move(found_);
}

// Beside the shapes that share_rows() has chosen by the model.
void PlanSearch::add_as_it_is(const Machine& machine, TilingMemo& memo) {
  if (can_share_ && choices_.other_rows != Use::Always) add_plans(network_, machine, memo);
}

void PlanSearch::add_smaller(TilingMemo& memo) {
  if (choices_.smaller_memories == Use::Never) return;
  std::vector<PlannedNetwork> own = std::move(found_);
  found_.clear();
  const auto layers = std::ssize(network_.layers);
  for (const Machine& smaller : smaller_machines(machine_, layers)) {
    if (memo.costs.computed() > kKernelCosts) break;
    add_plans(shared_by(smaller), smaller, memo);
    if (layers <= kFewLayers) add_as_it_is(smaller, memo);
  }
  if (choices_.smaller_memories == Use::Always && !found_.empty()) return;
  found_.insert(found_.begin(), std::make_move_iterator(own.begin()),
                std::make_move_iterator(own.end()));
}

void PlanSearch::add_plans(const Network& network, const Machine& machine, TilingMemo& memo) {
  MemoryPlans made = plan_memory(network, machine, tiler_, turns_, uses_, memo);
  if (obstacle_.empty()) obstacle_ = made.obstacle;
  for (MemoryPlan& plan : made.plans) found_.push_back({&network, std::move(plan)});
}

const Network& PlanSearch::shared_by(const Machine& machine) {
  if (!can_share_) return network_;
  const auto [known, is_new] = networks_.try_emplace(machine.l1.buffer_bytes, network_);
  if (is_new) share_rows(known->second, machine, tiler_, choices_.other_rows);
  return known->second;
}

void PlanSearch::order_by_model() {
  std::stable_sort(found_.begin(), found_.end(),
                   [](const auto& a, const auto& b) { return a.plan.cycles < b.plan.cycles; });
  std::vector<PlannedNetwork> kept;
  std::vector<std::vector<std::int64_t>> keys;
  for (PlannedNetwork& way : found_) {
    std::vector<std::int64_t> key = key_of(way);
    const bool known = std::find(keys.begin(), keys.end(), key) != keys.end();
    if (known) continue;
    keys.push_back(std::move(key));
    kept.push_back({way.network, way.plan});
  }
  found_ = std::move(kept);
}

}  // namespace workbench::pulp
