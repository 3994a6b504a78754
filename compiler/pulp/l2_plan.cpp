#include "compiler/pulp/l2_plan.h"

#include <algorithm>
#include <bit>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "compiler/memory/allocate.h"
#include "compiler/pulp/constants.h"
#include "compiler/pulp/dory_tiling.h"
#include "compiler/pulp/optimal_tiling.h"
#include "compiler/pulp/other_tilings.h"
#include "compiler/pulp/prefetch.h"
#include "compiler/pulp/tile_model.h"
#include "compiler/pulp/tile_search.h"
#include "core/error.h"
#include "core/units.h"

namespace workbench::pulp {
namespace {

constexpr std::int64_t kAlignment = 4;  // kernels and DMA move words
// What alignment may cost a layer's buffers beyond their bytes.
constexpr std::int64_t kSlack = 64;
// Layers are looked at so often for better ways of prefetching, which have to take at most so much.
constexpr int kRounds = 3;
constexpr double kWorthwhile = 0.9995;
// Slices of constants are no smaller than a few hundred cycles of L3, which each transfer takes.
constexpr std::int64_t kLeastPart = 1024;

// Layers between which an activation must be kept: [begin, end).
struct Life {
  std::int64_t begin = -1, end = 0;
};

class Planner {
 public:
  Planner(const Network& network, const Machine& machine, Tiler tiler,
          const std::vector<HostTurn>& turns, const HostUses& uses, TilingMemo& memo)
      : network_(network), machine_(machine), tiler_(tiler), memo_(memo) {
    lives_.resize(network.activations.size());
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
      const Layer& layer = network.layers[i];
      const auto now = static_cast<std::int64_t>(i);
      keep(layer.in, now, now + 1);
      if (layer.in2 >= 0) keep(layer.in2, now, now + 1);
      keep(layer.out, now, now + 1);
    }
    for (const HostUse& use : uses.writes) {
      const std::int64_t turn = turns[use.turn].before;
      keep(use.activation, std::max<std::int64_t>(0, turn - 1), turn + 1);
    }
    for (const HostUse& use : uses.reads) {
      keep(use.activation, turns[use.turn].before - 1, turns[use.turn].before + 1);
    }
  }

  MemoryPlans run() {
    while (obstacle_.empty()) {
      if (cut_layers()) {
        if (auto plan = place()) return with_far_prefetch(std::move(*plan));
      }
      hurry();
      CHECK(restarts_ <= static_cast<int>(network_.activations.size()), "no end of spilling");
    }
    return {{}, obstacle_};
  }

  // plans_beside() (l2_plan.h).
  std::vector<MemoryPlan> beside(const MemoryPlan& plan, std::size_t i, std::size_t most) {
    resume(plan);
    std::vector<MemoryPlan> found;
    const std::int64_t asked = ahead_[i];
    for (const Tiling& way : other_tilings(network_.layers[i], cuts_[i], machine_, most, memo_)) {
      add_changed(i, way, asked, found);
    }
    const auto farthest = std::min(kMostAhead, static_cast<std::int64_t>(i));
    const std::vector<Tiling> ways = ways_of_loading(i);
    for (const Tiling& way : ways) {
      for (std::int64_t ahead = 0; ahead <= farthest; ++ahead) {
        const bool as_it_is = &way == &ways.front() && ahead == asked;
        if (!as_it_is) add_changed(i, way, ahead, found);
      }
    }
    return found;
  }

 private:
  // As the plan has left it.
  void resume(const MemoryPlan& plan) {
    for (std::size_t r = 0; r < lives_.size(); ++r) {
      const bool is_root = network_.activations[r].whole < 0 && lives_[r].begin >= 0;
      if (is_root && plan.homes[r].space == Space::L3) spilled_.insert(r);
    }
    cuts_.clear();
    ahead_.clear();
    for (const LayerPlan& layer : plan.layers) {
      cuts_.push_back(layer.tiling);
      ahead_.push_back(layer.ahead);
    }
  }

