// Which input an output block needs, and the kernel call that makes it.
#include "compiler/pulp/tiling.h"

#include <algorithm>

#include "core/error.h"
#include "core/units.h"
#include "isa/pulp/footprint.h"

namespace workbench::pulp {

namespace {

struct Axis {
  std::int64_t size, kernel, stride, dilation, pad;
};

InputSpan input_span(const Axis& axis, std::int64_t out_begin, std::int64_t out_end) {
  CHECK(out_begin >= 0 && out_begin < out_end, "output [{}, {})", out_begin, out_end);
  const std::int64_t first = out_begin * axis.stride - axis.pad;
  const std::int64_t last =
      (out_end - 1) * axis.stride - axis.pad + axis.dilation * (axis.kernel - 1) + 1;
  InputSpan span;
  span.begin = std::clamp<std::int64_t>(first, 0, axis.size);
  span.end = std::clamp<std::int64_t>(last, 0, axis.size);
  span.pad_before = std::min(std::max<std::int64_t>(-first, 0), last - first);
  span.pad_after = (last - first) - (span.end - span.begin) - span.pad_before;
  return span;
}

// Results at either end that are of padding alone.
std::int64_t blind(const Axis& axis, std::int64_t pad) {
  const std::int64_t extent = axis.dilation * (axis.kernel - 1) + 1;
  return pad < extent ? 0 : (pad - extent) / axis.stride + 1;
}

// `results`: of the whole layer, whose last window need not reach the end of the padding.
bool tiles_read(const Axis& axis, std::int64_t results, std::int64_t size, std::int64_t tile) {
  const std::int64_t extent = axis.dilation * (axis.kernel - 1) + 1;
  const std::int64_t pad_after = (results - 1) * axis.stride + extent - axis.pad - axis.size;
  const std::int64_t last = size % tile == 0 ? tile : size % tile;
  return tile > blind(axis, axis.pad) && last > blind(axis, pad_after);
}

Axis rows_of(const Kernel& layer) {
  return {layer.in_h, layer.kernel_h, layer.stride_y, layer.dilation_y, layer.pad_top};
}
Axis columns_of(const Kernel& layer) {
  return {layer.in_w, layer.kernel_w, layer.stride_x, layer.dilation_x, layer.pad_left};
}

}  // namespace

InputSpan input_rows(const Kernel& layer, std::int64_t out_begin, std::int64_t out_end) {
  return input_span(rows_of(layer), out_begin, out_end);
}

InputSpan input_columns(const Kernel& layer, std::int64_t out_begin, std::int64_t out_end) {
  return input_span(columns_of(layer), out_begin, out_end);
}

std::int64_t inner_rows(const Kernel& layer, std::int64_t out_rows) {
  return (out_rows - 1) * layer.stride_y + layer.dilation_y * (layer.kernel_h - 1) + 1;
}

bool row_tiles_read(const Kernel& layer, std::int64_t size, std::int64_t tile) {
  return tiles_read(rows_of(layer), layer.out_h, size, tile);
}

bool column_tiles_read(const Kernel& layer, std::int64_t size, std::int64_t tile) {
  return tiles_read(columns_of(layer), layer.out_w, size, tile);
}

Kernel tile_call(const Layer& layer, KernelKind kernel, std::int64_t c0, std::int64_t y0,
                 std::int64_t x0, const Cut& block) {
  Kernel call = layer.call;
  CHECK(c0 < call.out_c && y0 < call.out_h && x0 < call.out_w, "{}: block at [{}, {}, {}]",
        layer.name, c0, y0, x0);
  call.kind = kernel;
  call.out_c = std::min(block.out_c, layer.call.out_c - c0);
  if (traits(layer.family).by_channel) call.in_c = call.out_c;
  if (traits(layer.family).vector) return call;
  call.out_h = std::min(block.out_h, layer.call.out_h - y0);
  call.out_w = std::min(block.out_w, layer.call.out_w - x0);
  const InputSpan rows = input_rows(layer.call, y0, y0 + call.out_h);
  const InputSpan columns = input_columns(layer.call, x0, x0 + call.out_w);
  call.in_h = rows.end - rows.begin;
  call.pad_top = rows.pad_before;
  call.pad_bottom = rows.pad_after;
  call.in_w = columns.end - columns.begin;
  call.pad_left = columns.pad_before;
  call.pad_right = columns.pad_after;
  return call;
}

std::vector<Pass> passes_of(const Passes& passes, const Kernel& tile) {
  if (passes.over == PassOver::Nothing) return {{}};
  const std::int64_t size = passes.over == PassOver::Channels ? tile.in_c
                            : passes.over == PassOver::Rows   ? tile.in_h
                                                              : tile.in_w;
  std::vector<Pass> result;
  for (std::int64_t begin = 0; begin < size; begin += passes.size) {
    const std::int64_t end = std::min(begin + passes.size, size);
    result.push_back({begin, end, begin == 0, end == size});
  }
  return result;
}

namespace {

// Of a window, the part that covers positions [begin, end) of what the tile has of an axis; the
// padding belongs to the first and the last.
void cut_window(std::int64_t& in, std::int64_t& kernel, std::int64_t& before, std::int64_t& after,
                const Pass& pass) {
  in = pass.end - pass.begin;
  if (!pass.first) before = 0;
  if (!pass.last) after = 0;
  kernel = in + before + after;
}

}  // namespace

Kernel pass_call(const Kernel& tile, const Passes& passes, const Pass& pass) {
  Kernel call = tile;
  switch (passes.over) {
    case PassOver::Nothing:
      return call;
    case PassOver::Channels:
      call.in_c = pass.end - pass.begin;
      break;
    case PassOver::Rows:
      CHECK(tile.out_h == 1, "passes over the rows of {} windows", tile.out_h);
      cut_window(call.in_h, call.kernel_h, call.pad_top, call.pad_bottom, pass);
      break;
    case PassOver::Columns:
      CHECK(tile.out_w == 1, "passes over the columns of {} windows", tile.out_w);
      cut_window(call.in_w, call.kernel_w, call.pad_left, call.pad_right, pass);
      break;
  }
  call.sums_in = !pass.first, call.sums_out = !pass.last;
  if (call.sums_in) call.has_bias = false;
  if (pass.last) return call;
  if (traits(call.kind).vector) call.kind = leaving_words(call.kind);
  const Kernel none;  // leaves accumulators as they are
  call.norm = none.norm, call.norm_bits = none.norm_bits, call.clamped = none.clamped;
  call.multiplier = none.multiplier, call.offset = none.offset;
  call.shift = none.shift, call.divisor = none.divisor;
  return call;
}

// Where the buffers of a tiling lie in L1 (docs/facts/pulp.md 3.3: x, y, W, kappa, lambda, each
// twice when double buffered, 4 bytes between them; the im2col buffer last).

namespace {

constexpr std::int64_t kAlignment = 4;              // of everything that kernels load words of
constexpr std::int64_t kGap = 4, kScratchGap = 24;  // docs/facts/pulp.md 3.3

// Tiles begin anew in each slice. Those of one size read less the more of what they ask for is
// padding: behind the first that has none in front, none of them reads more. So slices and tiles
// are looked at up to that one, and then the last ones, whose sizes are their own.
template <typename Span>
Extent largest(const Span& span, std::int64_t size, std::int64_t slice, std::int64_t tile) {
  Extent extent;
  const auto behind = [](std::int64_t begin, std::int64_t step, std::int64_t end, bool padded) {
    const std::int64_t next = begin + step, last = begin + (end - 1 - begin) / step * step;
    return padded || next >= end ? next : last;
  };
  for (std::int64_t from = 0; from < size;) {
    const std::int64_t to = std::min(from + slice, size);
    const bool first_padded = span(from, std::min(from + tile, to)).pad_before > 0;
    for (std::int64_t begin = from; begin < to;) {
      const InputSpan part = span(begin, std::min(begin + tile, to));
      const std::int64_t data = part.end - part.begin;
      extent.data = std::max(extent.data, data);
      extent.padded = std::max(extent.padded, data + part.pad_before + part.pad_after);
      begin = behind(begin, tile, to, part.pad_before > 0);
    }
    from = behind(from, slice, size, first_padded);
  }
  return extent;
}

struct Place {
  std::int64_t next = 0, gap = 0;

