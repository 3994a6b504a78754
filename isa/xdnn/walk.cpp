#include "isa/xdnn/walk.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "isa/xdnn/filters.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/tile_runs.h"

namespace workbench::xdnn {

// --- one instruction -----------------------------------------------------------------------------

namespace {

std::int64_t tiles_in(const std::vector<TileRun>& runs) {
  std::int64_t tiles = 0;
  for (const TileRun& run : runs) tiles += run.count;
  return tiles;
}

// The one before the last, of two tiles or more.
const TileRun& last_but(const std::vector<TileRun>& runs) {
  return runs.back().count > 1 ? runs.back() : runs[runs.size() - 2];
}

}  // namespace

StepCost step_cost(const Step& step, const Machine& machine) {
  StepCost cost{.unit = unit_of(step.instruction)};
  if (cost.unit == Unit::Conv) {
    cost.conv = conv_cost(step.instruction, machine);
    cost.work = conv_work(step.instruction, machine);
    cost.tiled = tail(step.instruction).source_in_ddr;
    if (!cost.tiled) return cost;
    const std::vector<TileRun> rows = tile_rows(step.instruction);
    const std::vector<TileRun> columns = tile_columns(step.instruction);
    const auto tile = [&](const TileRun& row, const TileRun& column) {
      return tile_cost(step.instruction, row, column, machine.geometry());
    };
    const auto coming = [&](const TileCost& cost_of) {
      return std::max(ddr_cycles(cost_of.ddr, machine), cost_of.in_row_words * cost_of.in_rows);
    };
    cost.first_tile = coming(tile(rows.front(), columns.front()));
    cost.last_tiles = cost.work.compute;
    if (tiles_in(rows) * tiles_in(columns) > 2) {  // it comes once the last but two is done with
      const auto pixels = [](const TileCost& cost_of) {
        return cost_of.out_rows * cost_of.out_cols;
      };
      const TileCost last = tile(rows.back(), columns.back());
      const TileCost last_but_one = tiles_in(columns) > 1 ? tile(rows.back(), last_but(columns))
                                                          : tile(last_but(rows), columns.back());
      const std::int64_t two = pixels(last) + pixels(last_but_one);
      const Cycles computing{two * cost.conv.steps * cost.conv.passes};
      cost.last_tiles = coming(last) < computing ? computing - coming(last) : Cycles{};
    }
    return cost;
  }
  const StreamCost stream = stream_cost(step.instruction, machine);
  cost.duration = duration(step, machine);
  cost.streaming = stream.row_cycles * stream.rows;
  cost.rows = stream.rows, cost.read_ports = stream.read_ports;
  return cost;
}

Waits waits_of(const Instruction& instruction) {
  Waits waits{};
  for (std::size_t u = 0; u < waits.size(); ++u) {
    waits[u] = waits_for(tail(instruction), static_cast<Unit>(u));
  }
  return waits;
}

// --- filter buffers ------------------------------------------------------------------------------

// When so many of them are free.
Cycles Walk::buffers_free(std::int64_t count) const {
  return buffers_[static_cast<std::size_t>(count) - 1];
}

// So many, the first to be free, are in use until then.
void Walk::take_buffers(std::int64_t count, Cycles until) {
  std::fill_n(buffers_.begin(), count, until);
  std::sort(buffers_.begin(), buffers_.end());
}

// So many, the last that were taken, are in use for longer.
void Walk::keep_buffers(std::int64_t count, Cycles until) {
  std::fill_n(buffers_.rbegin(), count, until);
  std::sort(buffers_.begin(), buffers_.end());
}

// --- engines -------------------------------------------------------------------------------------

void Walk::host_step() { dispatch_ = end(); }

Cycles Walk::end() const {
  Cycles end = dispatch_;
  for (const Engine& engine : engines_) end = std::max(end, engine.finished);
  return end;
}

Cycles Walk::issue(const StepCost& cost, const Waits& waits, bool kept) {
  dispatch_ += Cycles{machine_.control.issue_cycles};
  for (std::size_t u = 0; u < waits.size(); ++u) {
    if (!machine_.serial() && !waits[u]) continue;
    dispatch_ = std::max(dispatch_, engines_[u].finished);
  }
  Engine& engine = engines_[static_cast<std::size_t>(cost.unit)];
  const auto depth = static_cast<std::size_t>(machine_.control.queue_depth);
  if (engine.taken.size() >= depth) {  // the queue has room once this one has left it
    dispatch_ = std::max(dispatch_, engine.taken[engine.taken.size() - depth]);
  }
  const Cycles start = std::max(dispatch_, engine.free);
  engine.taken.push_back(start);
  Cycles finish;
  if (cost.unit == Unit::Conv) {
    finish = convolve(cost, kept, start, engine);
  } else {
    finish = engine.free = start + cost.duration + held_up(cost, start);
  }
  engine.finished = std::max(engine.finished, finish);
  return finish;
}

// A sum that needs all read ports and the array take turns row by row: the array is free later by
// the time of the sum, the sum by that of as many rows of the array, while it streams.
Cycles Walk::held_up(const StepCost& cost, Cycles start) {
  if (!contended_ || cost.unit != Unit::Eltwise) return {};
  Engine& array = engines_[static_cast<std::size_t>(Unit::Conv)];
  if (cost.read_ports < machine_.am.read_ports || array.free <= start) return {};
  const Cycles streaming = array.free - start;
  array.free += cost.streaming;
  array.finished += cost.streaming;
  return std::min(streaming, array_row_ * cost.rows);
}

// The filter loader runs ahead of the array, into the next command; the array follows.
Cycles Walk::convolve(const StepCost& cost, bool kept, Cycles start, Engine& engine) {
  array_row_ = cost.conv.row_cycles;
  Cycles begin = start;  // the first slab is there
  if (kept) {
    engine.free = start + cost.work.compute;
    keep_buffers(cost.conv.slab_buffers, engine.free);
  } else if (cost.tiled) {
    begin = sweep_tiles(cost, start, engine);
  } else {
    begin = sweep(cost.conv, start, engine);
  }
  return std::max(engine.free + cost.conv.drain, begin + cost.work.results);
}

// Slab by slab, each loaded as soon as there is room for it.
Cycles Walk::sweep(const ConvCost& cost, Cycles start, Engine& engine) {
  const Cycles pass = cost.row_cycles * cost.rows;
  Cycles loaded = std::max(dispatch_, loader_free_) + Cycles{machine_.ddr.latency_cycles};
  Cycles first, moved;
  engine.free = start;
  for (std::int64_t slab = 1; slab <= cost.passes; ++slab) {
    const Cycles all = ddr_cycles(cost.slab * slab, machine_);
    loaded = std::max(loaded, buffers_free(cost.slab_buffers)) + (all - moved);
    moved = all;
    if (slab == 1) first = loaded;
    engine.free = std::max(engine.free, loaded) + pass;
    take_buffers(cost.slab_buffers, engine.free);
  }
  loader_free_ = loaded;
  return first;
}

// Input tiles come meanwhile, but for the first; filters are loaded again for each unless all fit
// at once.
Cycles Walk::sweep_tiles(const StepCost& cost, Cycles start, Engine& engine) {
  const ConvWork& work = cost.work;
  const Cycles room = buffers_free(cost.conv.slab_buffers);
  const Cycles latency{machine_.ddr.latency_cycles};
  const Cycles asked = std::max(dispatch_, loader_free_) + latency;
  const Cycles first_slab = std::max(asked, room) + (work.first_load - latency);
  const Cycles tiles = std::max(dispatch_, tiles_free_);
  const Cycles first_tile = tiles + latency + cost.first_tile;
  const Cycles begin = std::max({start, first_slab, first_tile});
  Cycles end = std::max(begin + work.compute, first_slab + work.later_loads + work.last_pass);
  if (!work.overlapped) end = std::max(end, begin + work.compute + work.later_loads);
  tiles_free_ = std::max(tiles + work.inputs, begin + (work.compute - cost.last_tiles));
  end = std::max(end, tiles_free_);
  loader_free_ = first_slab + work.later_loads;
  engine.free = end;
  take_buffers(cost.conv.slab_buffers, end);
  return first_slab;
}

// --- filters that stay ---------------------------------------------------------------------------

namespace {

const Conv* conv_in(const Instruction& instruction) {
  const auto* fused = std::get_if<ConvPool>(&instruction);
  return fused != nullptr ? &fused->conv : std::get_if<Conv>(&instruction);
}

// Of a convolution whose filters can stay, or can have stayed, in the buffers.
struct OneSlab {
  std::int64_t address = 0;
  FilterShape shape;
  bool pingpong = false;
  friend bool operator==(const OneSlab&, const OneSlab&) = default;
};
std::optional<OneSlab> one_slab(const Step& step, const Conv& conv, const Machine& machine) {
  const Tail& t = conv.tail;
  if (t.slice == 0 || t.source_in_ddr) return std::nullopt;
  if (conv.out_ch > machine.pass_channels(t.half_rate)) return std::nullopt;
  return OneSlab{step.filter_address, filter_shape(conv), t.pingpong_weight};
}

// What instructions write in DDR: each asked once, however many convolutions keep their filters.
class WrittenInDdr {
 public:
  WrittenInDdr(const Program& program, const Machine& machine) {
    for (const Step& step : program.steps) {
      const bool writes = std::holds_alternative<Scatter>(step.instruction) ||
                          tail(step.instruction).destination_in_ddr;
      if (!writes) continue;
      const std::vector<DdrRegion> written = footprint(step, machine).ddr_writes;
      regions_.insert(regions_.end(), written.begin(), written.end());
    }
    std::ranges::sort(regions_, {}, &DdrRegion::begin);
    for (std::size_t i = 1; i < regions_.size(); ++i) {  // the furthest end so far
      regions_[i].end = std::max(regions_[i].end, regions_[i - 1].end);
    }
  }