  // With one layer changed, if that fits.
  void add_changed(std::size_t i, const Tiling& tiling, std::int64_t ahead,
                   std::vector<MemoryPlan>& found) {
    const Tiling cut = std::exchange(cuts_[i], tiling);
    const std::int64_t asked = std::exchange(ahead_[i], ahead);
    MemoryPlan plan = sketch();
    if (may_fit(plan) && try_to_place(plan)) found.push_back(std::move(plan));
    cuts_[i] = cut, ahead_[i] = asked;
  }

  // Of placement: `pairs` of what lives in L2 compared.
  void spend(std::int64_t pairs) const { memo_.steps.placement += pairs; }
  bool is_spent() const {
    return memo_.steps.placement > memo_.steps.placement_limit ||
           std::ssize(tilings_) > kTilingsPerLayer * layer_count();
  }

  // What is to leave L2 is found one by one. When the steps are spent, twice as many more leave
  // with each new begin, so that there are few of those.
  void hurry() {
    if (!obstacle_.empty() || !is_spent()) return;
    memo_.steps.stopped = true;
    hurried_ *= 2;
    for (std::int64_t i = 0; i < hurried_; ++i) {
      if (!spill_largest(all_in_l2())) return;
    }
  }

  MemoryPlans with_far_prefetch(MemoryPlan plan) {
    obstacle_ = l3_obstacle("weights and activations need", plan.l3_bytes, machine_);
    if (!obstacle_.empty()) return {{}, obstacle_};
    const Use use = tiler_ == Tiler::Optimal ? memo_.choices.far_prefetch : Use::Never;
    auto far = use == Use::Never ? std::nullopt : far_prefetch(plan);
    MemoryPlans result;
    if (use != Use::Always || !far) result.plans.push_back(std::move(plan));
    if (far) result.plans.push_back(std::move(*far));
    return result;
  }

  std::size_t root(std::int32_t a) const { return static_cast<std::size_t>(root_of(network_, a)); }
  std::int64_t layer_count() const { return static_cast<std::int64_t>(network_.layers.size()); }

  void keep(std::int32_t a, std::int64_t begin, std::int64_t end) {
    Life& life = lives_[root(a)];
    begin = std::max<std::int64_t>(begin, 0);
    life.begin = life.begin < 0 ? begin : std::min(life.begin, begin);
    life.end = std::max(life.end, end);
  }
  std::int64_t bytes(std::size_t root) const {
    return round_up(network_.activations[root].bytes(), kAlignment);
  }
  bool alive(std::size_t root, std::int64_t layer) const {
    return lives_[root].begin <= layer && layer < lives_[root].end;
  }
  bool in_l3(std::int32_t a) const { return spilled_.contains(root(a)); }

  // Activations in L2 during the layer that are not its own operands.
  std::vector<std::size_t> others(std::int64_t i) const {
    const Layer& layer = network_.layers[static_cast<std::size_t>(i)];
    std::vector<std::size_t> list;
    for (std::size_t r = 0; r < lives_.size(); ++r) {
      if (network_.activations[r].whole >= 0 || lives_[r].begin < 0 || !alive(r, i)) continue;
      const bool own =
          r == root(layer.in) || r == root(layer.out) || (layer.in2 >= 0 && r == root(layer.in2));
      if (!own && !spilled_.contains(r)) list.push_back(r);
    }
    return list;
  }

  // What could leave L2 for the layer's sake: the same, and the wholes of its operands.
  std::vector<std::size_t> in_the_way(std::int64_t i) const {
    std::vector<std::size_t> list = others(i);
    const Layer& layer = network_.layers[static_cast<std::size_t>(i)];
    for (const std::int32_t a : {layer.in, layer.in2, layer.out}) {
      if (a < 0 || root(a) == static_cast<std::size_t>(a) || in_l3(a)) continue;
      if (std::find(list.begin(), list.end(), root(a)) == list.end()) list.push_back(root(a));
    }
    return list;
  }

