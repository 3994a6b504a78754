#include "compiler/xdnn/place.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>

#include "compiler/memory/allocate.h"
#include "compiler/xdnn/emit.h"
#include "compiler/xdnn/lower.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/memory.h"
#include "isa/xdnn/walk.h"

namespace workbench::xdnn {

// --- tiles ---------------------------------------------------------------------------------------

// Tile sizes of hardware-assisted tiling (docs/facts/xdnn.md 4.7), chosen by modelled cost: while
// one tile is computed the next one is brought from DDR, so wide low tiles that re-read little win
// until their buffers no longer fit.

namespace {

// Sizes that cut `total` into distinct numbers of pieces, multiples of `unit`.
std::vector<std::int64_t> candidate_sizes(std::int64_t total, std::int64_t unit) {
  std::set<std::int64_t> sizes;
  for (std::int64_t pieces = 1; pieces <= total; ++pieces) {
    sizes.insert(std::min(total, round_up(ceil_div(total, pieces), unit)));
  }
  return {sizes.begin(), sizes.end()};
}

// The budget of a search: so many tiles are costed for one operation. A candidate with more than
// its share is taken only where none with fewer fits; that of fewest tiles then.
constexpr std::int64_t kTilesCosted = std::int64_t{1} << 24;

// `early`: so long before the array is free, the first tile may come.
Cycles tiled_cost(const Instruction& instruction, Cycles early, const Machine& machine) {
  const ConvCost conv = conv_cost(instruction, machine);
  const bool resident = conv.passes * conv.slab_buffers <= machine.filters.buffers;
  const Cycles filters = ddr_cycles(conv.slab, machine) * (resident ? 0 : conv.passes);
  Cycles total{}, computing = early;
  for (const TileCost& tile : tile_costs(instruction, machine.geometry())) {
    const Cycles words = tile.in_row_words * tile.in_rows;
    const Cycles coming = std::max(ddr_cycles(tile.ddr, machine) + filters, words);
    total += std::max(computing, coming);
    computing = {tile.out_rows * tile.out_cols * conv.steps * conv.passes};
  }
  return total + computing - early;
}

}  // namespace

void choose_tile(Lowered& lowered, LoweredOp& op, const Machine& machine, std::int64_t limit,
                 Cycles early) {
  const Map& result = lowered.maps[static_cast<std::size_t>(op.result)];
  struct Choice {
    Cycles cost;
    std::int64_t width, height, words;
  };
  const std::vector<std::int64_t> widths = candidate_sizes(result.width, 8);
  const std::vector<std::int64_t> heights = candidate_sizes(result.height, 1);
  const auto candidates = static_cast<std::int64_t>(widths.size() * heights.size());
  std::optional<Choice> best, fewest;  // fewest: of those that were not costed, in tiles
  std::int64_t smallest = 0;
  for (const std::int64_t width : widths) {
    for (const std::int64_t height : heights) {
      op.tile_width = width, op.tile_height = height;
      const Instruction instruction = instruction_of(lowered, op, machine);
      const std::int64_t words = tile_buffer_words(instruction);
      if (smallest == 0 || words < smallest) smallest = words;
      if (2 * words > limit) continue;
      const std::int64_t tiles = ceil_div(result.width, width) * ceil_div(result.height, height);
      if (tiles > kTilesCosted / candidates) {
        if (!fewest || tiles < fewest->cost.value) fewest = Choice{{tiles}, width, height, words};
        continue;
      }
      const Cycles cost = tiled_cost(instruction, early, machine);
      if (!best || cost < best->cost) best = Choice{cost, width, height, words};
    }
  }
  if (!best) best = fewest;
  if (!best) {  // not even the smallest: place() reports the shortage
    op.tile_width = std::min<std::int64_t>(8, result.width), op.tile_height = 1;
    op.buffer_words = smallest;
    return;
  }
  op.tile_width = best->width, op.tile_height = best->height, op.buffer_words = best->words;
}

namespace {

StepCost cost_of(const Lowered& lowered, const LoweredOp& op, const Machine& machine) {
  return step_cost({instruction_of(lowered, op, machine), 0, {}}, machine);
}

}  // namespace

void choose_tiles(Lowered& lowered, const Machine& machine, std::int64_t words_limit) {
  Cycles array, tiles;  // what they have done since the first tile of all was asked for
  bool any = false;
  for (LoweredOp& op : lowered.ops) {
    if (!has_tile_buffers(op)) {
      const bool conv = any && op.kind == LoweredKind::Conv;
      if (conv) array += cost_of(lowered, op, machine).work.compute;
      continue;
    }
    const bool ahead = op.input_ahead && tiles < array;
    choose_tile(lowered, op, machine, words_limit, ahead ? array - tiles : Cycles{});
    const StepCost cost = cost_of(lowered, op, machine);
    const Cycles first = Cycles{machine.ddr.latency_cycles} + cost.first_tile;
    array = std::max(array, tiles + first) + cost.work.compute;
    tiles += cost.work.inputs;
    any = true;
  }
}

bool plain_filters_fit(const Lowered& lowered, const LoweredOp& op, const Machine& machine) {
  const Graph& graph = *lowered.graph;
  const Node& node = graph.nodes[static_cast<std::size_t>(op.node)];
  const Shape& weights = graph.value(node.inputs[1]).shape;
  const std::int64_t in = op.block.in_end - op.block.in_begin;
  const std::int64_t out = op.block.out_end - op.block.out_begin;
  const FilterShape shape{
      plain_layout(in, machine.geometry()), in, out, weights[2], weights[3], false};
  return filter_mode(shape, machine).possible;
}

// --- addresses -----------------------------------------------------------------------------------

// Addresses: lifetimes of volumes and tile buffers become an allocation problem; when it has no
// answer, replication is given up volume by volume, then tiles shrink.

namespace {

class Placer {
 public:
  Placer(Lowered& lowered, const Machine& machine) : lowered_(lowered), machine_(machine) {
    set_lifetimes(lowered_);
  }

