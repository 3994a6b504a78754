// The published threshold search, word by word and slow: what the fast one is measured against, in
// tests and in bench/klj.
#pragma once

#include "compiler/quantize/histogram.h"
#include "compiler/quantize/j_divergence.h"

namespace workbench {

// As j_divergence_threshold(), O(bins^2) logarithms.
double plain_j_divergence_threshold(const MagnitudeHistogram& histogram,
                                    const DivergenceRule& rule);

}  // namespace workbench
