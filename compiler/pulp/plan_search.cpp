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
constexpr std::int64_t kMost = 8, kFewest = 5, kManyLayers = 20;

// No further machine is planned for once so many kernel calls have been costed, which is what
// planning takes its time for.
constexpr std::int64_t kKernelCosts = 8000, kMoreKernelCosts = 200'000;

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

// Octaves in `parts` from below `bytes` down to `least`: with a little less of L2 other slices, and
// constants that come at other times, are found.
std::vector<std::int64_t> little_smaller(std::int64_t bytes, std::int64_t least,
                                         std::int64_t parts) {
  std::vector<std::int64_t> result;
  for (std::int64_t octave = least; octave < bytes; octave *= 2) {
    for (std::int64_t at = octave; at < 2 * octave && at < bytes; at += octave / parts) {
      result.push_back(at);
    }
  }
  std::reverse(result.begin(), result.end());
  return result;
}

// With less of L1, by powers of two, and less of L2; in turns, `count` or fewer, the largest first.
std::vector<Machine> largest_smaller(const Machine& machine, std::int64_t count) {
  std::vector<Machine> result;
  std::int64_t l1 = static_cast<std::int64_t>(
      std::bit_floor(static_cast<std::uint64_t>(machine.l1.buffer_bytes - 1)));
  const std::vector<std::int64_t> l2 = little_smaller(machine.l2.buffer_bytes, kLeastL2, 8);
  for (std::size_t i = 0; l1 >= kLeastL1 || i < l2.size(); l1 /= 2, ++i) {
    if (i < l2.size()) result.emplace_back(machine).l2.buffer_bytes = l2[i];
    if (l1 >= kLeastL1) result.emplace_back(machine).l1.buffer_bytes = l1;
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

// With a little less of L2, down to half, and all of L1: of large networks, which constants come
// when changes with every size.
std::vector<Machine> little_smaller_each(const Machine& machine) {
  std::vector<Machine> result;
  for (const std::int64_t bytes : little_smaller(machine.l2.buffer_bytes, kLeastL2, 32)) {
    if (2 * bytes < machine.l2.buffer_bytes) break;
    result.emplace_back(machine).l2.buffer_bytes = bytes;
  }
  return result;
}

std::vector<Machine> smaller_machines(const Machine& machine, std::int64_t layers) {
  if (layers <= kFewLayers) return all_smaller(machine);
  return largest_smaller(machine, layers < kManyLayers ? kMost : kFewest);
}

// A plan for fewer cores on a machine that has more.
void keep_to_cores(MemoryPlan& plan, std::int64_t cores) {
  for (LayerPlan& layer : plan.layers) {
    if (layer.tiling.cores == 0) layer.tiling.cores = cores;
  }
}

// No kernel of DORY's has a place beside those.
bool is_forced(const Choices& choices) {
  return choices.own_kernels == Use::Always || choices.fewer_cores == Use::Always ||
         choices.passes == Use::Always;
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
      costs_(machine, cache),
      memo_{.costs = costs_, .choices = choices, .cache = cache},
      can_share_(std::any_of(network.layers.begin(), network.layers.end(), [&](const Layer& layer) {
        return can_share_rows(layer, machine, tiler, choices.other_rows);
      })) {}

std::vector<PlannedNetwork> PlanSearch::run() {
  add_own();
  const auto layers = std::ssize(network_.layers);
  if (tiler_ == Tiler::Optimal && choices_.smaller_memories != Use::Never) {
    std::vector<PlannedNetwork> own = std::move(found_);
    found_.clear();
    add_smaller(smaller_machines(machine_, layers), kKernelCosts);
    if (layers <= kFewLayers) add_fewer_cores(), add_dorys();
    if (choices_.smaller_memories != Use::Always || found_.empty()) {
      found_.insert(found_.begin(), std::make_move_iterator(own.begin()),
                    std::make_move_iterator(own.end()));
    }
  }
  if (found_.empty()) fail("{}", obstacle_);
  return ordered_by_model();
}

std::vector<PlannedNetwork> PlanSearch::run_on() {
  if (tiler_ != Tiler::Optimal || choices_.smaller_memories == Use::Never) return {};
  add_smaller(little_smaller_each(machine_), kMoreKernelCosts);
  add_smaller(all_smaller(machine_), kMoreKernelCosts);
  if (std::ssize(network_.layers) > kFewLayers) add_fewer_cores(), add_dorys();
  return ordered_by_model();
}

void PlanSearch::add_own() {
  add_plans(shared_by(machine_), machine_, memo_);
  const std::size_t shared = found_.size();
  if (tiler_ == Tiler::Optimal) add_as_it_is(machine_, memo_);
  const std::size_t plain = found_.size() > shared ? shared : 0;
  if (plain < found_.size()) found_[plain].plain = true;
}

// Beside the shapes that share_rows() has chosen by the model.
void PlanSearch::add_as_it_is(const Machine& machine, TilingMemo& memo) {
  if (can_share_ && choices_.other_rows != Use::Always) add_plans(network_, machine, memo);
}

// Until so many kernel calls have been costed.
void PlanSearch::add_smaller(const std::vector<Machine>& machines, std::int64_t costs) {
  for (const Machine& smaller : machines) {
    if (costs_.computed() > costs) break;
    add_plans(shared_by(smaller), smaller, memo_);
    if (std::ssize(network_.layers) <= kFewLayers) add_as_it_is(smaller, memo_);
  }
}

void PlanSearch::add_fewer_cores() {
  if (choices_.fewer_cores == Use::Never) return;
  for (std::int64_t cores = machine_.cluster.cores / 2; cores > 0; cores /= 2) {
    Machine fewer = machine_;
    fewer.cluster.cores = cores;
    KernelCosts costs(fewer);
    TilingMemo memo{.costs = costs, .choices = choices_};
    const std::size_t before = found_.size();
    add_plans(shared_by(fewer), fewer, memo);
    for (std::size_t i = before; i < found_.size(); ++i) keep_to_cores(found_[i].plan, cores);
  }
}

void PlanSearch::add_dorys() {
  if (is_forced(choices_)) return;
  TilingMemo memo{.costs = costs_, .choices = choices_, .dorys_tiles = true};
  add_plans(network_, machine_, memo);
}

void PlanSearch::add_plans(const Network& network, const Machine& machine, TilingMemo& memo) {
  MemoryPlans made = plan_memory(network, machine, tiler_, turns_, uses_, memo);
  if (obstacle_.empty()) obstacle_ = made.obstacle;
  for (MemoryPlan& plan : made.plans) found_.push_back({&network, std::move(plan)});
}

const Network& PlanSearch::shared_by(const Machine& machine) {
  if (!can_share_) return network_;
  const auto [known, is_new] =
      networks_.try_emplace({machine.cluster.cores, machine.l1.buffer_bytes}, network_);
  if (is_new) share_rows(known->second, machine, tiler_, choices_.other_rows);
  return known->second;
}

std::vector<PlannedNetwork> PlanSearch::ordered_by_model() {
  std::stable_sort(found_.begin(), found_.end(),
                   [](const auto& a, const auto& b) { return a.plan.cycles < b.plan.cycles; });
  std::vector<PlannedNetwork> kept;
  std::vector<std::vector<std::int64_t>> keys;
  for (PlannedNetwork& way : found_) {
    std::vector<std::int64_t> key = key_of(way);
    const auto known = std::find(keys.begin(), keys.end(), key);
    if (known != keys.end()) {
      kept[static_cast<std::size_t>(known - keys.begin())].plain |= way.plain;
      continue;
    }
    keys.push_back(std::move(key));
    kept.push_back(std::move(way));
  }
  found_.clear();
  return kept;
}

}  // namespace workbench::pulp
