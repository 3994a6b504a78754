// The J divergence of a few bins, and lower bounds of it for many candidates, as vector arithmetic:
// used by j_divergence.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

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

// Per bin t, sums over the bins from t on. c is the cumulative histogram, s = 1 - c: exact where c
// is near 1, and small where most of the divergence is. Bins with c = 0 do not count. One cache
// line.
struct alignas(64) DivergenceSums {
  double w = 0, tw = 0, ttw = 0;    // of 1 / c, t / c, t^2 / c
  double sw = 0, tsw = 0, ssw = 0;  // of s / c, t s / c, s^2 / c
  double c = 0;                     // no sum: c at t, of the bins that count
  double rest = 0;                  // no sum: s at t
};
// [cdf.size() + 1], `first` the first bin that counts.
std::vector<DivergenceSums> divergence_sums(std::span<const double> cdf, std::size_t first);

// Some of the straight lines between the levels: from level `begin` to level `end`.
struct LevelGroup {
  std::int32_t begin = 0, end = 0;
  std::int32_t segments = 0;  // of all levels
};

// For every candidate, adds `factor` times a lower bound of the sum of (c - q)^2 / c over the bins
// of the group to its bound. A candidate is its clipped bin, where its last level lies; more bins
// than levels lie before it.
void add_squares(const DivergenceSums* sums, LevelGroup group, double factor,
                 std::span<const std::int32_t> clipped, double* bounds);
// The same for one candidate.
double squares(const DivergenceSums* sums, LevelGroup group, std::int32_t clipped);

}  // namespace workbench
