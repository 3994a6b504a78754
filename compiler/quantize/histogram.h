// Histograms of |x| and the threshold search over their cumulative sums (xdnn.md 3.7). Histograms
// of several samples add up, so calibration never holds more than one sample's activations.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace workbench {

// Largest |x|; +inf when a value is infinite or NaN; 0 for no value.
float max_magnitude(std::span<const float> values);

// The "sqrt" rule: ceil(sqrt(number of values)).
std::int64_t histogram_bins(std::int64_t value_count);

// Counts of |x| in equal bins over [0, max]; bin k is [k, k + 1) * max / bins, the last one closed.
struct MagnitudeHistogram {
  double max = 0;
  std::vector<std::int64_t> counts;
};

// Adds `values`, none larger than `histogram.max`, which must be > 0.
void add_magnitudes(MagnitudeHistogram& histogram, std::span<const float> values);

// The threshold th_i of the first minimum of the J divergence, or the histogram's max by one of the
// two early exits (too few bins; an empty first bin).
double j_divergence_threshold(const MagnitudeHistogram& histogram, int bits);

// Below this a tensor counts as zero everywhere (numpy's isclose).
inline constexpr double kDeadMagnitude = 1e-8;

}  // namespace workbench
