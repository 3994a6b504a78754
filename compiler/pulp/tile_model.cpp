#include "compiler/pulp/tile_model.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "compiler/pulp/kernel_rules.h"
#include "core/units.h"
#include "isa/pulp/cost.h"
#include "isa/pulp/footprint.h"
#include "isa/pulp/kernels.h"

namespace workbench::pulp {
namespace {

// `lines` of `length` bytes a row of the map, or one per row or map where they touch.
Dma map_transfer(std::int64_t length, std::int64_t columns, std::int64_t rows, bool whole_channels,
                 bool whole_width, bool commands_2d) {
  Dma dma;
  dma.two_d = commands_2d;
  if (whole_channels && whole_width) {
    dma.length = length * columns * rows;
  } else if (whole_channels) {
    dma.length = length * columns;
    (commands_2d ? dma.lines : dma.rows) = rows;
  } else if (whole_width && commands_2d) {
    dma.length = length;
    dma.lines = columns * rows;
  } else {
    dma.length = length;
    dma.lines = columns;
    dma.rows = rows;
  }
  if (dma.lines == 1) dma.two_d = false;
  return dma;
}

double cycles(const Dma& dma, const Machine& machine) {
  return static_cast<double>(dma_cycles(dma, machine).value);
}

Dma input_transfer(const Layer& layer, const Kernel& call, bool commands_2d) {
  const bool whole_width = call.in_w == layer.call.in_w;
  if (traits(call.kind)
          .planes) {  // [H][W][C] -> [C][H][W]: lines of one code (docs/facts/pulp.md 3.6)
    Dma dma{.length = 1, .two_d = true};
    (whole_width ? dma.rows : dma.planes) = call.in_c;
    dma.lines = whole_width ? call.in_h * call.in_w : call.in_w;
    if (!whole_width) dma.rows = call.in_h;
    return dma;
  }
  return map_transfer(code_bytes(call.in_c, call.in_bits), call.in_w, call.in_h,
                      call.in_c == layer.call.in_c, whole_width, commands_2d);
}

double stall(const Dma& dma, const Machine& machine) {
  const std::int64_t commands = dma.planes * dma.rows * (dma.two_d ? 1 : dma.lines);
  return cycles(dma, machine) * stalled_part(static_cast<double>(commands), machine);
}

// A pass takes a piece of each output channel's weights at a tap, or more if those lie together.
Dma weight_transfer(const Layer& layer, const Kernel& call) {
  if (traits(call.kind).by_channel || call.in_c == layer.call.in_c) {
    return {.length = weight_bytes(call)};
  }
  const std::int64_t lines = call.out_c * call.kernel_h * call.kernel_w;
  return {.length = weight_bytes(call) / lines, .lines = lines, .two_d = true};
}

double constants_cycles(const Layer& layer, const Kernel& call, const Machine& machine) {
  double sum = weight_bytes(call) > 0 ? cycles(weight_transfer(layer, call), machine) : 0;
  const std::int64_t bias = call.sums_in ? 0 : bias_bytes(call);
  for (const std::int64_t bytes : {norm_bytes(call), norm_bytes(call), bias}) {
    if (bytes > 0) sum += cycles({.length = bytes}, machine);
  }
  return sum;
}

// Tiles of one axis that are alike, and how many of them there are.
struct Alike {
  std::int64_t begin = 0, out = 0, count = 0;
  InputSpan span;
};

// The tiles of one axis by what they read, in the order of the first of each. Behind the first
// without padding all are alike up to the first that reaches the padding at the end, within a slice
// as among slices: these are counted, not looked at one by one.
template <typename Span>
class AlikeTiles {
 public:
  AlikeTiles(std::int64_t size, std::int64_t slice, std::int64_t tile, const Span& span)
      : tile_(tile), span_(span) {
    for (std::int64_t from = 0; from < size;) {
      const std::int64_t to = std::min(from + slice, size), first = std::min(tile, to - from);
      const std::int64_t last = from + (to - 1 - from) / tile * tile;
      const bool inner = span(from, from + first).pad_before == 0 && span(last, to).pad_after == 0;
      const std::int64_t slices =
          inner ? unpadded(last, to - last, slice, (size - from) / slice) : 1;
      add_slice(from, to, slices);
      from += slices * slice;
    }
  }