  // A part's whole takes more than the layer's operand.
  std::int64_t around(std::int32_t a) const {
    if (in_l3(a)) return 0;
    return bytes(root(a)) - round_up(network_.activations[static_cast<std::size_t>(a)].bytes(), 4);
  }

  L2Budget budget_of(std::int64_t i) const {
    const Layer& layer = network_.layers[static_cast<std::size_t>(i)];
    spend(std::ssize(lives_));
    L2Budget budget;
    budget.bytes = machine_.l2.buffer_bytes - kSlack;
    for (const std::size_t r : others(i)) budget.bytes -= bytes(r);
    budget.bytes -= around(layer.in) + around(layer.out);
    if (layer.in2 >= 0) budget.bytes -= around(layer.in2);
    budget.input_in_l3 = in_l3(layer.in) || (layer.in2 >= 0 && in_l3(layer.in2));
    budget.output_in_l3 = in_l3(layer.out);
    // The one operand of an Add that lies in L2 whole beside slices of the other.
    if (layer.in2 >= 0 && in_l3(layer.in) != in_l3(layer.in2)) {
      budget.bytes -= bytes(root(in_l3(layer.in) ? layer.in2 : layer.in));
    }
    // DORY's tiler itself leaves room for the next layer's weights (docs/facts/pulp.md 3.4).
    if (tiler_ == Tiler::Optimal && i + 1 < layer_count()) {
      const std::int64_t next = constant_bytes(network_.layers[static_cast<std::size_t>(i) + 1]);
      const SliceBytes whole =
          slice_bytes(layer, {layer.call.out_c, layer.call.out_h, layer.call.out_w});
      const std::int64_t own =
          whole.in * (layer.in2 >= 0 ? 2 : 1) + whole.out + constant_bytes(layer);
      if (own + next <= budget.bytes) budget.bytes -= next;
    }
    return budget;
  }

  const TilingResult& tiling_of(std::int64_t i, const L2Budget& budget) {
    const auto key = std::tuple(i, budget.bytes, budget.input_in_l3, budget.output_in_l3,
                                budget.weights_at_once, budget.channels_outer);
    if (const auto known = tilings_.find(key); known != tilings_.end()) return known->second;
    const Layer& layer = network_.layers[static_cast<std::size_t>(i)];
    return tilings_.emplace(key, found_tiling(layer, budget)).first->second;
  }

  // What fits L1 in passes only is ours with either tiler: DORY has nothing for it.
  TilingResult found_tiling(const Layer& layer, const L2Budget& budget) {
    if (tiler_ == Tiler::Dory) {
      TilingResult dorys = dory_tiling(layer, network_, machine_, budget, memo_.steps);
      if (dorys.tiling ||
          smallest_l1(layer, whole_slice(layer), machine_) <= machine_.l1.buffer_bytes) {
        return dorys;
      }
    }
    if (memo_.dorys_tiles) {
      if (auto dorys = dorys_tiles(layer, budget)) return {std::move(dorys), ""};
    }
    return optimal_tiling(layer, network_, machine_, budget, memo_);
  }

  // DORY's tiles with our transfers.
  std::optional<Tiling> dorys_tiles(const Layer& layer, const L2Budget& budget) {
    std::optional<Tiling> tiling =
        dory_tiling(layer, network_, machine_, budget, memo_.steps).tiling;
    if (!tiling || l2_bytes(layer, *tiling, machine_) > budget.bytes) return std::nullopt;
    tiling->as_dory = false;
    tiling->commands_2d = true;
    tiling->modelled = modelled_cycles(layer, *tiling, machine_, 0, memo_.costs);
    tiling->map = l1_map(layer, *tiling, machine_);
    return tiling;
  }

