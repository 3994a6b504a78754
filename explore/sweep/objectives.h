// What is looked for among points: metrics that shall be small or large, and bounds on others.
#pragma once

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

// "min cycles", "max images_per_second", or the metric alone where it has a better direction.
// Throws Error "WHERE: ..." (unknown metrics with the nearest names).
SweepObjective parse_objective(std::string_view text, const std::string& where);
// "am_peak_bytes <= 4M", with <, <=, >, >= or ==.
Constraint parse_constraint(std::string_view text, const std::string& where);

std::string to_string(const SweepObjective& objective);
std::string to_string(const Constraint& constraint);

using Metrics = std::map<std::string, double>;

// A metric that is not there meets nothing.
bool meets(const Metrics& metrics, std::span<const Constraint> constraints);

// How far the constraints are broken: the sum of |metric - bound| / max(|bound|, 1) over those that
// are, and a little more, so that only what meets all of them is 0.
double violation(const Metrics& metrics, std::span<const Constraint> constraints);

// Per objective, less is better: what shall be large has its sign changed. None: a metric is
// missing.
std::optional<std::vector<double>> objective_values(const Metrics& metrics,
                                                    std::span<const SweepObjective> objectives);

}  // namespace workbench
