// Results between the elements of a map: linear and cubic Resize, GridSample. In double, taps of
// weight 0 left out; fast and exact are the same.
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/eval/kernels.h"
#include "core/eval/resize.h"

namespace workbench::eval {

namespace {

// Of the four elements around a position `t` behind the second one (Keys, Cubic Convolution
// Interpolation for Digital Image Processing, 1981).
double cubic_weight(int tap, double t, double a) {
  switch (tap) {
    case 0:
      return ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
    case 1:
      return ((a + 2) * t - (a + 3)) * t * t + 1;
    case 2:
      return ((a + 2) * (1 - t) - (a + 3)) * (1 - t) * (1 - t) + 1;
    default:
      return ((a * (2 - t) - 5 * a) * (2 - t) + 8 * a) * (2 - t) - 4 * a;
  }
}

// Unclamped neighbours of `position`.
Taps neighbours(double position, bool cubic, double a) {
  const double floor = std::floor(position), t = position - floor;
  const auto base = static_cast<std::int64_t>(floor);
  if (!cubic) return {{base, 1 - t}, {base + 1, t}};
  Taps taps;
  for (int k = 0; k < 4; ++k) taps.push_back({base - 1 + k, cubic_weight(k, t, a)});
  return taps;
}

}  // namespace

Taps taps_of(const Interpolate& op, std::size_t d, std::int64_t i, std::int64_t size) {
  const double position = source_position(op.resize, d, i, size);
  const bool crops = op.resize.coordinates == Resize::Coordinates::TfCropAndResize;
  if (crops && (position < 0 || position > static_cast<double>(size - 1))) return {};
  Taps taps = neighbours(position, op.cubic, static_cast<double>(op.cubic_coefficient));
  if (op.exclude_outside) {
    double sum = 0;
    for (Tap& tap : taps) {
      if (tap.index < 0 || tap.index >= size) tap.weight = 0;
      sum += tap.weight;
    }
    for (Tap& tap : taps) tap.weight /= sum;
  }
  std::erase_if(taps, [](const Tap& tap) { return tap.weight == 0; });
  for (Tap& tap : taps) tap.index = std::clamp<std::int64_t>(tap.index, 0, size - 1);
  return taps;
}

namespace {

// Sum over the taps of dimensions d and on, the outermost one first.
double sum_of_taps(const std::vector<const Taps*>& taps, const Shape& steps, std::size_t d,
                   const float* x, double weight) {
  if (d == taps.size()) return weight * static_cast<double>(*x);
  double sum = 0;
  for (const Tap& tap : *taps[d]) {
    sum += sum_of_taps(taps, steps, d + 1, x + tap.index * steps[d], weight * tap.weight);
  }
  return sum;
}

}  // namespace

// The weight of an element is the product of its weights along the dimensions, first to last; sums
// nest like them, the last dimension innermost.
template <>
Tensors result_of(const Interpolate& op, Evaluation& at) {
  at.expect_floats();
  const Tensor& x = at.x();
  const Shape& out = at.out();
  Shape steps(x.rank(), 1);
  for (std::size_t d = x.rank(); d-- > 1;) steps[d - 1] = steps[d] * x.dim(d);
  std::vector<std::vector<Taps>> taps(x.rank());
  for (std::size_t d = 0; d < x.rank(); ++d) {
    for (std::int64_t i = 0; i < out[d]; ++i) taps[d].push_back(taps_of(op, d, i, x.dim(d)));
  }
  Tensor y = Tensor::uninitialized(ElementType::Float32, out, x.layout());
  const float* from = x.values<float>().data();
  float* to = y.mutable_values<float>().data();
  for_pieces(y.size(), at.context, [&](std::int64_t begin, std::int64_t end) {
    std::vector<const Taps*> here(out.size());
    for (std::int64_t i = begin; i < end; ++i) {
      std::int64_t rest = i;
      for (std::size_t d = out.size(); d-- > 0; rest /= out[d]) {
        here[d] = &taps[d][static_cast<std::size_t>(rest % out[d])];
      }
      const bool outside = std::ranges::any_of(here, [](const Taps* t) { return t->empty(); });
      to[i] = outside ? op.resize.extrapolation_value
                      : static_cast<float>(sum_of_taps(here, steps, 0, from, 1));
    }
  });
  return one(std::move(y));
}

namespace {

// A coordinate in [-1, 1] as a position between the elements of a dimension.
double unnormalized(double v, std::int64_t size, bool align_corners) {
  const auto n = static_cast<double>(size);
  return align_corners ? (v + 1) / 2 * (n - 1) : ((v + 1) * n - 1) / 2;
}

// Mirrored until it lies in [low, high].
double reflected(double v, double low, double high) {
  const double range = high - low;
  if (range <= 0) return low;
  const double away = std::abs(v - low);
  const double turns = std::floor(away / range), rest = away - turns * range;
  return std::fmod(turns, 2) == 0 ? low + rest : high - rest;
}

// Where a dimension is read for a position, before it is split into neighbours.
double bounded(const GridSample& op, double v, std::int64_t size) {
  const auto last = static_cast<double>(size - 1);
  if (op.outside == GridSample::Outside::Border) return std::clamp(v, 0.0, last);
  if (op.outside == GridSample::Outside::Zeros) return v;
  return op.align_corners ? reflected(v, 0, last) : reflected(v, -0.5, last + 0.5);
}

// Index of a neighbour, -1 where zeros are.
std::int64_t cell_of(const GridSample& op, std::int64_t index, std::int64_t size) {
  if (index >= 0 && index < size) return index;
  if (op.outside == GridSample::Outside::Zeros) return -1;
  const double v = bounded(op, static_cast<double>(index), size);
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(v), 0, size - 1);
}

Taps sample_taps(const GridSample& op, double coordinate, std::int64_t size) {
  double position = unnormalized(coordinate, size, op.align_corners);
  if (!(std::abs(position) < 1e9)) position = -1e9;  // NaN and infinity lie outside
  const bool cubic = op.mode == GridSample::Mode::Cubic;
  if (!cubic) position = bounded(op, position, size);
  Taps taps = op.mode == GridSample::Mode::Nearest
                  ? Taps{{static_cast<std::int64_t>(std::nearbyint(position)), 1}}
                  : neighbours(position, cubic, -0.75);
  for (Tap& tap : taps) tap.index = cell_of(op, tap.index, size);
  std::erase_if(taps, [](const Tap& tap) { return tap.index < 0 || tap.weight == 0; });
  return taps;
}

}  // namespace

