// A study from its points to a report: missing points are computed (executor.h), the front is found
// and, if asked for, refined, and the tiers are compared. After an interruption the same call
// resumes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "explore/sweep/executor.h"
#include "explore/sweep/study.h"
#include "explore/sweep/sweep_report.h"

namespace workbench {

struct SweepOptions {
  ExecutorOptions executor;          // its store is the sweep's
  std::optional<std::size_t> limit;  // points computed by this call, at most; more: the next time
  bool layers = false;               // figures per layer into the report
  std::string kind = "sweep";        // of the run in the store: who asked
};

struct SweepOutcome {
  SweepReport report;
  std::string space;         // shape_text() of the study
  std::int64_t run = 0;      // of the store
  bool complete = true;      // else the points of `missing` are left for the next call
  bool interrupted = false;  // by the user: that is why
  std::int64_t missing = 0;
  std::int64_t excluded = 0;  // choices that conditions leave out; a search does not count them
  bool searched = false;      // not all choices have been looked at
  double seconds = 0;
};

// Told what is being computed ("analytic", "transaction", "search, generation 3 of 25") and how
// much of it lies behind.
using SweepProgress =
    std::function<void(std::string_view stage, std::size_t done, std::size_t total)>;

// `study` has passed check(). Throws Error as run_points() and the store do.
SweepOutcome sweep(const Study& study, const SweepOptions& options,
                   const SweepProgress& progress = {});

// What sweep() would do, without a store written or a point computed.
struct SweepPlan {
  std::int64_t points = 0, present = 0;  // of the study's tier; those the store has
  std::int64_t excluded = 0;
  bool search = false;  // then `points` are at most so many
};
SweepPlan plan(const Study& study, const std::filesystem::path& store);

// A sweep as text: the points computed, the best, the infeasible with reasons, the agreement of the
// tiers; and as CSV.

std::string sweep_text(const SweepOutcome& outcome);

// One line per row of the report after a header line: network, machine, settings, tier, status,
// bit_exact, reason, metrics, key. Without times, hence the same for the same answers; cells quoted
// as RFC 4180 asks, numbers shortest round-trip.
std::string sweep_csv(const SweepReport& report);

// "l1=16k cores=4": what varies between the points.
std::string place_of(const SweepReport& report, const Point& point);

}  // namespace workbench