  bool overlaps(const DdrRegion& read) const {
    const auto behind = std::ranges::lower_bound(regions_, read.end, {}, &DdrRegion::begin);
    return behind != regions_.begin() && std::prev(behind)->end > read.begin;
  }

 private:
  std::vector<DdrRegion> regions_;
};

}  // namespace

std::vector<int> slabs_that_stay(const Program& program, const Machine& machine) {
  std::vector<int> numbers(program.steps.size(), -1);
  if (machine.width_aligned()) return numbers;
  const WrittenInDdr written(program, machine);
  std::map<std::int64_t, std::vector<std::pair<OneSlab, int>>> known;  // by address
  int next = 0;
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const Conv* conv = conv_in(program.steps[i].instruction);
    const auto slab = conv != nullptr ? one_slab(program.steps[i], *conv, machine) : std::nullopt;
    if (!slab) continue;
    auto& there = known[slab->address];
    auto same = std::find_if(there.begin(), there.end(),
                             [&](const auto& other) { return other.first == *slab; });
    if (same == there.end()) {
      const DdrRegion filters{slab->address, slab->address + filter_bytes(slab->shape, machine)};
      same = there.insert(there.end(), {*slab, written.overlaps(filters) ? -1 : next++});
    }
    numbers[i] = same->second;
  }
  return numbers;
}

