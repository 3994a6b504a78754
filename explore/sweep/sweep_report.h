// Everything a sweep has to show: its points in study order, which of them are on the Pareto front,
// and how far the tiers agree. The sweep fills it; text, JSON and the page (explore/html/
// page.h) show it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "explore/report/metrics.h"
#include "explore/sweep/point.h"

namespace workbench {

struct SweepObjective {
  std::string metric;  // of point_metrics(), or a parameter
  Better better = Better::Lower;
};

// One point and its answer. A point that was refined has two rows: the same question at each tier.
struct SweepRow {
  std::string key;  // content address
  Point point;
  PointResult result;       // `layers` may be empty: then the details show none
  bool meets = true;        // the constraints
  bool on_front = false;    // of its own tier
  std::string command;      // a shell line that computes it alone, for people to copy
  std::string run_command;  // one that simulates it and reports on it in full
};

// Both tiers on the points that have been refined.
struct TierAgreement {
  std::string metric;              // of the first objective
  std::int64_t points = 0;         // refined ones that are Ok in both tiers
  double kendall_tau = 1;          // tau-b of the two orders
  double mean_absolute_error = 0;  // of analytic against transaction, as a fraction
  // Pairs of `rows` (of the transaction tier) that analytic has the other way round.
  struct Swap {
    std::size_t first = 0, second = 0;
  };
  std::vector<Swap> swaps;
};

struct SweepReport {
  std::string name;                             // of the study, or made of the command line
  std::vector<std::string> networks, machines;  // as the points have them
  std::vector<std::string> parameters;          // that vary, in study order
  std::vector<SweepObjective> objectives;       // at least one
  std::vector<std::string> constraints;         // as texts
  std::vector<SweepRow> rows;                   // analytic in study order, then refined
  std::vector<TierAgreement> agreement;         // per objective; empty: nothing was refined
  std::string store;                            // path of the results store
  std::int64_t computed = 0, reused = 0;        // of the rows: now, and from the store
  std::vector<std::string> warnings;
};

// One object, schema_version 1 (docs/report-json.md). Without times, hence the same for the same
// answers. Figures per layer go in as long as the whole has at most `layer_figures_max` of them;
// beyond, only the front and the refined points keep theirs.
std::string sweep_json(const SweepReport& report, std::int64_t layer_figures_max = 2000000);

}  // namespace workbench