  static Tiling whole_slice(const Layer& layer) {
    Tiling tiling;
    tiling.slice = {layer.call.out_c, layer.call.out_h, layer.call.out_w};
    return tiling;
  }

  // From then on in L3. Layers that were cut before have to be cut anew.
  void spill(std::size_t r) {
    CHECK(!spilled_.contains(r), "'{}' is in L3", network_.activations[r].value);
    spilled_.insert(r);
    ++restarts_;
  }

  bool spill_largest(std::vector<std::size_t> candidates) {
    if (candidates.empty()) return false;
    spill(*std::max_element(candidates.begin(), candidates.end(),
                            [&](std::size_t a, std::size_t b) { return bytes(a) < bytes(b); }));
    return true;
  }

  // False: something was spilled, begin again.
  bool cut_layers() {
    cuts_.clear();
    for (std::int64_t i = 0; i < layer_count(); ++i) {
      const Layer& layer = network_.layers[static_cast<std::size_t>(i)];
      const L2Budget budget = budget_of(i);
      const auto& [tiling, obstacle] = tiling_of(i, budget);
      if (!tiling) {
        if (!spill_largest(in_the_way(i))) obstacle_ = obstacle;
        return false;
      }
      if (tiling->input_from_l3 && !budget.input_in_l3) {
        spill(root(layer.in));
        if (layer.in2 >= 0 && !in_l3(layer.in2)) spill(root(layer.in2));
        return false;
      }
      if (tiling->output_to_l3 && !budget.output_in_l3) {
        const bool begun = lives_[root(layer.out)].begin < i;
        spill(root(layer.out));
        if (begun) return false;
      }
      cuts_.push_back(*tiling);
    }
    return true;
  }

  // --- placement --------------------------------------------------------------------------------

  struct Wanted {
    std::string name;
    std::int64_t bytes = 0, begin = 0, end = 0;
    std::int64_t* address = nullptr;
  };

  void want(std::vector<Wanted>& list, const std::string& name, std::int64_t bytes,
            std::int64_t begin, std::int64_t end, std::int64_t& address) const {
    if (bytes > 0) list.push_back({name, bytes, begin, std::max(end, begin + 1), &address});
  }

  void want_activations(std::vector<Wanted>& l2, std::vector<Wanted>& l3, MemoryPlan& plan) const {
    for (std::size_t r = 0; r < lives_.size(); ++r) {
      const FeatureMap& a = network_.activations[r];
      if (a.whole >= 0 || lives_[r].begin < 0) continue;
      Home& home = plan.homes[r];
      home.space = spilled_.contains(r) ? Space::L3 : Space::L2;
      want(home.space == Space::L3 ? l3 : l2, a.value, a.bytes(), lives_[r].begin, lives_[r].end,
           home.address);
    }
  }

  void want_slices(std::vector<Wanted>& l2, const Layer& layer, LayerPlan& plan,
                   std::int64_t i) const {
    const SliceBytes slice = slice_bytes(layer, plan.tiling.slice);
    const Cut whole{layer.call.out_c, layer.call.out_h, layer.call.out_w};
    const int copies = plan.tiling.l2_double_buffered && plan.tiling.slice != whole ? 2 : 1;
    const auto both = [&](const char* what, std::int64_t bytes, std::int64_t(&addresses)[2]) {
      for (int b = 0; b < copies; ++b) {
        want(l2, fmt::format("{} ({} slice {})", layer.name, what, b), bytes, i, i + 1,
             addresses[b]);
      }
    };
    if (in_l3(layer.in)) both("input", slice.in, plan.in_l2);
    if (layer.in2 >= 0 && in_l3(layer.in2)) both("second input", slice.in, plan.in2_l2);
    if (in_l3(layer.out)) both("output", slice.out, plan.out_l2);
  }

