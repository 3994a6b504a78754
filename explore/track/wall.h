// Wall time of the simulator, the only noisy figure. Two executables are
// compared in pairs, run one after the other in changing order, so that what slows the machine down
// for a while slows down both of a pair; nothing is assumed of the noise but that pairs are
// independent.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "explore/sweep/point.h"

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

// Wall times of the simulator, measured by running executables of the workbench as a user does.

// `workbench run` for the point: its network, --hw and options, timing alone as far as the machine
// allows. Throws Error for a point that cannot be asked so.
std::vector<std::string> run_arguments(const Point& point);

// Seconds that `executable` spends in simulating the point (its report's wall.simulate_seconds).
// Throws Error when it fails, or is no workbench.
double simulate_seconds(const std::filesystem::path& executable, const Point& point);

// Ascending.
std::vector<double> repeated_seconds(const std::filesystem::path& executable, const Point& point,
                                     int repeats);

// Pair i runs `before` first when i is even, else `after`. One run of each goes ahead uncounted:
// it reads files that later ones find in memory.
PairedTimes paired_times(const std::filesystem::path& before, const std::filesystem::path& after,
                         const Point& point, int pairs);

// Other programs: git, and executables of the workbench whose speed is compared.

struct FinishedProgram {
  int exit_code = 0;  // 128 + signal of one that was killed
  std::string output, errors;
};

// Runs it to its end without a shell, found in PATH where its name has no slash. Throws Error
// "NAME: cannot run: REASON".
FinishedProgram run_program(const std::vector<std::string>& arguments);

// What git says of the tree that `folder` lies in. All empty: no git, or no repository.
struct Revision {
  std::string id;    // of HEAD; "-dirty" behind it when files that git knows differ from it
  std::string date;  // of that commit, UTC: "2026-11-22T19:30:00Z"
};
// `apart`: a file whose changes do not count (the baseline about to be written).
Revision revision_of(const std::filesystem::path& folder, const std::filesystem::path& apart = {});

std::string utc_text(std::int64_t seconds);  // since 1970: "2026-11-22T19:30:00Z"

}  // namespace workbench::track
