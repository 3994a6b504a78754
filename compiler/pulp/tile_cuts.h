// What the tile search (tile_search.cpp) weighs, and the list of the best it keeps.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "compiler/pulp/l1_map.h"
#include "compiler/pulp/tiling.h"

namespace workbench::pulp {

// Sizes at which the number of tiles changes, and those that are whole rounds of `unit`; multiples
// of `step`, or all of it. Descending.
std::vector<std::int64_t> cut_sizes(std::int64_t size, std::int64_t unit, std::int64_t step);

// One axis of the slice cut into tiles: so many full ones and the rest.
struct AxisCut {
  std::int64_t tile = 1, full = 1, rest = 0;
  Extent in;
  std::int64_t count() const { return full + (rest > 0 ? 1 : 0); }
};

inline AxisCut axis_cut(std::int64_t size, std::int64_t tile, const Extent& in) {
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

}  // namespace workbench::pulp
