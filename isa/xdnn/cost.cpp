#include "isa/xdnn/cost.h"

#include <algorithm>
#include <cmath>

#include "isa/xdnn/filters.h"
#include "isa/xdnn/memory.h"
#include "isa/xdnn/tile_runs.h"

namespace workbench::xdnn {

// --- instructions --------------------------------------------------------------------------------

ConvCost conv_cost(const Conv& conv, std::int64_t result_pixels, const Machine& machine) {
  ConvCost cost;
  const FilterShape shape = filter_shape(conv);
  const bool lines = machine.width_aligned();
  cost.steps = array_steps(shape, machine);
  const std::int64_t channels = machine.pass_channels(!lines && conv.tail.half_rate);
  cost.passes = ceil_div(conv.out_ch, channels);
  cost.step_pixels = lines ? machine.array.rows : 1;
  cost.rows = conv.out_h;
  cost.row_cycles = cost.stretch(conv.out_w);
  // Results of a pass lie in one word per pixel, two where a pass straddles a word; the straddling
  // ones are few, so one word per result pixel is charged, spread over the rows.
  // Width-aligned: a line for each channel of the pass.
  cost.row_writes = lines ? machine.geometry().row_words(conv.out_w) * channels
                          : ceil_div(result_pixels, conv.out_h);
  cost.slab = {slab_bytes(shape, machine)};
  // Where instructions have no bit for it, the buffers alternate whenever they can.
  const bool pingpong =
      (lines || conv.tail.pingpong_weight) && filter_mode(shape, machine).pingpong;
  cost.slab_buffers = pingpong ? 1 : machine.filters.buffers;
  cost.drain = machine.drain_cycles();
  return cost;
}

ConvCost conv_cost(const Instruction& instruction, const Machine& card) {
  const MachineOfSlice own(card, tail(instruction).slice);
  const Machine& machine = own.get();
  if (const auto* fused = std::get_if<ConvPool>(&instruction)) {
    return conv_cost(fused->conv, fused->out_h * fused->out_w, machine);
  }
  const Conv& conv = std::get<Conv>(instruction);
  return conv_cost(conv, conv.out_h * conv.out_w, machine);
}

namespace {

struct Span {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return std::max<std::int64_t>(0, end - begin); }
};

// One dimension of a tile: result range -> conv output range -> input range, clipped.
struct TileAxis {
  std::int64_t pool_kernel, pool_stride, pool_pad, conv_size, kernel, stride, dilation, pad, input;

  Span conv_output(Span result) const {
    return {std::max<std::int64_t>(0, result.begin * pool_stride - pool_pad),
            std::min(conv_size, (result.end - 1) * pool_stride - pool_pad + pool_kernel)};
  }
  Span source(Span conv) const {
    return {std::max<std::int64_t>(0, conv.begin * stride - pad),
            std::min(input, (conv.end - 1) * stride - pad + (kernel - 1) * dilation + 1)};
  }
};

// Cycles in which a map leaves for DDR at the rate of the format: its rows hold 8 channels of each
// pixel (docs/facts/xdnn.md 1.6), and one such group leaves a cycle (docs/xdnn-model.md). Lines of
// width-aligned machines go as they are.
Cycles group_cycles(std::int64_t channels, std::int64_t height, std::int64_t width,
                    const Geometry& geometry) {
  constexpr std::int64_t kGroupChannels = 8;
  if (geometry.width_aligned()) return {};
  return {height * width * ceil_div(channels, kGroupChannels)};
}

}  // namespace

namespace {

const Conv& conv_of(const Instruction& instruction) {
  const auto* fused = std::get_if<ConvPool>(&instruction);
  return fused != nullptr ? fused->conv : std::get<Conv>(instruction);
}

// A result of `size` in tiles of `tile`.
std::vector<TileRun> runs_of(const TileAxis& axis, std::int64_t size, std::int64_t tile) {
  std::vector<TileRun> runs;
  for (std::int64_t begin = 0; begin < size; begin += tile) {
    const Span result{begin, std::min(size, begin + tile)};
    const Span conv = axis.conv_output(result);
    const TileRun run{conv.size(), axis.source(conv).size(), result.size(), 1};
    if (!runs.empty() && runs.back().alike(run)) {
      ++runs.back().count;
    } else {
      runs.push_back(run);
    }
  }
  return runs;
}

}  // namespace

std::vector<TileRun> tile_rows(const Instruction& instruction) {
  const Conv& conv = conv_of(instruction);
  TileAxis y{1,          1,        0, conv.out_h, conv.kernel_h, conv.stride_h, conv.dilation_h,
             conv.pad_h, conv.in_h};
  const auto* fused = std::get_if<ConvPool>(&instruction);
  if (fused == nullptr) return runs_of(y, conv.out_h, conv.tail.tile_height);
  y.pool_kernel = fused->kernel_h, y.pool_stride = fused->stride_h, y.pool_pad = fused->pad_h;
  return runs_of(y, fused->out_h, conv.tail.tile_height);
}

