#include "compiler/pulp/pass_search.h"

#include <algorithm>
#include <limits>

#include "compiler/pulp/kernel_rules.h"
#include "compiler/pulp/tile_search.h"
#include "core/units.h"
#include "isa/pulp/kernels.h"

namespace workbench::pulp {
namespace {

// Windows are not larger (isa/pulp/check.cpp has the reason).
constexpr std::int64_t kWindowMax = 1024;

// What the layer's passes go over, in multiples of `step` of `size`.
struct PassAxis {
  PassOver over = PassOver::Nothing;
  std::int64_t size = 1, step = 1, most = 1;
};

PassAxis axis_of(const Layer& layer, const Machine& machine) {
  const Kernel& call = layer.call;
  const KernelTraits& kernels = traits(layer.family);
  if (!kernels.partial) return {};
  if (kernels.by_channel) {
    const bool rows = call.kernel_h >= call.kernel_w;
    const std::int64_t size = rows ? call.kernel_h : call.kernel_w;
    const std::int64_t pads =
        rows ? call.pad_top + call.pad_bottom : call.pad_left + call.pad_right;
    const std::int64_t most = std::max<std::int64_t>(1, kWindowMax - pads);
    return {rows ? PassOver::Rows : PassOver::Columns, size, 1, std::min(size, most)};
  }
  // Pieces of codes of fewer than 8 bits begin at a byte, for each tap of the weights, too.
  const std::int64_t taps = call.kernel_h * call.kernel_w;
  if (taps > 1 && call.in_c * call.weight_bits % 8 != 0) return {};
  const std::int64_t step = 8 / std::min(call.in_bits, call.weight_bits);
  // The weights of a result come by one command at the most.
  const std::int64_t command = machine.dma.length_max * 8 / call.weight_bits / taps;
  return {PassOver::Channels, call.in_c, step,
          std::min(call.in_c, std::max(step, command / step * step))};
}

// All, a half, a quarter and so on, in multiples of `step`.
std::vector<std::int64_t> halves(std::int64_t size, std::int64_t step) {
  std::vector<std::int64_t> result{size};
  while (result.back() > step) {
    result.push_back(std::max(step, result.back() / 2 / step * step));
  }
  return result;
}

// A map's sides: more sizes than these are hardly better.
std::vector<std::int64_t> sides(std::int64_t size) {
  std::vector<std::int64_t> result{size};
  for (const std::int64_t side : {std::int64_t{8}, std::int64_t{2}, std::int64_t{1}}) {
    if (side < size) result.push_back(side);
  }
  return result;
}

class Search {
 public:
  Search(const Layer& layer, const Tiling& sliced, const Machine& machine)
      : layer_(layer), sliced_(sliced), machine_(machine), axis_(axis_of(layer, machine)) {}

  // One core alone needs the least of scratch.
  std::vector<Tiling> run() {
    for (const std::int64_t cores : {std::int64_t{0}, std::int64_t{1}}) {
      for (const bool twice : {true, false}) {
        if (found_.empty()) try_all(cores, twice);
      }
    }
    return std::move(found_);
  }

  std::int64_t smallest() const {
    std::int64_t bytes = std::numeric_limits<std::int64_t>::max();
    if (axis_.over == PassOver::Nothing) return bytes;
    for (const KernelKind kind : usable_kernels(layer_, machine_)) {
      Tiling tiling = tiling_of(kind, 1, false);
      tiling.tile = {std::min(channel_step(layer_), layer_.call.out_c), 1, 1};
      tiling.passes = {axis_.over, std::min(axis_.step, axis_.size)};
      const TileBytes taken = tile_bytes(layer_, tiling, machine_);
      bytes = std::min(bytes, l1_bytes(taken, buffering(tiling)));
    }
    return bytes;
  }

 private:
  Tiling tiling_of(KernelKind kind, std::int64_t cores, bool twice) const {
    Tiling tiling = sliced_;
    tiling.kernel = kind;
    tiling.cores = cores == machine_.cluster.cores ? 0 : cores;
    tiling.double_buffered = tiling.input_twice = tiling.weights_twice = twice;
    tiling.commands_2d = true;
    return tiling;
  }

  void try_all(std::int64_t cores, bool twice) {
    if (axis_.over == PassOver::Nothing) return;
    for (const KernelKind kind : usable_kernels(layer_, machine_)) {
      if (!can_split(kind, cores == 0 ? machine_.cluster.cores : cores)) continue;
      try_tiles(tiling_of(kind, cores, twice));
    }
  }

  void try_tiles(Tiling tiling) {
    const Cut& slice = sliced_.slice;
    const bool one_row = axis_.over == PassOver::Rows, one_column = axis_.over == PassOver::Columns;
    for (const std::int64_t h : one_row ? std::vector<std::int64_t>{1} : sides(slice.out_h)) {
      if (!row_tiles_read(layer_.call, slice.out_h, h)) continue;
      for (const std::int64_t w : one_column ? std::vector<std::int64_t>{1} : sides(slice.out_w)) {
        if (!column_tiles_read(layer_.call, slice.out_w, w)) continue;
        for (const std::int64_t n : halves(slice.out_c, std::min(slice.out_c, step()))) {
          tiling.tile = {n, h, w};
          if (with_largest_passes(tiling)) found_.push_back(tiling);
        }
      }
    }
  }

  std::int64_t step() const { return channel_step(layer_); }

  bool fits(const Tiling& tiling) const {
    return l1_map(layer_, tiling, machine_).end <= machine_.l1.buffer_bytes;
  }

  // By bisection: what passes take grows with them.
  bool with_largest_passes(Tiling& tiling) const {
    tiling.passes.over = axis_.over;
    std::int64_t low = 0, high = ceil_div(axis_.most, axis_.step);  // steps that fit; that may
    while (low < high) {
      const std::int64_t middle = (low + high + 1) / 2;
      tiling.passes.size = std::min(middle * axis_.step, axis_.most);
      if (fits(tiling)) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    tiling.passes.size = even(std::min(low * axis_.step, axis_.most));
    return low > 0;
  }

  // As many passes, of nearly one size, and of whole words where that is as many.
  std::int64_t even(std::int64_t size) const {
    if (size == 0) return 0;
    const std::int64_t each = ceil_div(axis_.size, ceil_div(axis_.size, size));
    const std::int64_t words = round_up(each, std::max<std::int64_t>(4, axis_.step));
    return words <= size ? words : round_up(each, axis_.step);
  }

  const Layer& layer_;
  const Tiling& sliced_;
  const Machine& machine_;
  PassAxis axis_;
  std::vector<Tiling> found_;
};

}  // namespace

std::vector<Tiling> pass_tiles(const Layer& layer, const Tiling& sliced, const Machine& machine) {
  return Search(layer, sliced, machine).run();
}

std::int64_t smallest_pass_l1(const Layer& layer, const Tiling& sliced, const Machine& machine) {
  return Search(layer, sliced, machine).smallest();
}

}  // namespace workbench::pulp
