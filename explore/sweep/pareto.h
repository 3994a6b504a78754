// What sets of points have to say as a whole: which are best, and how far two tiers agree on them.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace workbench {

// Positions, ascending, of the points that no other point dominates: is nowhere larger and
// somewhere smaller. `points`: values of the same length, less is better, no NaN. Equal points are
// all in.
std::vector<std::size_t> pareto_front(std::span<const std::vector<double>> points);

// Values of the same points by two ways of computing them. Only pairs of points of the same group
// (a network) are compared: that another network takes longer is no achievement.
struct Paired {
  std::vector<double> estimate, truth;
  std::vector<std::size_t> group;
};

// Kendall's tau-b (1945): +1, the same order; -1, the opposite one; ties in one alone count half.
// 1 when neither orders anything, 0 when only one does. Quadratic in time.
double kendall_tau(const Paired& values);

// Mean of |estimate - truth| / |truth|, of points whose truth is not 0; 0 of none.
double mean_absolute_relative_error(const Paired& values);

struct SwappedPair {
  std::size_t first = 0, second = 0;  // positions; first < second
  double difference = 0;              // of the truths, as a fraction of the smaller one
};

// Pairs that one way of computing puts in one order and the other in the other, those with the
// largest difference first.
std::vector<SwappedPair> swapped_pairs(const Paired& values);

}  // namespace workbench