std::vector<TileRun> tile_columns(const Instruction& instruction) {
  const Conv& conv = conv_of(instruction);
  TileAxis x{1,          1,        0, conv.out_w, conv.kernel_w, conv.stride_w, conv.dilation_w,
             conv.pad_w, conv.in_w};
  const auto* fused = std::get_if<ConvPool>(&instruction);
  if (fused == nullptr) return runs_of(x, conv.out_w, conv.tail.tile_width);
  x.pool_kernel = fused->kernel_w, x.pool_stride = fused->stride_w, x.pool_pad = fused->pad_w;
  return runs_of(x, fused->out_w, conv.tail.tile_width);
}

TileCost tile_cost(const Instruction& instruction, const TileRun& rows, const TileRun& columns,
                   const Geometry& geometry) {
  const Conv& conv = conv_of(instruction);
  TileCost tile{rows.conv,
                columns.conv,
                rows.source,
                {columns.source * conv.tail.source.sections()},
                {ddr_tensor_bytes(conv.in_ch, rows.source, columns.source, geometry)},
                {},
                {}};
  if (conv.tail.destination_in_ddr) {
    tile.result = {ddr_tensor_bytes(conv.out_ch, rows.result, columns.result, geometry)};
    tile.result_groups = group_cycles(conv.out_ch, rows.result, columns.result, geometry);
  }
  return tile;
}

std::vector<TileCost> tile_costs(const Instruction& instruction, const Geometry& geometry) {
  const std::vector<TileRun> columns = tile_columns(instruction);
  std::vector<TileCost> tiles;
  for (const TileRun& row : tile_rows(instruction)) {
    const std::size_t first = tiles.size();
    for (const TileRun& column : columns) {
      const TileCost tile = tile_cost(instruction, row, column, geometry);
      tiles.insert(tiles.end(), static_cast<std::size_t>(column.count), tile);
    }
    const std::vector<TileCost> of_row(tiles.begin() + static_cast<std::ptrdiff_t>(first),
                                       tiles.end());
    for (std::int64_t r = 1; r < row.count; ++r) {
      tiles.insert(tiles.end(), of_row.begin(), of_row.end());
    }
  }
  return tiles;
}

namespace {

// visit(cost, count) for tiles that are alike.
template <typename Visit>
void for_each_tile(const Instruction& instruction, const Geometry& geometry, const Visit& visit) {
  const std::vector<TileRun> columns = tile_columns(instruction);
  for (const TileRun& row : tile_rows(instruction)) {
    for (const TileRun& column : columns) {
      visit(tile_cost(instruction, row, column, geometry), row.count * column.count);
    }
  }
}

}  // namespace

TileCost untiled_cost(const Instruction& instruction, const Geometry& geometry) {
  const auto* fused = std::get_if<ConvPool>(&instruction);
  const Conv& conv = fused != nullptr ? fused->conv : std::get<Conv>(instruction);
  TileCost tile{.out_rows = conv.out_h, .out_cols = conv.out_w};
  if (!conv.tail.destination_in_ddr) return tile;
  const std::int64_t height = fused != nullptr ? fused->out_h : conv.out_h;
  const std::int64_t width = fused != nullptr ? fused->out_w : conv.out_w;
  tile.result = {ddr_tensor_bytes(conv.out_ch, height, width, geometry)};
  tile.result_groups = group_cycles(conv.out_ch, height, width, geometry);
  return tile;
}

Bytes result_bytes(const Instruction& instruction, const Geometry& geometry) {
  const Tail& t = tail(instruction);
  if (!t.destination_in_ddr) return {};
  if (!t.source_in_ddr) return untiled_cost(instruction, geometry).result;
  Bytes bytes;
  for_each_tile(instruction, geometry,
                [&](const TileCost& tile, std::int64_t count) { bytes += count * tile.result; });
  return bytes;
}