  void want_constants(std::vector<Wanted>& l2, const Layer& layer, LayerPlan& plan,
                      std::int64_t i) const {
    std::int64_t bytes = 0;
    for (const ConstantPart& part : plan.constants) bytes = std::max(bytes, part.bytes);
    want(l2, layer.name + " (constants)", bytes, i - plan.ahead, i + 1, plan.constants_l2[0]);
    if (plan.constants.size() > 1 && plan.tiling.l2_double_buffered) {
      want(l2, layer.name + " (constants 1)", bytes, i, i + 1, plan.constants_l2[1]);
    }
  }

  static Problem problem_of(const std::vector<Wanted>& list, std::int64_t capacity) {
    Problem problem;
    problem.capacity = capacity;
    for (const Wanted& wanted : list) {
      problem.buffers.push_back({.name = wanted.name,
                                 .size = round_up(wanted.bytes, kAlignment),
                                 .begin = wanted.begin,
                                 .end = wanted.end,
                                 .prefer_top = false,
                                 .alignment = kAlignment});
    }
    return problem;
  }

  // Addresses for all of the list, `base` added; nothing: they do not fit.
  std::optional<std::int64_t> allocate_all(const std::vector<Wanted>& list, Space space,
                                           std::int64_t base, std::int64_t capacity,
                                           MemoryPlan& plan) const {
    if (list.empty()) return base;
    const Problem problem = problem_of(list, capacity - base);
    const auto count = std::ssize(list);
    spend(count);
    if (peak_demand(problem) > problem.capacity) return std::nullopt;
    const AllocateOptions usual;
    const AllocateOptions options{.node_limit = is_spent() ? count : usual.node_limit};
    const auto solution = allocate(problem, options);
    spend(count * count);
    if (!solution) {
      spend(count * options.node_limit);  // of the exact search
      return std::nullopt;
    }
    const std::vector<std::string> faults = validate(problem, *solution);
    CHECK(faults.empty(), "{}", faults.front());
    for (std::size_t i = 0; i < list.size(); ++i) {
      *list[i].address = base + solution->offsets[i];
      plan.volumes.push_back(
          {list[i].name, space, *list[i].address, list[i].bytes, list[i].begin, list[i].end});
    }
    return base + solution->extent;
  }

  MemoryPlan sketch() const {
    MemoryPlan plan;
    plan.homes.resize(network_.activations.size());
    for (std::size_t i = 0; i < cuts_.size(); ++i) {
      LayerPlan layer;
      layer.tiling = cuts_[i];
      layer.constants =
          place_constants(network_.layers[i], layer.tiling, tiler_, plan.constants_bytes);
      // DORY's layers with sliced weights load them themselves.
      const bool alone = layer.constants.size() == 1 || tiler_ == Tiler::Optimal;
      layer.ahead = layer.constants.empty() || !alone ? 0 : ahead_[i];
      plan.layers.push_back(std::move(layer));
    }
    return plan;
  }

  std::vector<Wanted> wanted_in_l2(MemoryPlan& plan, std::vector<Wanted>& l3) const {
    std::vector<Wanted> l2;
    want_activations(l2, l3, plan);
    for (std::size_t i = 0; i < plan.layers.size(); ++i) {
      want_slices(l2, network_.layers[i], plan.layers[i], static_cast<std::int64_t>(i));
      want_constants(l2, network_.layers[i], plan.layers[i], static_cast<std::int64_t>(i));
    }
    return l2;
  }

  // Gives up the largest prefetch, at layers where L2 is too full if there are such.
  bool drop_prefetch(const std::vector<Wanted>& list, MemoryPlan& plan) const {
    std::vector<std::int64_t> load(plan.layers.size() + 2, 0);
    for (const Wanted& w : list) {
      for (std::int64_t t = w.begin; t < w.end && t < layer_count() + 1; ++t) {
        load[static_cast<std::size_t>(t)] += round_up(w.bytes, kAlignment);
      }
    }
    LayerPlan* best = nullptr;
    std::pair<bool, std::int64_t> best_value{false, -1};
    for (std::size_t i = 1; i < plan.layers.size(); ++i) {
      LayerPlan& layer = plan.layers[i];
      if (layer.ahead == 0) continue;
      const std::pair<bool, std::int64_t> value{load[i - 1] > machine_.l2.buffer_bytes,
                                                layer.constants.front().bytes};
      if (value > best_value) best = &layer, best_value = value;
    }
    if (best == nullptr) return false;
    best->ahead = 0;
    return true;
  }

