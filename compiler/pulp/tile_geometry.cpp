// Which input an output block needs, and the kernel call that makes it.
#include <algorithm>

#include "compiler/pulp/tiling.h"
#include "core/error.h"

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

bool tiles_read(const Axis& axis, std::int64_t pad_after, std::int64_t size, std::int64_t tile) {
  const std::int64_t last = size % tile == 0 ? tile : size % tile;
  return tile > blind(axis, axis.pad) && last > blind(axis, pad_after);
}

Axis rows_of(const Kernel& layer) {
  return {layer.in_h, layer.kernel_h, layer.stride_y, layer.dilation_y, layer.pad_top};
}
Axis columns_of(const Kernel& layer) {
  return {layer.in_w, layer.kernel_w, layer.stride_x, layer.dilation_x, layer.pad_left};
}

// Kernels whose every output channel reads its own input channel.
bool by_channel(LayerKind kind) {
  switch (kind) {
    case LayerKind::Conv:
    case LayerKind::Pointwise:
    case LayerKind::Linear:
      return false;
    case LayerKind::Depthwise:
    case LayerKind::Add:
    case LayerKind::AveragePool:
    case LayerKind::MaxPool:
    case LayerKind::Requantize:
      return true;
  }
  CHECK(false, "kind {}", static_cast<int>(kind));
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
  return tiles_read(rows_of(layer), layer.pad_bottom, size, tile);
}

bool column_tiles_read(const Kernel& layer, std::int64_t size, std::int64_t tile) {
  return tiles_read(columns_of(layer), layer.pad_right, size, tile);
}

Kernel tile_call(const Layer& layer, KernelKind kernel, std::int64_t c0, std::int64_t y0,
                 std::int64_t x0, const Cut& block) {
  Kernel call = layer.call;
  CHECK(c0 < call.out_c && y0 < call.out_h && x0 < call.out_w, "{}: block at [{}, {}, {}]",
        layer.name, c0, y0, x0);
  call.kind = kernel;
  call.out_c = std::min(block.out_c, layer.call.out_c - c0);
  if (by_channel(layer.kind)) call.in_c = call.out_c;
  if (layer.kind == LayerKind::Linear) return call;
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

}  // namespace workbench::pulp