  std::optional<Placement> run() {
    std::int64_t limit =
        std::max<std::int64_t>(1, machine_.am_words() / 3);  // docs/facts/xdnn.md 4.7
    choose_tiles(lowered_, machine_, limit);
    while (true) {
      const Problem problem = build();
      if (const auto solution = allocate(problem)) {
        const auto violations = validate(problem, *solution);
        CHECK(violations.empty(), "illegal allocation: {}", violations[0]);
        return Placement{peak_demand(problem), lowest(problem, *solution)};
      }
      if (give_up_replication(problem)) continue;
      if (limit <= 1 || !has_tiles()) {
        if (!give_up_tile_replication()) return std::nullopt;
        continue;
      }
      limit /= 2;
      choose_tiles(lowered_, machine_, limit);
    }
  }

  std::optional<Placement> run_spread(std::int64_t ops) {
    Problem problem = build();
    const std::int64_t peak = peak_demand(problem);
    const auto end = static_cast<std::int64_t>(lowered_.ops.size());
    for (Buffer& buffer : problem.buffers) buffer.end = std::min(end, buffer.end + ops);
    const auto solution = allocate(problem);
    if (!solution) return std::nullopt;
    const auto violations = validate(problem, *solution);
    CHECK(violations.empty(), "illegal allocation: {}", violations[0]);
    adopt(*solution);
    return Placement{peak, solution->extent};
  }

  std::string shortage() const {
    const Problem problem = build();
    const auto [moment, words] = worst_moment(problem);
    const LoweredOp& op = lowered_.ops[static_cast<std::size_t>(moment)];
    const std::string& layer = lowered_.layers[static_cast<std::size_t>(op.layer)].name;
    const std::int64_t word = machine_.word_bytes();
    if (words <= problem.capacity) {
      return fmt::format(
          "{}: the activation memory is too fragmented: layer '{}' has {} bytes alive of the {} "
          "there are, but no placement was found",
          lowered_.graph->name, layer, words * word, problem.capacity * word);
    }
    return fmt::format("{}: layer '{}' needs {} bytes of activation memory, {} has {}",
                       lowered_.graph->name, layer, words * word, machine_.name,
                       problem.capacity * word);
  }

 private:
  // Adopts `solution`, or one of a smaller extent that lets as many eltwises read both operands at
  // once. The extent.
  std::int64_t lowest(const Problem& problem, const Solution& solution) {
    adopt(solution);
    const std::int64_t parallel = parallel_reads();
    Problem low = problem;
    for (Buffer& b : low.buffers) b.prefer_top = false;
    const std::int64_t least = peak_demand(problem);
    for (const std::int64_t spare : {std::int64_t{0}, least / 16, least / 8, least / 4}) {
      low.capacity = least + spare;
      if (low.bucket > 0) low.capacity = round_up(low.capacity, low.bucket);
      if (low.capacity >= solution.extent) break;
      const auto smaller = allocate(low);
      if (!smaller) continue;
      adopt(*smaller);
      if (parallel_reads() >= parallel) return smaller->extent;
    }
    adopt(solution);
    return solution.extent;
  }

  std::int64_t parallel_reads() const {
    if (machine_.width_aligned()) return 0;  // their instructions have no bit for it
    return std::count_if(lowered_.ops.begin(), lowered_.ops.end(), [&](const LoweredOp& op) {
      return op.kind == LoweredKind::Eltwise &&
             tail(instruction_of(lowered_, op, machine_)).parallel_read;
    });
  }

  std::int64_t words(const LoweredVolume& v) const { return v.words(machine_.geometry()); }
  LoweredVolume& volume(int id) { return lowered_.volumes[static_cast<std::size_t>(id)]; }

