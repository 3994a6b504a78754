#include "compiler/pulp/share_rows.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "compiler/pulp/dory_tiling.h"
#include "compiler/pulp/kernel_rules.h"
#include "compiler/pulp/optimal_tiling.h"
#include "compiler/pulp/tile_model.h"
#include "compiler/pulp/tiling.h"
#include "core/error.h"
#include "isa/pulp/kernels.h"

namespace workbench::pulp {

namespace {

// Maps of one row, of several columns.
bool has_one_row(const Layer& layer) {
  const Kernel& call = layer.call;
  return !traits(layer.family).vector && call.in_h == 1 && call.out_h == 1 && call.in_w > 1;
}

// The model tells two shapes of a layer apart when one takes at most this much of the other.
constexpr double kClearly = 0.95;

// [..][height][width][each] -> [..][width][height][each].
std::vector<std::int8_t> with_taps_exchanged(const std::vector<std::int8_t>& weights,
                                             std::int64_t height, std::int64_t width,
                                             std::int64_t each) {
  std::vector<std::int8_t> result;
  result.reserve(weights.size());
  const std::int64_t filter = height * width * each;
  for (auto from = weights.begin(); from != weights.end(); from += filter) {
    for (std::int64_t x = 0; x < width; ++x) {
      for (std::int64_t y = 0; y < height; ++y) {
        const auto tap = from + (y * width + x) * each;
        result.insert(result.end(), tap, tap + each);
      }
    }
  }
  return result;
}

// Of the shapes of a map without windows, so many are modelled tile by tile.
constexpr std::size_t kTried = 2;

// A map without windows, `columns` pixels to a row.
Kernel with_columns(Kernel call, std::int64_t columns) {
  const std::int64_t pixels = call.in_w * call.in_h;
  CHECK(pixels % columns == 0, "{} pixels in rows of {}", pixels, columns);
  call.in_h = call.out_h = pixels / columns;
  call.in_w = call.out_w = columns;
  return call;
}

Layer with_call(Layer layer, const Kernel& call) {
  layer.call = call;
  return layer;
}

// Of the layer untiled: how well its rows go round.
double rough_cycles(const std::vector<KernelKind>& kinds, const Kernel& call, std::int64_t cores) {
  double least = std::numeric_limits<double>::max();
  for (const KernelKind kind : kinds) {
    least = std::min(least, map_work(kind, call, cores, call.in_h, call.out_h, call.out_w) *
                                channel_work(kind, call, cores, call.out_c));
  }
  return least;
}

// Those that the cores share clearly better by the rough model, the best few.
std::vector<Layer> other_columns(const Layer& layer, const Machine& machine, Use use) {
  const std::vector<KernelKind> kinds = usable_kernels(layer, machine);
  const std::int64_t cores = machine.cluster.cores, pixels = layer.call.in_w * layer.call.in_h;
  const double as_it_is = rough_cycles(kinds, layer.call, cores);
  std::vector<std::pair<double, std::int64_t>> found;
  for (std::int64_t divisor = 1; divisor * divisor <= pixels; ++divisor) {
    if (pixels % divisor != 0) continue;
    for (const std::int64_t columns : {divisor, pixels / divisor}) {
      const double cycles = rough_cycles(kinds, with_columns(layer.call, columns), cores);
      const bool wanted =
          use == Use::Always ? columns != layer.call.in_w : cycles < kClearly * as_it_is;
      if (wanted) found.emplace_back(cycles, columns);
    }
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  found.resize(std::min(found.size(), kTried));
  std::vector<Layer> result;
  for (const auto& [cycles, columns] : found) {
    result.push_back(with_call(layer, with_columns(layer.call, columns)));
  }
  return result;
}

// DORY's tiles are those of the network's maps, but for such of one row.
std::vector<Layer> shapes(const Layer& layer, const Machine& machine, Tiler tiler, Use use) {
  if (use == Use::Never) return {};
  const bool window = traits(layer.family).window;
  if (tiler == Tiler::Optimal && !window && !traits(layer.family).vector) {
    return other_columns(layer, machine, use);
  }
  if (!has_one_row(layer)) return {};
  std::vector<Layer> result{with_axes_exchanged(layer)};
  // Kernels multiply two pixels at a time.
  if (!window && layer.call.in_w % 2 == 0)
    result.push_back(with_call(layer, with_columns(layer.call, 2)));
  return result;
}

// By the model, with L2 for itself; of ours however large that would be, so that the shape does not
// depend on it. Nothing: there are no tiles.
std::optional<double> cycles_of(const Layer& layer, const Network& network, const Machine& machine,
                                Tiler tiler, KernelCosts& costs) {
  if (tiler == Tiler::Optimal) {
    constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max() / 4;
    const L2Budget budget{.bytes = kUnlimited};
    TilingMemo memo{costs};
    const auto tiling = optimal_tiling(layer, network, machine, budget, memo).tiling;
    if (!tiling) return std::nullopt;
    return static_cast<double>(tiling->modelled.value);
  }
  const L2Budget budget{.bytes = machine.l2.buffer_bytes};
  const auto tiling = dory_tiling(layer, network, machine, budget).tiling;
  if (!tiling) return std::nullopt;
  return static_cast<double>(modelled_cycles(layer, *tiling, machine, 0, costs).value);
}

}  // namespace

bool can_share_rows(const Layer& layer, const Machine& machine, Tiler tiler, Use use) {
  return !shapes(layer, machine, tiler, use).empty();
}

Layer with_axes_exchanged(Layer layer) {
  Kernel& call = layer.call;
  const std::int64_t each = traits(layer.family).by_channel ? 1 : call.in_c;
  if (call.kernel_h > 1 && call.kernel_w > 1) {
    layer.weights = with_taps_exchanged(layer.weights, call.kernel_h, call.kernel_w, each);
  }
  layer.pad_bottom = call.pad_right;
  std::swap(call.in_h, call.in_w);
  std::swap(call.out_h, call.out_w);
  std::swap(call.kernel_h, call.kernel_w);
  std::swap(call.stride_y, call.stride_x);
  std::swap(call.dilation_y, call.dilation_x);
  std::swap(call.pad_top, call.pad_left);
  std::swap(call.pad_bottom, call.pad_right);
  return layer;
}

void share_rows(Network& network, const Machine& machine, Tiler tiler, Use use) {
  KernelCosts costs(machine);
  for (Layer& layer : network.layers) {
    std::vector<Layer> others = shapes(layer, machine, tiler, use);
    if (others.empty()) continue;
    std::optional<double> least;
    if (use != Use::Always) least = cycles_of(layer, network, machine, tiler, costs);
    if (least) *least *= kClearly;
    std::optional<Layer> best;
    for (Layer& shape : others) {
      const auto cycles = cycles_of(shape, network, machine, tiler, costs);
      if (!cycles || (least && *cycles >= *least)) continue;
      least = cycles;
      best = std::move(shape);
    }
    if (best) layer = std::move(*best);
  }
}

}  // namespace workbench::pulp
