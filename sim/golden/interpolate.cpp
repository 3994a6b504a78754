// Results between elements: linear and cubic Resize, GridSample. Double inside; an element counts
// with the product of its weights along the dimensions, first to last, and sums nest like the
// dimensions, the last innermost; elements of weight 0 do not count.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "sim/golden/operation.h"
#include "sim/golden/windows.h"

namespace workbench::golden {

namespace {

struct Neighbour {
  std::int64_t index = 0;
  double weight = 0;
};
using Neighbours = std::vector<Neighbour>;

// Keys' kernel of the elements at distances 1 + t, t, 1 - t and 2 - t.
double near(double d, double a) { return ((a + 2) * d - (a + 3)) * d * d + 1; }
double far(double d, double a) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; }

Neighbours around(double coordinate, bool cubic, double a) {
  const auto left = static_cast<std::int64_t>(std::floor(coordinate));
  const double t = coordinate - std::floor(coordinate);
  if (!cubic) return {{left, 1 - t}, {left + 1, t}};
  return {{left - 1, far(t + 1, a)},
          {left, near(t, a)},
          {left + 1, near(1 - t, a)},
          {left + 2, far(2 - t, a)}};
}

Neighbours resized_neighbours(const Interpolate& op, std::size_t d, std::int64_t i,
                              std::int64_t size, std::int64_t out) {
  const double coordinate = resized_coordinate(op.resize, d, i, size, out);
  const bool crops = op.resize.coordinates == Resize::Coordinates::TfCropAndResize;
  if (crops && (coordinate < 0 || coordinate > static_cast<double>(size - 1))) return {};
  Neighbours found = around(coordinate, op.cubic, op.cubic_coefficient);
  const auto inside = [&](const Neighbour& n) { return n.index >= 0 && n.index < size; };
  if (op.exclude_outside) {
    double total = 0;
    for (const Neighbour& n : found) total += inside(n) ? n.weight : 0;
    for (Neighbour& n : found) n.weight = inside(n) ? n.weight / total : 0;
  }
  Neighbours counted;
  for (const Neighbour& n : found) {
    if (n.weight != 0)
      counted.push_back({std::min(std::max(n.index, std::int64_t{0}), size - 1), n.weight});
  }
  return counted;
}

// The sum over the neighbours of the dimensions behind those of `chosen`.
double summed(const Tensor& x, const std::vector<const Neighbours*>& neighbours, Position& chosen,
              double weight) {
  const std::size_t d = chosen.size();
  if (d == neighbours.size()) {
    return weight * x.values<float>()[static_cast<std::size_t>(offset_of(x.shape(), chosen))];
  }
  double sum = 0;
  for (const Neighbour& n : *neighbours[d]) {
    chosen.push_back(n.index);
    sum += summed(x, neighbours, chosen, weight * n.weight);
    chosen.pop_back();
  }
  return sum;
}

}  // namespace

template <>
Tensor result_of(const Interpolate& op, const Operation& at) {
  const Tensor& x = at.operand(0);
  const Shape& out = at.output_shape();
  std::vector<std::vector<Neighbours>> neighbours(out.size());
  for (std::size_t d = 0; d < out.size(); ++d) {
    for (std::int64_t i = 0; i < out[d]; ++i) {
      neighbours[d].push_back(resized_neighbours(op, d, i, x.dim(d), out[d]));
    }
  }
  Tensor result = Tensor::uninitialized(ElementType::Float32, out);
  const auto y = result.mutable_values<float>();
  Position position(out.size(), 0);
  for (float& value : y) {
    std::vector<const Neighbours*> here;
    for (std::size_t d = 0; d < out.size(); ++d) {
      here.push_back(&neighbours[d][static_cast<std::size_t>(position[d])]);
    }
    const bool outside = std::ranges::any_of(here, [](const auto* list) { return list->empty(); });
    Position chosen;
    value =
        outside ? op.resize.extrapolation_value : static_cast<float>(summed(x, here, chosen, 1));
    advance(out, position);
  }
  return result;
}

namespace {

// Reflected at `low` and `high` as often as it takes.
double mirrored(double v, double low, double high) {
  const double span = high - low;
  if (span <= 0) return low;
  const double distance = std::fabs(v - low);
  const double folds = std::floor(distance / span);
  const double rest = distance - folds * span;
  return std::fmod(folds, 2) == 0 ? low + rest : high - rest;
}

double brought_inside(const GridSample& op, double v, std::int64_t size) {
  const auto last = static_cast<double>(size - 1);
  switch (op.outside) {
    case GridSample::Outside::Zeros:
      return v;
    case GridSample::Outside::Border:
      return std::min(std::max(v, 0.0), last);
    case GridSample::Outside::Reflection:
      return op.align_corners ? mirrored(v, 0, last) : mirrored(v, -0.5, last + 0.5);
  }
  CHECK(false, "outside {}", static_cast<int>(op.outside));
}

Neighbours sampled_neighbours(const GridSample& op, double coordinate, std::int64_t size) {
  const auto n = static_cast<double>(size);
  double v = op.align_corners ? (coordinate + 1) / 2 * (n - 1) : ((coordinate + 1) * n - 1) / 2;
  if (!(std::fabs(v) < 1e9)) v = -1e9;
  const bool cubic = op.mode == GridSample::Mode::Cubic;
  if (!cubic) v = brought_inside(op, v, size);
  Neighbours found = op.mode == GridSample::Mode::Nearest
                         ? Neighbours{{static_cast<std::int64_t>(std::rint(v)), 1}}
                         : around(v, cubic, -0.75);
  Neighbours counted;
  for (const Neighbour& neighbour : found) {
    std::int64_t index = neighbour.index;
    const bool inside = index >= 0 && index < size;
    if (neighbour.weight == 0 || (!inside && op.outside == GridSample::Outside::Zeros)) continue;
    if (!inside) {
      const double moved = brought_inside(op, static_cast<double>(index), size);
      index = std::min(std::max(static_cast<std::int64_t>(moved), std::int64_t{0}), size - 1);
    }
    counted.push_back({index, neighbour.weight});
  }
  return counted;
}

}  // namespace

template <>
Tensor result_of(const GridSample& op, const Operation& at) {
  const Tensor& x = at.operand(0);
  const Tensor& grid = at.operand(1);
  Tensor result = Tensor::uninitialized(ElementType::Float32, at.output_shape());
  const auto y = result.mutable_values<float>();
  Position to(4, 0);
  for (float& value : y) {
    const auto pair = static_cast<std::size_t>(offset_of(grid.shape(), {to[0], to[2], to[3], 0}));
    const Neighbours columns = sampled_neighbours(op, grid.values<float>()[pair], x.dim(3));
    const Neighbours rows = sampled_neighbours(op, grid.values<float>()[pair + 1], x.dim(2));
    double sum = 0;
    for (const Neighbour& row : rows) {
      double line = 0;
      for (const Neighbour& column : columns) {
        const std::int64_t cell = offset_of(x.shape(), {to[0], to[1], row.index, column.index});
        line += row.weight * column.weight * x.values<float>()[static_cast<std::size_t>(cell)];
      }
      sum += line;
    }
    value = static_cast<float>(sum);
    advance(at.output_shape(), to);
  }
  return result;
}

}  // namespace workbench::golden
