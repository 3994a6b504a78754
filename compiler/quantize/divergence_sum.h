// The J divergence of a few bins, as vector arithmetic: used by j_divergence.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace workbench {

// Some bins of a cumulative histogram c beside q, what is left of it at the levels.
struct DivergenceBlock {
  static constexpr std::size_t kBins = 64;  // at most
  const double* cdf = nullptr;              // from the first of these bins on, as is log_cdf
  const double* log_cdf = nullptr;          // its log2
  const double* knots = nullptr;            // q at the levels, the last one twice
  double ratio = 0;                         // levels per bin
  std::int32_t first = 0, count = 0;        // bins, `first` counted from the histogram's
};

// log2 of normal positive numbers, to about one unit in the last place.
void log2_of(std::span<const double> x, double* result);

double level_at(DivergenceBlock block, std::int32_t t);  // q at bin first + t

// Sum of (c - q) log2(c / q).
double far_sum(DivergenceBlock block);
// The same, faster, where c / q is between 1 / 1.2 and 1.2 in all bins; to 1e-11 of it.
double near_sum(DivergenceBlock block);

}  // namespace workbench
