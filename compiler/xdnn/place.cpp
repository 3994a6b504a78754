#include "compiler/xdnn/place.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "compiler/memory/allocate.h"
#include "compiler/xdnn/emit.h"
#include "compiler/xdnn/lower.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/memory.h"
#include "isa/xdnn/tile_runs.h"

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

// When the port that brings tiles is free, and when the array is.
struct TileClock {
  Cycles port, array;
  friend bool operator==(const TileClock&, const TileClock&) = default;
};

// What one more tile depends on: a tile comes once the one before has come and the last but one is
// done with, as there are two buffers.
struct TileState {
  TileClock clock;
  Cycles last, last_but_one;  // done with

  void advance(Cycles by) { clock.port += by, clock.array += by, last += by, last_but_one += by; }
  friend bool operator==(const TileState&, const TileState&) = default;
};

// A step, `count` times. Once one has moved all times by the same amount, each further one does;
// where that has not happened after a while, the last one is taken for it.
template <typename Body>
void repeat(TileState& state, std::int64_t count, const Body& step) {
  constexpr int kSettled = 64;
  for (int i = 1; count > 0; ++i) {
    TileState before = state;
    step();
    --count;
    const Cycles took = state.clock.array - before.clock.array;
    before.advance(took);
    if (state == before || i == kSettled) return state.advance(count * took);
  }
}

TileClock after_tiles(const Instruction& instruction, const std::vector<TileRun>& rows,
                      const std::vector<TileRun>& columns, TileClock at, const Machine& machine) {
  const ConvCost conv = conv_cost(instruction, machine);
  const bool resident = conv.passes * conv.slab_buffers <= machine.filters.buffers;
  const Cycles filters = ddr_cycles(conv.slab, machine) * (resident ? 0 : conv.passes);
  TileState state{at, {}, {}};
  for (const TileRun& row : rows) {
    std::vector<TileCost> tiles;
    for (const TileRun& column : columns) {
      tiles.push_back(tile_cost(instruction, row, column, machine.geometry()));
    }
    const auto one_row = [&] {
      for (std::size_t c = 0; c < columns.size(); ++c) {
        const TileCost& tile = tiles[c];
        const Cycles words = tile.in_row_words * tile.in_rows;
        const Cycles coming = std::max(ddr_cycles(tile.ddr, machine) + filters, words);
        const Cycles computing{tile.out_rows * tile.out_cols * conv.steps * conv.passes};
        repeat(state, columns[c].count, [&] {
          TileClock& clock = state.clock;
          clock.port = std::max(clock.port, state.last_but_one) + coming;
          clock.array = std::max(clock.array, clock.port) + computing;
          state.last_but_one = std::exchange(state.last, clock.array);
        });
      }
    };
    repeat(state, row.count, one_row);
  }
  return state.clock;
}

struct TileChoice {
  TileClock then;
  std::int64_t width, height, words;
};

void take(const TileChoice& choice, LoweredOp& op) {
  op.tile_width = choice.width, op.tile_height = choice.height, op.buffer_words = choice.words;
}

// Those behind which the array or the port is free soonest, the array first; what begins with
// `at`. One where none is within the limit: the smallest, and place() reports the shortage.
std::vector<TileChoice> tile_choices(const Lowered& lowered, LoweredOp op, const Machine& machine,
                                     std::int64_t limit, TileClock at) {
  const Map& result = lowered.maps[static_cast<std::size_t>(op.result)];
  const std::vector<std::int64_t> widths = candidate_sizes(result.width, 8);
  const std::vector<std::int64_t> heights = candidate_sizes(result.height, 1);
  std::vector<std::vector<TileRun>> rows(heights.size());
  std::vector<TileChoice> found;
  std::int64_t smallest = 0;
  for (const std::int64_t width : widths) {
    std::vector<TileRun> columns;
    for (std::size_t h = 0; h < heights.size(); ++h) {
      op.tile_width = width, op.tile_height = heights[h];
      const Instruction instruction = instruction_of(lowered, op, machine);
      const std::int64_t words = tile_buffer_words(instruction);
      if (smallest == 0 || words < smallest) smallest = words;
      if (2 * words > limit) continue;
      if (columns.empty()) columns = tile_columns(instruction);
      if (rows[h].empty()) rows[h] = tile_rows(instruction);
      found.push_back(
          {after_tiles(instruction, rows[h], columns, at, machine), width, heights[h], words});
    }
  }
  if (found.empty()) return {{at, std::min<std::int64_t>(8, result.width), 1, smallest}};
  std::stable_sort(found.begin(), found.end(), [](const TileChoice& a, const TileChoice& b) {
    return a.then.array < b.then.array;
  });
  std::vector<TileChoice> best;
  for (const TileChoice& choice : found) {
    if (best.empty() || choice.then.port < best.back().then.port) best.push_back(choice);
  }
  return best;
}

}  // namespace

void choose_tile(Lowered& lowered, LoweredOp& op, const Machine& machine, std::int64_t limit) {
  take(tile_choices(lowered, op, machine, limit, {}).front(), op);
}

namespace {

constexpr std::size_t kTilesWeighed = 8;  // for what they leave to the next op with tiles

// Ops with tiles one after the other; where the tiles of the next one may come ahead, for the sake
// of both.
class Tiles {
 public:
  Tiles(Lowered& lowered, const Machine& machine, std::int64_t limit)
      : lowered_(lowered), machine_(machine), limit_(limit) {}

  void run() {
    TileClock clock;
    std::size_t next = tiled_from(0);
    while (next < lowered_.ops.size()) {
      LoweredOp& op = lowered_.ops[next];
      if (!op.input_ahead) clock = {};
      const std::vector<TileChoice> choices = tile_choices(lowered_, op, machine_, limit_, clock);
      const std::size_t behind = tiled_from(next + 1);
      const bool for_both = behind < lowered_.ops.size() && lowered_.ops[behind].input_ahead;
      const Cycles between = for_both ? computing(next + 1, behind) : Cycles{};
      const TileChoice* best = &choices.front();
      if (for_both) best = &best_for(choices, behind, between);
      take(*best, op);
      clock = best->then;
      clock.array += between;
      next = behind;
    }
  }

 private:
  std::size_t tiled_from(std::size_t i) const {
    while (i < lowered_.ops.size() && !has_tile_buffers(lowered_.ops[i])) ++i;
    return i;
  }

  // Convolutions from one op to another.
  Cycles computing(std::size_t begin, std::size_t end) const {
    Cycles sum;
    for (std::size_t i = begin; i < end; ++i) {
      if (lowered_.ops[i].kind != LoweredKind::Conv) continue;
      sum += conv_cost(instruction_of(lowered_, lowered_.ops[i], machine_), machine_).compute();
    }
    return sum;
  }

  const TileChoice& best_for(const std::vector<TileChoice>& choices, std::size_t next,
                             Cycles between) const {
    const TileChoice* best = nullptr;
    Cycles least;
    for (std::size_t i = 0; i < choices.size() && i < kTilesWeighed; ++i) {
      TileClock clock = choices[i].then;
      clock.array += between;
      const Cycles then =
          tile_choices(lowered_, lowered_.ops[next], machine_, limit_, clock).front().then.array;
      if (best == nullptr || then < least) best = &choices[i], least = then;
    }
    return *best;
  }

  Lowered& lowered_;
  const Machine& machine_;
  const std::int64_t limit_;
};

}  // namespace

void choose_tiles(Lowered& lowered, const Machine& machine, std::int64_t words_limit) {
  Tiles(lowered, machine, words_limit).run();
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
