// A suite over revisions. Cycle counts are deterministic: any change is a step, which compare()
// explains. Steps of wall times are change points of the medians (wall.h).
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "explore/track/baseline.h"
#include "explore/track/compare.h"
#include "explore/track/wall.h"

namespace workbench::track {

struct RunLabel {
  std::string name, revision, date;  // as in Baseline
};

// A case's figures differ from those of the last run before that had it.
struct HistoryStep {
  std::size_t run = 0, previous = 0;  // indices into History::runs
  CaseChange change;
};

struct WallPoint {
  double median = 0, low = 0, high = 0;  // seconds; lowest and highest where there are few
};

struct CaseHistory {
  std::string name, network, machine;
  // By the names of point_metrics(): a value per run, none where the run has no such case or
  // figure.
  std::map<std::string, std::vector<std::optional<double>>> figures;
  std::vector<HistoryStep> steps;
  std::vector<std::optional<WallPoint>> wall;  // per run
  std::vector<std::size_t> wall_steps;         // runs from which on it takes another time
};

struct History {
  std::vector<RunLabel> runs;  // oldest first
  std::vector<CaseHistory> cases;
};

// `runs`: oldest first (oldest_first() sorts). A case belongs to those of its name.
History history_of(std::span<const Baseline> runs);
// By date where all have one; otherwise as they are.
std::vector<Baseline> oldest_first(std::vector<Baseline> runs);

// For the page and for programs (docs/track.md, "report --json"); deterministic.
std::string track_json(const History& history);
std::string history_text(const History& history);

}  // namespace workbench::track