  std::vector<Alike> tiles() && { return std::move(tiles_); }

 private:
  // How many of `count` pieces of `out` results, `step` apart from `begin` on, do not reach the
  // padding at the end, as the first does not.
  std::int64_t unpadded(std::int64_t begin, std::int64_t out, std::int64_t step,
                        std::int64_t count) const {
    std::int64_t without = 1, with = std::max<std::int64_t>(count, 1) + 1;
    while (with - without > 1) {
      const std::int64_t middle = without + (with - without) / 2;
      const std::int64_t at = begin + (middle - 1) * step;
      (span_(at, at + out).pad_after == 0 ? without : with) = middle;
    }
    return without;
  }

  void add_slice(std::int64_t from, std::int64_t to, std::int64_t times) {
    for (std::int64_t begin = from; begin < to;) {
      const std::int64_t out = std::min(tile_, to - begin);
      const InputSpan part = span_(begin, begin + out);
      const bool inner = part.pad_before == 0 && part.pad_after == 0;
      const std::int64_t count = inner ? unpadded(begin, out, tile_, (to - begin) / tile_) : 1;
      add({begin, out, count * times, part});
      begin += count * tile_;
    }
  }

  void add(const Alike& tile) {
    const auto same = std::find_if(tiles_.begin(), tiles_.end(), [&](const Alike& other) {
      return other.out == tile.out && other.span.pad_before == tile.span.pad_before &&
             other.span.pad_after == tile.span.pad_after;
    });
    if (same != tiles_.end()) {
      same->count += tile.count;
    } else {
      tiles_.push_back(tile);
    }
  }

