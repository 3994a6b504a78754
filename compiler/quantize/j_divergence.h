// Thresholds by the J divergence over cumulative histograms of |x| (docs/facts/xdnn.md 3.7).
#pragma once

#include <cstddef>
#include <span>

#include "compiler/quantize/histogram.h"

namespace workbench {

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

// Threshold of one value from all its calibration samples by J divergence (docs/facts/xdnn.md 3.7),
// exactly as published, including the early exits. 0 when max|x| is ~0. Samples must be finite
// (CHECKed).
double j_divergence_threshold(std::span<const std::span<const float>> samples, int bits);

}  // namespace workbench
