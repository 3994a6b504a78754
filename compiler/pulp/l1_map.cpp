// Where the buffers of a tiling lie in L1 (pulp.md 3.3: x, y, W, kappa, lambda, each twice when
// double buffered, 4 bytes between them; the im2col buffer last).
#include "compiler/pulp/l1_map.h"

#include <algorithm>

#include "core/error.h"
#include "core/units.h"
#include "isa/pulp/footprint.h"

namespace workbench::pulp {
namespace {

constexpr std::int64_t kAlignment = 4;              // of everything that kernels load words of
constexpr std::int64_t kGap = 4, kScratchGap = 24;  // pulp.md 3.3

// Tiles begin anew in each slice.
template <typename Span>
Extent largest(const Span& span, std::int64_t size, std::int64_t slice, std::int64_t tile) {
  Extent extent;
  for (std::int64_t from = 0; from < size; from += slice) {
    const std::int64_t to = std::min(from + slice, size);
    for (std::int64_t begin = from; begin < to; begin += tile) {
      const InputSpan part = span(begin, std::min(begin + tile, to));
      const std::int64_t data = part.end - part.begin;
      extent.data = std::max(extent.data, data);
      extent.padded = std::max(extent.padded, data + part.pad_before + part.pad_after);
    }
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
         taken(bytes.bias, twice.weights) + bytes.scratch;
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
  if (layer.kind == LayerKind::Linear) return call;
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
  if (tiling.as_dory && layer.kind == LayerKind::Depthwise) {
    const std::int64_t rows = std::min(inner_rows(layer.call, tiling.tile.out_h), layer.call.in_h);
    call.in_h = std::max(call.in_h, rows);
    call.pad_bottom = std::max(call.pad_bottom, layer.call.pad_top + layer.pad_bottom);
  }
  return call;
}

L1Map l1_map(const Layer& layer, const Tiling& tiling, const Machine& machine) {
  const TileBytes bytes = tile_bytes(largest_call(layer, tiling), machine);
  // DORY's solver counts no gaps: where they would not fit, they are left out.
  const L1Map spaced = placed(bytes, buffering(tiling), kGap);
  if (spaced.end <= machine.l1.buffer_bytes) return spaced;
  return placed(bytes, buffering(tiling), 0);
}

}  // namespace workbench::pulp