  // Nothing: something was spilled, begin again.
  std::optional<MemoryPlan> place() {
    ahead_.assign(cuts_.size(), 1);
    if (!ahead_.empty()) ahead_.front() = 0;
    MemoryPlan plan = sketch();
    while (!try_to_place(plan)) {
      std::vector<Wanted> l3;
      const std::vector<Wanted> l2 = wanted_in_l2(plan, l3);
      if (is_spent()) {
        memo_.steps.stopped = true;
        bool dropped = false;
        for (LayerPlan& layer : plan.layers) dropped |= std::exchange(layer.ahead, 0) > 0;
        if (dropped) continue;
      }
      if (drop_prefetch(l2, plan)) continue;
      spill_for(l2);
      return std::nullopt;
    }
    return plan;
  }

  // Addresses for everything; false: L2 is too small.
  bool try_to_place(MemoryPlan& plan) const {
    std::vector<Wanted> l3;
    const std::vector<Wanted> l2 = wanted_in_l2(plan, l3);
    const auto extent = allocate_all(l2, Space::L2, 0, machine_.l2.buffer_bytes, plan);
    if (!extent) return false;
    plan.l2_bytes = *extent;
    place_in_l3(l3, plan);
    for (std::size_t i = 0; i < plan.layers.size(); ++i) {
      plan.layers[i].l2_bytes = operand_bytes(static_cast<std::int64_t>(i), plan);
    }
    for (std::size_t a = 0; a < plan.homes.size(); ++a) {
      plan.homes[a] = plan.homes[root(static_cast<std::int32_t>(a))];
    }
    return true;
  }

  // --- prefetch across layers -------------------------------------------------------------------

  static std::int64_t map_tiles(const Layer& layer, const Tiling& tiling) {
    return ceil_div(layer.call.out_h, tiling.tile.out_h) *
           ceil_div(layer.call.out_w, tiling.tile.out_w);
  }

  ConstantLoad load_of(std::size_t i, const Tiling& tiling) {
    const Layer& layer = network_.layers[i];
    ConstantLoad load;
    load.bytes = constant_bytes(layer);
    load.maps = tiling.input_from_l3 || tiling.output_to_l3;
    load.twice = tiling.l2_double_buffered;
    Tiling resident = tiling;
    if (!load.maps) resident.weights_from_l3_by_slice = false;
    load.cycles =
        static_cast<double>(modelled_cycles(layer, resident, machine_, 0, memo_.costs).value);
    if (tiling.weights_from_l3_by_slice) {
      load.parts = ceil_div(layer.call.out_c, tiling.slice.out_c);
    } else {
      load.pieces = std::clamp<std::int64_t>(load.bytes / kPieceBytes, 1,
                                             ceil_div(layer.call.out_c, tiling.tile.out_c));
      if (tiling.order == LoopOrder::RowsOuter) load.turns = map_tiles(layer, tiling);
    }
    return load;
  }

  // Where the sum of all that is alive leaves L2, nothing has to be tried.
  bool may_fit(MemoryPlan& plan) const {
    std::vector<Wanted> l3;
    const std::vector<Wanted> l2 = wanted_in_l2(plan, l3);
    return peak_demand(problem_of(l2, machine_.l2.buffer_bytes)) <= machine_.l2.buffer_bytes;
  }

