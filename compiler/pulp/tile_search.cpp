#include "compiler/pulp/tile_search.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

#include "compiler/pulp/kernel_rules.h"
#include "compiler/pulp/tile_model.h"
#include "compiler/pulp/tiling.h"
#include "core/units.h"
#include "isa/pulp/cost.h"
#include "isa/pulp/footprint.h"

namespace workbench::pulp {

namespace {

// One axis of the slice cut into tiles: so many full ones and the rest.
struct AxisCut {
  std::int64_t tile = 1, full = 1, rest = 0;
  Extent in;
  std::int64_t count() const { return full + (rest > 0 ? 1 : 0); }
};

AxisCut axis_cut(std::int64_t size, std::int64_t tile, const Extent& in) {
  return {.tile = tile, .full = size / tile, .rest = size % tile, .in = in};
}

// What tiles of the same rows and columns have in common.
struct MapCut {
  AxisCut rows, columns;
  double tiles = 1;
  std::int64_t in_pixels = 0, out_pixels = 0;
};

struct ChannelCut {
  AxisCut axis;
  double tiles = 1;
  TileBytes bytes;  // of one pixel in and out; constants whole
};

// Of the tiles that fit, the cheapest few.
class Best {
 public:
  explicit Best(std::size_t count) : count_(count) {}
  double bound() const {
    return found_.size() < count_ ? std::numeric_limits<double>::max() : found_.back().first;
  }
  void add(double cycles, const Tiling& tiling) {
    if (cycles >= bound()) return;
    const auto place = std::upper_bound(
        found_.begin(), found_.end(), cycles,
        [](double value, const std::pair<double, Tiling>& other) { return value < other.first; });
    found_.insert(place, {cycles, tiling});
    if (found_.size() > count_) found_.pop_back();
  }
  std::vector<Tiling> take() {
    std::vector<Tiling> result;
    for (auto& [cycles, tiling] : found_) {
      tiling.modelled = Cycles{std::llround(cycles)};
      result.push_back(tiling);
    }
    return result;
  }

