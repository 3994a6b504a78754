#include "compiler/pulp/kernel_rules.h"

#include <algorithm>

#include "core/error.h"
#include "core/units.h"
#include "isa/pulp/kernels.h"
#include "isa/pulp/semantics.h"

namespace workbench::pulp {

std::vector<KernelKind> usable_kernels(const Layer& layer, const Machine& machine) {
  std::vector<KernelKind> usable;
  for (const KernelTraits& row : kernels_of(layer.family)) {
    if (!can_split(row.kind, machine.cluster.cores)) continue;
    if (row.serves == nullptr || row.serves(layer.call)) usable.push_back(row.kind);
  }
  return usable;
}

KernelKind dory_kernel(const Layer& layer, const Machine& machine) {
  return usable_kernels(layer, machine).front();
}

bool can_split(KernelKind kernel, std::int64_t cores) {
  return traits(kernel).split != Split::HalfRows || cores % 2 == 0 || cores == 1;
}

namespace {

bool channels_over_cores(KernelKind kind) { return traits(kind).split == Split::Channels; }

// What a tile is to the rough model.
struct MapSize {
  std::int64_t cores, in_rows, rows, columns;
};

MapWork matrix_map(KernelKind kind, const Kernel&, const MapSize& size) {
  const auto [cores, in_rows, rows, columns] = size;
  std::int64_t own_rows = rows, own_columns = columns;
  if (!channels_over_cores(kind)) {
    own_rows = ceil_div(rows, cores);
    if (traits(kind).split == Split::HalfRows && rows % cores != 0 && columns > 1 && cores > 1) {
      own_rows = ceil_div(rows, cores / 2);
      own_columns = columns - columns / 2;
    }
  }
  if (traits(kind).family == Family::Conv) {  // pairs go on across the ends of rows
    const std::int64_t pixels = own_rows * own_columns;
    return {static_cast<double>(pixels / 2), static_cast<double>(pixels % 2)};
  }
  return {static_cast<double>(own_rows * (own_columns / 2)),
          static_cast<double>(own_rows * (own_columns % 2))};
}

// docs/facts/pulp.md 2.3: blocks of 4 channels x 2 pixels, channels left over, pixels left over.
ChannelWork matrix_channels(KernelKind kind, const Kernel& layer, std::int64_t channels) {
  const std::int64_t depth = layer.in_c * layer.kernel_h * layer.kernel_w;
  const auto words = static_cast<double>(depth / 4), rest = static_cast<double>(depth % 4);
  const double epilogue = layer.norm && layer.norm_bits == 64 ? 159 : 112;
  const auto blocks = static_cast<double>(channels / 4), left = static_cast<double>(channels % 4);
  ChannelWork work;
  work.per_pair = 40 + blocks * (14 * words + 17 * rest + epilogue) +
                  left * (5 * words + 8 * rest + epilogue / 2);
  work.per_single = 40 + static_cast<double>(channels) * (3 * words + 5 * rest + epilogue / 4);
  if (traits(kind).family == Family::Conv) {  // docs/facts/pulp.md 2.6, the branches at borders
                                              // spread over the window's rows
    const double columns =
        0.75 * static_cast<double>(depth) + 108.0 * static_cast<double>(layer.kernel_h);
    work.per_pair += 2 * columns;
    work.per_single += columns;
  }
  return work;
}

MapWork linear_map(KernelKind, const Kernel&, const MapSize&) { return {1, 0}; }

ChannelWork linear_channels(KernelKind, const Kernel& layer, std::int64_t channels) {
  return {static_cast<double>(channels) * (30 + static_cast<double>(layer.in_c)), 0};
}

// docs/facts/pulp.md 2.5: 35 + 5.2 rows in + 18.8 rows out at 3x3
MapWork depthwise_map(KernelKind, const Kernel& layer, const MapSize& size) {
  const auto taps = static_cast<double>(layer.kernel_h * layer.kernel_w);
  return {static_cast<double>(size.columns) *
              (35 + 1.73 * static_cast<double>(layer.kernel_w * size.in_rows) +
               (6 + 1.42 * taps) * static_cast<double>(size.rows)),
          0};
}

// The others: cycles per channel as pairs, per pixel as singles; as cost.h has them for 4 to 64
// channels.
ChannelWork pixel_channels(KernelKind, const Kernel&, std::int64_t channels) {
  return {static_cast<double>(channels), 1};
}

double own_pixels(const MapSize& size) {
  return static_cast<double>(ceil_div(size.rows, size.cores)) * static_cast<double>(size.columns);
}

MapWork add_map(KernelKind, const Kernel&, const MapSize& size) {
  return {own_pixels(size) * 8.3, own_pixels(size) * 1.7};
}

MapWork requantize_map(KernelKind, const Kernel&, const MapSize& size) {
  return {own_pixels(size) * 1.7, own_pixels(size) * 1.7};
}

MapWork average_pool_map(KernelKind, const Kernel& layer, const MapSize& size) {
  const auto taps = static_cast<double>(layer.kernel_h * layer.kernel_w);
  return {own_pixels(size) * (6 * taps + 26), own_pixels(size) * 40};
}

MapWork max_pool_map(KernelKind kind, const Kernel& layer, const MapSize& size) {
  const double pixels = own_pixels(size);
  const auto taps = static_cast<double>(layer.kernel_h * layer.kernel_w);
  const auto height = static_cast<double>(layer.kernel_h);
  if (kind == KernelKind::MaxPoolDirect) {  // 4 channels at a time, 3 a tap, 5 a row of the window
    return {pixels * (3 * taps + 5 * (height + 1)) / 4, 0};
  }
  // Along all rows of the input, then along columns.
  const auto in_rows = static_cast<double>(layer.stride_y);
  const double in_pixels = in_rows * static_cast<double>(layer.stride_x);
  return {pixels * (3.2 * in_rows * static_cast<double>(layer.kernel_w) + 0.8 * height),
          pixels * (8 + 25 * in_pixels)};
}

struct RoughCost {
  MapWork (*map)(KernelKind, const Kernel& layer, const MapSize&);
  ChannelWork (*channels)(KernelKind, const Kernel& layer, std::int64_t of_a_core);
};

RoughCost rough_cost(Family family) {
  switch (family) {
    case Family::Conv:
    case Family::Pointwise:
      return {matrix_map, matrix_channels};
    case Family::Depthwise:
      return {depthwise_map, pixel_channels};
    case Family::Linear:
      return {linear_map, linear_channels};
    case Family::Add:
      return {add_map, pixel_channels};
    case Family::AveragePool:
      return {average_pool_map, pixel_channels};
    case Family::MaxPool:
      return {max_pool_map, pixel_channels};
    case Family::Requantize:
      return {requantize_map, pixel_channels};
  }
  CHECK(false, "family {}", static_cast<int>(family));
}

}  // namespace

MapWork map_work(KernelKind kind, const Kernel& layer, std::int64_t cores, std::int64_t in_rows,
                 std::int64_t rows, std::int64_t columns) {
  return rough_cost(traits(kind).family).map(kind, layer, {cores, in_rows, rows, columns});
}

ChannelWork channel_work(KernelKind kind, const Kernel& layer, std::int64_t cores,
                         std::int64_t channels) {
  const std::int64_t own = channels_over_cores(kind) ? ceil_div(channels, cores) : channels;
  return rough_cost(traits(kind).family).channels(kind, layer, own);
}

}  // namespace workbench::pulp