  // Tilings worth a look for the layer: as it is, with channels that are done one after the other,
  // and with constants in more slices.
  std::vector<Tiling> ways_of_loading(std::size_t i) {
    std::vector<Tiling> ways{cuts_[i]};
    const auto index = static_cast<std::int64_t>(i);
    L2Budget budget = budget_of(index);
    const bool maps = budget.input_in_l3 || budget.output_in_l3 || cuts_[i].input_from_l3 ||
                      cuts_[i].output_to_l3 || cuts_[i].passes.over != PassOver::Nothing;
    if (maps || !channels_can_be_sliced(network_.layers[i])) return ways;
    if (cuts_[i].order == LoopOrder::RowsOuter && map_tiles(network_.layers[i], cuts_[i]) > 1) {
      L2Budget ordered = budget;
      ordered.channels_outer = true;
      if (const auto& tiling = tiling_of(index, ordered).tiling) ways.push_back(*tiling);
    }
    const std::int64_t bytes = constant_bytes(network_.layers[i]);
    for (const std::int64_t parts : {2, 4, 8, 16}) {
      budget.weights_at_once = bytes / parts;
      if (budget.weights_at_once < kLeastPart) break;
      if (const auto& tiling = tiling_of(index, budget).tiling) ways.push_back(*tiling);
    }
    return ways;
  }

  // Layer by layer from the last, the way that L3's queue gains most by, if L2 has room for it.
  // None: there is no better one.
  std::optional<MemoryPlan> far_prefetch(MemoryPlan& plan) {
    std::optional<MemoryPlan> far;
    std::vector<ConstantLoad> loads;
    for (std::size_t i = 0; i < cuts_.size(); ++i) {
      loads.push_back(load_of(i, cuts_[i]));
      ahead_[i] = loads[i].ahead = plan.layers[i].ahead;
    }
    double least = plan.cycles = cycles_with_loads(loads, machine_);
    for (int round = 0; round < kRounds; ++round) {
      const double before = least;
      for (std::size_t i = cuts_.size(); i-- > 0;) {
        if (is_spent()) {
          memo_.steps.stopped = true;
          return far;
        }
        spend(std::ssize(cuts_));
        if (is_waited_for(i, loads, least)) least = try_ways(i, loads, least, far);
      }
      if (is_forced() || least > kWorthwhile * before) break;
    }
    return far;
  }

  // Every way that fits is taken, one after the other.
  bool is_forced() const { return memo_.choices.far_prefetch == Use::Always; }

  bool is_waited_for(std::size_t i, std::vector<ConstantLoad>& loads, double least) const {
    const std::int64_t bytes = std::exchange(loads[i].bytes, 0);
    const double without = cycles_with_loads(loads, machine_);
    loads[i].bytes = bytes;
    return bytes >= 2 * kLeastPart && (is_forced() || without < kWorthwhile * least);
  }

  double try_ways(std::size_t i, std::vector<ConstantLoad>& loads, double least,
                  std::optional<MemoryPlan>& far) {
    const auto most = std::min(kMostAhead, static_cast<std::int64_t>(i));
    for (const Tiling& way : ways_of_loading(i)) {
      const ConstantLoad own = load_of(i, way);
      for (std::int64_t ahead = 0; ahead <= most; ++ahead) {
        const ConstantLoad load = std::exchange(loads[i], own);
        loads[i].ahead = ahead;
        const Tiling tiling = std::exchange(cuts_[i], way);
        const std::int64_t asked = std::exchange(ahead_[i], ahead);
        const double cycles = cycles_with_loads(loads, machine_);
        if (is_forced() || cycles < kWorthwhile * least) {
          spend(std::ssize(cuts_));
          MemoryPlan other = sketch();
          if (may_fit(other) && try_to_place(other)) {
            far = std::move(other);
            least = far->cycles = cycles;
            continue;
          }
        }
        loads[i] = load, cuts_[i] = tiling, ahead_[i] = asked;
      }
    }
    return least;
  }