namespace {

// The window of a pool or sum on the map it reads.
struct StreamWindow {
  TileAxis x, y;
  std::int64_t out_w, out_h, channels;
};
StreamWindow window_of(const Pool& op) {
  return {{op.kernel_w, op.stride_w, op.pad_w, op.in_w, 1, 1, 1, 0, op.in_w},
          {op.kernel_h, op.stride_h, op.pad_h, op.in_h, 1, 1, 1, 0, op.in_h},
          op.out_w,
          op.out_h,
          op.channels};
}
StreamWindow window_of(const Eltwise& op) {
  return {{1, 1, 0, op.width, 1, 1, 1, 0, op.width},
          {1, 1, 0, op.height, 1, 1, 1, 0, op.height},
          op.width,
          op.height,
          op.channels};
}

// `words`: that pass the engine for a pixel of the larger of a tile's two maps; `operands`: maps
// brought from DDR. Without a source there the whole map is one tile.
std::vector<StreamTile> stream_tiles(const StreamWindow& w, const Tail& t, std::int64_t words,
                                     std::int64_t operands, const Geometry& geometry) {
  std::vector<StreamTile> tiles;
  const std::int64_t height = t.source_in_ddr ? t.tile_height : w.out_h;
  const std::int64_t width = t.source_in_ddr ? t.tile_width : w.out_w;
  for (std::int64_t top = 0; top < w.out_h; top += height) {
    for (std::int64_t left = 0; left < w.out_w; left += width) {
      const Span out_rows{top, std::min(w.out_h, top + height)};
      const Span out_cols{left, std::min(w.out_w, left + width)};
      const Span rows = w.y.conv_output(out_rows), cols = w.x.conv_output(out_cols);
      StreamTile tile{.rows = std::max<std::int64_t>(1, rows.size())};
      const std::int64_t pixels =
          std::max(rows.size() * cols.size(), out_rows.size() * out_cols.size());
      tile.row_cycles = {ceil_div(pixels, tile.rows) * words};
      if (t.source_in_ddr) {
        tile.ddr = {operands * ddr_tensor_bytes(w.channels, rows.size(), cols.size(), geometry)};
      }
      if (t.destination_in_ddr) {
        tile.result = {ddr_tensor_bytes(w.channels, out_rows.size(), out_cols.size(), geometry)};
        tile.result_groups = group_cycles(w.channels, out_rows.size(), out_cols.size(), geometry);
      }
      tiles.push_back(tile);
    }
  }
  return tiles;
}

bool in_ddr(const Tail& t) { return t.source_in_ddr || t.destination_in_ddr; }

// Bytes of all tiles together.
Bytes total(const std::vector<StreamTile>& tiles, Bytes StreamTile::*part) {
  Bytes sum;
  for (const StreamTile& tile : tiles) sum += tile.*part;
  return sum;
}

struct StreamCostOf {
  const Machine& machine;

  // AM words of a row of one plane; planes that are really moved, without padding to even.
  std::int64_t row(std::int64_t width) const { return machine.geometry().row_words(width); }
  std::int64_t planes(std::int64_t channels, const ChannelLayout& layout) const {
    return machine.width_aligned() ? channels : layout.sections();
  }

  StreamCost operator()(const Pool& op) const {
    if (machine.family() == Family::V2) {
      // Through the array's pipeline (docs/facts/xdnn.md 1.3), so at its rate: for each line of the
      // result one line of the source per kernel position and cycle (assumed, after
      // docs/facts/xdnn.md 5.2).
      const std::int64_t lines = machine.geometry().row_words(op.out_w) * op.channels;
      return {op.out_h, {lines * op.kernel_w * op.kernel_h}, 1, 1, {}, {}};
    }
    // Line buffers in front of the pool engine: each input word is read once (assumed; the in-line
    // pool of the conv pipeline works at that rate too, docs/facts/xdnn.md 5.2 "a fused pool adds
    // nothing").
    const std::int64_t words = std::max(op.in_h * row(op.in_w), op.out_h * row(op.out_w));
    const std::int64_t row_words = ceil_div(words, op.in_h);
    StreamCost cost{op.in_h, {row_words * planes(op.channels, op.tail.source)}, 1, 1, {}, {}};
    if (in_ddr(op.tail)) {
      cost.tiles = stream_tiles(window_of(op), op.tail, planes(op.channels, op.tail.source), 1,
                                machine.geometry());
      cost.ddr = total(cost.tiles, &StreamTile::ddr) + total(cost.tiles, &StreamTile::result);
    }
    return cost;
  }
  StreamCost operator()(const Eltwise& op) const {
    // docs/facts/xdnn.md 5.2: W*H*ceil(C/96) cycles; two reads one after the other without
    // parallel_read. Width-aligned machines have no such bit: they read two lines at once if they
    // have the ports (assumed).
    const bool parallel =
        (op.tail.parallel_read || machine.width_aligned()) && machine.am.read_ports >= 2;
    const std::int64_t words = row(op.width) * planes(op.channels, op.tail.source);
    StreamCost cost{op.height, {parallel ? words : 2 * words}, parallel ? 2 : 1, 1, {}, {}};
    if (in_ddr(op.tail)) {
      const std::int64_t pixel = planes(op.channels, op.tail.source) * (parallel ? 1 : 2);
      cost.tiles = stream_tiles(window_of(op), op.tail, pixel, 2, machine.geometry());
      cost.ddr = total(cost.tiles, &StreamTile::ddr) + total(cost.tiles, &StreamTile::result);
    }
    return cost;
  }
  StreamCost operator()(const Upsample& op) const {
    return {op.out_h, {row(op.out_w) * planes(op.channels, op.tail.source)}, 1, 1, {}, {}};
  }
  StreamCost operator()(const Gather& op) const {
    const std::int64_t rows = op.end_row - op.start_row + 1;
    const ChannelLayout layout =
        op.tail.concat_part ? plain_layout(op.channels, machine.geometry()) : op.tail.destination;
    return {rows,
            {row(op.width) * planes(op.channels, layout)},
            0,
            1,
            {ddr_tensor_bytes(op.channels, rows, op.width, machine.geometry())},
            {}};
  }
  StreamCost operator()(const Scatter& op) const {
    const std::int64_t rows = op.end_row - op.start_row + 1;
    const Cycles words{row(op.width) * planes(op.channels, op.tail.source)};
    return {rows, std::max(words, group_cycles(op.channels, 1, op.width, machine.geometry())), 1,
            0,    {ddr_tensor_bytes(op.channels, rows, op.width, machine.geometry())},         {}};
  }
  StreamCost operator()(const Conv&) const { CHECK(false, "a convolution is no stream"); }
  StreamCost operator()(const ConvPool&) const { CHECK(false, "a convolution is no stream"); }
};

Cycles conv_duration(const Instruction& instruction, const Machine& machine) {
  const ConvWork work = conv_work(instruction, machine);
  const Cycles body = work.overlapped ? std::max(work.compute, work.later_loads + work.last_pass)
                                      : work.compute + work.later_loads;
  const Cycles streamed = std::max(work.first_load + body, work.inputs);
  return std::max(streamed + conv_cost(instruction, machine).drain, work.first_load + work.results);
}

}  // namespace

