#include "compiler/pulp/kernel_rules.h"

#include <algorithm>

#include "core/error.h"
#include "core/units.h"
#include "isa/pulp/kernels.h"
#include "isa/pulp/semantics.h"

namespace workbench::pulp {

std::vector<KernelKind> usable_kernels(const Layer& layer, const Machine& machine) {
  const Kernel& call = layer.call;
  // Kernels that split the width deal rows to pairs of cores.
  const bool pairs = machine.cluster.cores % 2 == 0;
  switch (layer.kind) {
    case LayerKind::Conv:
      if (!pairs) return {KernelKind::ConvHo, KernelKind::ConvCo};
      return {KernelKind::ConvHo, KernelKind::ConvHoWo, KernelKind::ConvCo};
    case LayerKind::Pointwise:
      if (!pairs) return {KernelKind::PointwiseHo, KernelKind::PointwiseCo};
      return {KernelKind::PointwiseHoWo, KernelKind::PointwiseHo, KernelKind::PointwiseCo};
    case LayerKind::Depthwise:
      if (call.kernel_h * call.kernel_w < 4) return {KernelKind::DepthwiseLess4};
      if (call.kernel_h == 3 && call.kernel_w == 3 && call.stride_x == 1 && call.stride_y == 1 &&
          call.dilation_x == 1 && call.dilation_y == 1) {
        return {KernelKind::DepthwiseGeneric, KernelKind::Depthwise3x3s1};
      }
      return {KernelKind::DepthwiseGeneric};
    case LayerKind::Linear:
      return {call.out_bits == 32 ? KernelKind::Linear32 : KernelKind::Linear};
    case LayerKind::Add:
      return {KernelKind::Add};
    case LayerKind::AveragePool:
      return {KernelKind::AveragePool};
    case LayerKind::MaxPool:
      // No tile has more left padding or columns than the layer: where that is exact, tiles are.
      return {pools_exactly(call) ? KernelKind::MaxPool : KernelKind::MaxPoolDirect};
    case LayerKind::Requantize:
      return {KernelKind::Requantize};
  }
  CHECK(false, "kind {}", static_cast<int>(layer.kind));
}

KernelKind dory_kernel(const Layer& layer, const Machine& machine) {
  return usable_kernels(layer, machine).front();
}

bool can_split(KernelKind kernel, std::int64_t cores) {
  return !splits_width(kernel) || cores % 2 == 0 || cores == 1;
}

namespace {

bool channels_over_cores(KernelKind kind) {
  return kind == KernelKind::ConvCo || kind == KernelKind::PointwiseCo || is_depthwise(kind) ||
         is_linear(kind);
}

MapWork matrix_map(KernelKind kind, std::int64_t cores, std::int64_t rows, std::int64_t columns) {
  std::int64_t own_rows = rows, own_columns = columns;
  if (!channels_over_cores(kind)) {
    own_rows = ceil_div(rows, cores);
    if (splits_width(kind) && rows % cores != 0 && columns > 1 && cores > 1) {
      own_rows = ceil_div(rows, cores / 2);
      own_columns = columns - columns / 2;
    }
  }
  if (is_im2col(kind)) {  // pairs go on across the ends of rows
    const std::int64_t pixels = own_rows * own_columns;
    return {static_cast<double>(pixels / 2), static_cast<double>(pixels % 2)};
  }
  return {static_cast<double>(own_rows * (own_columns / 2)),
          static_cast<double>(own_rows * (own_columns % 2))};
}

// pulp.md 2.3: blocks of 4 channels x 2 pixels, channels left over, pixels left over.
ChannelWork matrix_channels(KernelKind kind, const Kernel& layer, std::int64_t channels) {
  const std::int64_t depth = layer.in_c * layer.kernel_h * layer.kernel_w;
  const auto words = static_cast<double>(depth / 4), rest = static_cast<double>(depth % 4);
  const double epilogue = layer.norm && layer.norm_bits == 64 ? 159 : 112;
  const auto blocks = static_cast<double>(channels / 4), left = static_cast<double>(channels % 4);
  ChannelWork work;
  work.per_pair = 40 + blocks * (14 * words + 17 * rest + epilogue) +
                  left * (5 * words + 8 * rest + epilogue / 2);
  work.per_single = 40 + static_cast<double>(channels) * (3 * words + 5 * rest + epilogue / 4);
  if (is_im2col(kind)) {  // pulp.md 2.6, the branches at borders spread over the window's rows
    const double columns =
        0.75 * static_cast<double>(depth) + 108.0 * static_cast<double>(layer.kernel_h);
    work.per_pair += 2 * columns;
    work.per_single += columns;
  }
  return work;
}

// Cycles per channel as pairs, per pixel as singles; as cost.h has them for 4 to 64 channels.
MapWork pixel_map(KernelKind kind, const Kernel& layer, double own_pixels) {
  const auto taps = static_cast<double>(layer.kernel_h * layer.kernel_w);
  const auto height = static_cast<double>(layer.kernel_h);
  switch (kind) {
    case KernelKind::AveragePool:
      return {own_pixels * (6 * taps + 26), own_pixels * 40};
    case KernelKind::MaxPool: {  // along all rows of the input, then along columns
      const auto in_rows = static_cast<double>(layer.stride_y);
      const double in_pixels = in_rows * static_cast<double>(layer.stride_x);
      return {own_pixels * (3.2 * in_rows * static_cast<double>(layer.kernel_w) + 0.8 * height),
              own_pixels * (8 + 25 * in_pixels)};
    }
    case KernelKind::MaxPoolDirect:  // 4 channels at a time, 3 a tap, 5 a row of the window
      return {own_pixels * (3 * taps + 5 * (height + 1)) / 4, 0};
    case KernelKind::Requantize:
      return {own_pixels * 1.7, own_pixels * 1.7};
    default:
      return {own_pixels * 8.3, own_pixels * 1.7};
  }
}

}  // namespace

MapWork map_work(KernelKind kind, const Kernel& layer, std::int64_t cores, std::int64_t in_rows,
                 std::int64_t rows, std::int64_t columns) {
  if (is_im2col(kind) || is_pointwise(kind)) return matrix_map(kind, cores, rows, columns);
  if (is_linear(kind)) return {1, 0};
  const auto taps = static_cast<double>(layer.kernel_h * layer.kernel_w);
  const auto width = static_cast<double>(columns);
  if (is_depthwise(kind)) {  // pulp.md 2.5: 35 + 5.2 rows in + 18.8 rows out at 3x3
    return {width * (35 + 1.73 * static_cast<double>(layer.kernel_w * in_rows) +
                     (6 + 1.42 * taps) * static_cast<double>(rows)),
            0};
  }
  return pixel_map(kind, layer, static_cast<double>(ceil_div(rows, cores)) * width);
}

ChannelWork channel_work(KernelKind kind, const Kernel& layer, std::int64_t cores,
                         std::int64_t channels) {
  const std::int64_t own = channels_over_cores(kind) ? ceil_div(channels, cores) : channels;
  if (is_im2col(kind) || is_pointwise(kind)) return matrix_channels(kind, layer, own);
  const auto count = static_cast<double>(own);
  if (is_linear(kind)) return {count * (30 + static_cast<double>(layer.in_c)), 0};
  return {count, 1};
}

}  // namespace workbench::pulp
