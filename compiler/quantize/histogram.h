// Histograms of |x| and the threshold search over their cumulative sums (xdnn.md 3.7). Histograms
// of several samples add up, so calibration never holds more than one sample's activations.
#pragma once

#include <cstddef>
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

// The two published searches have the same candidates and the same distance.
struct DivergenceRule {
  // n of the search: 2^(bits - 1) at xfDNN, 2^(bits - is_signed) at Graffitist; at least 2.
  std::size_t levels = 128;
  // Where the first bin is empty, xfDNN gives up: the maximum. Graffitist leaves the bins before
  // the smallest value out of the sum.
  bool skip_empty_bins = false;
};

// The threshold th_i of the first minimum of the J divergence, the one that the published
// O(bins^2) loop finds; or the histogram's max by one of the early exits (too few bins; an empty
// first bin).
double j_divergence_threshold(const MagnitudeHistogram& histogram, const DivergenceRule& rule);
// xfDNN's, for signed codes of `bits`.
double j_divergence_threshold(const MagnitudeHistogram& histogram, int bits);

// Below this a tensor counts as zero everywhere (numpy's isclose).
inline constexpr double kDeadMagnitude = 1e-8;

}  // namespace workbench
