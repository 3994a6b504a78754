// Histograms of |x|, and thresholds that are read off them. Histograms of several samples add up,
// so calibration never holds more than one sample's activations.
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

// Below this a tensor counts as zero everywhere (numpy's isclose).
inline constexpr double kDeadMagnitude = 1e-8;

// Thresholds of an activation from its histogram of magnitudes, other than by J divergence
// (j_divergence.h). A threshold is the real value of the highest code, as in core/quantization.h:
// one step is threshold / high(). Histograms know no sign, so -threshold is taken as the lowest
// value, one code less than a signed type has. A dead value (no counts) gets the histogram's max.

enum class ScaleKind;

double max_threshold(const MagnitudeHistogram& histogram);

// Smallest threshold with at least `fraction` (0 < fraction <= 1) of the values at or below it,
// values being spread evenly over their bin. 1: the maximum.
double percentile_threshold(const MagnitudeHistogram& histogram, double fraction);

// Expected squared error of rounding to the nearest of the codes 0..high and saturating at
// `threshold` (> 0), values being spread evenly over their bin. 0 for a dead value.
double squared_error(const MagnitudeHistogram& histogram, int bits, bool is_signed,
                     double threshold);

// For few values, fewer bins than codes say: where the squared error is smallest if what was seen
// of the largest values, as many as there are bins, goes on as an exponential tail, which unseen
// values are drawn from; never below the maximum. Rounding to `high` codes costs (threshold /
// high)^2 / 12, clipping 2 s^2 P(x > threshold), s the tail's mean excess.
double tail_threshold(const MagnitudeHistogram& histogram, int bits, bool is_signed);

// The threshold of the smallest squared error, at most the maximum where the scale is real. Real:
// the best of 128 candidates an eighth of an octave apart, refined. Power of two: of all thresholds
// whose step is one (the threshold may then exceed the maximum, by less than a factor of 2).
double mse_threshold(const MagnitudeHistogram& histogram, int bits, bool is_signed,
                     ScaleKind scale);

}  // namespace workbench