std::vector<bool> kept_filters(const Program& program, const Machine& machine) {
  const std::vector<int> slabs = slabs_that_stay(program, machine);
  std::vector<bool> kept(program.steps.size());
  int before = -1;
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const Instruction& instruction = program.steps[i].instruction;
    if (unit_of(instruction) != Unit::Conv || tail(instruction).slice == 0) continue;
    kept[i] = slabs[i] >= 0 && slabs[i] == before;
    before = slabs[i];
  }
  return kept;
}

// --- whole programs ------------------------------------------------------------------------------

namespace {

Walk walked(const Program& program, const Machine& machine, bool contended,
            std::vector<Cycles>* finish) {
  Walk walk(machine, contended);
  const std::vector<bool> kept = kept_filters(program, machine);
  std::size_t next_host_step = 0;
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const auto& host = program.host_steps;
    while (next_host_step < host.size() &&
           host[next_host_step].before <= static_cast<std::int32_t>(i)) {
      walk.host_step();
      ++next_host_step;
    }
    const Step& step = program.steps[i];
    const Cycles then = walk.issue(step_cost(step, machine), waits_of(step.instruction), kept[i]);
    if (finish != nullptr) finish->push_back(then);
  }
  return walk;
}

}  // namespace

EarliestTimes earliest_times(const Program& program, const Machine& machine) {
  EarliestTimes result;
  result.end = walked(program, machine, false, &result.finish).end();
  return result;
}

Cycles likely_end(const Program& program, const Machine& machine) {
  return walked(program, machine, true, nullptr).end();
}

}  // namespace workbench::xdnn
