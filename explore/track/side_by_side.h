// Runs of other machines, networks or options beside each other: figures, where the cycles went,
// and layers aligned by name. What differs is told by the fingerprints that tracking has
// (causes.h).
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "explore/flow/request.h"
#include "explore/track/baseline.h"

namespace workbench::track {

struct ComparedLayer {
  std::string name, op;
  std::int64_t cycles = 0;
};

struct ComparedRun {
  std::string name;  // as it was asked for
  std::string machine, network, verdict;
  std::map<std::string, double> figures;  // by names of point_metrics()
  Waterfall waterfall{};
  std::vector<ComparedLayer> layers;
  std::vector<std::string> differences;  // from the first run, the earliest in the flow first
  double microseconds_per_cycle = 0;
};

inline constexpr std::size_t kFewestRuns = 2, kMostRuns = 6;

// Each run is a report of `run --json` (FILE.json), or "MACHINE NETWORK [PARAMETER=VALUE ...]",
// which is computed. A report has no fingerprints: its differences are its names alone. Throws
// Error for what cannot be read or computed, and for another number of runs.
std::vector<ComparedRun> compared_runs(std::span<const std::string> runs, bool golden,
                                       const Progress& progress = {});

std::string compared_text(std::span<const ComparedRun> runs, std::size_t layers);
std::string compared_json(std::span<const ComparedRun> runs);

}  // namespace workbench::track
