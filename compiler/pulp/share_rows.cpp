#include "compiler/pulp/share_rows.h"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "compiler/pulp/dory_tiling.h"
#include "compiler/pulp/optimal_tiling.h"
#include "compiler/pulp/tile_model.h"
#include "compiler/pulp/tiling.h"
#include "core/error.h"
#include "isa/pulp/kernels.h"

namespace workbench::pulp {

namespace {

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

// Pixels of a map without windows, `columns` to a row.
Layer with_columns(Layer layer, std::int64_t columns) {
  Kernel& call = layer.call;
  CHECK(call.in_w % columns == 0, "{}: {} pixels", layer.name, call.in_w);
  call.in_h = call.out_h = call.in_w / columns;
  call.in_w = call.out_w = columns;
  return layer;
}

std::vector<Layer> shapes(const Layer& layer) {
  std::vector<Layer> result{with_axes_exchanged(layer)};
  const bool pairs = !traits(layer.family).window && layer.call.in_w % 2 == 0;
  if (pairs) result.push_back(with_columns(layer, 2));  // kernels multiply two pixels at a time
  return result;
}

// By the model, with L2 for itself; nothing: there are no tiles.
std::optional<double> cycles_of(const Layer& layer, const Network& network, const Machine& machine,
                                Tiler tiler, KernelCosts& costs) {
  const L2Budget budget{.bytes = machine.l2.buffer_bytes};
  if (tiler == Tiler::Optimal) {
    TilingMemo memo{costs};
    const auto tiling = optimal_tiling(layer, network, machine, budget, memo).tiling;
    if (!tiling) return std::nullopt;
    return static_cast<double>(tiling->modelled.value);
  }
  const auto tiling = dory_tiling(layer, network, machine, budget).tiling;
  if (!tiling) return std::nullopt;
  return static_cast<double>(modelled_cycles(layer, *tiling, machine, 0, costs).value);
}

}  // namespace

bool has_one_row(const Layer& layer) {
  const Kernel& call = layer.call;
  return !traits(layer.family).vector && call.in_h == 1 && call.out_h == 1 && call.in_w > 1;
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

void share_rows(Network& network, const Machine& machine, Tiler tiler) {
  KernelCosts costs(machine);
  for (Layer& layer : network.layers) {
    if (!has_one_row(layer)) continue;
    auto least = cycles_of(layer, network, machine, tiler, costs);
    if (least) *least *= kClearly;
    std::optional<Layer> best;
    for (Layer& shape : shapes(layer)) {
      const auto cycles = cycles_of(shape, network, machine, tiler, costs);
      if (!cycles || (least && *cycles >= *least)) continue;
      least = cycles;
      best = std::move(shape);
    }
    if (best) layer = std::move(*best);
  }
}

}  // namespace workbench::pulp