  std::vector<std::size_t> all_in_l2() const {
    std::vector<std::size_t> candidates;
    for (std::size_t r = 0; r < lives_.size(); ++r) {
      if (network_.activations[r].whole < 0 && lives_[r].begin >= 0 && !spilled_.contains(r)) {
        candidates.push_back(r);
      }
    }
    return candidates;
  }

  void spill_for(const std::vector<Wanted>& list) {
    if (spill_largest(all_in_l2())) return;
    obstacle_ = fmt::format("activations and weights need {} bytes of L2 at a time, {} are there",
                            peak_demand(problem_of(list, machine_.l2.buffer_bytes)),
                            machine_.l2.buffer_bytes);
  }

  void place_in_l3(const std::vector<Wanted>& l3, MemoryPlan& plan) const {
    const std::int64_t constants = plan.constants_bytes;
    plan.l3_bytes = constants;
    if (constants > 0) {
      plan.volumes.push_back({"constants", Space::L3, 0, constants, 0, layer_count()});
    }
    const std::int64_t base = round_up(constants, kAlignment);
    if (!l3.empty()) {
      const auto extent = allocate_all(l3, Space::L3, base, machine_.l3.size_bytes, plan);
      plan.l3_bytes = extent.value_or(base + peak_demand(problem_of(l3, machine_.l3.size_bytes)));
    }
  }

  std::int64_t operand_bytes(std::int64_t i, const MemoryPlan& plan) const {
    std::int64_t sum = 0;
    for (const PlannedVolume& v : plan.volumes) {
      if (v.space == Space::L2 && v.begin <= i && i < v.end) sum += v.bytes;
    }
    return sum;
  }

  const Network& network_;
  const Machine& machine_;
  Tiler tiler_;
  std::vector<Life> lives_;  // per activation; only of roots
  std::set<std::size_t> spilled_;
  std::vector<Tiling> cuts_;
  std::map<std::tuple<std::int64_t, std::int64_t, bool, bool, std::int64_t, bool>, TilingResult>
      tilings_;
  std::vector<std::int64_t> ahead_;  // per layer, as asked for
  TilingMemo& memo_;
  int restarts_ = 0;
  std::int64_t hurried_ = 1;  // that left L2 at once
  std::string obstacle_;
};

}  // namespace

// Proposed is what such memories are built with: a power of two.
std::string l3_obstacle(std::string_view what, std::int64_t bytes, const Machine& machine) {
  if (bytes <= machine.l3.size_bytes) return "";
  const std::uint64_t larger = std::bit_ceil(static_cast<std::uint64_t>(bytes));
  const std::string proposed =
      larger % 1048576 == 0 ? fmt::format("{}M", larger / 1048576) : std::to_string(larger);
  return fmt::format("{} {} bytes of L3, {} has {}: --l3 {} gives it more", what, bytes,
                     machine.name, machine.l3.size_bytes, proposed);
}

MemoryPlans plan_memory(const Network& network, const Machine& machine, Tiler tiler,
                        const std::vector<HostTurn>& turns, const HostUses& uses,
                        TilingMemo& memo) {
  return Planner(network, machine, tiler, turns, uses, memo).run();
}

std::vector<MemoryPlan> plans_beside(const Network& network, const Machine& machine,
                                     const std::vector<HostTurn>& turns, const HostUses& uses,
                                     const MemoryPlan& plan, std::size_t layer, std::size_t most,
                                     TilingMemo& memo) {
  return Planner(network, machine, Tiler::Optimal, turns, uses, memo).beside(plan, layer, most);
}

MemoryPlans plan_memory(const Network& network, const Machine& machine, Tiler tiler,
                        const std::vector<HostTurn>& turns, const HostUses& uses) {
  KernelCosts costs(machine);
  TilingMemo memo{costs};
  return plan_memory(network, machine, tiler, turns, uses, memo);
}

}  // namespace workbench::pulp