ConvWork conv_work(const Instruction& instruction, const Machine& machine) {
  const ConvCost cost = conv_cost(instruction, machine);
  const Cycles latency{machine.ddr.latency_cycles};
  ConvWork work;
  const Cycles slab = ddr_cycles(cost.slab, machine);
  work.first_load = latency + slab;
  work.later_loads = ddr_cycles(cost.slab * cost.passes, machine) - slab;
  work.overlapped = cost.slab_buffers < machine.filters.buffers;
  const auto stream = [&](Bytes results, Cycles groups) {
    if (results.value == 0) return;
    work.results = latency + std::max(ddr_cycles(results, machine), groups);
  };
  if (!tail(instruction).source_in_ddr) {
    work.compute = cost.compute();
    work.last_pass = cost.row_cycles * cost.rows;
    const TileCost all = untiled_cost(instruction, machine.geometry());
    stream(all.result, all.result_groups);
    return work;
  }
  Bytes input, results;
  Cycles words, groups;
  for_each_tile(instruction, machine.geometry(), [&](const TileCost& tile, std::int64_t count) {
    work.compute += Cycles{count * tile.out_rows * tile.out_cols * cost.steps * cost.passes};
    input += count * tile.ddr;
    words += count * tile.in_rows * tile.in_row_words;
    results += count * tile.result;
    groups += count * tile.result_groups;
  });
  stream(results, groups);
  work.inputs = latency + std::max(ddr_cycles(input, machine), words);
  return work;
}

StreamCost stream_cost(const Instruction& instruction, const Machine& machine) {
  return std::visit(StreamCostOf{machine}, instruction);
}

Cycles ddr_cycles(Bytes bytes, const Machine& machine) {
  const double cycles = static_cast<double>(bytes.value) / machine.ddr_bytes_per_cycle();
  return {static_cast<std::int64_t>(std::ceil(cycles - 1e-9))};
}

Cycles duration(const Step& step, const Machine& machine) {
  if (unit_of(step.instruction) == Unit::Conv) return conv_duration(step.instruction, machine);
  const StreamCost cost = stream_cost(step.instruction, machine);
  const Cycles stream = cost.row_cycles * cost.rows;
  if (!cost.tiles.empty()) {
    Cycles words, groups, longest;
    for (const StreamTile& tile : cost.tiles) {
      words += tile.row_cycles * tile.rows;
      groups += tile.result_groups;
    }
    for (Bytes StreamTile::*part : {&StreamTile::ddr, &StreamTile::result}) {
      const Bytes bytes = total(cost.tiles, part);
      if (bytes.value == 0) continue;
      longest = std::max(longest, Cycles{machine.ddr.latency_cycles} + ddr_cycles(bytes, machine));
    }
    return std::max({words, groups, longest});
  }
  if (cost.ddr.value == 0) return stream;
  return std::max(stream, Cycles{machine.ddr.latency_cycles} + ddr_cycles(cost.ddr, machine));
}

}  // namespace workbench::xdnn