  std::int64_t tile_;
  const Span& span_;
  std::vector<Alike> tiles_;
};

template <typename Span>
std::vector<Alike> alike_tiles(std::int64_t size, std::int64_t slice, std::int64_t tile,
                               const Span& span) {
  return AlikeTiles(size, slice, tile, span).tiles();
}

std::int64_t total(const std::vector<Alike>& tiles) {
  std::int64_t sum = 0;
  for (const Alike& tile : tiles) sum += tile.count;
  return sum;
}

// The passes between the first and the last are alike.
struct AlikePass {
  Pass pass;
  double count = 1;
};

std::vector<AlikePass> alike_passes(const std::vector<Pass>& passes) {
  std::vector<AlikePass> result;
  for (const Pass& pass : passes) {
    if (result.size() > 1 && !pass.last) {
      ++result.back().count;
    } else {
      result.push_back({pass});
    }
  }
  return result;
}

double slices_of(std::int64_t size, std::int64_t slice) {
  return static_cast<double>(ceil_div(size, slice));
}

// One request per transfer that is contiguous on both sides (docs/facts/pulp.md 1.7).
double l3_turn(double bytes, double requests, const Machine& machine) {
  return bytes / machine.l3_bytes_per_cycle() +
         requests * static_cast<double>(machine.l3.transfer_cycles);
}

}  // namespace

double stalled_part(double commands, const Machine& machine) {
  const auto queued = static_cast<double>(machine.cluster.cores * machine.dma.core_queue +
                                          machine.dma.global_queue);
  return commands <= queued ? 0 : 1 - queued / commands;
}

TileTransfers transfers(const Layer& layer, const Kernel& call, bool commands_2d,
                        const Machine& machine) {
  Dma out = map_transfer(code_bytes(call.out_c, leaves_words(call) ? 32 : call.out_bits),
                         call.out_w, call.out_h, call.out_c == layer.call.out_c,
                         call.out_w == layer.call.out_w, commands_2d);
  out.to_l1 = false;
  const Dma in = input_transfer(layer, call, commands_2d);
  const auto operands = static_cast<double>(traits(call.kind).operands);
  return {.in = operands * cycles(in, machine),
          .weights = constants_cycles(layer, call, machine),
          .out = cycles(out, machine),
          .in_stall = operands * stall(in, machine),
          .out_stall = stall(out, machine)};
}

double tile_overhead(KernelKind kernel, const Machine& machine) {
  Code code{machine.code.tile_instructions, machine.code.tile_divisions,
            machine.code.tile_l2_loads};
  if (traits(kernel).planes) {
    code.instructions = machine.code.depthwise_tile_instructions;
  }
  return static_cast<double>(code_cycles(code, machine).value + 2 * machine.cluster.barrier_cycles +
                             2 * machine.dma.issue_cycles_2d);
}

LoadRates load_rates(const Layer& layer, LoopOrder order, double channel_tiles, double map_tiles) {
  const bool own_channels = traits(layer.family).by_channel;
  const bool rows_outer = order == LoopOrder::RowsOuter;
  LoadRates rates;
  if (!own_channels && (rows_outer || map_tiles == 1)) rates.in = 1 / channel_tiles;
  if (!rows_outer || channel_tiles == 1) rates.weights = 1 / map_tiles;
  return rates;
}

double busy_l1(const Machine& machine, std::int64_t cores) {
  if (machine.l1.conflicts == 0) return 1;
  // The 4x2 inner loop has 6 loads in 14 cycles (docs/facts/pulp.md 2.3); transfers get what banks
  // have left.
  const double busy =
      6.0 / 14.0 * static_cast<double>(cores) / static_cast<double>(machine.l1.banks);
  return 1 / std::max(0.1, 1 - busy);
}

double tile_turn(double kernel, const TileTransfers& transfers, const LoadRates& rates,
                 const Buffering& twice, double slowed) {
  const double in_beside = transfers.in - transfers.in_stall;
  const double in_behind = twice.in ? transfers.in_stall : transfers.in;
  const double behind = rates.in * in_behind +
                        (twice.weights ? 0 : rates.weights * transfers.weights) +
                        (twice.out ? transfers.out_stall : transfers.out);
  const double in = twice.in ? slowed * in_beside : 0;
  const double weights = twice.weights ? slowed * transfers.weights : 0;
  const double out = twice.out ? slowed * (transfers.out - transfers.out_stall) : 0;
  // What comes rarely comes together with what comes often.
  const double often = rates.in > rates.weights ? in : weights;
  const double both = std::min(rates.in, rates.weights);
  return behind + both * std::max({kernel, in + weights, out}) +
         (1 - both) * std::max({kernel, often, out});
}

double pipelines(const Layer& layer, const Tiling& tiling) {
  if (tiling.l2_double_buffered) return 1;
  return slices_of(layer.call.out_c, tiling.slice.out_c) *
         slices_of(layer.call.out_h, tiling.slice.out_h) *
         slices_of(layer.call.out_w, tiling.slice.out_w);
}

double with_slices(const Layer& layer, const Tiling& tiling, double tile_cycles, double before,
                   const Machine& machine) {
  const Kernel& call = layer.call;
  const double channel_slices = slices_of(call.out_c, tiling.slice.out_c);
  const double map_slices =
      slices_of(call.out_h, tiling.slice.out_h) * slices_of(call.out_w, tiling.slice.out_w);
  const double slices = channel_slices * map_slices;
  const double compute = tile_cycles + static_cast<double>(machine.code.layer_instructions);
  Kernel whole = call;
  whole.kind = dory_kernel(layer, machine);
  const LoadRates rates = load_rates(layer, tiling.slice_order, channel_slices, map_slices);
  double weights = 0, in = 0, out = 0;
  if (tiling.weights_from_l3_by_slice) {
    const auto bytes =
        static_cast<double>(weight_bytes(whole) + 2 * norm_bytes(whole) + bias_bytes(whole));
    weights = rates.weights * l3_turn(bytes * map_slices, slices, machine);
  }
  if (tiling.input_from_l3) {
    const auto bytes = static_cast<double>(input_bytes(whole) + second_input_bytes(whole));
    in = rates.in * l3_turn(bytes * channel_slices, slices, machine);
  }
  if (tiling.output_to_l3) {
    const bool by_pixel = channel_slices > 1;  // no longer contiguous
    const double requests =
        by_pixel ? channel_slices * static_cast<double>(call.out_h * call.out_w) : slices;
    out = l3_turn(static_cast<double>(output_bytes(whole)), requests, machine);
  }
  const double hidden = std::min(weights / slices, before);
  if (!tiling.l2_double_buffered) return compute + weights + in + out - hidden;
  // Before the first slice and after the last; all else beside tiles, those of the last slice
  // behind all that is read.
  const double ends = (weights + in + out) / slices;
  return ends - hidden + std::max(compute, weights + in + out - ends + compute / slices);
}

Cycles KernelCosts::operator()(const Kernel& call) {
  const auto [entry, is_new] = known_.try_emplace(alike(call));
  if (!is_new) return entry->second;
  if (cache_ == nullptr) return entry->second = expected_kernel_cycles(call, machine_);
  const auto [cached, is_first] = cache_->kernel_cycles.try_emplace(entry->first);
  if (is_first) cached->second = expected_kernel_cycles(call, machine_);
  return entry->second = cached->second;
}

Cycles modelled_cycles(const Layer& layer, const Tiling& tiling, const Machine& machine) {
  KernelCosts costs(machine);
  return modelled_cycles(layer, tiling, machine, 0, costs);
}

Cycles modelled_cycles(const Layer& layer, const Tiling& tiling, const Machine& machine,
                       double before, KernelCosts& costs) {
  const Kernel& whole = layer.call;
  const auto rows = alike_tiles(
      whole.out_h, tiling.slice.out_h, tiling.tile.out_h,
      [&](std::int64_t begin, std::int64_t end) { return input_rows(whole, begin, end); });
  const auto columns = alike_tiles(
      whole.out_w, tiling.slice.out_w, tiling.tile.out_w,
      [&](std::int64_t begin, std::int64_t end) { return input_columns(whole, begin, end); });
  const auto channels = alike_tiles(whole.out_c, tiling.slice.out_c, tiling.tile.out_c,
                                    [](std::int64_t, std::int64_t) { return InputSpan{}; });
  const double channel_slices = slices_of(whole.out_c, tiling.slice.out_c);
  const double map_slices =
      slices_of(whole.out_h, tiling.slice.out_h) * slices_of(whole.out_w, tiling.slice.out_w);
  const bool cut = tiling.passes.over != PassOver::Nothing;  // then each pass loads its own
  const LoadRates rates =
      cut ? LoadRates{}
          : load_rates(layer, tiling.order, static_cast<double>(total(channels)) / channel_slices,
                       static_cast<double>(total(rows) * total(columns)) / map_slices);
  const double overhead = tile_overhead(tiling.kernel, machine);
  const std::int64_t all = machine.cluster.cores;
  const double slowed = busy_l1(machine, tiling.cores == 0 ? all : tiling.cores);
  const Buffering twice = buffering(tiling);
  double sum = 0;
  for (const Alike& c : channels) {
    for (const Alike& y : rows) {
      for (const Alike& x : columns) {
        Kernel tile =
            tile_call(layer, tiling.kernel, c.begin, y.begin, x.begin, {c.out, y.out, x.out});
        tile.cores = tiling.cores;
        const auto count = static_cast<double>(c.count * y.count * x.count);
        const bool first = c.begin == 0 && y.begin == 0 && x.begin == 0;
        for (const auto& [pass, passes] : alike_passes(passes_of(tiling.passes, tile))) {
          const Kernel call = pass_call(tile, tiling.passes, pass);
          const auto kernel = static_cast<double>(costs(call).value);
          TileTransfers moved = transfers(layer, call, tiling.commands_2d, machine);
          if (!pass.last) moved.out = moved.out_stall = 0;
          sum += passes * count * (overhead + tile_turn(kernel, moved, rates, twice, slowed));
          if (!tiling.double_buffered || !first) continue;
          const double loads = pass.first ? moved.in + moved.weights : 0;
          sum += pipelines(layer, tiling) * (loads + moved.out);
        }
      }
    }
  }
  return Cycles{std::llround(with_slices(layer, tiling, sum, before, machine))};
}

}  // namespace workbench::pulp