  // Buffers: first the live volumes in order, then two per tiled op.
  Problem build() const {
    Problem problem{.capacity = machine_.am_words()};
    if (machine_.am.buffers > 0) problem.bucket = machine_.am_words() / machine_.am.buffers;
    for (const LoweredVolume& v : lowered_.volumes) {
      if (v.first < 0) continue;
      problem.buffers.push_back({v.name, words(v), v.first, v.last + 1, v.prefer_top});
    }
    for (std::size_t i = 0; i < lowered_.ops.size(); ++i) {
      const LoweredOp& op = lowered_.ops[i];
      if (!has_tile_buffers(op)) continue;
      const auto at = static_cast<std::int64_t>(i);
      const std::string& name = lowered_.layers[static_cast<std::size_t>(op.layer)].name;
      for (int b = 0; b < 2; ++b) {
        problem.buffers.push_back(
            {fmt::format("{} (input tile {})", name, b), op.buffer_words, at, at + 1, true});
      }
    }
    return problem;
  }

  void adopt(const Solution& solution) {
    std::size_t next = 0;
    for (LoweredVolume& v : lowered_.volumes) {
      if (v.first >= 0) v.address = solution.offsets[next++];
    }
    for (LoweredOp& op : lowered_.ops) {
      if (!has_tile_buffers(op)) continue;
      op.buffer_0 = solution.offsets[next++];
      op.buffer_1 = solution.offsets[next++];
    }
  }

  bool has_tiles() const {
    return std::any_of(lowered_.ops.begin(), lowered_.ops.end(), [](const LoweredOp& op) {
      return has_tile_buffers(op) && (op.tile_width > 8 || op.tile_height > 1);
    });
  }

  // The instruction at which most is alive, and how much that is.
  static std::pair<std::int64_t, std::int64_t> worst_moment(const Problem& problem) {
    std::int64_t end = 0;
    for (const Buffer& b : problem.buffers) end = std::max(end, b.end);
    std::vector<std::int64_t> live(static_cast<std::size_t>(end) + 1);  // first as differences
    for (const Buffer& b : problem.buffers) {
      live[static_cast<std::size_t>(b.begin)] += b.size;
      live[static_cast<std::size_t>(b.end)] -= b.size;
    }
    std::partial_sum(live.begin(), live.end(), live.begin());
    std::pair<std::int64_t, std::int64_t> worst{0, 0};
    for (const Buffer& start : problem.buffers) {
      const std::int64_t then = live[static_cast<std::size_t>(start.begin)];
      if (then > worst.second) worst = {start.begin, then};
    }
    return worst;
  }

  // Makes the largest replicated volume plain: of those alive at the worst moment if there is one.
  bool give_up_replication(const Problem& problem) {
    const std::int64_t moment = worst_moment(problem).first;
    LoweredVolume* victim = nullptr;
    bool victim_alive = false;
    for (LoweredVolume& v : lowered_.volumes) {
      if (v.first < 0 || !v.layout.replicated()) continue;
      const bool alive = v.first <= moment && moment <= v.last;
      const bool better = victim == nullptr || (alive && !victim_alive) ||
                          (alive == victim_alive && words(v) > words(*victim));
      if (better) victim = &v, victim_alive = alive;
    }
    if (victim == nullptr) return false;
    victim->layout = plain_layout(victim->channels, machine_.geometry());
    return true;
  }

  // Copies of channels in a tile take words too.
  bool give_up_tile_replication() {
    bool changed = false;
    for (LoweredOp& op : lowered_.ops) {
      if (!has_tile_buffers(op) || !op.ddr_layout.replicated()) continue;
      if (!plain_filters_fit(lowered_, op, machine_)) continue;
      const Map& source = lowered_.maps[static_cast<std::size_t>(op.sources[0])];
      op.ddr_layout = plain_layout(source.channels, machine_.geometry());
      changed = true;
    }
    if (changed) choose_tiles(lowered_, machine_, machine_.am_words() / 3);
    return changed;
  }

  Lowered& lowered_;
  const Machine& machine_;
};

}  // namespace

void set_lifetimes(Lowered& lowered) {
  for (LoweredVolume& v : lowered.volumes) v.first = v.last = -1;
  for (std::size_t i = 0; i < lowered.ops.size(); ++i) {
    const auto touch = [&](int id) {
      LoweredVolume& v = lowered.volumes[static_cast<std::size_t>(id)];
      if (v.first < 0) v.first = static_cast<std::int32_t>(i);
      v.last = static_cast<std::int32_t>(i);
    };
    for (const int id : volumes_read(lowered, lowered.ops[i])) touch(id);
    if (const int id = volume_written(lowered, lowered.ops[i]); id >= 0) touch(id);
  }
}

std::optional<Placement> place(Lowered& lowered, const Machine& machine) {
  return Placer(lowered, machine).run();
}

std::optional<Placement> place_spread(Lowered& lowered, const Machine& machine, std::int64_t ops) {
  return Placer(lowered, machine).run_spread(ops);
}

std::string shortage(Lowered& lowered, const Machine& machine) {
  return Placer(lowered, machine).shortage();
}

}  // namespace workbench::xdnn