 private:
  std::size_t count_;
  std::vector<std::pair<double, Tiling>> found_;
};

// Sizes at which the number of tiles changes, and those that are whole rounds of `unit`; multiples
// of `step`, or all of it. Descending.
std::vector<std::int64_t> cut_sizes(std::int64_t size, std::int64_t unit, std::int64_t step) {
  std::vector<std::int64_t> result;
  for (std::int64_t pieces = 1; pieces <= size;) {
    const std::int64_t even = ceil_div(size, pieces);
    for (const std::int64_t candidate : {round_up(even, step), round_up(even, unit)}) {
      result.push_back(std::min(candidate, size));
    }
    pieces = even > 1 ? ceil_div(size, even - 1) : size + 1;
  }
  std::sort(result.begin(), result.end(), std::greater<>());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

// Every second of them, and the last.
void thin_out(std::vector<std::int64_t>& sizes) {
  const std::int64_t last = sizes.back();
  std::size_t kept = 0;
  for (std::size_t i = 0; i < sizes.size(); i += 2) sizes[kept++] = sizes[i];
  sizes.resize(kept);
  if (sizes.back() != last) sizes.push_back(last);
}

// Widths tried of those that fit, widest first: narrower ones only add tiles.
constexpr int kWidths = 4;
// With a larger share of L1 in the cores' private buffers, fewer cores are tried, too.
constexpr std::int64_t kCramped = 3;

bool own_channels(Family family) { return traits(family).by_channel; }

class Search {
 public:
  Search(const Layer& layer, const Tiling& sliced, const Machine& machine, std::size_t count,
         bool channels_outer, std::int64_t most, SearchSteps& steps, const Choices& choices)
      : layer_(layer),
        call_(layer.call),
        sliced_(sliced),
        machine_(machine),
        count_(count),
        channels_outer_(channels_outer),
        most_(most),
        steps_(steps),
        choices_(choices),
        best_(count) {
    call_.kind = dory_kernel(layer, machine);
  }

  std::vector<Tiling> run() {
    std::vector<Tiling> result;
    const auto add = [&](const std::vector<Tiling>& found) {
      result.insert(result.end(), found.begin(), found.end());
    };
    const std::vector<KernelKind> kinds = usable_kernels(layer_, machine_, choices_.own_kernels);
    deal_to(machine_.cluster.cores);
    std::vector<KernelKind> cramped;
    for (const KernelKind kind : kinds) {
      best_ = Best(count_);
      try_kernel(kind);
      const std::vector<Tiling> found = best_.take();
      if (found.empty() || tries_fewer_cores(kind)) cramped.push_back(kind);
      add(found);
      add_untiled(kind, 0, result);
    }
    if (cramped.empty()) return result;
    const std::vector<Tiling> fewer = with_fewer_cores(cramped);
    if (choices_.fewer_cores == Use::Always && !fewer.empty()) return fewer;
    add(fewer);
    return result;
  }

 private:
  // What does not depend on the kernel.
  void deal_to(std::int64_t cores) {
    if (cores == cores_) return;
    cores_ = cores;
    slowed_ = busy_l1(machine_, cores);
    maps_.clear();
    channels_.clear();
    const Sizes sizes = sizes_within_budget();
    list_maps(sizes);
    list_channels(sizes);
  }

  // Of the tiles tried.
  struct Sizes {
    std::vector<std::int64_t> rows, columns, channels;
    std::int64_t product() const {
      return std::ssize(rows) * std::ssize(columns) * std::ssize(channels);
    }
  };
  Sizes all_sizes() const {
    const Cut& slice = sliced_.slice;
    const std::int64_t step = channel_step(layer_);
    const std::int64_t unit = std::lcm(step, own_channels(layer_.family) ? cores_ : 4);
    Sizes sizes{cut_sizes(slice.out_h, cores_, 1), cut_sizes(slice.out_w, 2, 1),
                cut_sizes(slice.out_c, unit, step)};
    std::erase_if(sizes.rows,
                  [&](std::int64_t h) { return !row_tiles_read(call_, slice.out_h, h); });
    std::erase_if(sizes.columns,
                  [&](std::int64_t w) { return !column_tiles_read(call_, slice.out_w, w); });
    return sizes;
  }
  // Fewer along the axis that has most of them, until the steps are enough.
  Sizes sizes_within_budget() {
    Sizes sizes = all_sizes();
    const std::int64_t most = std::max<std::int64_t>(64, most_ / std::ssize(bufferings()));
    while (sizes.product() > most) {
      const auto fewer = [](const auto* a, const auto* b) { return a->size() < b->size(); };
      thin_out(*std::max({&sizes.rows, &sizes.columns, &sizes.channels}, fewer));
      steps_.stopped = true;
    }
    return sizes;
  }

  // Whether the cores' private buffers take a large share of L1.
  bool is_cramped(KernelKind kind) const {
    const Cut least{std::min(channel_step(layer_), call_.out_c), 1, 1};
    const Kernel call = largest_call(layer_, kind, least, sliced_.slice);
    return kCramped * scratch_bytes(call, machine_) > machine_.l1.buffer_bytes;
  }

  bool tries_fewer_cores(KernelKind kind) const {
    if (choices_.fewer_cores != Use::WhereFaster) return choices_.fewer_cores == Use::Always;
    return is_cramped(kind);
  }

  // Larger tiles, fewer cores (Kernel::cores).
  std::vector<Tiling> with_fewer_cores(const std::vector<KernelKind>& kinds) {
    std::vector<Tiling> result;
    std::map<KernelKind, Best> best;
    for (std::int64_t cores = machine_.cluster.cores - 1; cores > 0; --cores) {
      deal_to(cores);
      for (const KernelKind kind : kinds) {
        if (!can_split(kind, cores)) continue;
        best_ = best.try_emplace(kind, count_).first->second;
        try_kernel(kind);
        best.at(kind) = best_;
        const bool has_untiled = std::any_of(result.begin(), result.end(),
                                             [&](const Tiling& t) { return t.kernel == kind; });
        if (!has_untiled) add_untiled(kind, cores, result);
      }
    }
    for (auto& [kind, each] : best) {
      const std::vector<Tiling> found = each.take();
      result.insert(result.end(), found.begin(), found.end());
    }
    return result;
  }

  void list_maps(const Sizes& sizes) {
    const Cut& slice = sliced_.slice;
    std::vector<AxisCut> columns;
    for (const std::int64_t w : sizes.columns) {
      columns.push_back(axis_cut(slice.out_w, w, column_extent(layer_, w, slice.out_w)));
    }
    if (columns.empty()) return;
    for (const std::int64_t h : sizes.rows) {
      const AxisCut rows = axis_cut(slice.out_h, h, row_extent(layer_, h, slice.out_h));
      maps_.emplace_back();
      for (const AxisCut& cut : columns) {
        maps_.back().push_back({.rows = rows,
                                .columns = cut,
                                .tiles = static_cast<double>(rows.count() * cut.count()),
                                .in_pixels = rows.in.data * cut.in.data,
                                .out_pixels = h * cut.tile});
      }
    }
  }

  void list_channels(const Sizes& sizes) {
    for (const std::int64_t n : sizes.channels) {
      ChannelCut cut;
      cut.axis = axis_cut(sliced_.slice.out_c, n, {});
      cut.tiles = static_cast<double>(cut.axis.count());
      Kernel pixel = tile_call(layer_, call_.kind, 0, 0, 0, {n, 1, 1});
      cut.bytes = tile_bytes(pixel, machine_);
      pixel.in_h = pixel.in_w = 1;
      cut.bytes.in = input_bytes(pixel);
      cut.bytes.in2 = second_input_bytes(pixel);
      channels_.push_back(cut);
    }
  }

  TileBytes bytes_of(const ChannelCut& channels, const MapCut& map) const {
    TileBytes bytes = channels.bytes;
    bytes.in *= map.in_pixels;
    bytes.in2 *= map.in_pixels;
    bytes.out *= map.out_pixels;
    return bytes;
  }

  // Only depthwise kernels' depends on the rows.
  std::int64_t scratch(KernelKind kind, const MapCut& map, std::int64_t channels) const {
    Kernel call = call_;
    call.kind = kind;
    call.in_h = map.rows.in.padded;
    call.pad_top = call.pad_bottom = 0;
    call.cores = cores_;
    if (own_channels(layer_.family)) call.in_c = channels;
    return scratch_bytes(call, machine_);
  }

  MapWork work_of(KernelKind kind, const MapCut& map) const {
    const auto add = [&](MapWork& sum, std::int64_t h, std::int64_t w, std::int64_t count) {
      if (count == 0 || h == 0 || w == 0) return;
      const std::int64_t in_rows = (h - 1) * call_.stride_y + call_.kernel_h;
      const MapWork one = map_work(kind, call_, cores_, in_rows, h, w);
      sum += {one.pairs * static_cast<double>(count), one.singles * static_cast<double>(count)};
    };
    MapWork sum;
    add(sum, map.rows.tile, map.columns.tile, map.rows.full * map.columns.full);
    add(sum, map.rows.tile, map.columns.rest, map.rows.full);
    add(sum, map.rows.rest, map.columns.tile, map.columns.full);
    add(sum, map.rows.rest, map.columns.rest, 1);
    return sum;
  }

  ChannelWork work_of(KernelKind kind, const ChannelCut& channels) const {
    const ChannelWork one = channel_work(kind, call_, cores_, channels.axis.tile);
    const auto full = static_cast<double>(channels.axis.full);
    ChannelWork sum{one.per_pair * full, one.per_single * full};
    if (channels.axis.rest > 0) {
      sum += channel_work(kind, call_, cores_, channels.axis.rest);
    }
    return sum;
  }

  // The simplest of all, whatever the rough model thinks of it.
  void add_untiled(KernelKind kind, std::int64_t cores, std::vector<Tiling>& result) const {
    Tiling tiling = sliced_;
    tiling.kernel = kind;
    tiling.cores = cores;
    tiling.tile = sliced_.slice;
    tiling.double_buffered = false;
    if (l1_map(layer_, tiling, machine_).end <= machine_.l1.buffer_bytes) result.push_back(tiling);
  }

  // Correction of the rough model, from a tile of usual size.
  double scale_of(KernelKind kind) const {
    const Cut& slice = sliced_.slice;
    const Cut tile{std::min<std::int64_t>(slice.out_c, 32), std::min(slice.out_h, cores_),
                   std::min<std::int64_t>(slice.out_w, 8)};
    Kernel call = tile_call(layer_, kind, 0, 0, 0, tile);
    call.cores = cores_;
    const double rough = map_work(kind, call_, cores_, call.in_h + call.pad_top + call.pad_bottom,
                                  call.out_h, call.out_w) *
                         channel_work(kind, call_, cores_, call.out_c);
    return static_cast<double>(expected_kernel_cycles(call, machine_).value) / rough;
  }

  void try_kernel(KernelKind kind) {
    scale_ = scale_of(kind);
    overhead_ = tile_overhead(kind, machine_);
    std::vector<ChannelWork> channel_works;
    for (const ChannelCut& channels : channels_) channel_works.push_back(work_of(kind, channels));
    for (const std::vector<MapCut>& widths : maps_) {
      std::vector<MapWork> map_works;
      for (const MapCut& map : widths) map_works.push_back(work_of(kind, map));
      const std::int64_t scratch_column = scratch(kind, widths.front(), 1);
      for (std::size_t c = 0; c < channels_.size(); ++c) {
        for (const Buffering& twice : bufferings()) {
          try_widths(kind, channels_[c], channel_works[c], widths, map_works, scratch_column,
                     twice);
        }
      }
    }
  }

  // One buffer for one operand only where another is loaded more often.
  std::vector<Buffering> bufferings() const {
    std::vector<Buffering> result{{}, {.in = false, .weights = false, .out = false}};
    if (own_channels(layer_.family)) return result;
    result.push_back({.in = false});
    result.push_back({.weights = false});
    return result;
  }

  void try_widths(KernelKind kind, const ChannelCut& channels, const ChannelWork& channel_work,
                  const std::vector<MapCut>& widths, const std::vector<MapWork>& map_works,
                  std::int64_t scratch_bytes_there, const Buffering& twice) {
    int fitting = 0;
    for (std::size_t w = 0; w < widths.size() && fitting < kWidths; ++w) {
      ++steps_.tiles;
      TileBytes bytes = bytes_of(channels, widths[w]);
      bytes.scratch = scratch_bytes_there;
      if (l1_bytes(bytes, twice) > machine_.l1.buffer_bytes) continue;
      ++fitting;
      const double kernel = scale_ * (map_works[w] * channel_work);
      for (const LoopOrder order : {LoopOrder::ChannelsOuter, LoopOrder::RowsOuter}) {
        // Rows outermost are for inputs that stay; with one tile of either it is the same order.
        const bool stays =
            channels.tiles > 1 && widths[w].tiles > 1 && !own_channels(layer_.family);
        if ((!stays || channels_outer_) && order == LoopOrder::RowsOuter) continue;
        weigh(kind, channels, widths[w], bytes, kernel, order, twice);
      }
    }
  }

  TileTransfers moved(KernelKind kind, const ChannelCut& channels, const MapCut& map,
                      const TileBytes& bytes) const {
    const Machine::Dma& dma = machine_.dma;
    const auto latency = static_cast<double>(dma.latency_cycles);
    const auto contiguous = [&](std::int64_t count) {
      return latency + static_cast<double>(ceil_div(count, dma.bytes_per_cycle));
    };
    const auto lines = [&](std::int64_t count, std::int64_t line_bytes, std::int64_t per_line) {
      const std::int64_t each = per_line + ceil_div(line_bytes, dma.bytes_per_cycle);
      return latency + static_cast<double>(count * each);
    };
    // As the emitter issues them: a map's transfer is one command, or one per row where neither
    // all channels nor all columns go.
    const bool whole = channels.tiles == 1 && sliced_.slice.out_c == call_.out_c;
    const bool whole_rows = map.columns.count() == 1 && sliced_.slice.out_w == call_.out_w;
    TileTransfers result;
    double in_commands = 1, out_commands = 1;
    if (traits(kind).planes) {
      result.in = latency + static_cast<double>(bytes.in * dma.read_line_cycles);
      in_commands = static_cast<double>(channels.axis.tile * (whole_rows ? 1 : map.rows.in.data));
    } else if (own_channels(layer_.family) && !whole) {
      result.in = lines(map.in_pixels * (bytes.in2 > 0 ? 2 : 1), channels.bytes.in, 0);
      if (!whole_rows) in_commands = static_cast<double>(map.rows.in.data);
    } else {
      result.in = contiguous(bytes.in + bytes.in2);
    }
    result.weights = contiguous(bytes.weights + 2 * bytes.norm + bytes.bias);
    result.out = whole ? contiguous(bytes.out)
                       : lines(map.out_pixels, channels.bytes.out, dma.write_line_cycles);
    if (!whole && !whole_rows) out_commands = static_cast<double>(map.rows.tile);
    result.in_stall = result.in * stalled_part(in_commands, machine_);
    result.out_stall = result.out * stalled_part(out_commands, machine_);
    return result;
  }

  void weigh(KernelKind kind, const ChannelCut& channels, const MapCut& map, const TileBytes& bytes,
             double kernel, LoopOrder order, const Buffering& twice) {
    const double tiles = channels.tiles * map.tiles;
    // Smaller tiles at borders take less, kernels and transfers alike.
    const double bound = kernel + tiles * overhead_;
    const double slices = slice_count();
    if (slices * bound >= best_.bound()) return;
    const TileTransfers transfers = moved(kind, channels, map, bytes);
    const LoadRates rates = load_rates(layer_, order, channels.tiles, map.tiles);
    // One buffer is for what stays.
    if (twice.out && ((!twice.in && rates.in == 1) || (!twice.weights && rates.weights == 1))) {
      return;
    }
    double sum = tiles * (overhead_ + tile_turn(kernel / tiles, transfers, rates, twice, slowed_));
    if (twice.out) sum += transfers.in + transfers.weights + transfers.out;
    Tiling tiling = sliced_;
    tiling.kernel = kind;
    tiling.cores = cores_ == machine_.cluster.cores ? 0 : cores_;
    tiling.tile = {channels.axis.tile, map.rows.tile, map.columns.tile};
    tiling.order = order;
    tiling.double_buffered = twice.out;
    tiling.input_twice = twice.in || !twice.out;
    tiling.weights_twice = twice.weights || !twice.out;
    best_.add(slices * sum, tiling);
  }

  // The last slice in each direction is smaller.
  double slice_count() const {
    const auto part = [](std::int64_t size, std::int64_t slice) {
      return static_cast<double>(size) / static_cast<double>(slice);
    };
    return part(call_.out_c, sliced_.slice.out_c) * part(call_.out_h, sliced_.slice.out_h) *
           part(call_.out_w, sliced_.slice.out_w);
  }

  const Layer& layer_;
  Kernel call_;
  const Tiling& sliced_;
  const Machine& machine_;
  std::size_t count_;
  bool channels_outer_;
  std::int64_t most_;
  SearchSteps& steps_;
  const Choices& choices_;
  Best best_;
  double overhead_ = 0;     // of a tile
  std::int64_t cores_ = 0;  // that take part
  double slowed_ = 1;
  double scale_ = 1;                       // of rough kernel cycles
  std::vector<std::vector<MapCut>> maps_;  // by rows
  std::vector<ChannelCut> channels_;
};

}  // namespace

std::int64_t channel_step(const Layer& layer) {
  const Kernel& call = layer.call;
  return 8 / std::min<std::int64_t>(8, own_channels(layer.family)
                                           ? std::min(call.in_bits, call.out_bits)
                                           : call.out_bits);
}

std::vector<Tiling> rank_tiles(const Layer& layer, const Tiling& sliced, const Machine& machine,
                               std::size_t count, bool channels_outer, std::int64_t most,
                               SearchSteps& steps, const Choices& choices) {
  return Search(layer, sliced, machine, count, channels_outer, most, steps, choices).run();
}

std::int64_t smallest_l1(const Layer& layer, const Tiling& sliced, const Machine& machine) {
  std::int64_t smallest = std::numeric_limits<std::int64_t>::max();
  const Cut tile{std::min(channel_step(layer), layer.call.out_c), 1, 1};
  for (const KernelKind kind : usable_kernels(layer, machine)) {
    Kernel call = largest_call(layer, kind, tile, sliced.slice);
    call.cores = 1;
    const TileBytes bytes = tile_bytes(call, machine);
    smallest = std::min(smallest, l1_bytes(bytes, {false, false, false}));
  }
  return smallest;
}

}  // namespace workbench::pulp