  void put(std::int64_t (&addresses)[2], std::int64_t bytes, bool twice) {
    if (bytes == 0) return;
    const std::int64_t each = round_up(bytes, kAlignment);
    addresses[0] = next;
    addresses[1] = twice ? next + each : next;
    next += (twice ? 2 : 1) * each + gap;
  }
};

L1Map placed(const TileBytes& bytes, const Buffering& twice, std::int64_t gap) {
  L1Map map;
  Place place{.next = 0, .gap = gap};
  place.put(map.in, bytes.in, twice.in);
  place.put(map.in2, bytes.in2, twice.in);
  place.put(map.out, bytes.out, twice.out);
  place.put(map.weights, bytes.weights, twice.weights);
  place.put(map.kappa, bytes.norm, twice.weights);
  place.put(map.lambda, bytes.norm, twice.weights);
  place.put(map.bias, bytes.bias, twice.weights);
  std::int64_t sums[2]{};
  place.put(sums, bytes.sums, false);
  map.sums = sums[0];
  map.end = place.next - gap;
  if (bytes.scratch == 0) return map;
  map.scratch = map.end + (gap == 0 ? 0 : kScratchGap);
  map.end = map.scratch + bytes.scratch;
  return map;
}

}  // namespace

TileBytes tile_bytes(const Kernel& largest_call, const Machine& machine) {
  return {.in = input_bytes(largest_call),
          .in2 = second_input_bytes(largest_call),
          .out = output_bytes(largest_call),
          .weights = weight_bytes(largest_call),
          .norm = norm_bytes(largest_call),
          .bias = bias_bytes(largest_call),
          .scratch = scratch_bytes(largest_call, machine)};
}

TileBytes tile_bytes(const Layer& layer, const Tiling& tiling, const Machine& machine) {
  TileBytes bytes = tile_bytes(largest_call(layer, tiling), machine);
  const Cut& tile = tiling.tile;
  const bool cut = tiling.passes.over != PassOver::Nothing;
  bytes.sums = cut ? 4 * tile.out_c * tile.out_h * tile.out_w : 0;
  return bytes;
}

Buffering buffering(const Tiling& tiling) {
  if (!tiling.double_buffered) return {.in = false, .weights = false, .out = false};
  return {.in = tiling.input_twice, .weights = tiling.weights_twice, .out = true};
}

std::int64_t l1_bytes(const TileBytes& bytes, const Buffering& twice) {
  const auto taken = [](std::int64_t each, bool two) {
    return (two ? 2 : 1) * round_up(each, kAlignment);
  };
  return taken(bytes.in, twice.in) + taken(bytes.in2, twice.in) + taken(bytes.out, twice.out) +
         taken(bytes.weights, twice.weights) + 2 * taken(bytes.norm, twice.weights) +
         taken(bytes.bias, twice.weights) + taken(bytes.sums, false) + bytes.scratch;
}

Extent row_extent(const Layer& layer, std::int64_t tile, std::int64_t slice) {
  return largest(
      [&](std::int64_t begin, std::int64_t end) { return input_rows(layer.call, begin, end); },
      layer.call.out_h, slice, tile);
}

Extent column_extent(const Layer& layer, std::int64_t tile, std::int64_t slice) {
  return largest(
      [&](std::int64_t begin, std::int64_t end) { return input_columns(layer.call, begin, end); },
      layer.call.out_w, slice, tile);
}

Kernel largest_call(const Layer& layer, KernelKind kernel, const Cut& tile, const Cut& slice) {
  Kernel call = tile_call(layer, kernel, 0, 0, 0, tile);
  if (traits(layer.family).vector) return call;
  CHECK(tile.out_h <= slice.out_h && tile.out_w <= slice.out_w, "{}: tile larger than slice",
        layer.name);
  const Extent rows = row_extent(layer, tile.out_h, slice.out_h);
  const Extent columns = column_extent(layer, tile.out_w, slice.out_w);
  call.in_h = rows.data;
  call.pad_top = 0;
  call.pad_bottom = rows.padded - rows.data;
  call.in_w = columns.data;
  call.pad_left = 0;
  call.pad_right = columns.padded - columns.data;
  return call;
}

Kernel largest_call(const Layer& layer, const Tiling& tiling) {
  Kernel call = largest_call(layer, tiling.kernel, tiling.tile, tiling.slice);
  call.cores = tiling.cores;
  const auto [over, size] = tiling.passes;
  if (over == PassOver::Channels) call.in_c = std::min(call.in_c, size);
  if (over == PassOver::Rows) call.in_h = std::min(call.in_h, size);
  if (over == PassOver::Columns) call.in_w = std::min(call.in_w, size);
  if (tiling.as_dory && traits(layer.family).planes) {
    const std::int64_t rows = std::min(inner_rows(layer.call, tiling.tile.out_h), layer.call.in_h);
    call.in_h = std::max(call.in_h, rows);
    call.pad_bottom = std::max(call.pad_bottom, layer.call.pad_top + layer.pad_bottom);
  }
  return call;
}

L1Map l1_map(const Layer& layer, const Tiling& tiling, const Machine& machine) {
  const TileBytes bytes = tile_bytes(layer, tiling, machine);
  // DORY's solver counts no gaps: where they would not fit, they are left out.
  const L1Map spaced = placed(bytes, buffering(tiling), kGap);
  if (spaced.end <= machine.l1.buffer_bytes) return spaced;
  return placed(bytes, buffering(tiling), 0);
}

bool channels_can_be_sliced(const Layer& layer) {
  const KernelTraits& kernels = traits(layer.family);
  return kernels.weights && !kernels.by_channel;
}

std::int64_t code_bytes(std::int64_t channels, std::int64_t bits) {
  return ceil_div(channels * bits, 8);
}

SliceBytes slice_bytes(const Layer& layer, const Cut& slice) {
  const Kernel& call = layer.call;
  const std::int64_t channels = traits(layer.family).by_channel ? slice.out_c : call.in_c;
  SliceBytes bytes;
  const std::int64_t rows = row_extent(layer, slice.out_h, slice.out_h).data;
  const std::int64_t columns = column_extent(layer, slice.out_w, slice.out_w).data;
  bytes.in = rows * columns * code_bytes(channels, call.in_bits);
  bytes.out = slice.out_h * slice.out_w * code_bytes(slice.out_c, call.out_bits);
  return bytes;
}

}  // namespace workbench::pulp
