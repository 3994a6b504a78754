// Objectives and constraints: metrics to minimise or maximise, and bounds on others.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "explore/sweep/sweep_report.h"

namespace workbench {

struct Constraint {
  enum class Comparison { Less, LessOrEqual, Greater, GreaterOrEqual, Equal };
  std::string metric;  // of point_metrics()
  Comparison comparison = Comparison::LessOrEqual;
  double bound = 0;
};

// "min cycles", "max images_per_second", or the metric alone where it has a better direction; a
// parameter is an objective, too, as far as its values are numbers: "min l1". Throws Error "WHERE:
// ..." (unknown metrics with the nearest names).
SweepObjective parse_objective(std::string_view text, const std::string& where);
// "peak_bytes <= 4M", with <, <=, >, >= or ==.
Constraint parse_constraint(std::string_view text, const std::string& where);

std::string to_string(const SweepObjective& objective);
std::string to_string(const Constraint& constraint);

using Metrics = std::map<std::string, double>;

// A missing metric meets no constraint.
bool meets(const Metrics& metrics, std::span<const Constraint> constraints);

// How far the constraints are broken: the sum of |metric - bound| / max(|bound|, 1) over those that
// are, and a little more, so that only what meets all of them is 0.
double violation(const Metrics& metrics, std::span<const Constraint> constraints);

// Per objective, less is better: what shall be large has its sign changed. None: a metric is
// missing.
std::optional<std::vector<double>> objective_values(const Metrics& metrics,
                                                    std::span<const SweepObjective> objectives);

// What sets of points have to say as a whole: which are best, and how far two tiers agree on them.

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