template <>
Tensors result_of(const GridSample& op, Evaluation& at) {
  at.expect_floats();
  const Tensor& x = at.x();
  const Shape& out = at.out();
  Tensor y = Tensor::uninitialized(ElementType::Float32, out, x.layout());
  const float* from = x.values<float>().data();
  const float* grid = at.operands[1].values<float>().data();
  float* to = y.mutable_values<float>().data();
  const std::int64_t pixels = out[2] * out[3], plane = x.dim(2) * x.dim(3);
  for_pieces(out[0] * pixels, at.context, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Taps columns = sample_taps(op, static_cast<double>(grid[2 * i]), x.dim(3));
      const Taps rows = sample_taps(op, static_cast<double>(grid[2 * i + 1]), x.dim(2));
      for (std::int64_t c = 0; c < out[1]; ++c) {
        const std::int64_t map = i / pixels * out[1] + c;
        const float* source = from + map * plane;
        double sum = 0;
        for (const Tap& row : rows) {
          double line = 0;
          for (const Tap& column : columns) {
            const float v = source[row.index * x.dim(3) + column.index];
            line += row.weight * column.weight * static_cast<double>(v);
          }
          sum += line;
        }
        to[map * pixels + i % pixels] = static_cast<float>(sum);
      }
    }
  });
  return one(std::move(y));
}

}  // namespace workbench::eval
