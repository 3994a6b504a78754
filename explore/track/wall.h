// Wall time of the simulator: the one number here that noise is part of. Two executables are
// compared in pairs, run one after the other in changing order, so that what slows the machine down
// for a while slows down both of a pair; nothing is assumed of the noise but that pairs are
// independent.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace workbench::track {

double median(std::vector<double> values);  // CHECKs that there is one

// An interval that holds the median of what the values are drawn from, whatever its distribution,
// with at least the confidence asked for: between the k-th lowest and the k-th highest value, k the
// largest for which that holds (the sign test turned around). None for fewer than 6 values at 95 %.
struct Interval95 {
  double low = 0, high = 0;
};
std::optional<Interval95> median_interval(std::vector<double> values);

struct PairedTimes {
  std::vector<double> before, after;  // seconds; one pair per index
};
// How much longer the second takes than the first, in percent of the first, negative: shorter.
struct PairedDifference {
  double percent = 0;                  // median over the pairs
  std::optional<Interval95> interval;  // none: too few pairs
  std::size_t pairs = 0;
};
PairedDifference paired_difference(const PairedTimes& times);

// The index at which a series of medians moved for good: 0 < index < values.size(), between the
// index before it and it. Pettitt's test (Applied Statistics 28, 1979, 126-135): of ranks, so an
// outlier is no step; p <= `significance` by his approximation. On either side it is sought again.
// Ascending. Fewer than 11 values can show no step at 0.05.
std::vector<std::size_t> change_points(std::span<const double> values, double significance = 0.05);

}  // namespace workbench::track
