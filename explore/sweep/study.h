// A study: which points of a design space are computed, and what is looked for among them. Written
// as a file (docs/sweep.md) or by the options of `workbench sweep`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "explore/sweep/objectives.h"
#include "explore/sweep/point.h"

namespace workbench {

// A parameter (parameter.h) and its values in canonical form (values.h), at least one.
struct Dimension {
  std::string name;
  std::vector<std::string> values;
};

// Which points of the analytic tier are computed again at the transaction tier.
struct Refinement {
  bool front = true;            // the Pareto front of each network
  std::int64_t neighbours = 1;  // and what lies that many steps of one parameter beside it
  std::int64_t sample = 0;      // and so many more, drawn with `seed`
  std::uint64_t seed = 1;
};

// Instead of computing every point: NSGA-II (search.h).
struct SearchOptions {
  std::int64_t population = 40;  // a multiple of 4, at least 8
  std::int64_t generations = 25;
  std::uint64_t seed = 1;
  std::int64_t above = 0;  // only for studies of more points than that
};

struct Study {
  std::string name;
  std::vector<std::string> networks, machines;  // as --model and --hw have them
  std::vector<Dimension> parameters;            // the last one varies fastest
  std::vector<Setting> options;                 // the same for all points
  std::vector<std::string> conditions;          // expressions (conditions.h); all must hold
  std::vector<SweepObjective> objectives;       // at least one
  std::vector<Constraint> constraints;          // on metrics: what breaks one is on no front
  Tier tier = Tier::Analytic;
  std::optional<Refinement> refine;
  std::optional<SearchOptions> search;
};

// Points that are enumerated, at most; larger studies need a search.
inline constexpr std::int64_t kPointsMax = 1000000;

// Of a study that names none. Cycles of one clock can be compared, those of several cannot: min
// cycles or min latency_ms. Several engines, or a throughput mode, finish no image sooner: where
// these vary, max images_per_second.
SweepObjective default_objective(const Study& study);

// Throws Error for whatever no point could be computed with: no network or machine, an unknown zoo
// network, a parameter that one of the machines does not have, a value that is none of the
// parameter's, a parameter twice, a condition that cannot be read.
void check(const Study& study);

// A point as indices: of its network, of its machine, then of a value for each parameter.
using Choice = std::vector<std::size_t>;

// How many values each index of a choice has.
std::vector<std::size_t> choice_sizes(const Study& study);
// Their product: all choices, those that conditions exclude included.
double choice_count(const Study& study);
// Those that the conditions leave, in study order: networks, in each machines, in each the
// parameters with the last one fastest. Throws Error: more than kPointsMax, or none left.
std::vector<Choice> choices(const Study& study);

// Whether the conditions leave a choice. The study must outlive it.
std::function<bool(const Choice&)> left_by_conditions(const Study& study);

Point point_of(const Study& study, const Choice& choice, Tier tier);
// Of choices(), at the study's tier.
std::vector<Point> points(const Study& study);

// "1 network x 1 machine x 4 l1 x 4 cores": what choice_count() counts.
std::string shape_text(const Study& study);

// Studies as YAML files (docs/sweep.md), and as the JSON that the store keeps of them.

// Without check(): what the command line adds or replaces is not in yet. Throws Error
// "FILE:LINE: ..." on unknown or repeated keys, wrong types, values that cannot be read. Objectives
// may be none.
Study parse_study(const std::string& yaml, const std::string& file);
Study read_study(const std::filesystem::path& path);

// The study whole, on one line, deterministic.
std::string study_json(const Study& study);

}  // namespace workbench
