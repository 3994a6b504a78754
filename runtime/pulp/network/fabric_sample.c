// Positions between elements of a dimension (fabric.h).
#include <math.h>

#include "fabric.h"

// Mirrored until it lies in [low, high].
static double reflected(double v, double low, double high) {
  const double range = high - low;
  if (range <= 0) return low;
  const double away = fabs(v - low);
  const double turns = floor(away / range), rest = away - turns * range;
  return fmod(turns, 2) == 0 ? low + rest : high - rest;
}

static double bounded(double v, int32_t size, fabric_outside_t outside, int align_corners) {
  const double last = size - 1;
  if (outside == kBorder) return fabric_clip(v, 0, last);
  if (outside == kZeros) return v;
  return align_corners ? reflected(v, 0, last) : reflected(v, -0.5, last + 0.5);
}

// Of the four elements around a position `t` behind the second one (Keys 1981).
static double cubic_weight(int tap, double t) {
  const double a = -0.75;
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

// Elements of weight 0, and those that are zero, are left out.
void fabric_sample(fabric_taps_t* taps, float coordinate, int32_t size, fabric_sampling_t sampling,
                   fabric_outside_t outside, int align_corners) {
  const double v = coordinate, n = size;
  double position = align_corners ? (v + 1) / 2 * (n - 1) : ((v + 1) * n - 1) / 2;
  if (!(fabs(position) < 1e9)) position = -1e9;  // NaN and infinity lie outside
  if (sampling != kCubic) position = bounded(position, size, outside, align_corners);
  const double below = sampling == kNearest ? fabric_round(position) : floor(position);
  const double t = position - below;
  const int32_t count = sampling == kNearest ? 1 : sampling == kLinear ? 2 : 4;
  taps->count = 0;
  for (int32_t k = 0; k < count; ++k) {
    int32_t index = (int32_t)below + k - (sampling == kCubic);
    const double weight = sampling == kNearest ? 1
                          : sampling == kCubic ? cubic_weight(k, t)
                          : k == 0             ? 1 - t
                                               : t;
    if (index < 0 || index >= size) {
      if (outside == kZeros) continue;
      const int32_t cell = (int32_t)bounded(index, size, outside, align_corners);
      index = cell < 0 ? 0 : cell >= size ? size - 1 : cell;
    }
    if (weight == 0) continue;
    taps->index[taps->count] = index;
    taps->weight[taps->count++] = weight;
  }
}
